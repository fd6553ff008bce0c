"""NIR files: complete, checked, the same bytes every time, and readable by plain nir and h5py."""

from itertools import pairwise

import h5py
import nir
import numpy as np
import pytest

from ff2neuro.converters.nir_file import read_network, read_nir, write_graph, write_network
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.requantisation import quantise_graph
from ff2neuro.errors import ConfigurationError, FileFormatError, GraphError, NetworkError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.hardware.chain import read_chain
from ff2neuro.inputs import InputSource
from ff2neuro.networks import GoodnessHead, InputCode, SpikingLayer, SpikingNetwork, one_hot_label_codes

DT = 1e-4


def make_network(rng, reset="zero", leak=0, thresholds=(800.5, 150.5)):
    layers = tuple(
        SpikingLayer(rng.integers(-127, 128, shape).astype(float), np.array(threshold), leak, reset, gain)
        for shape, threshold, gain in zip(((10, 8), (6, 10)), thresholds, (0.25, 0.5), strict=True)
    )
    code = InputCode("constant", 15.0, one_hot_label_codes(2), (2, 3))
    head = GoodnessHead("symmetric", 1.0, 0.0, (0, 1))
    return SpikingNetwork(layers, code, head, 16, DT, ("a note", "another"), {"dataset": "own", "seed": 3})


@pytest.fixture
def network(rng):
    return make_network(rng)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.nir"


@pytest.mark.parametrize("dialect", ["portable", "native"])
@pytest.mark.parametrize("leak", [0, 300])
def test_file_reads_back_as_it_was(rng, path, dialect, leak):
    network = make_network(rng, leak=leak)
    write_network(network, path, dialect)
    _, back = read_network(path)
    for ours, theirs in zip(network.layers, back.layers, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight)
        np.testing.assert_array_equal(ours.v_threshold, theirs.v_threshold)
        assert (ours.leak, ours.reset, ours.gain) == (theirs.leak, theirs.reset, theirs.gain)
    assert back.head == network.head
    assert back.notes == network.notes
    assert back.provenance == network.provenance
    assert (back.n_time_steps, back.dt) == (16, DT)
    assert read_nir(path).dialect == dialect


def test_plain_nir_reads_the_graph(network, path):
    write_network(network, path)
    graph = nir.read(path)
    expected = ["input", "layer_0_linear", "layer_0_spikes", "layer_1_linear", "layer_1_spikes", "output"]
    assert sorted(graph.nodes) == sorted(expected)
    np.testing.assert_array_equal(graph.nodes["layer_0_linear"].weight, network.layers[0].weight)


def test_h5py_shows_our_group_beside_nirs(network, path):
    write_network(network, path)
    with h5py.File(path) as file:
        assert set(file) == {"node", "version", "ff2neuro"}
        assert file["ff2neuro"].attrs["reset"] == "zero"
        assert file["ff2neuro/input_code/label_codes/codes"].shape == (2, 2)


def test_exporting_twice_gives_the_same_bytes(network, tmp_path):
    for name in ("a.nir", "b.nir"):
        write_network(network, tmp_path / name)
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()


def test_both_dialects_mean_the_same_neurons(rng):
    for leak in (0, 300):
        network = make_network(rng, leak=leak)
        portable, native = (read_chain(to_nir(network, dialect), DT) for dialect in ("portable", "native"))
        for ours, theirs in zip(portable.layers, native.layers, strict=True):
            for field in ("mem_decay", "mem_gain", "syn_decay", "syn_gain", "leak", "v_threshold", "v_reset"):
                ours_field, theirs_field = (getattr(layer.neurons, field) for layer in (ours, theirs))
                np.testing.assert_allclose(ours_field, theirs_field, rtol=1e-12, err_msg=field)


def test_what_portable_cannot_say_is_refused(rng, path):
    with pytest.raises(NetworkError, match="layer 0 is reset by subtraction"):
        write_network(make_network(rng, reset="subtract"), path)
    with pytest.raises(NetworkError, match="holds one per layer"):
        write_network(make_network(rng, thresholds=(np.arange(10) + 0.5, 1.5)), path)
    with pytest.raises(ConfigurationError, match="unknown dialect"):
        write_network(make_network(rng), path, "else")
    assert not path.exists()


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def set_version(file):
    del file["version"]
    file["version"] = "99.0"


def set_format(file):
    file["ff2neuro"].attrs["format_version"] = 99


def set_unknown_node(file):
    del file["node/nodes/layer_0_spikes/type"]
    file["node/nodes/layer_0_spikes/type"] = "Oracle"


def drop_version(file):
    del file["version"]


def drop_weight(file):
    del file["node/nodes/layer_0_linear/weight"]


def rename_layer(file):
    file.move("node/nodes/layer_1_linear", "node/nodes/other")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (set_version, FileFormatError, r"written by nir 99\.0.*upgrade nir"),
        (set_format, FileFormatError, r"format 99 of ff2neuro, this version reads up to 3; upgrade ff2neuro"),
        (set_unknown_node, GraphError, "'layer_0_spikes' is a Oracle"),
        (drop_version, FileFormatError, "no NIR file"),
        (drop_weight, GraphError, "NIR refuses the graph"),
        (rename_layer, (GraphError, FileFormatError), "layer_1_linear|NIR refuses"),
    ],
)
def test_files_that_cannot_be_trusted_are_refused(network, path, change, error, message):
    write_network(network, path)
    edit(path, change)
    with pytest.raises(error, match=message):
        read_network(path)


