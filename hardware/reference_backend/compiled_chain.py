"""The fixed-point simulation in compiled code and several threads; bit for bit that of `ff2neuro.dynamics`."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.hardware.early_exit import ScoreBounds
from ff2neuro.hardware.fixed_point import FixedPointLayer
from ff2neuro.hardware.reference_backend.compiled_early import run_until_decided
from ff2neuro.hardware.reference_backend.compiled_layers import CompiledLayer, FirstLayer

__all__ = ["CompiledChain", "available_threads"]

Array = npt.NDArray[Any]

#: Size that the spikes of one layer may have in a thread, so that they stay in its cache [byte].
CACHE_BYTES = 2**19
PARTS_PER_THREAD = 4
IMAGES_PER_QUESTION = 50


class CompiledChain:
    """A chain of fixed-point layers, ready to run.

    Parameters
    ----------
    layers : tuple of FixedPointLayer
        First to last.
    n_threads : int
        Number of threads among which images are divided.
    """

    def __init__(self, layers: tuple[FixedPointLayer, ...], n_threads: int) -> None:
        self._first = FirstLayer(layers[0])
        self._others = [CompiledLayer(layer, before.neurons.max_spikes_per_step) for before, layer in pairwise(layers)]
        self._n_threads = n_threads

    def run(
        self,
        events: Array,
        n_time_steps: int,
        kind: str = "spikes",
        meanwhile: Callable[[int, Array], None] | None = None,
    ) -> dict[str, Array]:
        """Run a chunk of images.

        Parameters
        ----------
        events : ndarray of shape (n_images, n_hypotheses, n_time_steps or 1, n_inputs)
            Integers.
        n_time_steps : int
            Number of time steps T.
        kind : {"spikes", "counts"}
            What to return.
        meanwhile : callable, optional
            Called by the threads, too, with the index of a first image and the events of some.

        Returns
        -------
        dict of str to ndarray of uint8, shape (n_images, n_hypotheses, n_time_steps, n_neurons)
            Spikes of every layer, by its name; or their counts, of uint16 and without the axis of time.

        Raises
        ------
        RangeError
            If a current of the first layer would overflow Lava's.
        """
        n_presentations = events.shape[0] * events.shape[1]
        steps = (n_time_steps,) if kind == "spikes" else ()
        dtype = np.uint8 if kind == "spikes" else np.uint16
        layers = (self._first, *self._others)
        results = {layer.name: np.zeros((n_presentations, *steps, layer.n_neurons), dtype) for layer in layers}

        def simulate(images: slice) -> None:
            part = slice(images.start * events.shape[1], images.stop * events.shape[1])
            self._run_part(events[images], n_time_steps, {name: whole[part] for name, whole in results.items()})

        at_once = self._images_at_once(events.shape[1] * n_time_steps)
        tasks: deque[Callable[[], None]] = deque(
            partial(simulate, images) for images in self._parts(len(events), at_once)
        )
        if meanwhile is not None:
            tasks.extend(partial(meanwhile, images.start, events[images]) for images in self._parts(len(events)))
        self._work_off(tasks)
        return {name: whole.reshape(*events.shape[:2], *whole.shape[1:]) for name, whole in results.items()}

    def run_until_decided(
        self, events: Array, n_time_steps: int, start: int, bounds: ScoreBounds
    ) -> tuple[dict[str, Array], Array]:
        """Run a chunk of images, and stop hypotheses that can no longer win.

        Parameters
        ----------
        events : ndarray of shape (n_images, n_hypotheses, n_time_steps or 1, n_inputs)
            Integers.
        n_time_steps : int
            Number of time steps T.
        start : int
            Index of the first image, for `bounds`.
        bounds : callable
            What counts make of the score.

        Returns
        -------
        counts : dict of str to ndarray of uint16, shape (n_images, n_hypotheses, n_neurons)
            Spikes of every layer in the steps that were simulated.
        steps : ndarray of uint16, shape (n_images, n_hypotheses)
            How many these were; below T where a hypothesis was stopped.

        Raises
        ------
        RangeError
            If a current of the first layer would overflow Lava's.
        """
        n_hypotheses = events.shape[1]
        n_presentations = events.shape[0] * n_hypotheses
        layers = (self._first, *self._others)
        results = {layer.name: np.zeros((n_presentations, layer.n_neurons), np.uint16) for layer in layers}
        steps = np.zeros(n_presentations, dtype=np.uint16)

        def simulate(images: slice) -> None:
            part = slice(images.start * n_hypotheses, images.stop * n_hypotheses)
            own = {name: whole[part] for name, whole in results.items()}
            first = start + images.start
            steps[part] = run_until_decided(self._first, self._others, events[images], n_time_steps, first, bounds, own)

        # More than fit the cache: the bounds are interpreted, which costs as much for few images as for many.
        at_once = max(IMAGES_PER_QUESTION, self._images_at_once(n_hypotheses * n_time_steps))
        self._work_off(deque(partial(simulate, images) for images in self._parts(len(events), at_once)))
        counts = {name: whole.reshape(*events.shape[:2], -1) for name, whole in results.items()}
        return counts, steps.reshape(events.shape[:2])

    def _run_part(self, events: Array, n_time_steps: int, results: dict[str, Array]) -> None:
        """Run some images through all layers."""
        running = np.ones(events.shape[0] * events.shape[1], dtype=bool)
        state = self._first.rest(len(running))
        counts = results[self._first.name]
        if not self._others and counts.ndim == 2 and self._first.counts_at_once(events):
            self._first.run_input(events, n_time_steps, state, running, counts)
            return
        spikes = self._first.run_input(events, n_time_steps, state, running)
        self._first.keep(spikes, running, results)
        for layer in self._others:
            spikes = layer.run(spikes, layer.rest(len(running)), running)
            layer.keep(spikes, running, results)

    def _images_at_once(self, steps_per_image: int) -> int:
        widest = max(layer.n_neurons for layer in (self._first, *self._others))
        return max(1, CACHE_BYTES // max(1, steps_per_image * widest))

    def _parts(self, n_images: int, at_most: int = sys.maxsize) -> Iterator[slice]:
        """Divide images into several parts for each thread, so that none waits long for another at the end."""
        size = min(at_most, -(-n_images // (PARTS_PER_THREAD * self._n_threads)))
        for start in range(0, n_images, max(1, size)):
            yield slice(start, min(start + size, n_images))

    def _work_off(self, tasks: deque[Callable[[], None]]) -> None:
        """Let the threads take tasks until none are left."""

        def take() -> None:
            try:
                while (task := _next(tasks)) is not None:
                    task()
            except BaseException:
                tasks.clear()
                raise

        # The thread that calls works as well.
        n_helpers = min(self._n_threads, len(tasks)) - 1
        helpers = [_helpers(self._n_threads - 1).submit(take) for _ in range(n_helpers)]
        try:
            take()
        finally:
            # Nothing may still write into the results when this returns; who has not begun need not any more.
            wait([helper for helper in helpers if not helper.cancel()])
        for helper in helpers:
            if not helper.cancelled():
                helper.result()


@cache
def _helpers(n_threads: int) -> ThreadPoolExecutor:
    """Threads that are kept for later runs, since starting them may take longer than a small run."""
    return ThreadPoolExecutor(n_threads)


if hasattr(os, "register_at_fork"):
    # Threads do not survive a fork.
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def _next(tasks: deque[Callable[[], None]]) -> Callable[[], None] | None:
    try:
        return tasks.popleft()
    except IndexError:
        return None


def available_threads() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
