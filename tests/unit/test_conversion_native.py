"""What only the native dialect can say: initial potentials, thresholds of single neurons; and how backends take it."""

import re

import numpy as np
import pytest

from ff2neuro.coding import encode, input_energy, scores
from ff2neuro.converters.calibration import balance_threshold
from ff2neuro.converters.nir_file import read_network, write_network
from ff2neuro.converters.nir_graph import initial_potentials, to_nir
from ff2neuro.converters.population import NeuronModel
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.converters.simulation import predict, spikes_of
from ff2neuro.converters.target import Target
from ff2neuro.errors import GraphError, NetworkError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.networks import AnalogNetwork, GoodnessHead, LabelCodes, predict_from_scores


def run(network, images, **changes):
    config = RunConfig(dt=network.dt, reset=network.reset, v_init=initial_potentials(network), **changes)
    source = encode(network.input_code, images, network.n_time_steps)
    return get_backend("reference").run(to_nir(network, "native"), source, config)


@pytest.mark.parametrize("bits", [8, None])
def test_half_a_threshold_brings_counts_nearer_to_the_activity(network, images, bits):
    def cosine(start):
        config = ConversionConfig(n_time_steps=8, reset="subtract", weight_bits=bits, initial_potential=start)
        spiking = convert(network, images, config)
        return [float(re.search(r"activity ([0-9.]+)", note)[1]) for note in spiking.notes[1:]]

    assert all(half > none for half, none in zip(cosine(0.5), cosine(0.0), strict=True))


def test_counts_round_to_nearest_from_half_a_threshold(rng):
    currents = np.round(rng.uniform(0, 1000, (50, 1, 30)))
    model = NeuronModel("subtract", initial_potential=0.5)
    balanced = balance_threshold(currents, Target(currents[:, 0]), 16, model, name="layer")
    threshold = np.floor(balanced.v_threshold)
    expected = np.minimum((currents[:, 0] * 16 + model.v_init(balanced.v_threshold)) / threshold, 16)
    # A neuron spikes strictly above its threshold, which is half a unit above the integer that is subtracted.
    assert np.abs(balanced.spikes.sum(axis=1) - expected).max() <= 1 + 0.5 / threshold.min()
    error = (balanced.spikes.sum(axis=1) - currents[:, 0] * 16 / threshold)[currents[:, 0] < threshold]
    assert abs(error.mean()) < 0.05


@pytest.mark.parametrize("bits", [8, None])
@pytest.mark.parametrize("neuron", ["if", "lif"])
def test_reference_backend_and_converter_see_the_same_spikes(network, images, bits, neuron):
    config = ConversionConfig(n_time_steps=8, weight_bits=bits, neuron=neuron, initial_potential=0.5)
    spiking = convert(network, images, config)
    recording = run(spiking, images)
    (_, first), *_ = spikes_of(spiking, images)
    counts = [recording.counts(name) for name in recording.layer_names]
    for ours, theirs in zip(first, counts, strict=True):
        np.testing.assert_array_equal(ours.sum(axis=2), theirs[: len(ours)])
    theirs, _ = predict_from_scores(scores(spiking, counts, input_energy(spiking.input_code, images)))
    np.testing.assert_array_equal(predict(spiking, images), theirs)


def test_initial_potentials_change_the_spikes(network, images):
    spiking = convert(network, images, ConversionConfig(n_time_steps=8, initial_potential=0.5))
    rested = RunConfig(dt=spiking.dt)
    source = encode(spiking.input_code, images, spiking.n_time_steps)
    with run(spiking, images) as ours, get_backend("reference").run(to_nir(spiking, "native"), source, rested) as other:
        name = ours.layer_names[0]
        assert ours.counts(name).sum() > other.counts(name).sum()


def test_files_keep_initial_potentials_and_thresholds_of_neurons(network, images, tmp_path):
    config = ConversionConfig(n_time_steps=8, initial_potential=0.5, weight_scale="neuron")
    spiking = convert(network, images, config)
    assert np.ptp(spiking.layers[0].v_threshold) > 0
    write_network(spiking, tmp_path / "network.nir", "native")
    _, back = read_network(tmp_path / "network.nir")
    for ours, theirs in zip(spiking.layers, back.layers, strict=True):
        np.testing.assert_array_equal(ours.v_threshold, theirs.v_threshold)
        np.testing.assert_array_equal(ours.v_init, theirs.v_init)
    with run(spiking, images) as ours, run(back, images) as theirs:
        for name in ours.layer_names:
            np.testing.assert_array_equal(ours.counts(name), theirs.counts(name))


def test_portable_dialect_refuses_what_it_cannot_say(network, images):
    half = convert(network, images, ConversionConfig(initial_potential=0.5))
    with pytest.raises(NetworkError, match=r"layer 0 starts at potentials up to .* --dialect native"):
        to_nir(half, "portable")
    several = convert(network, images, ConversionConfig(weight_scale="neuron"))
    with pytest.raises(NetworkError, match=r"layer 0 has thresholds from .* --dialect native"):
        to_nir(several, "portable")


@pytest.mark.parametrize("weight_scale", ["layer", "neuron"])
def test_scale_is_coarse_enough_to_keep_currents_in_range(rng, weight_scale):
    # With codes up to 127, a neuron of 202 even weights would get 15 * 201 * 127 from full pixels, beyond 2^17 / 1.5.
    weight = np.vstack([np.full((1, 202), 0.1), rng.normal(size=(5, 202)) / 20, np.eye(1, 202)])
    network = AnalogNetwork((weight,), LabelCodes(np.eye(2), 1.0), GoodnessHead("sigmoid", 1.0, 0.0, (0,)), (200,))
    images = np.ones((2, 200), dtype=np.float32)
    spiking = convert(network, images, ConversionConfig(weight_scale=weight_scale, n_time_steps=4))
    codes = spiking.layers[0].weight
    assert 13 <= codes[0, 0] <= 29
    assert 15 * codes[:, :201].sum(axis=1).max() <= 2**17 / 1.5
    assert np.abs(codes).max() == 127


def test_machines_that_start_at_rest_refuse_initial_potentials(network, images):
    config = RunConfig(v_init={"layer_0_spikes": np.ones(40)})
    spiking = convert(network, images)
    source = encode(spiking.input_code, images[:1], spiking.n_time_steps)
    with pytest.raises(GraphError, match="'layer_0_spikes' starts at potentials up to 1; brian2-loihi starts every"):
        get_backend("brian2-loihi").run(to_nir(spiking), source, config)


@pytest.mark.parametrize(
    ("v_init", "message"),
    [
        ({"else": np.ones(40)}, "'else', which is no layer of the graph: layer_0_spikes, layer_1_spikes"),
        ({"layer_0_spikes": np.ones(3)}, r"must be 40 numbers .* shape \(3,\)"),
        ({"layer_0_spikes": np.full(40, 1e9)}, "reach 1e"),
    ],
)
def test_initial_potentials_must_fit_the_graph(network, images, v_init, message):
    spiking = convert(network, images)
    source = encode(spiking.input_code, images[:1], spiking.n_time_steps)
    with pytest.raises(GraphError, match=message):
        get_backend("reference").run(to_nir(spiking), source, RunConfig(v_init=v_init))
