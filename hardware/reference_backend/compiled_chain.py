"""The fixed-point simulation in compiled code and several threads; bit for bit that of `ff2neuro.dynamics`."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import CURRENT_LIMIT
from ff2neuro.hardware.fixed_point import FixedPointLayer, check_currents
from ff2neuro.hardware.reference_backend.integers import project
from ff2neuro.hardware.reference_backend.kernels import (
    LARGEST_GRADED,
    KernelParameters,
    count,
    integrate,
    kernel_parameters,
    present,
    propagate,
    shared_channels,
    within_16_bits,
)

__all__ = ["CompiledChain", "available_threads"]

Array = npt.NDArray[Any]

PARTS_PER_THREAD = 4
INT8 = np.iinfo(np.int8)


class CompiledChain:
    """A chain of fixed-point layers, ready to run.

    Parameters
    ----------
    layers : tuple of FixedPointLayer
        First to last.
    n_threads : int
        Number of threads among which presentations are divided.
    """

    def __init__(self, layers: tuple[FixedPointLayer, ...], n_threads: int) -> None:
        self._layers = layers
        self._parameters = [kernel_parameters(layer.neurons) for layer in layers]
        self._fan_outs = [_fan_out(layer.weight) for layer in layers]
        # Whether no current of the first layer can overflow Lava's while the input is binary.
        self._unlimited = np.abs(layers[0].weight).sum(axis=1).max(initial=0) < CURRENT_LIMIT
        self._n_threads = n_threads
        self._threads = ThreadPoolExecutor(n_threads)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def run(self, events: Array, n_time_steps: int) -> dict[str, Array]:
        """Run a chunk of images.

        Parameters
        ----------
        events : ndarray of shape (n_images, n_hypotheses, n_time_steps or 1, n_inputs)
            Integers.
        n_time_steps : int
            Number of time steps T.

        Returns
        -------
        dict of str to ndarray of uint8, shape (n_images, n_hypotheses, n_time_steps, n_neurons)
            Spikes of every layer, by its name.

        Raises
        ------
        RangeError
            If a current of the first layer would overflow Lava's.
        """
        leading = (*events.shape[:2], n_time_steps)
        fan_out, largest = self._fan_outs[0], _largest(events)
        if fan_out is None or largest > LARGEST_GRADED:
            activity = self._multiplied(events, leading)
        elif largest <= 1 and events.shape[1] == 1 and self._unlimited:
            activity = self._following(0, events[:, 0].astype(np.uint8, copy=False), n_time_steps)
        else:
            activity = self._visited(
                events.astype(np.uint8, copy=False), fan_out, within_16_bits(int(largest)), leading
            )
        activity = activity.reshape(*leading, -1)
        spikes = {self._layers[0].name: activity}
        for index in range(1, len(self._layers)):
            activity = self._following(index, activity.reshape(-1, *activity.shape[2:]), n_time_steps)
            activity = activity.reshape(*leading, -1)
            spikes[self._layers[index].name] = activity
        return spikes

    def counts(self, spikes: dict[str, Array]) -> dict[str, Array]:
        """Sum spikes over time.

        Parameters
        ----------
        spikes : dict of str to ndarray
            As `run` returns them.

        Returns
        -------
        dict of str to ndarray of uint16, shape (n_images, n_hypotheses, n_neurons)
            Number of spikes of every neuron.
        """
        return {name: self._counted(layer) for name, layer in spikes.items()}

    def _counted(self, spikes: Array) -> Array:
        flat = spikes.reshape(-1, *spikes.shape[2:])
        counts = np.empty((len(flat), flat.shape[2]), dtype=np.uint16)
        self._split(lambda part: count(flat[part], counts[part]), len(flat))
        return counts.reshape(*spikes.shape[:2], -1)

    def _visited(self, events: Array, fan_out: Array, at_once: int, leading: tuple[int, ...]) -> Array:
        """Spikes of the first layer, visiting active channels one by one."""
        shared = shared_channels(events)
        channels = np.flatnonzero(shared), np.flatnonzero(~shared)
        spikes = np.empty((*leading, fan_out.shape[1]), dtype=np.uint8)
        largest = np.zeros(len(events), dtype=np.int32)

        def work(part: slice) -> None:
            present(events[part], *channels, fan_out, at_once, self._parameters[0], spikes[part], largest[part])

        self._split(work, len(events))
        check_currents(self._layers[0], largest)
        return spikes

    def _multiplied(self, events: Array, leading: tuple[int, ...]) -> Array:
        """Spikes of the first layer, by a matrix product."""
        layer = self._layers[0]
        currents = project(events.reshape(-1, events.shape[-1]), layer.weight)
        check_currents(layer, currents)
        currents = currents.astype(np.int32).reshape(-1, events.shape[2], len(layer.weight))
        spikes = np.empty((len(currents), leading[2], len(layer.weight)), dtype=np.uint8)
        self._split(lambda part: integrate(currents[part], self._parameters[0], spikes[part]), len(currents))
        return spikes

    def _following(self, index: int, activity: Array, n_time_steps: int) -> Array:
        """Spikes of a layer that is sent spikes, of shape (n_presentations, n_time_steps, n_neurons)."""
        parameters, fan_out = self._parameters[index], self._fan_outs[index]
        weight = self._layers[index].weight
        spikes = np.empty((len(activity), n_time_steps, len(weight)), dtype=np.uint8)
        self._split(lambda part: _propagate(activity[part], weight, fan_out, parameters, spikes[part]), len(activity))
        return spikes

    def _split(self, work: Callable[[slice], None], n_presentations: int) -> None:
        """Divide presentations among the threads."""
        # Several parts for each, so that one thread that is held up does not hold up the others.
        n_parts = min(PARTS_PER_THREAD * self._n_threads, max(1, n_presentations))
        bounds = np.linspace(0, n_presentations, n_parts + 1).astype(int)
        parts = [slice(start, stop) for start, stop in pairwise(bounds)]
        list(self._threads.map(work, parts))


def _largest(events: Array) -> float:
    """Return the largest event; infinity if there are negative ones."""
    if events.dtype.kind != "u" and events.min(initial=0) < 0:
        return float("inf")
    return float(events.max(initial=0))


def _fan_out(weight: Array) -> Array | None:
    """Weights of one source side by side in 8 bits; None if they need more."""
    if weight.size and (weight.min() < INT8.min or weight.max() > INT8.max):
        return None
    return np.ascontiguousarray(weight.T.astype(np.int8))


def _propagate(
    activity: Array, weight: Array, fan_out: Array | None, parameters: KernelParameters, spikes: Array
) -> None:
    """Spikes of a layer, by visiting its active sources, or by a matrix product where weights are wide."""
    if fan_out is not None:
        propagate(activity, fan_out, parameters, spikes)
        return
    currents = project(activity.reshape(-1, activity.shape[-1]), weight).astype(np.int32)
    integrate(currents.reshape(*activity.shape[:2], -1), parameters, spikes)


def available_threads() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
