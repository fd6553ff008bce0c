"""Conversion keeps the direction of the latents, says what it approximated, and touches nothing that it was given."""

import numpy as np
import pytest

from ff2neuro.converters.calibration import balance_threshold, mean_cosine
from ff2neuro.converters.population import NeuronModel
from ff2neuro.converters.quantisation import quantise, quantise_layer
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.errors import ConfigurationError, DatasetError, NetworkError, RangeError
from ff2neuro.networks import AnalogNetwork, GoodnessHead, LabelCodes, one_hot_label_codes

HEAD = GoodnessHead("symmetric", 1.0, 0.0, (0, 1))


def make_network(rng, n_pixels=16, widths=(40, 20), strength=1.0):
    weights, n_in = [], n_pixels + 3
    for width in widths:
        weights.append(rng.normal(size=(width, n_in)) / n_in**0.5)
        n_in = width
    codes = LabelCodes(np.eye(3), strength)
    return AnalogNetwork(tuple(weights), codes, HEAD, (n_pixels,), {"dataset": "own", "seed": 3})


@pytest.fixture
def network(rng):
    return make_network(rng)


@pytest.fixture
def images(rng):
    return rng.random((60, 16), dtype=np.float32)


def test_quantisation_is_symmetric_and_rounds_to_nearest(rng):
    weight = rng.normal(size=(30, 20))
    for bits, limit in ((8, 127), (6, 31), (4, 7), (2, 1)):
        codes, scale = quantise(weight, bits, "it")
        np.testing.assert_array_equal(codes, np.rint(codes))
        assert np.abs(codes).max() == limit
        assert np.abs(codes * scale - weight).max() <= scale / 2 * (1 + 1e-12)
        np.testing.assert_array_equal(quantise(-weight, bits, "it")[0], -codes)


@pytest.mark.parametrize("bits", [8, 6, 4])
def test_scale_of_each_neuron_leaves_the_least_squared_error(rng, bits):
    weight = rng.normal(size=(30, 200)) * np.geomspace(0.01, 1, 30)[:, None]

    def errors(codes, scale):
        return ((codes * np.reshape(scale, (-1, 1)) - weight) ** 2).sum(axis=1)

    unclipped, of_layer, of_neuron = (
        errors(*result)
        for result in (
            quantise(weight, bits, "it"),
            quantise_layer(weight, bits, "it"),
            quantise_layer(weight, bits, "it", "neuron"),
        )
    )
    assert of_layer.sum() <= unclipped.sum()
    # The smallest neurons have the largest share of rounding error if all share one scale.
    assert of_neuron[0] < of_layer[0] / 30
    assert of_neuron.sum() < of_layer.sum()


def test_few_bits_clip_the_largest_weights(rng):
    weight = rng.normal(size=(30, 200))
    codes, scale = quantise_layer(weight, 4, "it")
    assert np.abs(codes).max() == 7
    assert scale[0] * 7 < np.abs(weight).max()
    inside = np.abs(weight) <= 7 * scale[0]
    assert np.abs(codes * scale[0] - weight)[inside].max() <= scale[0] / 2 * (1 + 1e-12)


def test_neuron_without_weights_quantises_to_zeros_beside_others(rng):
    weight = np.vstack([rng.normal(size=(2, 5)), np.zeros((1, 5))])
    codes, scale = quantise_layer(weight, 8, "it", "neuron")
    np.testing.assert_array_equal(codes[2], 0)
    assert np.isfinite(scale).all()


def test_zero_weights_have_no_scale():
    with pytest.raises(NetworkError, match="weights of layer 3 are all zero"):
        quantise(np.zeros((2, 2)), 8, "layer 3")


@pytest.mark.parametrize("bits", [1, 9])
def test_weight_bits_beyond_the_synapse_are_refused(bits):
    with pytest.raises(ConfigurationError, match="2 to 8"):
        ConversionConfig(weight_bits=bits)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_counts_approach_the_analog_direction_as_time_grows(rng, reset):
    currents = np.round(rng.normal(0, 1000, (200, 1, 30)))
    activity = np.maximum(currents[:, 0], 0)
    cosines = [
        balance_threshold(currents, activity, n_time_steps, NeuronModel(reset), name="layer").cosine
        for n_time_steps in (2, 8, 32, 128)
    ]
    assert cosines == sorted(cosines)
    assert cosines[-1] > 0.998


def test_gain_is_the_activity_that_a_spike_stands_for(rng):
    currents = np.round(np.abs(rng.normal(0, 1000, (200, 1, 30))))
    balanced = balance_threshold(currents, currents[:, 0] * 0.25, 256, NeuronModel("subtract"), name="layer")
    # Reset by subtraction keeps v, so T steps of I hold T*I/theta spikes: one stands for 0.25*theta/T.
    assert balanced.gain == pytest.approx(0.25 * balanced.v_threshold[0] / 256, rel=0.01)


