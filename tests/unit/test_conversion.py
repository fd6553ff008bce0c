"""Conversion keeps the direction of the latents, says what it approximated, and touches nothing that it was given."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ff2neuro.converters.calibration import balance_threshold
from ff2neuro.converters.population import NeuronModel
from ff2neuro.converters.presentations import Presentations, present
from ff2neuro.converters.quantisation import quantise, quantise_layer
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.converters.target import HIDDEN, LAST, Rule, Target, Vote, mean_cosine
from ff2neuro.errors import ConfigurationError, DatasetError, NetworkError, RangeError
from ff2neuro.networks import AnalogNetwork, GoodnessHead, InputCode, LabelCodes, one_hot_label_codes

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
        balance_threshold(currents, Target(activity), n_time_steps, NeuronModel(reset), name="layer").cosine
        for n_time_steps in (2, 8, 32, 128)
    ]
    assert cosines == sorted(cosines)
    assert cosines[-1] > 0.998


def test_gain_is_the_activity_that_a_spike_stands_for(rng):
    currents = np.round(np.abs(rng.normal(0, 1000, (200, 1, 30))))
    balanced = balance_threshold(currents, Target(currents[:, 0] * 0.25), 256, NeuronModel("subtract"), name="layer")
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
    with pytest.raises(RangeError, match=r"layer 1: the layer before can give a neuron a current of 152400"):
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


def test_half_of_the_presentations_are_of_the_images_that_the_network_is_least_sure_of(network, rng):
    images = rng.random((300, 16), dtype=np.float32)
    config = ConversionConfig(n_time_steps=4)
    code = InputCode("constant", 15.0, network.label_codes, network.image_shape)
    presented = present(network, code, images, config)
    assert presented.events.shape == (800, 1, 19)
    shown = presented.events[:, 0, :16] / 15
    # Of three classes, an ordinary image comes under one and an unsure one under its two best.
    is_twice = np.r_[(shown[1:] == shown[:-1]).all(axis=1), False]
    assert 200 <= is_twice.sum() <= 500
    scores = np.sort(network.scores(images), axis=1)
    margin = scores[:, -1] - scores[:, -2]
    least_sure = np.rint(images[margin.argmin()] * 15)
    assert (presented.events[:, 0, :16] == least_sure).all(axis=1).sum() >= 3
    for layer, activity in enumerate(presented.activity):
        assert activity.shape == (800, network.widths[layer])


def test_presentations_hold_what_the_network_makes_of_them(network, rng):
    images = np.rint(rng.random((10, 16), dtype=np.float32) * 15) / 15
    code = InputCode("constant", 15.0, network.label_codes, network.image_shape)
    presented = present(network, code, images.astype(np.float32), ConversionConfig())
    real = presented.events[:, 0] / 15.0
    np.testing.assert_allclose(presented.activity[0], np.maximum(real @ network.weights[0].T, 0), atol=1e-5)
    np.testing.assert_allclose(presented.energy, (real**2).sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize("probability", ["symmetric", "sigmoid"])
def test_exact_activity_makes_no_error_in_the_vote(rng, images, probability):
    head = GoodnessHead(probability, 2.0, 0.5, (1,))
    network = replace(make_network(rng), head=head)
    code = InputCode("constant", 15.0, network.label_codes, network.image_shape)
    presented = present(network, code, images, ConversionConfig())
    assert presented.target(0, None, ConversionConfig()).vote is None
    target = presented.target(1, presented.activity[0], ConversionConfig())
    assert target.error(presented.activity[1]) == pytest.approx(0, abs=1e-12)
    assert target.error(rng.random(presented.activity[1].shape)) > 0.01
    assert target.every(3).error(presented.activity[1][::3]) == pytest.approx(0, abs=1e-12)


@pytest.fixture
def voting(rng):
    """Return currents of presentations, and what a layer has to make of them."""
    currents = rng.exponential(1000, (200, 1, 40)) * (rng.random((200, 1, 40)) < 0.3)
    # Few neurons of the second half are active, and weakly: the probability hangs on them.
    currents[:, :, 20:] *= 0.1 * (rng.random((200, 1, 20)) < 0.3)
    currents = np.round(currents)
    head = GoodnessHead("symmetric", 1.0, 0.0, (0,))
    everything = np.ones(200, dtype=bool)
    return currents, Presentations(currents, [currents[:, 0]], np.ones(200), head, everything).target(
        0, None, ConversionConfig()
    )


@pytest.mark.parametrize("n_time_steps", [8, 16, 32])
def test_votes_lower_thresholds_where_the_probability_hangs_on_weak_neurons(voting, n_time_steps):
    currents, target = voting
    neurons = NeuronModel("subtract", initial_potential=0.5)
    cosine = balance_threshold(currents, Target(target.activity), n_time_steps, neurons, name="it")
    both = balance_threshold(currents, target, n_time_steps, neurons, name="it")
    assert cosine.error is None
    assert both.error <= target.error(cosine.spikes.sum(axis=1))
    assert cosine.cosine >= both.cosine > 1 - (1 - cosine.cosine) * 1.2


@pytest.mark.parametrize("n_time_steps", [4, 16])
def test_hidden_layers_take_the_lowest_of_thresholds_that_are_about_as_good(voting, n_time_steps):
    currents, target = voting
    hidden, last = (
        balance_threshold(currents, replace(target, rule=rule), n_time_steps, NeuronModel(), name="it")
        for rule in (HIDDEN, LAST)
    )
    assert hidden.v_threshold[0] <= last.v_threshold[0]
    assert hidden.error <= last.error * 1.2


def test_lower_thresholds_keep_to_what_the_best_cosine_of_all_allows(rng):
    # The vote would have every neuron saturate, which low thresholds do; its error grows from the lowest one on.
    activity = np.round(rng.exponential(1000, (400, 40)))
    activity[:, 20:] = np.round(activity[:, 20:] * 0.3)
    vote = Vote(GoodnessHead("symmetric", 1.0, 0.0, (0,)), np.full(400, 0.5), np.ones(400), None)
    target = Target(activity, vote, rule=Rule(cosine_slack=1.5, error_slack=1.15))
    neurons = NeuronModel("subtract", initial_potential=0.5)
    cosine = balance_threshold(activity[:, None], Target(activity), 16, neurons, name="it")
    chosen = balance_threshold(activity[:, None], target, 16, neurons, name="it")
    assert chosen.v_threshold[0] < cosine.v_threshold[0]
    assert 1 - chosen.cosine <= 1.55 * (1 - cosine.cosine)


def test_the_cosine_is_taken_over_ordinary_presentations(voting):
    currents, target = voting
    some = replace(target, ordinary=np.arange(200) < 50)
    counts = currents[:, 0] * (np.arange(200) < 50)[:, None]
    assert some.cosine(counts) == pytest.approx(1)
    assert target.cosine(counts) == pytest.approx(0.25)


def test_notes_say_how_far_a_vote_is_off(rng, images):
    network = replace(make_network(rng), head=GoodnessHead("symmetric", 1.0, 0.0, (1,)))
    first, second = convert(network, images).notes[1:]
    assert "probability" not in first
    assert re.search(r"mean error of the probability 0\.\d{4} on calibration data", second)


def test_reset_by_subtraction_starts_at_half_a_threshold_unless_told_otherwise(network, images):
    assert ConversionConfig().start == 0
    assert ConversionConfig(reset="subtract", initial_potential=0.0).start == 0
    layer = convert(network, images, ConversionConfig(reset="subtract")).layers[0]
    np.testing.assert_allclose(layer.v_init, layer.v_threshold / 2, atol=1 / 64)
