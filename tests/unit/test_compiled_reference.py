"""The compiled simulation has the bits of `ff2neuro.dynamics`, whatever the neurons, the input and the threads."""

from itertools import pairwise

import nir
import numpy as np
import pytest

from ff2neuro.dynamics import FixedPointNeurons, simulate
from ff2neuro.errors import ConfigurationError, RangeError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.fixed_point import FixedPointLayer
from ff2neuro.hardware.reference_backend import backend
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.hardware.reference_backend.compiled_chain import CompiledChain
from ff2neuro.hardware.reference_backend.integers import Projection, within_32_bits
from ff2neuro.inputs import InputSource

T = 9


def layer(name, weight, vth, **parameters):
    n = len(weight)
    bias = parameters.pop("bias", np.zeros(n, dtype=np.int64))
    return FixedPointLayer(name, weight.astype(np.float64), FixedPointNeurons(np.full(n, vth), bias, **parameters))


def expected(layers, events):
    activity = np.broadcast_to(events, (*events.shape[:2], T, events.shape[-1])).reshape(-1, T, events.shape[-1])
    spikes = {}
    for one in layers:
        activity = simulate(one.neurons, activity.astype(np.int64) @ one.weight.T.astype(np.int64), T)
        spikes[one.name] = activity.reshape(*events.shape[:2], T, -1)
    return spikes


def assert_same_bits(layers, events, n_threads=2):
    chain = CompiledChain(layers, n_threads)
    ours, counts = chain.run(events, T), chain.run(events, T, "counts")
    for name, spikes in expected(layers, events).items():
        assert spikes.any(), "a test without spikes shows nothing"
        np.testing.assert_array_equal(ours[name], spikes, err_msg=name)
        np.testing.assert_array_equal(counts[name], spikes.sum(axis=2), err_msg=name)


@pytest.fixture
def weights(rng):
    return rng.integers(-128, 128, (21, 33)), rng.integers(-128, 128, (13, 21))


def draw(rng, kind):
    shape = (7, 3, T, 33)
    return {
        "binary": lambda: (rng.random(shape) < 0.3).astype(np.uint8),
        "binary, constant": lambda: (rng.random((7, 3, 1, 33)) < 0.3).astype(np.uint8),
        "graded": lambda: rng.integers(0, 64, shape).astype(np.uint8),
        "graded, constant": lambda: rng.integers(0, 16, (7, 3, 1, 33)).astype(np.uint8),
        "beyond the event loop": lambda: rng.integers(0, 90, shape).astype(np.uint8),
        "negative": lambda: rng.integers(-9, 9, shape),
        "floats": lambda: rng.integers(0, 4, shape).astype(np.float64),
        "shared": lambda: np.concatenate(
            [
                np.broadcast_to(rng.integers(0, 16, (7, 1, T, 30)), (7, 3, T, 30)),
                rng.integers(0, 16, (7, 3, T, 3)),
            ],
            axis=-1,
        ),
        "one hypothesis": lambda: (rng.random((7, 1, T, 33)) < 0.3).astype(np.uint8),
        "one hypothesis, constant": lambda: (rng.random((7, 1, 1, 33)) < 0.3).astype(np.float64),
        "one image": lambda: rng.integers(0, 16, (1, 3, T, 33)),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    [
        "binary",
        "binary, constant",
        "graded",
        "graded, constant",
        "beyond the event loop",
        "negative",
        "floats",
        "shared",
        "one hypothesis",
        "one hypothesis, constant",
        "one image",
    ],
)
def test_every_kind_of_input_gives_the_same_bits(rng, weights, kind):
    assert_same_bits((layer("a", weights[0], 400), layer("b", weights[1], 60)), draw(rng, kind))


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("leaks", [(0, 4096), (100, 4096), (0, 900), (77, 3000), (4095, 1)])
def test_every_neuron_gives_the_same_bits(rng, weights, reset, leaks):
    parameters = {"mem_leak": leaks[0], "syn_leak": leaks[1], "reset": reset}
    layers = (
        layer(
            "a", weights[0], 300, bias=rng.integers(-2000, 2000, 21), v_init=rng.integers(0, 300, 21) * 64, **parameters
        ),
        layer("b", weights[1], 40, **parameters),
    )
    assert_same_bits(layers, draw(rng, "binary"))


