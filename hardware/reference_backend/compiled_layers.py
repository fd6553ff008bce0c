"""Layers of a chain as compiled code runs them: events in, spikes out, whatever the weights and the events are."""

import math
import threading
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import CURRENT_LIMIT
from ff2neuro.hardware.fixed_point import FixedPointLayer, check_currents
from ff2neuro.hardware.reference_backend.integers import Projection
from ff2neuro.hardware.reference_backend.kernels import (
    LARGEST_GRADED,
    count,
    integrate,
    present,
    propagate,
    shared_channels,
    within_16_bits,
)
from ff2neuro.hardware.reference_backend.populations import in_lanes, kernel_parameters, regular

__all__ = ["CompiledLayer", "FirstLayer"]

Array = npt.NDArray[Any]

INT8 = np.iinfo(np.int8)
NO_COUNTS = np.empty((0, 0), dtype=np.uint16)
#: Rows of weights that begin where a line of the cache begins are read faster [byte].
CACHE_LINE = 64


class CompiledLayer:
    """A layer that is sent spikes.

    Parameters
    ----------
    layer : FixedPointLayer
        Its weights and neurons.
    spikes_per_step : int
        How many spikes a source can send in one step.
    """

    def __init__(self, layer: FixedPointLayer, spikes_per_step: int = 1) -> None:
        self.name = layer.name
        self.n_neurons = int(layer.weight.shape[0])
        self._layer = layer
        self._parameters = kernel_parameters(layer.neurons)
        self._fan_out = _fan_out(layer.weight) if spikes_per_step <= LARGEST_GRADED else None
        self._at_once = within_16_bits(spikes_per_step) if 1 < spikes_per_step <= LARGEST_GRADED else 0
        self._scratch = threading.local()

    def rest(self, n_presentations: int) -> Array:
        """Return u and v at the start of presentations: int32 of shape (2, n_presentations, n_lanes)."""
        state = np.zeros((2, n_presentations, in_lanes(self.n_neurons)), dtype=np.int32)
        state[1] = self._parameters.v_init
        return state

    def run(self, activity: Array, state: Array, running: Array) -> Array:
        """Advance some presentations.

        Parameters
        ----------
        activity : ndarray of uint8, shape (n_presentations, n_time_steps, at least n_sources)
            Spikes of the layer before.
        state : ndarray of int32, shape (2, n_presentations, n_lanes)
            u and v, changed in place.
        running : ndarray of bool, shape (n_presentations,)
            Which presentations to advance.

        Returns
        -------
        ndarray of uint8, shape (n_presentations, n_time_steps, n_lanes)
            Spikes, until the next call in this thread; meaningless where a presentation does not run.
        """
        spikes = self._no_spikes(*activity.shape[:2])
        if self._fan_out is not None:
            propagate(activity, self._fan_out, self._at_once, self._parameters, state, running, spikes)
        else:
            sources = activity[..., : self._layer.weight.shape[1]]
            integrate(self._in_lanes(self._currents(sources)), self._parameters, state, running, spikes)
        return spikes

    def keep(self, spikes: Array, running: Array, results: dict[str, Array]) -> None:
        """Write spikes into the result of this layer, or add them to its counts.

        Parameters
        ----------
        spikes : ndarray of uint8, shape (n_presentations, n_time_steps, n_lanes)
            As `run` returns them.
        running : ndarray of bool, shape (n_presentations,)
            Which presentations they are of.
        results : dict of str to ndarray of shape (n_presentations, [n_time_steps,] n_neurons)
            Results of all layers, by name; without an axis of time they are counts.
        """
        result = results[self.name]
        if result.ndim == 2:
            count(spikes, running, result)
        else:
            result[...] = spikes[..., : self.n_neurons]

    def _no_spikes(self, n_presentations: int, n_time_steps: int) -> Array:
        """Room for spikes, the same at every call in a thread: fresh memory takes longer to get than to fill."""
        shape = n_presentations, n_time_steps, in_lanes(self.n_neurons)
        room: Array | None = getattr(self._scratch, "room", None)
        if room is None or room.size < math.prod(shape):
            room = self._scratch.room = np.empty(math.prod(shape), dtype=np.uint8)
        return room[: math.prod(shape)].reshape(shape)

    @cached_property
    def _projection(self) -> Projection:
        return Projection(self._layer.weight)

    def _currents(self, activity: Array) -> Array:
        """Weighted input by a matrix product, of shape (n_presentations, n_steps, n_neurons)."""
        return self._projection(activity.reshape(-1, activity.shape[-1])).reshape(*activity.shape[:-1], -1)

    def _in_lanes(self, currents: Array) -> Array:
        lanes = np.zeros((*currents.shape[:-1], in_lanes(self.n_neurons)), dtype=np.int32)
        lanes[..., : self.n_neurons] = currents
        return lanes


