"""The neuron equations, against closed forms and against integers worked out by hand."""

import math

import numpy as np
import pytest

from ff2neuro.dynamics import FixedPointNeurons, FloatNeurons, simulate, spike_counts


def integers(vth, n=1, **parameters):
    return FixedPointNeurons(vth=np.full(n, vth), bias=np.zeros(n, dtype=np.int64), **parameters)


def doubles(threshold, n=1, reset="zero"):
    ones, zeros = np.ones(n), np.zeros(n)
    return FloatNeurons(
        v_threshold=np.full(n, threshold),
        v_reset=zeros,
        mem_decay=ones,
        mem_gain=ones,
        syn_decay=zeros,
        syn_gain=ones,
        leak=zeros,
        v_init=zeros,
        reset=reset,
    )


@pytest.mark.parametrize("current", [1, 3, 7, 20, 50])
def test_constant_current_gives_the_staircase_when_reset_to_zero(current):
    # With threshold 20.5 the potential passes it after ceil(20.5 / I) steps and starts again from 0.
    n_time_steps = 100
    period = math.ceil(20.5 / current)
    currents = np.full((1, 1, 1), current, dtype=np.float64)
    assert simulate(doubles(20.5), currents, n_time_steps).sum() == n_time_steps // period
    assert simulate(integers(20), currents, n_time_steps).sum() == n_time_steps // period


@pytest.mark.parametrize("current", [0.3, 1.7, 4.0])
def test_constant_current_gives_its_rate_when_reset_by_subtraction(current):
    # Nothing is lost: after T steps v = T*I - n*theta stays below theta plus one step's input.
    counts = simulate(doubles(5.0, reset="subtract"), np.full((1, 1, 1), current), 200).sum()
    assert abs(counts - 200 * current / 5.0) <= 1


def test_float_and_fixed_point_agree_on_integers(rng):
    currents = rng.integers(-300, 300, (50, 40, 8)).astype(np.float64)
    expected = simulate(doubles(500.5, 8), currents, 40)
    assert expected.any()
    np.testing.assert_array_equal(simulate(integers(500, 8), currents, 40), expected)


def test_subtraction_removes_the_integer_threshold():
    neurons = integers(10, reset="subtract")
    state = neurons.rest(1)
    assert neurons.step(state, np.array([[25]]))[0, 0]
    assert state.v[0, 0] == (25 - 10) * 64


def test_threshold_is_strict():
    # v = 10 is not above vth = 10, v = 11 is; NIR's 10.5 separates the same two.
    assert not simulate(integers(10), np.full((1, 1, 1), 10), 1).any()
    assert simulate(integers(10), np.full((1, 1, 1), 11), 1).all()
    assert not simulate(doubles(10.5), np.full((1, 1, 1), 10.0), 1).any()


def test_leak_truncates_the_magnitude():
    # v = 3 * 64 = 192; leak 100/4096: 192 * 3996 / 4096 = 187.3 -> 187, and -187 from the other side.
    for sign in (1, -1):
        neurons = integers(1000, mem_leak=100)
        state = neurons.rest(1)
        neurons.step(state, np.array([[sign * 3]]))
        neurons.step(state, np.array([[0]]))
        assert state.v[0, 0] == sign * 187


def test_synapse_remembers_in_4096ths():
    # u = 64 * 64 = 4096; a decay of 1024/4096 leaves 3072, and v integrates both.
    neurons = integers(100000, syn_leak=1024)
    state = neurons.rest(1)
    neurons.step(state, np.array([[64]]))
    neurons.step(state, np.array([[0]]))
    assert state.u[0, 0] == 3072
    assert state.v[0, 0] == 4096 + 3072


def test_current_wraps_once_beyond_24_bits():
    # (2^17 + 5) * 64 exceeds 2^23 and loses 2^24: the drive turns into inhibition.
    neurons = integers(100)
    state = neurons.rest(1)
    assert not neurons.step(state, np.array([[2**17 + 5]])).any()
    assert state.u[0, 0] == (2**17 + 5) * 64 - 2**24


def test_potential_is_clipped_at_24_bits():
    neurons = integers(2**17 - 1)
    state = neurons.rest(1)
    for _ in range(3):
        neurons.step(state, np.array([[-100000]]))
    assert state.v[0, 0] == -(2**23 - 1)


def test_bias_enters_without_the_shift():
    neurons = FixedPointNeurons(vth=np.array([1000]), bias=np.array([3 * 64]))
    state = neurons.rest(1)
    neurons.step(state, np.array([[0]]))
    assert state.v[0, 0] == 3 * 64


def test_trace_holds_the_state_after_every_step():
    trace = []
    simulate(integers(10), np.full((1, 1, 1), 4), 3, trace)
    assert [int(state.v[0, 0]) for state in trace] == [4 * 64, 8 * 64, 0]


@pytest.mark.parametrize("leak", [0, 300])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_counts_are_the_sum_of_spikes_from_any_initial_potential(rng, leak, reset):
    v_init = rng.integers(-5000, 40 * 64, 4)
    neurons = integers(40, 4, mem_leak=leak, reset=reset, v_init=v_init)
    currents = rng.integers(-20, 30, (7, 25, 4))
    spikes = simulate(neurons, currents, 25)
    np.testing.assert_array_equal(spike_counts(neurons, currents, 25), spikes.sum(axis=1))
    rested = simulate(integers(40, 4, mem_leak=leak, reset=reset), currents, 25)
    assert (spikes != rested).any()


def test_initial_potential_is_in_units_of_a_64th():
    for v_init, expected in ((40 * 64 - 64, False), (40 * 64 - 63, True)):
        neurons = FixedPointNeurons(vth=np.array([40]), bias=np.zeros(1, dtype=np.int64), v_init=v_init)
        assert simulate(neurons, np.ones((1, 1, 1)), 1)[0, 0, 0] == expected
