"""Recordings hold what was written, on disk and in memory."""

import h5py
import numpy as np
import pytest

from ff2neuro.errors import ConfigurationError, FileFormatError
from ff2neuro.files import hdf5_bytes
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter


def header(kind="counts", states=False):
    return RecordingHeader({"a": 3, "b": 2}, 4, 2, 5, kind, "reference", "0", "fixed", 1e-4, states)


@pytest.fixture
def spikes(rng):
    return {"a": rng.random((4, 2, 5, 3)) < 0.5, "b": rng.random((4, 2, 5, 2)) < 0.5}


@pytest.mark.parametrize("on_disk", [True, False])
def test_spikes_and_counts_read_back(tmp_path, spikes, on_disk):
    path = tmp_path / "recording.h5" if on_disk else None
    with RecordingWriter(header("spikes"), path) as writer:
        writer.write(0, {name: data[:3] for name, data in spikes.items()})
        writer.write(3, {name: data[3:] for name, data in spikes.items()})
    with writer.finish() as recording:
        assert recording.layer_names == ["a", "b"]
        for name, data in spikes.items():
            np.testing.assert_array_equal(recording.spikes(name), data)
            np.testing.assert_array_equal(recording.counts(name, 1, 3), data[1:3].sum(axis=2))


def test_counts_hold_no_spikes(spikes):
    with RecordingWriter(header()) as writer:
        writer.write(0, spikes)
    with writer.finish() as recording:
        np.testing.assert_array_equal(recording.counts("a"), spikes["a"].sum(axis=2))
        with pytest.raises(ConfigurationError, match="--record spikes"):
            recording.spikes("a")
        with pytest.raises(ConfigurationError, match="no states"):
            recording.state("v", "a")


@pytest.mark.parametrize("n_time_steps", [255, 256, 1000])
def test_a_neuron_may_spike_at_every_step(n_time_steps):
    wide = RecordingHeader({"a": 3}, 2, 1, n_time_steps, "counts", "reference", "0", "fixed", 1e-4)
    with RecordingWriter(wide) as writer:
        writer.write(0, {"a": np.ones((2, 1, n_time_steps, 3), dtype=bool)})
    with writer.finish() as recording:
        assert recording.counts("a").dtype == np.uint16
        assert (recording.counts("a") == n_time_steps).all()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_many_images_read_back_in_any_range(tmp_path, rng, order):
    """More than HDF5 compresses together, written across its borders and not from the first to the last."""
    images = rng.random((1500, 1, 5, 40)) < 0.3
    wide = RecordingHeader({"a": 40}, 1500, 1, 5, "spikes", "reference", "0", "fixed", 1e-4)
    with RecordingWriter(wide, tmp_path / "recording.h5") as writer:
        for part in order:
            writer.write(500 * part, {"a": images[500 * part : 500 * (part + 1)]})
    with writer.finish() as recording:
        np.testing.assert_array_equal(recording.spikes("a"), images)
        np.testing.assert_array_equal(recording.spikes("a", 640, 1311), images[640:1311])


def test_states_read_back(spikes, rng):
    states = {name: tuple(rng.integers(-9, 9, (2, *data.shape))) for name, data in spikes.items()}
    with RecordingWriter(header("spikes", states=True)) as writer:
        writer.write(0, spikes, states)
    with writer.finish() as recording:
        np.testing.assert_array_equal(recording.state("u", "a"), states["a"][0])
        np.testing.assert_array_equal(recording.state("v", "b"), states["b"][1])


def test_two_recordings_in_memory_do_not_meet(spikes):
    recordings = []
    for _ in range(2):
        with RecordingWriter(header()) as writer:
            writer.write(0, spikes)
        recordings.append(writer.finish())
    np.testing.assert_array_equal(recordings[0].counts("a"), recordings[1].counts("a"))


def test_interrupted_recording_leaves_no_file(tmp_path, spikes):
    path = tmp_path / "recording.h5"

    def interrupted():
        with RecordingWriter(header(), path) as writer:
            writer.write(0, spikes)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "file.h5"
    path.write_bytes(hdf5_bytes({"format": "other"}))
    with pytest.raises(FileFormatError, match="not a recording"):
        Recording.open(path)
    path.write_bytes(hdf5_bytes({"format": "ff2neuro-recording", "format_version": 99}))
    with pytest.raises(FileFormatError, match=r"format 99.*upgrade"):
        Recording.open(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(FileFormatError, match="cannot be read"):
        Recording.open(path)


def cut_short(file):
    data = file["layers/b/spikes"][:, :, :3]
    del file["layers/b/spikes"]
    file["layers/b/spikes"] = data


def fewer_images(file):
    data = file["layers/b/v"][:2]
    del file["layers/b/v"]
    file["layers/b/v"] = data


def group_in_place_of_data(file):
    del file["layers/b/spikes"]
    file.create_group("layers/b/spikes")


def no_layers(file):
    file.attrs["layers"] = np.zeros(0, dtype="S1")


def text_for_a_number(file):
    file.attrs["n_time_steps"] = "many"


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (
            cut_short,
            r"recording .*a\.h5 is damaged: layers/b/spikes has shape \(4, 2, 3, 2\).* asks for \(4, 2, 5, 2\)",
        ),
        (fewer_images, r"layers/b/v has shape \(2, 2, 5, 2\), and its header asks for \(4, 2, 5, 2\); make it again"),
        (group_in_place_of_data, r"a\.h5 cannot be read: damaged"),
        (no_layers, r"a\.h5 cannot be read: damaged"),
        (text_for_a_number, r"a\.h5 cannot be read: damaged"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(tmp_path, spikes, damage, match):
    states = {name: (data.astype(np.int32), data.astype(np.int32)) for name, data in spikes.items()}
    with RecordingWriter(header("spikes", states=True), tmp_path / "a.h5") as writer:
        writer.write(0, spikes, states)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        damage(file)
    with pytest.raises(FileFormatError, match=match):
        Recording.open(tmp_path / "a.h5")


def test_no_images_make_an_empty_recording():
    with RecordingWriter(RecordingHeader({"a": 3}, 0, 2, 5, "counts", "reference", "0", "fixed", 1e-4)) as writer:
        pass
    assert writer.finish().counts("a").shape == (0, 2, 3)


def test_input_is_noted_whatever_the_chunks(rng, spikes):
    events = rng.integers(0, 9, (4, 2, 1, 6)).astype(np.uint8)
    noted = []
    for size in (1, 3):
        with RecordingWriter(header()) as writer:
            for start in range(0, 4, size):
                writer.write_inputs(start, events[start : start + size])
            writer.write(0, spikes)
        noted.append(writer.finish())
    np.testing.assert_array_equal(noted[0].input_digests, noted[1].input_digests)
    assert len(np.unique(noted[0].input_digests, axis=0)) == 4
    # Five steps repeat the one that is given.
    np.testing.assert_array_equal(noted[0].input_events, 5 * np.count_nonzero(events, axis=(1, 2, 3)))


def test_recording_without_noted_input_says_none(spikes):
    with RecordingWriter(header()) as writer:
        writer.write(0, spikes)
    with writer.finish() as recording:
        assert recording.input_digests is None
        assert recording.input_events is None
