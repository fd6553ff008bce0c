r"""What a spike train stands for, read from how many spikes it has and when the last one came.

A count alone cannot tell strong neurons of one count from weak ones. Under constant input :math:`I` a neuron that
started at a fraction s of its threshold :math:`\vartheta` and is reset by subtraction sends its n-th spike at the first
step t with :math:`t I \ge (n - s) \vartheta`, so that the time :math:`t_n` of the last spike bounds the current from
both sides,

.. math:: \frac{n - s}{t_n} \le \frac{I}{\vartheta} < \min\left(\frac{n - s}{t_n - 1}, \frac{n + 1 - s}{T}\right),

where the count alone leaves an interval of width 1/T. Reset to zero, leak and input that varies have intervals of their
own; so the mean activity of each pair :math:`(n, t_n)` is measured on calibration data, which fits all of them. Silence
stands for no activity, as in the analog network: hypotheses that tie there go on to tie.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import NetworkError
from ff2neuro.files import readonly

__all__ = ["MOST_STEPS", "ActivityTable", "last_spikes"]

Array = npt.NDArray[Any]

#: Time steps up to which a table is reasonable: it has about T^2/2 entries.
MOST_STEPS = 255
#: Activity up to which squares and their sums stay finite in single precision.
LARGEST_ACTIVITY = 1e12
#: Neurons' presentations that the count alone is worth beside those that a pair was seen in.
PRIOR_WEIGHT = 10.0


@dataclass(frozen=True, eq=False)
class ActivityTable:
    """Mean activity of the analog layer for each number of spikes and step of the last one.

    Attributes
    ----------
    activity : ndarray of float32, shape (T + 1, T + 1)
        Entry (n, t) stands for n spikes, the last one at step t, counted from 1. Silence, and pairs that cannot be (n
        above t), hold 0.

    Raises
    ------
    NetworkError
        If the shape is another one, or a value is no number from 0 to `LARGEST_ACTIVITY`, or silence stands for some.

    Examples
    --------
    >>> table = ActivityTable(np.array([[0, 0, 0], [0, 1.0, 0.5], [0, 0, 2.0]]))
    >>> table.of_spikes(np.array([[0, 1, 0, 1], [0, 0, 1, 1]])).tolist()
    [0.0, 1.0, 0.5, 2.0]
    """

    activity: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        raw = np.asarray(self.activity)
        if raw.dtype.kind not in "fiu":
            raise NetworkError(f"a table of activity holds {raw.dtype}, not numbers; export the network again")
        if raw.ndim != 2 or raw.shape[0] != raw.shape[1] or not 2 <= len(raw) <= MOST_STEPS + 1:
            raise NetworkError(
                f"a table of activity has shape {raw.shape}; it must be square, for 1 to {MOST_STEPS} time steps"
            )
        if not ((raw >= 0) & (raw <= LARGEST_ACTIVITY)).all():
            raise NetworkError(
                f"a table of activity holds values that are NaN, negative or above {LARGEST_ACTIVITY:g}; export the "
                "network again"
            )
        if np.tril(raw, -1).any() or raw[0].any():
            raise NetworkError("a table of activity gives some to silence or to impossible pairs; export again")
        object.__setattr__(self, "activity", readonly(raw, np.float32))

    @property
    def n_time_steps(self) -> int:
        """Number of time steps T of a presentation."""
        return len(self.activity) - 1

    @classmethod
    def fit(cls, counts: Array, last: Array, activity: Array, n_time_steps: int, gain: float) -> "ActivityTable":
        """Measure a table.

        Parameters
        ----------
        counts, last : ndarray of int, shape (n_presentations, n_neurons)
            Numbers of spikes, and steps of the last ones as `last_spikes` gives them.
        activity : ndarray of shape (n_presentations, n_neurons)
            What the analog layer does in the same presentations.
        n_time_steps : int
            Number of time steps T, up to `MOST_STEPS`.
        gain : float
            Activity that a spike stands for; pairs that were hardly seen stay near the count times this.

        Returns
        -------
        ActivityTable
            The table.
        """
        size = n_time_steps + 1
        pairs = (counts.astype(np.int64) * size + last).ravel()
        seen = np.bincount(pairs, minlength=size**2)
        total = np.bincount(pairs, weights=activity.ravel().astype(np.float64), minlength=size**2)
        n, t = np.divmod(np.arange(size**2), size)
        mean = (total + PRIOR_WEIGHT * gain * n) / (seen + PRIOR_WEIGHT)
        return cls(np.where((n > 0) & (n <= t), mean, 0.0).reshape(size, size))

    def of(self, counts: Array, last: Array) -> npt.NDArray[np.float32]:
        """Return the activity that numbers of spikes and steps of the last ones stand for.

        Parameters
        ----------
        counts, last : ndarray of int, shape (..., n_neurons)
            As `fit` takes them.

        Returns
        -------
        ndarray of float32, shape (..., n_neurons)
            Activity.
        """
        pairs = counts.astype(np.int32) * np.int32(len(self.activity)) + last
        activity: npt.NDArray[np.float32] = self.activity.ravel()[pairs]
        return activity

    def of_spikes(self, spikes: Array) -> npt.NDArray[np.float32]:
        """Return the activity that spike trains stand for.

        Parameters
        ----------
        spikes : ndarray of shape (..., n_time_steps, n_neurons)
            Zeros and ones.

        Returns
        -------
        ndarray of float32, shape (..., n_neurons)
            Activity.
        """
        return self.of(spikes.sum(axis=-2, dtype=np.int32), last_spikes(spikes))


def last_spikes(spikes: Array) -> npt.NDArray[np.int32]:
    """Return when neurons spiked last.

    Parameters
    ----------
    spikes : ndarray of shape (..., n_time_steps, n_neurons)
        Zeros and ones.

    Returns
    -------
    ndarray of int, shape (..., n_neurons)
        Step of the last spike, counted from 1; 0 for silence.
    """
    last = np.zeros(spikes.shape[:-2] + spikes.shape[-1:], dtype=np.int32)
    for t in range(spikes.shape[-2]):
        np.copyto(last, t + 1, where=spikes[..., t, :] != 0)
    return last
