"""Compiled loops of the fixed-point neurons: the integers of `ff2neuro.dynamics.FixedPointNeurons`, in less time.

Every presentation is simulated in the cache, one after another, and synapses are visited only where an event arrives.
Integer sums do not depend on their order, so the bits are those of the matrix products.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import DECAY_UNITY, STATE_LIMIT, STATE_SCALE
from ff2neuro.hardware.reference_backend.populations import KernelParameters

__all__ = [
    "LARGEST_GRADED",
    "count",
    "integrate",
    "present",
    "propagate",
    "shared_channels",
    "within_16_bits",
]

Array = npt.NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])

# The compiled code is kept beside the source, or in the user's cache.
compiled = cast(Callable[[F], F], numba.njit(cache=True, nogil=True, error_model="numpy"))
inlined = cast(Callable[[F], F], numba.njit(cache=True, nogil=True, error_model="numpy", inline="always"))

#: Largest value of which four, times weights of 8 bits, add up within 16 bits.
LARGEST_GRADED = 63
#: Number of weights of 8 bits that add up within 16 bits.
SPIKES_AT_ONCE = 255

_UNITY, _LIMIT, _SCALE = np.int64(DECAY_UNITY), np.int32(STATE_LIMIT), np.int32(STATE_SCALE)
_LOWEST, _HIGHEST = np.int32(1 - STATE_LIMIT), np.int32(STATE_LIMIT - 1)
_ZERO, _ONE = np.int32(0), np.int32(1)


def within_16_bits(largest: int) -> int:
    """Count the sources whose currents add up within 16 bits, which are twice as fast as 32.

    Parameters
    ----------
    largest : int
        Largest event, 0 to `LARGEST_GRADED`; weights have 8 bits.

    Returns
    -------
    int
        At least 4.
    """
    return np.iinfo(np.int16).max // (-np.iinfo(np.int8).min * max(1, largest))


@inlined
def _decayed(value: Any, leak: int) -> Any:
    """Multiply by 1 - leak/4096, truncating the magnitude."""
    product = np.int64(value) * (_UNITY - leak)
    return np.int32(product >> 12) if product >= 0 else np.int32(-((-product) >> 12))


@compiled
def _fire(v: Array, current: Array, threshold: Array, subtract: bool, spikes: Array) -> None:
    """Run a plain population for as many steps as `spikes` has rows, all with the same current."""
    for t in range(spikes.shape[0]):
        row = spikes[t]
        for j in range(v.size):
            # Numba's sums of 32 bits have 64; cut back at once, twice as many fit a vector.
            potential = np.int32(v[j] + np.int32(current[j] * _SCALE))
            potential = min(max(potential, _LOWEST), _HIGHEST)
            fired = potential > threshold[j]
            after = np.int32(potential - threshold[j]) if subtract else _ZERO
            v[j] = after if fired else potential
            row[j] = fired


@inlined
def _integrated(u: Array, v: Array, current: Array, parameters: KernelParameters, j: int) -> Any:
    """Advance the current of a neuron and return its potential before any spike."""
    u[j] = _decayed(u[j], parameters.syn_leak) + current[j] * _SCALE
    # Once around, as Lava does.
    if u[j] > _LIMIT:
        u[j] -= 2 * _LIMIT
    elif u[j] <= -_LIMIT:
        u[j] += 2 * _LIMIT
    potential = _decayed(v[j], parameters.mem_leak) + parameters.bias[j] + u[j]
    return min(max(potential, _LOWEST), _HIGHEST)


@compiled
def _fire_leaky(u: Array, v: Array, current: Array, parameters: KernelParameters, spikes: Array) -> None:
    """Run any population for as many steps as `spikes` has rows; see `ff2neuro.dynamics.FixedPointNeurons.step`."""
    threshold = parameters.threshold
    for t in range(spikes.shape[0]):
        row = spikes[t]
        for j in range(v.size):
            potential = _integrated(u, v, current, parameters, j)
            fired = potential > threshold[j]
            after = potential - threshold[j] if parameters.subtract else _ZERO
            v[j] = after if fired else potential
            row[j] = fired


@compiled
def _fire_several(u: Array, v: Array, current: Array, parameters: KernelParameters, spikes: Array) -> None:
    """As `_fire_leaky`, with a spike for every threshold that a potential exceeds, up to `parameters.most`."""
    threshold, most = parameters.threshold, np.int32(parameters.most)
    for t in range(spikes.shape[0]):
        row = spikes[t]
        for j in range(v.size):
            potential = _integrated(u, v, current, parameters, j)
            several = min((potential - 1) // threshold[j], most) if potential > threshold[j] else 0
            v[j] = potential - several * threshold[j]
            row[j] = several


@inlined
def _advance(u: Array, v: Array, current: Array, parameters: KernelParameters, spikes: Array) -> None:
    """Run a population for as many steps as `spikes` has rows, all with the same current."""
    if parameters.most > 1:
        _fire_several(u, v, current, parameters, spikes)
    elif parameters.plain:
        _fire(v, current, parameters.threshold, parameters.subtract, spikes)
    else:
        _fire_leaky(u, v, current, parameters, spikes)


@compiled
def _count_regular(current: Array, threshold: Array, n_time_steps: int, counts: Array) -> None:
    """Count the spikes of leak-free neurons that reset to zero under a constant current: one every so many steps."""
    for j in range(counts.size):
        # The quotient of integers of 24 bits is exact to 53 bits, so that rounding cannot carry it past an integer.
        period = np.floor(threshold[j] / np.float64(max(current[j], _ONE) * _SCALE)) + 1.0
        counts[j] = np.uint16(np.floor(n_time_steps / period)) if current[j] > 0 else np.uint16(0)


@compiled
def _arrive(events: Array, fan_out: Array, current: Array, active: Array, short: Array) -> None:
    """Add up the weights of all sources that are active."""
    current[:] = 0
    n_active = 0
    for source in range(fan_out.shape[0]):
        active[n_active] = source
        n_active += events[source] != 0
    group = 0
    while group + 8 <= n_active:
        stop = min(n_active, group + SPIKES_AT_ONCE) - 7
        short[:] = 0
        while group < stop:
            a, b = fan_out[active[group]], fan_out[active[group + 1]]
            c, d = fan_out[active[group + 2]], fan_out[active[group + 3]]
            e, f = fan_out[active[group + 4]], fan_out[active[group + 5]]
            g, h = fan_out[active[group + 6]], fan_out[active[group + 7]]
            for j in range(short.size):
                short[j] += np.int16(a[j] + b[j] + c[j] + d[j] + e[j] + f[j] + g[j] + h[j])
            group += 8
        for j in range(current.size):
            current[j] += short[j]
    for index in range(group, n_active):
        a = fan_out[active[index]]
        for j in range(current.size):
            current[j] += a[j]


@compiled
def _arrive_graded(
    events: Array, channels: Array, fan_out: Array, at_once: int, current: Array, active: Array, short: Array
) -> None:
    """Add the weights of those of some channels that are active, times what they send, to what is there."""
    n_active = 0
    for index in range(channels.size):
        active[n_active] = channels[index]
        n_active += events[channels[index]] != 0
    group = 0
    while group + 4 <= n_active:
        stop = min(n_active, group + at_once) - 3
        short[:] = 0
        while group < stop:
            a, b = fan_out[active[group]], fan_out[active[group + 1]]
            c, d = fan_out[active[group + 2]], fan_out[active[group + 3]]
            k, m = np.int16(events[active[group]]), np.int16(events[active[group + 1]])
            n, o = np.int16(events[active[group + 2]]), np.int16(events[active[group + 3]])
            for j in range(short.size):
                short[j] += np.int16(np.int16(k * a[j]) + np.int16(m * b[j]) + np.int16(n * c[j]) + np.int16(o * d[j]))
            group += 4
        for j in range(current.size):
            current[j] += short[j]
    for index in range(group, n_active):
        a, k = fan_out[active[index]], np.int16(events[active[index]])
        for j in range(current.size):
            current[j] += np.int16(k * a[j])


@compiled
def shared_channels(events: Array) -> Array:
    """Say on which channels all hypotheses agree, in every image.

    Parameters
    ----------
    events : ndarray of uint8, shape (n_images, n_hypotheses, n_steps, n_channels)
        Input events.

    Returns
    -------
    ndarray of bool, shape (n_channels,)
        True where they agree at every step.
    """
    shared = np.ones(events.shape[3], dtype=np.bool_)
    for i in range(events.shape[0]):
        for h in range(1, events.shape[1]):
            for s in range(events.shape[2]):
                one, other = events[i, 0, s], events[i, h, s]
                for c in range(shared.size):
                    shared[c] &= one[c] == other[c]
    return shared


@compiled
def present(
    events: Array,
    shared: Array,
    own: Array,
    fan_out: Array,
    at_once: int,
    parameters: KernelParameters,
    state: Array,
    running: Array,
    spikes: Array,
    counts: Array,
    largest: Array,
) -> None:
    """Run the first population on graded events; what hypotheses share is added up once per image.

    Parameters
    ----------
    events : ndarray of uint8, shape (n_images, n_hypotheses, n_time_steps or 1, n_channels)
        Up to `LARGEST_GRADED`; with one time step they are the same at every step.
    shared, own : ndarray of int
        Channels on which all hypotheses of an image agree, and all others.
    fan_out : ndarray of int8, shape (n_channels, n_lanes)
        Weights, those of one channel side by side.
    at_once : int
        Number of channels whose currents add up within 16 bits, see `within_16_bits`.
    parameters : KernelParameters
        The population.
    state : ndarray of int32, shape (2, n_presentations, n_lanes)
        u and v, changed in place.
    running : ndarray of bool, shape (n_presentations,)
        Presentations to run; the others are left alone.
    spikes : ndarray of uint8, shape (n_presentations, n_time_steps, n_lanes)
        Filled in, unless there are `counts`.
    counts : ndarray of uint16, shape (n_presentations, n_neurons) or (0, 0)
        If it is not empty, filled in with the number of spikes, of neurons for which `regular` holds.
    largest : ndarray of int32, shape (n_images,)
        Filled in with the largest magnitude of any current.
    """
    n_hypotheses = events.shape[1]
    current = np.empty_like(parameters.v_init)
    common = np.empty((events.shape[2], current.size), dtype=np.int32)
    short = np.empty(current.size, dtype=np.int16)
    n_repeats = spikes.shape[1] // events.shape[2]
    active = np.empty(events.shape[3] + 1, dtype=np.int64)
    for i in range(events.shape[0]):
        common[:] = 0
        extreme = _ZERO
        for s in range(events.shape[2]):
            _arrive_graded(events[i, 0, s], shared, fan_out, at_once, common[s], active, short)
        for h in range(n_hypotheses):
            p = i * n_hypotheses + h
            if not running[p]:
                continue
            for t in range(events.shape[2]):
                current[:] = common[t]
                _arrive_graded(events[i, h, t], own, fan_out, at_once, current, active, short)
                for j in range(current.size):
                    extreme = max(extreme, np.int32(abs(current[j])))
                rows = spikes[p, t : t + n_repeats]
                if counts.size > 0:
                    _count_regular(current, parameters.threshold, n_repeats, counts[p])
                else:
                    _advance(state[0, p], state[1, p], current, parameters, rows)
        largest[i] = extreme


@compiled
def integrate(currents: Array, parameters: KernelParameters, state: Array, running: Array, spikes: Array) -> None:
    """Run a population on given currents.

    Parameters
    ----------
    currents : ndarray of int32, shape (n_presentations, n_time_steps or 1, n_lanes)
        Weighted input; with one time step it is the same at every step.
    parameters : KernelParameters
        The population.
    state, running, spikes : ndarray
        As in `present`.
    """
    n_repeats = spikes.shape[1] // currents.shape[1]
    for p in range(spikes.shape[0]):
        if not running[p]:
            continue
        for t in range(currents.shape[1]):
            _advance(state[0, p], state[1, p], currents[p, t], parameters, spikes[p, t : t + n_repeats])


@compiled
def propagate(
    events: Array,
    fan_out: Array,
    at_once: int,
    parameters: KernelParameters,
    state: Array,
    running: Array,
    spikes: Array,
) -> None:
    """Run a population on the events of the one before it.

    Parameters
    ----------
    events : ndarray of uint8, shape (n_presentations, n_time_steps or 1, at least n_sources)
        1 where a source is active, 0 where it is silent; with one time step they are the same at every step.
    fan_out : ndarray of int8, shape (n_sources, n_lanes)
        Weights, those of one source side by side.
    at_once : int
        0; or, where sources send up to `LARGEST_GRADED` spikes in a step, as for `present`.
    parameters : KernelParameters
        The population.
    state, running, spikes : ndarray
        As in `present`.
    """
    current = np.empty_like(parameters.v_init)
    active, sources = np.empty(fan_out.shape[0] + 1, dtype=np.int64), np.arange(fan_out.shape[0])
    short = np.empty(current.size, dtype=np.int16)
    n_repeats = spikes.shape[1] // events.shape[1]
    for p in range(spikes.shape[0]):
        if not running[p]:
            continue
        for t in range(events.shape[1]):
            if at_once:
                current[:] = 0
                _arrive_graded(events[p, t], sources, fan_out, at_once, current, active, short)
            else:
                _arrive(events[p, t], fan_out, current, active, short)
            _advance(state[0, p], state[1, p], current, parameters, spikes[p, t : t + n_repeats])


@compiled
def count(spikes: Array, running: Array, counts: Array) -> None:
    """Add spikes to what was counted before.

    Parameters
    ----------
    spikes : ndarray of uint8, shape (n_presentations, n_time_steps, n_lanes)
        How often each neuron spikes.
    running : ndarray of bool, shape (n_presentations,)
        Presentations to count.
    counts : ndarray of uint16, shape (n_presentations, n_neurons)
        Changed in place.
    """
    for p in range(spikes.shape[0]):
        if not running[p]:
            continue
        for t in range(spikes.shape[1]):
            for j in range(counts.shape[1]):
                counts[p, j] += spikes[p, t, j]
