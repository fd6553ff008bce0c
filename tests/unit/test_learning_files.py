"""Checkpoints and run directories: nothing foreign is lost, nothing damaged is believed."""

import json

import h5py
import numpy as np
import pytest

from ff2neuro.data import Dataset
from ff2neuro.errors import ConfigurationError, FileFormatError, NetworkError, OutputError
from ff2neuro.learning import (
    RunDirectory,
    TrainingConfig,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
    train_in_directory,
)
from ff2neuro.networks import load_model

CONFIG = TrainingConfig(layers=(6,), epochs=2, label_length=12)


@pytest.fixture
def blobs(rng):
    labels = np.arange(60) % 3
    images = (rng.random((60, 9)) * 0.3 + 0.7 * np.eye(9)[labels]).astype(np.float32)
    return Dataset("blobs", images, labels, images[:9], labels[:9], (3, 3), 3)


@pytest.fixture
def state():
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    return TrainingState(
        CONFIG, "blobs", "c0ffee", "", 1, 7, (weight,), (weight / 2,), (weight / 4,), ('{"epoch": 1}',)
    )


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "run")


def test_checkpoint_gives_back_the_state(state, tmp_path):
    save_checkpoint(state, tmp_path / "c.h5")
    loaded = load_checkpoint(tmp_path / "c.h5")
    assert (loaded.config, loaded.epoch, loaded.step, loaded.metrics) == (CONFIG, 1, 7, ('{"epoch": 1}',))
    for name in ("weights", "first_moments", "second_moments"):
        np.testing.assert_array_equal(getattr(loaded, name)[0], getattr(state, name)[0])


def test_flipped_bit_in_a_checkpoint_is_noticed(state, tmp_path):
    save_checkpoint(state, tmp_path / "c.h5")
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        file["state/weights/0"][0, 0] = 1e-3
    with pytest.raises(FileFormatError, match="is damaged: its checksum does not fit"):
        load_checkpoint(tmp_path / "c.h5")


def test_truncated_checkpoint_is_refused(state, tmp_path):
    path = tmp_path / "c.h5"
    save_checkpoint(state, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(FileFormatError, match=r"checkpoint .* cannot be read as HDF5.*; start anew with --force"):
        load_checkpoint(path)


def test_newer_and_foreign_checkpoints_are_refused(state, tmp_path):
    path = tmp_path / "c.h5"
    save_checkpoint(state, path)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(FileFormatError, match="has format 99, this version reads up to 1"):
        load_checkpoint(path)
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = "something"
    with pytest.raises(FileFormatError, match="is not a checkpoint"):
        load_checkpoint(path)


def test_other_configuration_or_data_are_named_when_resuming(state):
    with pytest.raises(ConfigurationError, match=r"epochs was 2 and is now 3; the data set was blobs .* is now other"):
        state.require_same(CONFIG.replace(epochs=3), "other", "beef")
    state.require_same(CONFIG, "blobs", "c0ffee")


def test_data_that_were_moved_are_the_same_data(state):
    state.require_same(CONFIG, "moved", "c0ffee")


def test_finished_run_holds_configuration_model_and_metrics(blobs, directory):
    network = train_in_directory(blobs, CONFIG, directory)
    assert sorted(file.name for file in directory.path.iterdir()) == [
        "config.toml",
        "learning-curve.svg",
        "metrics.jsonl",
        "model.h5",
    ]
    assert TrainingConfig.load(directory.config) == CONFIG
    records = [json.loads(line) for line in directory.metrics.read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    assert len(records[0]["loss"]) == len(records[0]["goodness_positive"]) == 1
    loaded = load_model(directory.model)
    np.testing.assert_array_equal(loaded.weights[0], network.weights[0])
    assert loaded.provenance == network.provenance


def test_same_seed_gives_the_same_files(blobs, tmp_path):
    runs = [RunDirectory(tmp_path / name) for name in ("first", "second")]
    for run in runs:
        train_in_directory(blobs, CONFIG, run)
    for name in ("config", "model", "metrics"):
        assert getattr(runs[0], name).read_bytes() == getattr(runs[1], name).read_bytes()


def test_finished_run_is_replaced_only_when_forced(blobs, directory):
    train_in_directory(blobs, CONFIG, directory)
    before = directory.model.read_bytes()
    with pytest.raises(OutputError, match="holds a finished run; pass --force to replace it"):
        train_in_directory(blobs, CONFIG, directory)
    assert directory.model.read_bytes() == before
    train_in_directory(blobs, CONFIG.replace(seed=5), directory, force=True)
    assert directory.model.read_bytes() != before


def test_interrupted_run_is_not_overwritten_and_can_be_resumed(blobs, directory, state):
    directory.path.mkdir()
    directory.begin(state)
    with pytest.raises(OutputError, match="interrupted after epoch 1 of 2; go on with --resume, start anew with"):
        directory.require_free(force=False)
    assert directory.load_state().epoch == 1


def test_foreign_directory_is_refused_and_with_force_left_in_place(blobs, directory):
    directory.path.mkdir()
    foreign = directory.path / "thesis.tex"
    foreign.write_text("ten years of work")
    with pytest.raises(OutputError, match="is not empty and is no run of ff2neuro"):
        train_in_directory(blobs, CONFIG, directory)
    train_in_directory(blobs, CONFIG, directory, force=True)
    assert foreign.read_text() == "ten years of work"


def test_foreign_file_of_our_name_is_never_overwritten(blobs, directory):
    directory.path.mkdir()
    directory.config.write_text("[tool.other]\n")
    with pytest.raises(OutputError, match=r"is no run of ff2neuro, yet holds config\.toml"):
        train_in_directory(blobs, CONFIG, directory, force=True)
    assert directory.config.read_text() == "[tool.other]\n"


def test_file_and_missing_parent_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file; name a directory"):
        RunDirectory(tmp_path / "file").require_free(force=True)
    with pytest.raises(OutputError, match="does not exist; create it first"):
        RunDirectory(tmp_path / "a" / "b").require_free(force=True)


def test_diverged_run_leaves_nothing(blobs, directory):
    with pytest.raises(NetworkError, match="training diverged"):
        train_in_directory(blobs, CONFIG.replace(learning_rate=1e30, probability="sigmoid"), directory)
    assert not directory.path.exists()


def test_refused_configuration_leaves_nothing(blobs, directory):
    with pytest.raises(ConfigurationError, match="holds out 0"):
        train_in_directory(blobs, CONFIG.replace(validation_fraction=0.001), directory)
    assert not directory.path.exists()


def test_remnants_of_a_killed_process_are_removed(blobs, directory):
    directory.path.mkdir()
    remnant = directory.path / ".checkpoint.h5.abc.part"
    remnant.write_bytes(b"half")
    train_in_directory(blobs, CONFIG, directory, force=True)
    assert not remnant.exists()


def test_resuming_where_there_is_nothing_says_so(blobs, directory):
    with pytest.raises(OutputError, match="does not exist, so nothing can be resumed"):
        directory.load_state()
    train_in_directory(blobs, CONFIG, directory)
    with pytest.raises(OutputError, match="holds a finished run; there is nothing to resume"):
        directory.load_state()
