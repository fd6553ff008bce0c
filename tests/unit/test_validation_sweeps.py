"""Sweeps: what is varied, and that each point is what a run of its own gives."""

import numpy as np
import pytest

from ff2neuro.cli.validate import command
from ff2neuro.coding import encode
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.errors import ConfigurationError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.networks import AnalogNetwork, GoodnessHead, one_hot_label_codes
from ff2neuro.validation import SweepRequest, run_sweep, validate
from ff2neuro.validation.sweep_points import (
    CONVERSION_PARAMETERS,
    DISTURBANCES,
    conversion_of,
    disturb_graph,
    disturb_images,
)

N_STEPS = 6


@pytest.fixture(scope="module")
def analog():
    rng = np.random.default_rng(3)
    weights = (rng.normal(0.1, 1.0, size=(20, 16 + 4)), rng.normal(0.05, 1.0, size=(10, 20)))
    head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=(0, 1))
    return AnalogNetwork(weights, one_hot_label_codes(4), head, image_shape=(4, 4))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(4).random((40, 16), dtype=np.float32)


@pytest.fixture(scope="module")
def spiking(analog, images):
    return convert(analog, images, ConversionConfig(n_time_steps=N_STEPS))


def sweep(text, analog, spiking, images):
    data = images, analog.predict(images)
    return run_sweep(SweepRequest.parse(text), analog, spiking, data, images, ReferenceBackend())


@pytest.mark.parametrize(
    "config",
    [
        ConversionConfig(n_time_steps=5, weight_bits=3, input_bits=2, dt=1e-3),
        ConversionConfig(weight_bits=None, reset="subtract", initial_potential=0.25),
        ConversionConfig(neuron="lif", n_time_steps=9, input_coding="regular"),
        ConversionConfig(neuron="lif", leak=77, weight_scale="neuron", input_coding="bernoulli", seed=5),
    ],
    ids=str,
)
def test_choices_of_a_conversion_are_seen_from_it(analog, images, config):
    assert conversion_of(convert(analog, images, config)) == config


def test_point_of_its_own_value_is_the_network_itself(analog, spiking, images):
    """The sweep converts anew, and the same choices give the same network."""
    source = encode(spiking.input_code, images, N_STEPS)
    with ReferenceBackend().run(to_nir(spiking), source) as recording:
        verdict = validate(analog, spiking, recording, images, analog.predict(images))
    own = sweep(f"steps=2,{N_STEPS}", analog, spiking, images).points[1]
    assert own.accuracy == verdict.spiking.accuracy
    assert own.prediction_agreement == verdict.prediction_agreement
    assert own.cosines == pytest.approx([layer.cosine for layer in verdict.layers], abs=1e-6)
    assert own.synops_per_sample == verdict.synops_per_sample


def test_more_steps_keep_the_latents_better(analog, spiking, images):
    points = sweep("steps=2,8,64", analog, spiking, images).points
    assert [point.value for point in points] == [2, 8, 64]
    assert points[0].cosines[0] < points[1].cosines[0] < points[2].cosines[0]
    assert points[0].synops_per_sample < points[1].synops_per_sample


@pytest.mark.parametrize("text", ["weight_bits=3,none", "input_coding=constant,regular,bernoulli", "input_bits=1,5"])
def test_every_choice_is_measured(analog, spiking, images, text):
    result = sweep(text, analog, spiking, images)
    assert result.n_samples == len(images)
    assert len(result.points) == len(text.split("=")[1].split(","))
    assert all(point.error is None and point.accuracy > 0.2 for point in result.points)


@pytest.mark.parametrize("parameter", ["noise", "dead_neurons", "stuck_neurons"])
def test_disturbance_of_nothing_changes_nothing_and_a_large_one_does(analog, spiking, images, parameter):
    none, much = sweep(f"{parameter}=0,0.6", analog, spiking, images).points
    own = sweep(f"steps={N_STEPS}", analog, spiking, images).points[0]
    assert none.cosines == own.cosines
    assert none.accuracy == own.accuracy
    assert much.cosines[0] < none.cosines[0]


