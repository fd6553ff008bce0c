"""The compiled kernels do what the equations say, and the equations are the gradient of the loss."""

import numpy as np
import pytest

from ff2neuro.learning.hebbian.batched import train_batched
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.equivalence import gradient_and_hebbian_product
from ff2neuro.learning.hebbian.evaluation import respond_to_events, responses_in_turn
from ff2neuro.learning.hebbian.events import Events, draw_events, events_of_words, pack_events
from ff2neuro.learning.hebbian.online import train_online
from ff2neuro.learning.hebbian.oracle import DenseLayer, modulator
from ff2neuro.learning.hebbian.stepping import constants_of
from ff2neuro.networks import Trace

N_INPUTS, N_NEURONS = 60, 16


def presentations(n, config, seed=0):
    rng = np.random.default_rng(seed)
    rates = (rng.random((n, N_INPUTS)) < 0.6) * rng.random((n, N_INPUTS)) * 0.3
    weight = rng.standard_normal((N_INPUTS, N_NEURONS))
    n_batches = -(-n // config.batch_size)
    steps = config.n_time_steps + config.rest_steps
    noisy = config.winners(0) < N_NEURONS
    noise = config.noise * rng.standard_normal((n_batches if noisy else 0, steps, N_NEURONS))
    return weight, draw_events(rates, config.n_time_steps, seed), rng.integers(0, 2, n), noise


def run_kernel(config, weight, events, negative, noise):
    W, E = weight.copy(), np.zeros_like(weight)
    v = np.zeros((config.batch_size, N_NEURONS))
    output, traces = np.empty((len(negative), N_NEURONS), np.uint64), np.empty((len(negative), N_NEURONS))
    kernel = train_online if config.batch_size == 1 else train_batched
    words = (events.starts, events.channels, events.words)
    kernel(W, E, v, *words, negative, noise, constants_of(config, 0), output, traces)
    return W, E, v, events_of_words(output, config.n_time_steps).dense(), traces


def run_oracle(config, weight, events, negative, noise):
    layer, dense, spikes = DenseLayer(weight, config), events.dense(), []
    for batch, start in enumerate(range(0, len(negative), config.batch_size)):
        these = slice(start, start + config.batch_size)
        spikes.append(layer.train(dense[these], negative[these], noise[batch] if len(noise) else None))
    return layer, np.concatenate(spikes)


CASES = [
    {},
    {"trace": "relu"},
    {"trace": "hard-li", "learning_rate": 10.0},
    {"probability": "sigmoid"},
    {"eligibility_rate": 1.0},
    {"eligibility_rate": 0.001, "learning_rate": 10.0},
    {"top_k": 4},
    {"top_k": 4, "noise": 0.0, "probability": "sigmoid", "trace": "relu"},
    {"n_time_steps": 5, "first_update": 0, "rest_steps": 0},
    {"n_time_steps": 64, "first_update": 63},
]


@pytest.mark.parametrize("changes", CASES, ids=str)
@pytest.mark.parametrize("batch_size", [1, 7])
def test_kernels_and_equations_give_the_same_spikes_and_weights(changes, batch_size):
    config = HebbianConfig(layers=(N_NEURONS,), batch_size=batch_size, **changes)
    weight, events, negative, noise = presentations(100, config)
    W, E, v, spikes, traces = run_kernel(config, weight, events, negative, noise)
    layer, expected = run_oracle(config, weight, events, negative, noise)
    np.testing.assert_array_equal(spikes, expected)
    assert 0.001 < spikes.mean() < 0.9
    assert np.abs(W - weight).max() > 0.01
    np.testing.assert_allclose(W, layer.weight, rtol=1e-9, atol=1e-9 * np.abs(W).max())
    np.testing.assert_allclose(E, layer.eligibility, rtol=1e-9, atol=1e-9 * np.abs(E).max())
    np.testing.assert_allclose(v, layer.v, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(traces, config.output_trace.final(expected), rtol=1e-12)


def test_a_thousand_online_presentations_stay_exact():
    config = HebbianConfig(layers=(N_NEURONS,))
    weight, events, negative, noise = presentations(1000, config, seed=3)
    W, _, _, spikes, _ = run_kernel(config, weight, events, negative, noise)
    layer, expected = run_oracle(config, weight, events, negative, noise)
    np.testing.assert_array_equal(spikes, expected)
    np.testing.assert_allclose(W, layer.weight, rtol=1e-5, atol=1e-10)


def test_kernel_calls_can_be_cut_anywhere():
    config = HebbianConfig(layers=(N_NEURONS,))
    weight, events, negative, noise = presentations(40, config)
    whole, *_ = run_kernel(config, weight, events, negative, noise)
    W, E, v = weight.copy(), np.zeros_like(weight), np.zeros((1, N_NEURONS))
    for part in (slice(0, 13), slice(13, 40)):
        some, y = events[part], negative[part]
        output, traces = np.empty((len(y), N_NEURONS), np.uint64), np.empty((len(y), N_NEURONS))
        words = (some.starts, some.channels, some.words)
        train_online(W, E, v, *words, y, noise, constants_of(config, 0), output, traces)
    np.testing.assert_allclose(W, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("top_k", [0, 4])
def test_label_sweep_by_events_equals_dense_presentations(top_k):
    config = HebbianConfig(layers=(N_NEURONS,), top_k=top_k)
    weight, _, _, _ = presentations(1, config)
    rng = np.random.default_rng(5)
    image, label = rng.random((3, 1, 23, 40)) < 0.2, rng.random((3, 4, 23, 20)) < 0.3
    spikes = np.concatenate([np.broadcast_to(image, (3, 4, 23, 40)), label], axis=-1)
    shared = pack_events(np.concatenate([image[:, 0], np.zeros((3, 23, 20))], axis=-1))
    own = pack_events(np.concatenate([np.zeros((12, 23, 40)), label.reshape(12, 23, 20)], axis=-1))
    second = rng.standard_normal((N_NEURONS, N_NEURONS))
    stacked = config.replace(layers=(N_NEURONS, N_NEURONS))
    response = respond_to_events([weight, second], stacked, shared, own, 4)
    expected = DenseLayer(weight, config).respond(spikes.reshape(12, 23, N_INPUTS))
    deeper = DenseLayer(second, config).respond(expected)
    for layer, dense in enumerate((expected, deeper)):
        np.testing.assert_array_equal(response.counts[layer].reshape(12, N_NEURONS), dense.sum(axis=1))
        traces = response.traces[layer].reshape(12, N_NEURONS)
        np.testing.assert_allclose(traces, config.output_trace.final(dense), rtol=1e-12)


@pytest.mark.parametrize(("batch_size", "top_k"), [(1, 0), (3, 4)])
def test_presentations_in_turn_go_on_from_the_potentials_that_were_left(batch_size, top_k):
    config = HebbianConfig(layers=(N_NEURONS,), batch_size=batch_size, top_k=top_k, input_strength=1.0)
    rng = np.random.default_rng(6)
    # At strength 1 a full pixel spikes in every step, so that nothing is left to chance.
    inputs, weight = (rng.random((7, N_INPUTS)) < 0.2).astype(np.float32), rng.standard_normal((N_INPUTS, N_NEURONS))
    layer, expected = DenseLayer(weight, config), []
    for start in range(0, 7, batch_size):
        some = inputs[start : start + batch_size]
        expected.append(np.sum([layer.step(some.astype(float)) for _ in range(config.n_time_steps)], axis=0))
    parts = [response.counts[0][:, 0] for _, response in responses_in_turn([weight], config, inputs)]
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(expected))
    rested = DenseLayer(weight, config).respond(inputs[:, None].repeat(config.n_time_steps, axis=1)).sum(axis=1)
    assert (np.concatenate(parts) != rested).any()


def test_events_survive_packing():
    spikes = np.random.default_rng(0).random((5, 64, 9)) < 0.3
    packed = pack_events(spikes)
    np.testing.assert_array_equal(packed.dense(), spikes)
    np.testing.assert_array_equal(packed[1:3].dense(), spikes[1:3])


def test_drawn_events_have_their_rates_and_do_not_depend_on_company():
    rates = np.array([[0.0, 0.25, 1.0]], dtype=np.float32).repeat(4000, axis=0)
    events = draw_events(rates, 23, key=9)
    assert isinstance(events, Events)
    means = events.dense().mean(axis=(0, 1))
    assert means[0] == 0
    assert means[1] == pytest.approx(0.25, abs=0.005)
    assert means[2] == 1
    np.testing.assert_array_equal(draw_events(rates[:10], 23, key=9).words, events[:10].words)
    assert (draw_events(rates[:10], 23, key=10).words != events[:10].words).any()


@pytest.mark.parametrize("probability", ["sigmoid", "symmetric"])
def test_gradient_of_the_loss_is_a_modulated_hebbian_product(probability):
    rng = np.random.default_rng(1)
    weight, inputs = rng.standard_normal((8, 12)) / 4, rng.standard_normal((20, 12))
    both = gradient_and_hebbian_product(weight, inputs, rng.integers(0, 2, 20), probability, alpha=1.7, theta=0.8)
    assert both.relative_difference < 1e-12


def test_modulator_rewards_the_half_of_the_polarity_and_punishes_the_other():
    z = np.array([[1.0, 0.0, 2.0, 0.0], [1.0, 0.0, 2.0, 0.0]])
    M = modulator(z, np.array([0, 1]), "symmetric", epsilon=0.0)
    np.testing.assert_allclose(M, [[4 / 5, 4 / 5, -1 / 5, -1 / 5], [-1 / 5, -1 / 5, 1 / 20, 1 / 20]])


@pytest.mark.parametrize("kind", ["li", "relu", "hard-li"])
def test_traces_follow_their_equations(kind):
    spikes = np.array([1, 0, 1, 1, 0])[:, None]
    expected = {
        "relu": 3 / 10,
        "li": 0.15 * (0.85**4 + 0.85**2 + 0.85),
        "hard-li": 0.85,
    }
    trace = Trace(kind)
    assert trace.final(spikes)[0] == pytest.approx(expected[kind])
    assert Trace.from_tree(trace.to_tree()) == trace


def test_only_the_accumulating_trace_can_do_with_counts():
    counts = np.array([0, 5])
    np.testing.assert_allclose(Trace("relu").of_counts(counts), [0, 0.5])
    with pytest.raises(ValueError, match="needs the spikes of every step"):
        Trace("li").of_counts(counts)