class FirstLayer(CompiledLayer):
    """The layer that is sent the input, which may be graded and is the same in parts under every hypothesis.

    Parameters
    ----------
    layer : FixedPointLayer
        Its weights and neurons.
    """

    def __init__(self, layer: FixedPointLayer) -> None:
        super().__init__(layer)
        # Whether no current can overflow Lava's while the input is binary.
        self._unlimited = np.abs(layer.weight).sum(axis=1).max(initial=0) < CURRENT_LIMIT

    def counts_at_once(self, events: Array) -> bool:
        """Say whether spikes can be counted without simulating every step.

        Parameters
        ----------
        events : ndarray of shape (n_images, n_hypotheses, n_time_steps or 1, n_inputs)
            Input events.

        Returns
        -------
        bool
            True if `run_input` can fill in `counts`.
        """
        if events.shape[2] > 1 or self._fan_out is None or not regular(self._parameters):
            return False
        return _largest(events) <= LARGEST_GRADED

    def run_input(
        self, events: Array, n_time_steps: int, state: Array, running: Array, counts: Array = NO_COUNTS
    ) -> Array:
        """Advance some presentations.

        Parameters
        ----------
        events : ndarray of shape (n_images, n_hypotheses, n_time_steps or 1, n_inputs)
            Integers.
        n_time_steps : int
            Number of time steps.
        state, running : ndarray
            As in `run`.
        counts : ndarray of uint16, shape (n_presentations, n_neurons), optional
            Where the layer `counts_at_once`, filled in instead of the spikes.

        Returns
        -------
        ndarray of uint8, shape (n_presentations, n_time_steps, n_lanes)
            Spikes, until the next call in this thread; meaningless where a presentation does not run.

        Raises
        ------
        RangeError
            If a current would overflow Lava's.
        """
        spikes = self._no_spikes(len(running), n_time_steps)
        largest = _largest(events)
        if self._fan_out is None or largest > LARGEST_GRADED:
            currents = self._currents(events.reshape(-1, *events.shape[2:]))
            check_currents(self._layer, currents)
            integrate(self._in_lanes(currents), self._parameters, state, running, spikes)
            return spikes
        small = np.ascontiguousarray(events, dtype=np.uint8)
        if largest <= 1 and events.shape[1] == 1 and self._unlimited and counts.size == 0:
            propagate(small[:, 0], self._fan_out, self._at_once, self._parameters, state, running, spikes)
            return spikes
        shared = shared_channels(small)
        channels = np.flatnonzero(shared), np.flatnonzero(~shared)
        extremes = np.zeros(len(small), dtype=np.int32)
        at_once = within_16_bits(int(largest))
        present(small, *channels, self._fan_out, at_once, self._parameters, state, running, spikes, counts, extremes)
        check_currents(self._layer, extremes)
        return spikes


def _largest(events: Array) -> float:
    """Return the largest event; infinity if there are negative ones."""
    if events.dtype.kind != "u" and events.min(initial=0) < 0:
        return float("inf")
    return float(events.max(initial=0))


def _fan_out(weight: Array) -> Array | None:
    """Weights of one source side by side in 8 bits, filled up to whole vectors; None if they need more."""
    if weight.size and (weight.min() < INT8.min or weight.max() > INT8.max):
        return None
    n_neurons, n_sources = weight.shape
    n_lanes = in_lanes(n_neurons)
    room = np.zeros(n_sources * n_lanes + CACHE_LINE, dtype=np.int8)
    start = -room.ctypes.data % CACHE_LINE
    fan_out = room[start : start + n_sources * n_lanes].reshape(n_sources, n_lanes)
    fan_out[:, :n_neurons] = weight.T
    return fan_out