@pytest.mark.parametrize(("parameter", "spikes"), [("dead_neurons", 0), ("stuck_neurons", N_STEPS)])
@pytest.mark.parametrize("choices", [{}, {"weight_bits": None}, {"neuron": "lif"}, {"reset": "subtract"}], ids=str)
def test_share_of_each_layer_is_broken(analog, images, parameter, spikes, choices):
    network = convert(analog, images, ConversionConfig(n_time_steps=N_STEPS, **choices))
    graph = disturb_graph(network, SweepRequest.parse(f"{parameter}=0.3"), 0.3, seed=1)
    source = encode(network.input_code, images, N_STEPS)
    with ReferenceBackend().run(graph, source, RunConfig(reset=network.reset)) as recording:
        for name, size in recording.header.layers.items():
            alike = (recording.counts(name) == spikes).all(axis=(0, 1))
            assert alike.sum() >= round(0.3 * size)


def test_stuck_neurons_need_no_bias_beyond_lavas(analog, images):
    network = convert(analog, images, ConversionConfig(n_time_steps=N_STEPS, input_bits=6))
    assert network.layers[0].v_threshold.max() > 4095
    graph = disturb_graph(network, SweepRequest.parse("stuck_neurons=0.3"), 0.3, seed=1)
    assert max(node.bias.max() for node in graph.nodes.values() if hasattr(node, "bias")) <= 4095
    source = encode(network.input_code, images, N_STEPS)
    with ReferenceBackend().run(graph, source) as recording:
        assert (recording.counts("layer_0_spikes") == N_STEPS).all(axis=(0, 1)).sum() >= 6


def test_stuck_neurons_that_can_send_several_stay_in_fixed_point(analog, images):
    """A threshold below 1 would be none that several spikes in a step can subtract."""
    config = ConversionConfig(n_time_steps=N_STEPS, input_bits=6, reset="subtract", max_spikes_per_step=2)
    network = convert(analog, images, config)
    assert network.layers[0].v_threshold.max() > 4095
    graph = disturb_graph(network, SweepRequest.parse("stuck_neurons=0.3"), 0.3, seed=1)
    source = encode(network.input_code, images, N_STEPS)
    with ReferenceBackend().run(graph, source, RunConfig(reset="subtract", max_spikes_per_step=2)) as recording:
        assert recording.header.arithmetic == "fixed"
        assert (recording.counts("layer_0_spikes") >= N_STEPS - 1).all(axis=(0, 1)).sum() >= 6


@pytest.mark.parametrize("parameter", [*CONVERSION_PARAMETERS, *DISTURBANCES])
def test_help_names_every_parameter(parameter):
    (option,) = (each for each in command.params if each.name == "sweep")
    assert parameter in option.help


def test_noise_is_the_same_for_the_same_seed(images):
    request = SweepRequest.parse("noise=0.2")
    first, again, other = (disturb_images(images, request, 0.2, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.min() >= 0
    assert first.max() <= 1


def test_value_that_the_conversion_refuses_has_its_reason(analog, images):
    silent = AnalogNetwork((*analog.weights[:1], -np.ones((10, 20))), analog.label_codes, analog.head, (4, 4))
    spiking = convert(analog, images, ConversionConfig(n_time_steps=N_STEPS))
    (point,) = run_sweep(
        SweepRequest.parse("steps=4"), silent, spiking, (images, analog.predict(images)), images, ReferenceBackend()
    ).points
    assert point.accuracy is None
    assert "layer 1 is dead" in point.error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step=2", "'step' cannot be swept; known are steps"),
        ("steps", "steps is ''; it must be a whole number"),
        ("steps=2,x", "steps is 'x'; it must be a whole number"),
        ("steps=2.5", "steps is '2.5'; it must be a whole number"),
        ("steps=0", "number of time steps is 0"),
        ("weight_bits=9", "weight bits are 9"),
        ("input_coding=ttfs", "unknown input coding 'ttfs'"),
        ("noise=nan", "noise is nan; it must lie between 0 and 1"),
        ("dead_neurons=1.5", "dead_neurons is 1.5; it must lie between 0 and 1"),
    ],
)
def test_impossible_sweep_is_refused(text, message):
    with pytest.raises(ConfigurationError, match=message):
        SweepRequest.parse(text)
