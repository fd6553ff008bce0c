"""netx files: what lava-dl reads, what the readout needs, and what cannot be said is refused by name."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from ff2neuro.converters.netx_file import loading_call, read_netx, write_netx
from ff2neuro.converters.netx_weights import loaded_weight, require_exact
from ff2neuro.errors import FileFormatError, NetworkError, RangeError
from ff2neuro.networks import GoodnessHead, InputCode, SpikingLayer, SpikingNetwork, one_hot_label_codes


def make_network(rng, coding="constant", **changes):
    layers = tuple(
        SpikingLayer(rng.integers(-127, 128, shape).astype(float), threshold, leak=64, gain=gain)
        for shape, threshold, gain in (((10, 8), 800.5, 0.25), ((6, 10), 150.5, 0.5))
    )
    layers = (layers[0], replace(layers[1], **changes))
    code = InputCode(coding, 15.0 if coding == "constant" else 0.8, one_hot_label_codes(2), (2, 3))
    head = GoodnessHead("symmetric", 1.0, 0.0, (0, 1))
    return SpikingNetwork(layers, code, head, 16, 1e-4, ("a note",), {"dataset": "own", "seed": 3})


@pytest.fixture
def network(rng):
    return make_network(rng)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.net"


def test_file_reads_back_as_it_was(network, path):
    write_netx(network, path)
    back = read_netx(path)
    assert [layer.checksum for layer in back.layers] == [layer.checksum for layer in network.layers]
    assert (back.head, back.notes, back.provenance) == (network.head, network.notes, network.provenance)
    assert (back.n_time_steps, back.dt, back.input_code.scale) == (16, 1e-4, 15.0)


def test_weights_that_were_rounded_to_minus_zero_are_written_as_zero(rng, path):
    weight = rng.integers(-127, 128, (6, 10)).astype(float)
    weight[0, 0] = -0.0
    back = write_netx(make_network(rng, weight=weight), path)
    np.testing.assert_array_equal(back.layers[1].weight, weight)
    assert not np.signbit(back.layers[1].weight[0, 0])
    assert back.checksums == tuple(layer.checksum for layer in back.layers)


def test_same_network_gives_the_same_bytes(network, tmp_path):
    for name in ("a.net", "b.net"):
        write_netx(network, tmp_path / name)
    assert (tmp_path / "a.net").read_bytes() == (tmp_path / "b.net").read_bytes()


def test_h5py_shows_the_layers_that_netx_reads_beside_our_group(network, path):
    write_netx(network, path)
    with h5py.File(path) as file:
        assert set(file) == {"layer", "ff2neuro"}
        assert [file[f"layer/{index}/type"][0] for index in range(3)] == [b"input", b"dense", b"dense"]
        neuron = {name: value[()] for name, value in file["layer/1/neuron"].items()}
        np.testing.assert_array_equal(file["layer/2/weight"][()], network.layers[1].weight)
    assert (neuron["type"], neuron["iDecay"], neuron["vDecay"], neuron["vThMant"]) == (b"CUBA", 4096, 64, 800)


def test_loading_call_asks_for_message_bits_only_where_the_input_is_graded(rng):
    graded, spiking = (loading_call(make_network(rng, coding), "a.net") for coding in ("constant", "regular"))
    assert graded == "netx.hdf5.Network('a.net', reset_interval=16, reset_offset=1, input_message_bits=8)"
    assert spiking == "netx.hdf5.Network('a.net', reset_interval=16, reset_offset=1)"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"reset": "subtract"}, NetworkError, "layer 1 is reset by subtraction, which netx cannot say"),
        ({"v_init": 75.0}, NetworkError, "layer 1 starts at potentials up to 75, .*--initial-potential 0"),
        ({"winners": 2}, NetworkError, "only 2 of 6 neurons may spike in a step"),
        ({"v_threshold": np.arange(6) + 0.5}, NetworkError, "from 0.5 to 5.5; netx holds one per layer"),
        ({"v_threshold": 150.25}, NetworkError, r"threshold of 150\.25; one of integers is k \+ 1/2"),
        ({"v_threshold": 131072.5}, RangeError, "vThMant holds up to 131071"),
        ({"weight": np.full((6, 10), 0.5)}, NetworkError, r"a weight of 0\.5; netx files hold integers"),
        ({"weight": np.zeros((6, 10))}, NetworkError, "weights of layer 1 are all zero"),
        ({"weight": -np.eye(6, 10)}, NetworkError, "largest weight of layer 1 is 0"),
        ({"weight": 300 * np.eye(6, 10)}, RangeError, "weights from 0 to 300; netx takes -256 to 255"),
        ({"weight": 129 * np.eye(6, 10) - 1}, RangeError, "-1 to 128, need 9 bits in netx and a synapse has 8"),
        ({"weight": np.full((6, 10), -128.0)}, RangeError, "would change a weight of layer 1 from -128 to 0: "),
    ],
)
def test_what_netx_cannot_say_is_refused_and_nothing_written(rng, path, changes, error, message):
    with pytest.raises(error, match=message):
        write_netx(make_network(rng, **changes), path)
    assert not path.exists()


def test_spiking_input_that_could_overflow_currents_is_refused(rng, path):
    codes = one_hot_label_codes(2)
    layer = SpikingLayer(np.full((1, 1202), 127.0), 100.5)
    network = SpikingNetwork(
        (layer,), InputCode("regular", 1.0, codes, (1200,)), GoodnessHead("sigmoid", 1.0, 0.0, (0,)), 4
    )
    with pytest.raises(RangeError, match=r"layer 0: spikes can give neuron 0 a current of 152654 in one step"):
        write_netx(network, path)


def test_integers_of_eight_bits_and_both_signs_are_always_exact(rng):
    for bits in range(2, 9):
        limit = 2 ** (bits - 1) - 1
        for _ in range(20):
            weight = rng.integers(-limit, limit + 1, (4, 5)).astype(float)
            weight[0, :2] = (-limit, limit)
            require_exact(0, weight)
            loaded, used = loaded_weight(weight)
            np.testing.assert_array_equal(loaded, weight)
            assert used <= max(bits, 2)


def drop_group(file):
    del file["ff2neuro"]


def raise_format(file):
    file["ff2neuro"].attrs["format_version"] = 99


def change_leak(file):
    file["layer/1/neuron/vDecay"][()] = 65


def drop_layer(file):
    del file["layer/2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_group, "lacks the group 'layer' of a netx file or 'ff2neuro'"),
        (raise_format, "format 99 of ff2neuro, this version reads up to 3; upgrade ff2neuro"),
        (change_leak, "does not fit the layers; export the network anew"),
        (drop_layer, "damaged or incomplete"),
    ],
)
def test_files_that_cannot_be_trusted_are_refused(network, path, change, message):
    write_netx(network, path)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(FileFormatError, match=message):
        read_netx(path)