@pytest.mark.parametrize("kind", ["binary", "graded, constant", "beyond the event loop"])
@pytest.mark.parametrize("leaks", [(0, 4096), (100, 900)])
@pytest.mark.parametrize("most", [2, 15, 63, 64, 255])
def test_several_spikes_in_a_step_give_the_same_bits(rng, weights, most, leaks, kind):
    """Of sources too whose events fit the compiled loops, and of those that do not."""
    parameters = {"mem_leak": leaks[0], "syn_leak": leaks[1], "reset": "subtract", "max_spikes_per_step": most}
    layers = (
        layer("a", weights[0], 10, v_init=rng.integers(0, 10, 21) * 64, **parameters),
        layer("b", weights[1] // 16, 3, bias=rng.integers(-200, 200, 13), **parameters),
    )
    assert max(spikes.max() for spikes in expected(layers, draw(rng, kind)).values()) == most
    assert_same_bits(layers, draw(rng, kind))


def test_potentials_are_clipped_alike(rng):
    """Strongly negative potentials reach the lower end of 24 bits and stay there."""
    weight = np.full((4, 33), -120)
    weight[:2] = 100
    events = np.full((2, 1, T, 33), 30)
    events[:, :, -3:] = 0
    assert_same_bits((layer("a", weight, 10),), events)


def test_wide_weights_give_the_same_bits(rng, weights):
    assert_same_bits((layer("a", weights[0] * 3, 900), layer("b", weights[1] * 5, 300)), draw(rng, "binary"))


@pytest.mark.parametrize("n_hypotheses", [1, 3])
@pytest.mark.parametrize("largest", [1, 2, 3])
def test_more_sources_than_add_up_within_16_bits_give_the_same_bits(rng, largest, n_hypotheses):
    weight = rng.integers(-128, 128, (5, 600))
    weight[0], weight[1] = -128, 127
    events = rng.integers(0, largest + 1, (4, n_hypotheses, T, 600)).astype(np.uint8)
    events[0] = 1
    assert_same_bits((layer("a", weight, 400),), events)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_number_of_threads_changes_nothing(rng, weights, n_threads):
    assert_same_bits((layer("a", weights[0], 400), layer("b", weights[1], 60)), draw(rng, "graded"), n_threads)


@pytest.mark.parametrize("largest", [40, 200])
def test_currents_that_would_overflow_are_refused(largest):
    """By either way to the currents: visited events, and a matrix product."""
    chain = CompiledChain((layer("a", np.full((2, 33), 127), 400),), 1)
    with pytest.raises(RangeError, match="an input current reaches"):
        chain.run(np.full((1, 1, T, 33), largest), T)


@pytest.mark.parametrize("n_hypotheses", [1, 2])
def test_spikes_that_would_overflow_are_refused(n_hypotheses):
    chain = CompiledChain((layer("a", np.full((2, 1100), 127), 400),), 1)
    with pytest.raises(RangeError, match="an input current reaches 139700"):
        chain.run(np.ones((1, n_hypotheses, T, 1100), dtype=np.uint8), T)


def test_a_large_run_takes_compiled_code_and_has_the_bits_of_a_small_one(rng, monkeypatch):
    """The backend chooses by size; both of its ways are taken here."""
    n = 12
    ones = np.ones(n)
    nodes = {
        "input": nir.Input({"input": np.array([8])}),
        "linear": nir.Linear(rng.integers(-127, 128, (n, 8)).astype(float)),
        "layer": nir.IF(r=1e4 * ones, v_threshold=500.5 * ones, v_reset=0 * ones),
        "output": nir.Output({"output": np.array([n])}),
    }
    graph = nir.NIRGraph(nodes, list(pairwise(nodes)))
    inputs = InputSource.from_array(rng.integers(0, 16, (5, 2, T, 8)))
    small = ReferenceBackend().run(graph, inputs, RunConfig(record="spikes"))
    monkeypatch.setattr(backend, "COMPILED_FROM", 1)
    built = []
    run = CompiledChain.run
    monkeypatch.setattr(CompiledChain, "run", lambda chain, *rest: built.append(chain) or run(chain, *rest))
    large = ReferenceBackend(threads=2).run(graph, inputs, RunConfig(record="spikes"))
    assert len(built) == 1
    assert small.spikes("layer").any()
    np.testing.assert_array_equal(large.spikes("layer"), small.spikes("layer"))
    summed = ReferenceBackend(threads=2).run(graph, inputs, RunConfig(record="counts"))
    np.testing.assert_array_equal(summed.counts("layer"), small.spikes("layer").sum(axis=2))


@pytest.mark.parametrize("n_time_steps", [1, 2, 24, 300])
@pytest.mark.parametrize("n_hypotheses", [1, 3])
def test_regular_spikes_are_counted_without_simulating_them(rng, n_time_steps, n_hypotheses):
    """Thresholds that a whole number of steps just reaches and just passes, high ones, and one that nothing passes."""
    vth = np.array([0, 9, 10, 11, 99, 100, 101, 119, 120, 121, 2**17 - 2, 2**17 - 1, 2**17, 5000, 5001])
    weight = np.tile(np.array([[10.0]]), (15, 3))
    weight[13], weight[14] = [100, -100, 3], [-10, -10, -10]
    layers = (FixedPointLayer("a", weight, FixedPointNeurons(vth, np.zeros(15, dtype=np.int64))),)
    events = rng.integers(0, 5, (20, n_hypotheses, 1, 3)).astype(np.uint8)
    events[0], events[1] = 1, 0
    counts = CompiledChain(layers, 1).run(events, n_time_steps, "counts")["a"]
    currents = (events.astype(np.int64) @ weight.T.astype(np.int64)).reshape(-1, 1, 15)
    spikes = simulate(layers[0].neurons, currents, n_time_steps)
    assert spikes.any()
    np.testing.assert_array_equal(counts.reshape(-1, 15), spikes.sum(axis=1))


def test_errors_of_every_thread_are_raised(rng, weights):
    events = rng.integers(0, 16, (200, 3, T, 33)).astype(np.uint8)
    chain = CompiledChain((layer("a", weights[0], 400),), 3)

    def fail(first, part):
        if first > 0:
            raise RuntimeError(f"image {first}")

    with pytest.raises(RuntimeError, match="image"):
        chain.run(events, T, "counts", fail)
    assert chain.run(events, T, "counts")["a"].any()


def test_no_threads_are_refused():
    with pytest.raises(ConfigurationError, match="number of threads is 0; it must be at least 1"):
        ReferenceBackend(threads=0)


def test_products_of_integers_are_exact_beyond_single_precision():
    events, weight = np.full((1, 300), 255), np.full((1, 300), 65537)
    assert Projection(weight)(events)[0, 0] == 300 * 255 * 65537


def test_parameters_beyond_32_bits_are_left_to_numpy(weights):
    assert within_32_bits((layer("a", weights[0], 2**22),))
    assert not within_32_bits((layer("a", weights[0], 2**24),))