def test_truncated_files_are_refused(network, path):
    write_network(network, path)
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:size])
        with pytest.raises(FileFormatError, match=r"cannot be read as HDF5|damaged"):
            read_network(path)


def test_foreign_file_has_no_readout(network, path):
    write_graph(to_nir(network), path)
    assert read_nir(path).network is None
    with pytest.raises(FileFormatError, match=r"no 'ff2neuro' group.*--input"):
        read_network(path)


def test_failed_check_writes_nothing(network, path, monkeypatch):
    original = nir.read

    def corrupt(*arguments, **options):
        graph = original(*arguments, **options)
        graph.nodes["layer_0_linear"].weight[0, 0] += 1
        return graph

    monkeypatch.setattr(nir, "read", corrupt)
    with pytest.raises(FileFormatError, match="did not read back"):
        write_network(network, path)
    assert not path.exists()


def test_quantised_foreign_graph_spikes_like_the_real_one(rng):
    """Weights on the grid of the codes lose nothing by quantisation, so the spikes are the same."""
    ones = np.ones(5)
    codes = rng.integers(-127, 128, (5, 4)).astype(float)
    codes[0, 0] = 127
    graph = nir.NIRGraph.from_list(
        nir.Linear(codes * 0.01), nir.IF(r=ones / DT, v_threshold=ones * 12.345, v_reset=0 * ones)
    )
    quantised, notes = quantise_graph(graph, 8, DT)
    inputs = InputSource.from_array(rng.integers(0, 16, (20, 1, 30, 4)))
    config = RunConfig(record="spikes")
    recordings = [get_backend("reference").run(each, inputs, config) for each in (graph, quantised)]
    assert [recording.header.arithmetic for recording in recordings] == ["float", "fixed"]
    real, integer = (recording.spikes("if") for recording in recordings)
    assert real.any()
    np.testing.assert_array_equal(real, integer)
    assert "8-bit" in notes[0]


def test_quantising_refuses_what_it_cannot_keep(rng):
    ones = np.ones(2)
    weight = rng.normal(size=(2, 2))
    leaky = nir.LIF(tau=20 * DT * ones, r=20 * ones, v_leak=0.5 * ones, v_threshold=ones)
    with pytest.raises(GraphError, match="v_reset or v_leak"):
        quantise_graph(nir.NIRGraph.from_list(nir.Linear(weight), leaky), 8, DT)
    simple = nir.IF(r=ones / DT, v_threshold=ones, v_reset=0 * ones)
    with pytest.raises(GraphError, match="has a bias"):
        quantise_graph(nir.NIRGraph.from_list(nir.Affine(weight, ones), simple), 8, DT)
    with pytest.raises(GraphError, match="follows no Linear"):
        quantise_graph(nir.NIRGraph.from_list(simple), 8, DT)


def convolutional(rng, gain=1.0, channel_gain=1.0):
    """Return a convolution, pooling and a dense layer with weights on the grid of 8-bit codes."""
    ones, flat = np.ones((3, 6, 6)), np.ones(5)
    kernels = rng.integers(-127, 128, (3, 2, 3, 3)).astype(float)
    kernels[0, 0, 0, 0] = 127
    codes = rng.integers(-127, 128, (5, 27)).astype(float)
    codes[0, 0] = 127
    uneven = ones.copy()
    uneven[0, 0, 0] = channel_gain
    nodes = {
        "input": nir.Input({"input": np.array((2, 6, 6))}),
        "conv": nir.Conv2d((6, 6), kernels * 0.01, 1, 1, 1, 1, np.zeros(3)),
        "first": nir.IF(r=gain * uneven / DT, v_threshold=ones * 20.345, v_reset=0 * ones),
        "pool": nir.SumPool2d(np.array((2, 2)), np.array((2, 2)), np.array((0, 0))),
        "flatten": nir.Flatten({"input": np.array((3, 3, 3))}, start_dim=0, end_dim=-1),
        "dense": nir.Linear(codes * 0.02),
        "second": nir.IF(r=flat / DT, v_threshold=flat * 4.567, v_reset=0 * flat),
        "output": nir.Output({"output": np.array((5,))}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)), type_check=False)


def test_quantised_convolutions_spike_like_the_real_ones(rng):
    graph = convolutional(rng, gain=0.5)
    quantised, notes = quantise_graph(graph, 8, DT)
    inputs = InputSource.from_array(rng.integers(0, 16, (10, 1, 20, 72)))
    recordings = [get_backend("reference").run(each, inputs, RunConfig(record="spikes")) for each in (graph, quantised)]
    assert [recording.header.arithmetic for recording in recordings] == ["float", "fixed"]
    for name in ("first", "second"):
        real, integer = (recording.spikes(name) for recording in recordings)
        assert real.any()
        assert not real.all()
        np.testing.assert_array_equal(real, integer)
    assert [note.split(":")[0] for note in notes] == ["conv", "dense"]


def test_neurons_of_a_channel_must_share_their_gain_to_be_quantised(rng):
    with pytest.raises(GraphError, match="'first': r or tau differs within a channel"):
        quantise_graph(convolutional(rng, channel_gain=2.0), 8, DT)
