"""Stopping hypotheses that can no longer win: which, and when to ask.

A machine knows how many spikes each neuron can have fired at the end of a presentation; what that makes of a
hypothesis' score, it does not know. The caller says so with a `ScoreBounds`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ScoreBounds", "checkpoints", "decided"]

Array = npt.NDArray[Any]

#: ``bounds(images, low, high)``: given, for every layer, the least and the largest number of spikes that each neuron
#: can have at the end, of shape (n_images, n_hypotheses, n_neurons), for the images of these indices, returns the least
#: and the largest score that each hypothesis can have, of shape (n_images, n_hypotheses). Where counts are known, `low`
#: and `high` hold the same array.
ScoreBounds = Callable[[Array, Sequence[Array], Sequence[Array]], tuple[Array, Array]]


def checkpoints(n_time_steps: int) -> Iterator[int]:
    """Yield the steps after which to ask which hypotheses are decided.

    Parameters
    ----------
    n_time_steps : int
        Number of time steps T.

    Yields
    ------
    int
        Numbers of steps: a quarter of T, a half, and on so that what is left halves; the last is T.
    """
    if n_time_steps >= 4:
        yield n_time_steps // 4
    left = n_time_steps
    while left > 0:
        left //= 2
        yield n_time_steps - left


def decided(lowest: Array, highest: Array) -> npt.NDArray[np.bool_]:
    """Say which hypotheses cannot win, nor tie with the winner.

    Parameters
    ----------
    lowest, highest : ndarray of shape (n_images, n_hypotheses)
        Bounds of the final scores.

    Returns
    -------
    ndarray of bool, shape (n_images, n_hypotheses)
        True where the highest score is below the lowest of another hypothesis of the image.
    """
    out: npt.NDArray[np.bool_] = highest < lowest.max(axis=1, keepdims=True)
    return out
