r"""The exact discrete equations of integrate-and-fire neurons, in floating point and in Lava's fixed point.

Everything that simulates spikes in this package steps these two classes, so that calibration, the reference backend
and the fine-tuning of a network on its true response cannot disagree.

Floating point, forward Euler with step :math:`\Delta t`, reset in the same step (the reading of NIR's ``CubaLIF`` on
which snnTorch, Norse, SpikingJelly and Lava agree)::

    i <- syn_decay * i + syn_gain * x
    v <- mem_decay * v + leak + mem_gain * i
    z <- v > v_threshold ;  v <- v_reset where z        (or v - v_threshold: reset by subtraction)

Fixed point, the arithmetic of lava-nc 0.10.0's ``PyLifModelBitAcc``: ``u`` and ``v`` are integers in units of 1/64,
decays are n/4096 and truncate toward zero, ``u`` wraps once at 2^23, ``v`` is clipped to 2^23 - 1, and a neuron spikes
where ``v > vth * 64``.

A neuron that is reset by subtraction may send several spikes in one step: z is then the largest m, up to a limit, for
which v > m v_threshold, and m v_threshold is subtracted. With a limit of 1 these are the equations above.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

__all__ = [
    "CURRENT_LIMIT",
    "FixedPointNeurons",
    "FloatNeurons",
    "Neurons",
    "Reset",
    "State",
    "simulate",
    "spike_counts",
    "spike_times",
]

Reset = Literal["zero", "subtract"]
Array = npt.NDArray[Any]
Spikes = npt.NDArray[np.bool_] | npt.NDArray[np.uint8]

#: Fractional units of u and v in Lava's fixed-point models (inputs and thresholds are shifted left by 6 bits).
STATE_SCALE = 64
#: Magnitude at which u wraps and v is clipped, in units of 1/64.
STATE_LIMIT = 2**23
#: Synaptic input per step from which Lava's u wraps around, in weight units: 2^23 / 64.
CURRENT_LIMIT = STATE_LIMIT // STATE_SCALE
#: Denominator of Lava's 12-bit decays.
DECAY_UNITY = 4096


@dataclass
class State:
    """Synaptic current and membrane potential of a batch of neurons.

    Attributes
    ----------
    u, v : ndarray of shape (n_presentations, n_neurons)
        In the units of the arithmetic that made them.
    """

    u: Array
    v: Array


class Neurons(Protocol):
    """A population with the same equations, different only in its parameters."""

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""

    def rest(self, n_presentations: int) -> State:
        """State at the beginning of a presentation."""

    @property
    def max_spikes_per_step(self) -> int:
        """Number of spikes that a neuron can send in one step."""

    def step(self, state: State, current: Array) -> Spikes:
        """Advance `state` by one time step in place and return which neurons spike, or how often."""


@dataclass(frozen=True, eq=False)
class FloatNeurons:
    """Leaky or leak-free integrate-and-fire neurons in double precision.

    Attributes
    ----------
    v_threshold, v_reset, leak, mem_gain, syn_gain, v_init : ndarray of shape (n_neurons,)
        As in the equations of this module; `v_init` is v at the start of each presentation.
    mem_decay, syn_decay : ndarray of shape (n_neurons,)
        Factor that is left of v and i after one step, in [0, 1].
    reset : {"zero", "subtract"}
        What a spike does to v: set it to `v_reset`, or subtract `v_threshold` from it.
    max_spikes_per_step : int
        Number of spikes that a neuron can send in one step; more than 1 only with reset by subtraction.
    """

    v_threshold: Array
    v_reset: Array
    mem_decay: Array
    mem_gain: Array
    syn_decay: Array
    syn_gain: Array
    leak: Array
    v_init: Array
    reset: Reset = "zero"
    max_spikes_per_step: int = 1

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return int(self.v_threshold.size)

    def rest(self, n_presentations: int) -> State:
        """State at the beginning of a presentation: no current, v at `v_init`."""
        return State(
            u=np.zeros((n_presentations, self.n_neurons)),
            v=np.tile(np.asarray(self.v_init, dtype=np.float64), (n_presentations, 1)),
        )

    def step(self, state: State, current: Array) -> Spikes:
        """Advance `state` by one time step in place.

        Parameters
        ----------
        state : State
            Changed in place.
        current : ndarray of shape (n_presentations, n_neurons)
            Weighted input x of this step.

        Returns
        -------
        ndarray of bool, or of uint8 if `max_spikes_per_step` is above 1, shape (n_presentations, n_neurons)
            Which neurons spike, or how often.
        """
        state.u *= self.syn_decay
        state.u += self.syn_gain * current
        state.v *= self.mem_decay
        state.v += self.leak + self.mem_gain * state.u
        if self.max_spikes_per_step > 1:
            return _send_several(state.v, self.v_threshold, self.max_spikes_per_step)
        spikes: npt.NDArray[np.bool_] = state.v > self.v_threshold
        after = state.v - self.v_threshold if self.reset == "subtract" else self.v_reset
        np.copyto(state.v, after, where=spikes)
        return spikes


@dataclass(frozen=True, eq=False)
class FixedPointNeurons:
    """Integrate-and-fire neurons in the arithmetic of Lava's fixed-point CPU models.

    Attributes
    ----------
    vth : ndarray of int, shape (n_neurons,)
        Integer threshold k: a neuron spikes where v > k. NIR's v_threshold is k + 1/2, which no sum of integers
        reaches, so that ``>`` and ``>=`` readers agree.
    bias : ndarray of int, shape (n_neurons,)
        Constant input per step, in units of 1/64 (Lava adds its bias without the shift).
    mem_leak : int
        Numerator n of the leak n/4096 of v (Lava's ``dv``); 0 for no leak.
    syn_leak : int
        Numerator of the decay of u (Lava's ``du + 1``); 4096 for no memory.
    reset : {"zero", "subtract"}
        What a spike does to v: set it to 0, or subtract k from it.
    max_spikes_per_step : int
        Number of spikes that a neuron can send in one step; more than 1 only with reset by subtraction and k above 0.
    v_init : int or ndarray of int, shape (n_neurons,)
        v at the start of each presentation, in units of 1/64.
    """

    vth: Array
    bias: Array
    mem_leak: int = 0
    syn_leak: int = DECAY_UNITY
    reset: Reset = "zero"
    v_init: Array | int = 0
    max_spikes_per_step: int = 1
    _threshold: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_threshold", np.asarray(self.vth, dtype=np.int64) * STATE_SCALE)

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return int(np.size(self.vth))

    @property
    def plain(self) -> bool:
        """Whether u is the input of this step and v has no leak: the integrate-and-fire neuron."""
        return self.mem_leak == 0 and self.syn_leak == DECAY_UNITY and not np.any(self.bias)

    def rest(self, n_presentations: int) -> State:
        """State at the beginning of a presentation: no current, v at `v_init`."""
        shape = (n_presentations, self.n_neurons)
        # Integers below 2^24 are exact in single precision, and a leak-free neuron needs no others.
        dtype = np.float32 if self.plain else np.int64
        v = np.broadcast_to(np.asarray(self.v_init), shape).astype(dtype)
        return State(u=np.zeros(shape, dtype), v=v)

    def step(self, state: State, current: Array) -> Spikes:
        """Advance `state` by one time step in place.

        Parameters
        ----------
        state : State
            Changed in place.
        current : ndarray of shape (n_presentations, n_neurons)
            Weighted input of this step, integers (of any dtype) below 2^17 in magnitude.

        Returns
        -------
        ndarray of bool, or of uint8 if `max_spikes_per_step` is above 1, shape (n_presentations, n_neurons)
            Which neurons spike, or how often.
        """
        if self.plain:
            np.multiply(current, STATE_SCALE, out=state.u, casting="unsafe")
        else:
            state.u[...] = _decay(state.u, self.syn_leak) + np.asarray(current, dtype=np.int64) * STATE_SCALE
            state.v[...] = _decay(state.v, self.mem_leak) + self.bias
        _wrap(state.u)
        state.v += state.u
        np.clip(state.v, -(STATE_LIMIT - 1), STATE_LIMIT - 1, out=state.v)
        if self.max_spikes_per_step > 1:
            return _send_several(state.v, self._threshold, self.max_spikes_per_step)
        spikes: npt.NDArray[np.bool_] = state.v > self._threshold
        after: Any = (state.v - self._threshold).astype(state.v.dtype) if self.reset == "subtract" else 0
        np.copyto(state.v, after, where=spikes)
        return spikes


def simulate(neurons: Neurons, currents: Array, n_time_steps: int, trace: list[State] | None = None) -> Spikes:
    """Run a population over whole presentations.

    Parameters
    ----------
    neurons : Neurons
        The population.
    currents : ndarray of shape (n_presentations, n_time_steps or 1, n_neurons)
        Weighted input; with one time step it is the same at every step.
    n_time_steps : int
        Number of time steps T.
    trace : list of State, optional
        Takes a copy of the state after each step.

    Returns
    -------
    ndarray of bool, or of uint8 for several spikes in a step, shape (n_presentations, n_time_steps, n_neurons)
        Spikes; bin t answers input bin t.
    """
    kind = np.uint8 if neurons.max_spikes_per_step > 1 else np.bool_
    spikes: Spikes = np.empty((currents.shape[0], n_time_steps, neurons.n_neurons), dtype=kind)
    for t, (state, fired) in enumerate(_steps(neurons, currents, n_time_steps)):
        spikes[:, t] = fired
        if trace is not None:
            trace.append(State(state.u.copy(), state.v.copy()))
    return spikes


def spike_counts(neurons: Neurons, currents: Array, n_time_steps: int) -> npt.NDArray[np.int32]:
    """Run a population over whole presentations and keep only how often each neuron spikes.

    Parameters
    ----------
    neurons : Neurons
        The population.
    currents : ndarray of shape (n_presentations, n_time_steps or 1, n_neurons)
        As in `simulate`.
    n_time_steps : int
        Number of time steps T.

    Returns
    -------
    ndarray of int, shape (n_presentations, n_neurons)
        Number of spikes: the sum over time of what `simulate` returns.
    """
    counts = np.zeros((currents.shape[0], neurons.n_neurons), dtype=np.int32)
    for _, fired in _steps(neurons, currents, n_time_steps):
        counts += fired
    return counts


def spike_times(neurons: Neurons, currents: Array, n_time_steps: int) -> tuple[Array, Array]:
    """Run a population over whole presentations and keep how often each neuron spikes, and when it does so last.

    Parameters
    ----------
    neurons : Neurons
        The population.
    currents : ndarray of shape (n_presentations, n_time_steps or 1, n_neurons)
        As in `simulate`.
    n_time_steps : int
        Number of time steps T.

    Returns
    -------
    counts : ndarray of int, shape (n_presentations, n_neurons)
        Number of spikes.
    last : ndarray of int, shape (n_presentations, n_neurons)
        Step of the last spike, counted from 1; 0 for silence.
    """
    counts, last = np.zeros((2, currents.shape[0], neurons.n_neurons), dtype=np.int32)
    for step, (_, fired) in enumerate(_steps(neurons, currents, n_time_steps), start=1):
        counts += fired
        np.copyto(last, step, where=fired.astype(np.bool_, copy=False))
    return counts, last


def _steps(neurons: Neurons, currents: Array, n_time_steps: int) -> Iterator[tuple[State, Spikes]]:
    """Yield, for every step from rest, the state, which the next step changes, and what neurons send."""
    state = neurons.rest(currents.shape[0])
    for t in range(n_time_steps):
        yield state, neurons.step(state, currents[:, t if currents.shape[1] > 1 else 0])


def _send_several(v: Array, threshold: Array, most: int) -> npt.NDArray[np.uint8]:
    """Return how often potentials exceed their thresholds, up to a limit, and subtract as many thresholds in place."""
    spikes: Array = np.ceil(np.divide(v, threshold, dtype=np.float64)) - 1
    # The quotient of integers of 24 bits is exact to 53 bits; that of other numbers may be rounded past an integer.
    spikes += v > (spikes + 1) * threshold
    spikes -= v <= spikes * threshold
    spikes = np.clip(spikes, 0, most)
    v -= (spikes * threshold).astype(v.dtype)
    sent: npt.NDArray[np.uint8] = spikes.astype(np.uint8)
    return sent


def _decay(values: Array, leak: int) -> Array:
    """Multiply integers by 1 - leak/4096, truncating the magnitude: no residue sticks at -1."""
    product = np.asarray(values, dtype=np.int64) * (DECAY_UNITY - leak)
    decayed: Array = np.sign(product) * (np.abs(product) >> 12)
    return decayed


def _wrap(u: Array) -> None:
    """Wrap u once around 24 bits, in place, as Lava does: a larger input is not folded back further."""
    if u.size == 0:
        return
    low, high = u.min(), u.max()
    if high > STATE_LIMIT:
        u[u > STATE_LIMIT] -= 2 * STATE_LIMIT
    if low <= -STATE_LIMIT:
        u[u <= -STATE_LIMIT] += 2 * STATE_LIMIT
