"""Readout by the number of spikes and the time of the last one: the table, its files, and what it is worth."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from ff2neuro.coding import encode, needed_kind, recorded_latents, score_bounds, scores_of_latents, spiking_latents
from ff2neuro.coding.readout import input_energy
from ff2neuro.converters.netx_file import read_netx, write_netx
from ff2neuro.converters.nir_file import read_network, write_network
from ff2neuro.converters.nir_graph import initial_potentials, to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.converters.simulation import predict
from ff2neuro.converters.target import least_squares_gain, mean_cosine
from ff2neuro.dynamics import FixedPointNeurons, simulate, spike_counts, spike_times
from ff2neuro.errors import ConfigurationError, FileFormatError, NetworkError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.networks import ActivityTable, predict_from_scores
from ff2neuro.networks.activity_table import MOST_STEPS, PRIOR_WEIGHT, last_spikes
from ff2neuro.validation.sweep_points import conversion_of


@pytest.fixture
def spiking(network, images):
    return convert(network, images, ConversionConfig(n_time_steps=8, reset="subtract", readout="times"))


def run(network, images, record="spikes"):
    config = RunConfig(network.dt, network.reset, record, v_init=initial_potentials(network))
    source = encode(network.input_code, images, network.n_time_steps)
    return get_backend("reference").run(to_nir(network, "native"), source, config)


def test_last_spikes_are_counted_from_one_and_silence_is_zero():
    trains = np.array([[[1, 0, 0], [0, 0, 1], [0, 0, 1]]])
    np.testing.assert_array_equal(last_spikes(trains), [[1, 0, 3]])


def test_counts_and_last_spikes_are_those_of_the_whole_simulation(rng):
    neurons = FixedPointNeurons(vth=np.full(7, 90), bias=np.zeros(7), reset="subtract")
    currents = np.round(rng.uniform(-20, 100, (30, 12, 7)))
    counts, last = spike_times(neurons, currents, 12)
    spikes = simulate(neurons, currents, 12)
    np.testing.assert_array_equal(counts, spike_counts(neurons, currents, 12))
    np.testing.assert_array_equal(last, last_spikes(spikes))


def test_table_holds_the_mean_of_each_pair_and_leans_on_the_count_where_few_were_seen():
    counts, last = np.array([[0, 1, 1], [0, 1, 2]]), np.array([[0, 1, 3], [0, 1, 3]])
    activity = np.array([[0.0, 6.0, 2.0], [0.5, 8.0, 9.0]])
    table = ActivityTable.fit(counts, last, activity, 3, gain=3.0)
    assert table.activity[1, 1] == pytest.approx((14 + 3 * PRIOR_WEIGHT) / (2 + PRIOR_WEIGHT))
    # Never seen: the count times the gain. Silent or impossible: nothing.
    assert table.activity[1, 2] == pytest.approx(3.0)
    assert table.activity[0, 0] == 0
    assert table.activity[2, 1] == 0
    assert table.activity[0, 2] == 0
    np.testing.assert_array_equal(table.of(counts, last)[0], table.activity[[0, 1, 1], [0, 1, 3]])


def test_last_spike_tells_apart_what_the_count_cannot(rng):
    # Constant input from half a threshold: one spike in 16 steps, early or late.
    currents = np.round(rng.uniform(0, 1000, (400, 1, 30)))
    neurons = FixedPointNeurons(vth=np.full(30, 2000), bias=np.zeros(30), reset="subtract", v_init=np.full(30, 64000))
    counts, last = spike_times(neurons, currents, 16)
    exact = currents[:, 0]
    gain = least_squares_gain(counts, exact)
    table = ActivityTable.fit(counts[:200], last[:200], exact[:200], 16, gain)
    by_times, by_counts = (np.abs(read - exact)[200:].mean() for read in (table.of(counts, last), counts * gain))
    assert by_times < by_counts / 2
    once = counts == 1
    assert exact[once & (last == last[once].min())].min() > exact[once & (last == 16)].max()


def test_read_by_times_latents_come_nearer_on_unseen_images(network, images, rng):
    unseen = rng.random((80, 16), dtype=np.float32)
    for reset in ("zero", "subtract"):
        cosines = {}
        for readout in ("counts", "times"):
            config = ConversionConfig(n_time_steps=8, reset=reset, readout=readout)
            spiking = convert(network, images, config)
            with run(spiking, unseen) as recording:
                latents = recorded_latents(spiking, recording)
            flat = [latent.reshape(-1, latent.shape[-1]) for latent in (*latents, *network.latents(unseen))]
            cosines[readout] = [mean_cosine(flat[layer], flat[layer + 2]) for layer in range(2)]
        assert all(times > counts for times, counts in zip(cosines["times"], cosines["counts"], strict=True))


def test_machine_and_converter_read_the_same_classes(spiking, images):
    with run(spiking, images) as recording:
        latents = recorded_latents(spiking, recording)
    found, _ = predict_from_scores(scores_of_latents(spiking, latents, input_energy(spiking.input_code, images)))
    np.testing.assert_array_equal(predict(spiking, images), found)


def test_graph_does_not_depend_on_how_it_is_read(spiking):
    plain = replace(spiking, layers=tuple(replace(layer, table=None) for layer in spiking.layers))
    for name, node in to_nir(spiking, "native").nodes.items():
        other = to_nir(plain, "native").nodes[name]
        for key, value in node.to_dict().items():
            np.testing.assert_equal(value, other.to_dict()[key])


def test_files_keep_tables_and_say_that_older_versions_cannot_read_them(spiking, tmp_path):
    write_network(spiking, tmp_path / "times.nir", "native")
    _, back = read_network(tmp_path / "times.nir")
    for layer, other in zip(spiking.layers, back.layers, strict=True):
        np.testing.assert_array_equal(layer.table.activity, other.table.activity)
        assert layer.checksum == other.checksum != replace(layer, table=None).checksum
    assert conversion_of(back).readout == "times"
    with h5py.File(tmp_path / "times.nir") as file:
        assert file["ff2neuro"].attrs["format_version"] == 2


def test_netx_files_keep_tables(network, images, tmp_path):
    spiking = convert(network, images, ConversionConfig(n_time_steps=8, readout="times"))
    write_netx(spiking, tmp_path / "times.net")
    back = read_netx(tmp_path / "times.net")
    np.testing.assert_array_equal(back.layers[0].table.activity, spiking.layers[0].table.activity)


def test_files_read_by_counts_are_as_they_always_were(network, images, tmp_path):
    write_network(convert(network, images, ConversionConfig(n_time_steps=8)), tmp_path / "counts.nir")
    with h5py.File(tmp_path / "counts.nir") as file:
        assert file["ff2neuro"].attrs["format_version"] == 1
        assert "activity_tables" not in file["ff2neuro"]


def test_recorded_counts_are_not_enough(spiking, images):
    assert needed_kind(spiking) == "spikes"
    with run(spiking, images, "counts") as recording:
        with pytest.raises(ConfigurationError, match="holds spike counts, not spikes"):
            recorded_latents(spiking, recording)
        with pytest.raises(NetworkError, match="read out by the times of spikes"):
            spiking_latents(spiking, [recording.counts(name) for name in recording.layer_names])


def test_scores_have_no_bounds_before_the_end(spiking):
    with pytest.raises(ConfigurationError, match=r"read out by the times of spikes.*leave the early exit out"):
        score_bounds(spiking, np.ones((1, 3)))


@pytest.mark.parametrize(
    ("activity", "message"),
    [
        (np.ones((3, 4)), r"shape \(3, 4\); it must be square"),
        (np.ones((1, 1)), "must be square, for 1 to 255 time steps"),
        (np.ones((300, 300)), "must be square, for 1 to 255 time steps"),
        (np.array([[0.0, 0.0], [0.0, np.nan]]), "NaN, negative or above 1e"),
        (np.array([[0.0, 0.0], [0.0, -1.0]]), "NaN, negative or above 1e"),
        (np.array([[0.0, 0.0], [0.0, 3e38]]), "NaN, negative or above 1e"),
        (np.array([[1.0, 0.0], [0.0, 1.0]]), "to silence or to impossible pairs"),
        (np.array([[0.0, 0.0], [1.0, 1.0]]), "to silence or to impossible pairs"),
        (np.array([["a", "b"], ["c", "d"]]), "holds <U1, not numbers"),
        (np.ones((2, 2), complex), "holds complex128, not numbers"),
    ],
)
def test_tables_that_make_no_sense_are_refused(activity, message):
    with pytest.raises(NetworkError, match=message):
        ActivityTable(activity)


def test_table_for_other_steps_is_refused(spiking, tmp_path):
    with pytest.raises(NetworkError, match="layer 0 has a table of activity for 8 time steps"):
        replace(spiking, n_time_steps=9)
    write_network(spiking, tmp_path / "times.nir", "native")
    with h5py.File(tmp_path / "times.nir", "r+") as file:
        del file["ff2neuro/activity_tables/1"]
        file["ff2neuro/activity_tables/1"] = np.full((9, 9), np.inf)
    with pytest.raises(NetworkError, match="table of activity holds values"):
        read_network(tmp_path / "times.nir")


def drop_layer(group):
    del group["activity_tables/1"]


def add_layer(group):
    group["activity_tables/2"] = np.zeros((9, 9))


def replace_by_text(group):
    del group["activity_tables"]
    group.attrs["activity_tables"] = "01"


def replace_by_array(group):
    del group["activity_tables"]
    group["activity_tables"] = np.zeros((9, 9))


def drop_all(group):
    del group["activity_tables"]


def claim_old_format(group):
    group.attrs["format_version"] = 1


def blow_up(group):
    del group["activity_tables/0"]
    group.create_dataset("activity_tables/0", shape=(2**25, 2**25), chunks=(100, 100), dtype="f4")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (drop_layer, NetworkError, "tables of activity are there for other layers than 0, 1"),
        (add_layer, NetworkError, "tables of activity are there for other layers than 0, 1"),
        (replace_by_text, NetworkError, "tables of activity are there for other layers"),
        (replace_by_array, NetworkError, "tables of activity are there for other layers"),
        (drop_all, NetworkError, "has format 2, and what it holds is of format 1"),
        (claim_old_format, NetworkError, "has format 1, and what it holds is of format 2"),
        (blow_up, FileFormatError, "damaged or incomplete: Unable to allocate"),
    ],
)
def test_strange_tables_in_files_are_refused(spiking, tmp_path, change, error, message):
    write_network(spiking, tmp_path / "times.nir", "native")
    with h5py.File(tmp_path / "times.nir", "r+") as file:
        change(file["ff2neuro"])
    with pytest.raises(error, match=message):
        read_network(tmp_path / "times.nir")


def test_hidden_layers_that_reset_to_zero_spike_as_they_do_when_they_are_read_by_counts(network, images):
    first, second = (
        convert(network, images, ConversionConfig(n_time_steps=8, readout=readout)) for readout in ("counts", "times")
    )
    np.testing.assert_array_equal(first.layers[0].v_threshold, second.layers[0].v_threshold)


def test_long_presentations_are_read_by_counts():
    with pytest.raises(ConfigurationError, match=f"time steps is {MOST_STEPS + 1}; a readout by the times"):
        ConversionConfig(n_time_steps=MOST_STEPS + 1, readout="times")
    with pytest.raises(ConfigurationError, match="unknown readout 'rates'"):
        ConversionConfig(readout="rates")
