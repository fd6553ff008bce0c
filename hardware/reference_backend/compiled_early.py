"""Running some images with an early exit: a hypothesis that can no longer win is simulated no further."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.hardware.early_exit import ScoreBounds, checkpoints, decided
from ff2neuro.hardware.reference_backend.compiled_layers import CompiledLayer, FirstLayer

__all__ = ["run_until_decided"]

Array = npt.NDArray[Any]


def run_until_decided(
    first: FirstLayer,
    others: Sequence[CompiledLayer],
    events: Array,
    n_time_steps: int,
    start: int,
    bounds: ScoreBounds,
    results: dict[str, Array],
) -> npt.NDArray[np.uint16]:
    """Run images, and stop hypotheses that are decided.

    Parameters
    ----------
    first : FirstLayer
        The layer that is sent the input.
    others : sequence of CompiledLayer
        All following ones.
    events : ndarray of shape (n_images, n_hypotheses, n_time_steps or 1, n_inputs)
        Integers.
    n_time_steps : int
        Number of time steps T.
    start : int
        Index of the first image, for `bounds`.
    bounds : callable
        What counts make of the score.
    results : dict of str to ndarray of uint16, shape (n_presentations, n_neurons)
        Counts of all layers, by name, of zeros; filled in.

    Returns
    -------
    ndarray of uint16, shape (n_presentations,)
        Number of steps that each presentation was simulated for; below T where it was stopped.
    """
    n_images, n_hypotheses, n_given = events.shape[:3]
    running = np.ones(n_images * n_hypotheses, dtype=bool)
    steps = np.full(len(running), n_time_steps, dtype=np.uint16)
    state = first.rest(len(running))
    states = [layer.rest(len(running)) for layer in others]
    # Under a constant input the first layer costs one projection however long it runs, and then its counts are known.
    known = n_given == 1 and n_time_steps > 1
    if known:
        whole = first.run_input(events, n_time_steps, state, running)
        first.keep(whole, running, results)
        if not others:
            return steps
    done = 0
    for stop in checkpoints(n_time_steps):
        if known:
            activity = np.ascontiguousarray(whole[:, done:stop])
        else:
            activity = first.run_input(np.ascontiguousarray(events[:, :, done:stop]), stop - done, state, running)
            first.keep(activity, running, results)
        for layer, own in zip(others, states, strict=True):
            activity = layer.run(activity, own, running)
            layer.keep(activity, running, results)
        done = stop
        open_images = np.flatnonzero(running.reshape(n_images, n_hypotheses).sum(axis=1) > 1)
        if stop < n_time_steps and len(open_images):
            low = [results[layer.name].reshape(n_images, n_hypotheses, -1)[open_images] for layer in (first, *others)]
            left = np.uint16(n_time_steps - stop)
            high = [counts if known and index == 0 else counts + left for index, counts in enumerate(low)]
            over = np.zeros((n_images, n_hypotheses), dtype=bool)
            over[open_images] = decided(*bounds(start + open_images, low, high))
            over = running & over.ravel()
            steps[over] = stop
            running &= ~over
    return steps
