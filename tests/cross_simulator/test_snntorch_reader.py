"""snnTorch's own NIR reader on files of ours: the portable dialect travels, and what would not is refused."""

import nir
import numpy as np
import pytest

from ff2neuro.coding import encode
from ff2neuro.converters.nir_file import write_network
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.errors import GraphError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.inputs import InputSource
from ff2neuro.networks import AnalogNetwork, GoodnessHead, SpikingLayer, SpikingNetwork, random_label_codes

DT = 1e-4


def random_network(rng, widths):
    codes = random_label_codes(4, 12, 0.3, rng)
    weights, n_in = [], 20 + 12
    for width in widths:
        weights.append(rng.normal(size=(width, n_in)))
        n_in = width
    head = GoodnessHead("symmetric", 1.0, 0.0, tuple(range(len(widths))))
    return AnalogNetwork(tuple(weights), codes, head, (20,))


@pytest.mark.parametrize("seed", range(6))
def test_portable_files_give_the_same_spikes(seed, tmp_path):
    """The file itself is handed to snnTorch, hidden layers are compared too, and every bin must agree."""
    rng = np.random.default_rng(seed)
    analog = random_network(rng, [(30,), (30, 20), (24, 18, 10)][seed % 3])
    images = rng.random((15, 20), dtype=np.float32)
    coding = ["constant", "regular", "bernoulli"][seed % 3]
    network = convert(analog, images, ConversionConfig(n_time_steps=16, input_coding=coding))
    write_network(network, tmp_path / "network.nir")
    graph = nir.read(tmp_path / "network.nir")
    inputs = encode(network.input_code, images, 16)
    config = RunConfig(record="spikes")
    reference = get_backend("reference").run(graph, inputs, config)
    snntorch = get_backend("snntorch").run(graph, inputs, config)
    assert reference.header.arithmetic == "fixed"
    for name in reference.layer_names:
        assert reference.spikes(name).any()
        np.testing.assert_array_equal(reference.spikes(name), snntorch.spikes(name), err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_leaky_portable_files_equal_the_float_reference(seed, tmp_path):
    """Lava rounds decays and float readers do not, so leaky neurons are compared with the float arithmetic."""
    rng = np.random.default_rng(seed)
    layers = tuple(
        SpikingLayer(rng.integers(-127, 128, shape).astype(float), np.array(threshold), leak=int(rng.integers(50, 900)))
        for shape, threshold in (((30, 32), 2000.5), ((20, 30), 300.5))
    )
    analog = random_network(rng, (30, 20))
    code = convert(analog, rng.random((5, 20), dtype=np.float32)).input_code
    network = SpikingNetwork(layers, code, analog.head, 16, DT)
    graph = write_network(network, tmp_path / "network.nir")
    inputs = encode(code, rng.random((15, 20), dtype=np.float32), 16)
    config = RunConfig(record="spikes")
    reference = ReferenceBackend("float").run(graph, inputs, config)
    snntorch = get_backend("snntorch").run(graph, inputs, config)
    for name in reference.layer_names:
        assert reference.spikes(name).any()
        np.testing.assert_array_equal(reference.spikes(name), snntorch.spikes(name), err_msg=name)


def one_layer(neuron):
    return nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3))), neuron)


def test_what_snntorch_would_bend_is_refused():
    ones = np.ones(2)
    lif = {"tau": 20 * DT * ones, "r": 20 * ones, "v_leak": 0 * ones, "v_threshold": ones, "v_reset": 0 * ones}
    inputs = InputSource.from_array(np.ones((1, 1, 4, 3)))
    snntorch = get_backend("snntorch")
    for neuron, message in (
        (nir.IF(r=ones / DT, v_threshold=ones, v_reset=0 * ones), "'if': r must be 1; .*portable"),
        (nir.LIF(**{**lif, "v_reset": -ones}), "v_reset is ignored"),
        (nir.LIF(**{**lif, "v_leak": ones}), "v_leak must be 0"),
        (nir.LIF(**{**lif, "v_threshold": np.array([1.0, 2.0])}), "v_threshold must be the same for all neurons"),
        (nir.LIF(**{**lif, "tau": np.array([20, 30]) * DT}), "r / tau of one neuron is taken for all"),
    ):
        with pytest.raises(GraphError, match=message):
            snntorch.run(one_layer(neuron), inputs, RunConfig())
    good = one_layer(nir.LIF(**lif))
    for config, message in (
        (RunConfig(dt=2e-4), "assumes 0.0001 s"),
        (RunConfig(reset="subtract"), "resets to zero"),
        (RunConfig(states=True), "no membrane potentials"),
    ):
        with pytest.raises(GraphError, match=message):
            snntorch.run(good, inputs, config)


def test_reader_keeps_stdout_clean(capfd):
    ones = np.ones(2)
    lif = nir.LIF(tau=20 * DT * ones, r=20 * ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones)
    get_backend("snntorch").run(one_layer(lif), InputSource.from_array(np.ones((1, 1, 4, 3))), RunConfig())
    assert capfd.readouterr().out == ""