def test_converted_network_holds_integers(network, images):
    spiking = convert(network, images)
    for layer in spiking.layers:
        np.testing.assert_array_equal(layer.weight, np.rint(layer.weight))
        np.testing.assert_array_equal(layer.v_threshold % 1, 0.5)
        assert np.ptp(layer.v_threshold) == 0
    assert spiking.input_code.scale == 15
    assert spiking.provenance["dataset"] == "own"
    assert len(spiking.notes) == 3


def test_real_weights_are_kept_if_asked(network, images):
    spiking = convert(network, images, ConversionConfig(weight_bits=None))
    np.testing.assert_array_equal(spiking.layers[0].weight, network.weights[0])


def test_conversion_is_deterministic_and_leaves_the_network_alone(network, images):
    before = [np.array(weight) for weight in network.weights]
    first, second = convert(network, images), convert(network, images)
    for a, b in zip(first.layers, second.layers, strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)
        assert (a.v_threshold[0], a.gain) == (b.v_threshold[0], b.gain)
    for weight, old in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_mean_cosine_counts_silence_as_nothing():
    assert mean_cosine(np.array([[1, 1], [0, 0]]), np.array([[2.0, 2.0], [1.0, 0.0]])) == pytest.approx(0.5)


def test_dead_layer_is_named(rng, images):
    good = make_network(rng)
    dead = AnalogNetwork((good.weights[0], -np.abs(good.weights[1])), good.label_codes, HEAD, (16,))
    with pytest.raises(NetworkError, match="layer 1 is dead"):
        convert(dead, images)


def test_zero_weights_are_named(rng, images):
    good = make_network(rng)
    empty = AnalogNetwork((good.weights[0], np.zeros_like(good.weights[1])), good.label_codes, HEAD, (16,))
    with pytest.raises(NetworkError, match="weights of layer 1 are all zero"):
        convert(empty, images)


def test_calibration_data_must_fit(network):
    with pytest.raises(DatasetError, match="no calibration images"):
        convert(network, np.zeros((0, 16), dtype=np.float32))
    with pytest.raises(DatasetError, match=r"15 pixels each; .* 16 = 16"):
        convert(network, np.zeros((3, 15), dtype=np.float32))


def test_currents_beyond_the_range_of_lava_are_refused():
    # 2000 full pixels of 255 times codes of 127 sum far beyond 2^17.
    weight = np.ones((4, 2002))
    head = GoodnessHead("symmetric", 1.0, 0.0, (0,))
    network = AnalogNetwork((weight,), one_hot_label_codes(2), head, (2000,))
    with pytest.raises(RangeError, match=r"layer 0: input currents reach \d+ .*--input-bits"):
        convert(network, np.ones((2, 2000), dtype=np.float32), ConversionConfig(input_bits=8))


def test_hidden_weights_beyond_the_range_of_lava_are_refused(rng):
    head = GoodnessHead("symmetric", 1.0, 0.0, (0, 1))
    first = np.abs(rng.normal(size=(1200, 4)))
    network = AnalogNetwork((first, np.ones((2, 1200))), one_hot_label_codes(2), head, (2,))
    with pytest.raises(RangeError, match=r"layer 1: the absolute weights of a neuron sum to 152400"):
        convert(network, rng.random((5, 2), dtype=np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_time_steps": 0}, r"1\.\.65535"),
        ({"n_time_steps": -3}, r"1\.\.65535"),
        ({"input_bits": 9}, "1 to 8"),
        ({"reset": "else"}, "unknown reset"),
        ({"input_coding": "else"}, "unknown input coding"),
        ({"dt": 0.0}, "positive"),
        ({"neuron": "else"}, "unknown neuron"),
        ({"weight_scale": "else"}, "unknown weight scale"),
        ({"leak": 5}, "integrate-and-fire neuron has no leak"),
        ({"neuron": "lif", "leak": 4096}, r"1\.\.4095"),
        ({"initial_potential": 1.5}, r"0\.\.1"),
        ({"initial_potential": float("nan")}, r"0\.\.1"),
    ],
)
def test_impossible_conversions_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        ConversionConfig(**changes)


@pytest.mark.parametrize("coding", ["regular", "bernoulli"])
def test_strong_labels_scale_spiking_input_down(rng, images, coding):
    network = make_network(rng, strength=2.0)
    spiking = convert(network, images, ConversionConfig(input_coding=coding))
    assert spiking.input_code.scale == 0.5
    assert spiking.input_code.label_amplitude == 1.0
