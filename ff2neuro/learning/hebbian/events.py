"""Input events as one 64-bit word per presentation and channel that fires: bit t is set where it spikes at step t."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.learning.hebbian.compiled import compiled, compiled_parallel, parallel_range

__all__ = ["Events", "draw_events", "pack_events"]

Array = npt.NDArray[Any]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, eq=False)
class Events:
    """Spikes of many presentations, presentation by presentation.

    Attributes
    ----------
    n_channels, n_time_steps : int
        Sizes of the axes; at most 64 time steps.
    starts : ndarray of int64, shape (n_presentations + 1,)
        Where the words of a presentation start; the last entry is the number of words.
    channels : ndarray of int32, shape (n_words,)
        Channel of every word.
    words : ndarray of uint64, shape (n_words,)
        Bit t tells whether the channel spikes at step t.
    """

    n_channels: int
    n_time_steps: int
    starts: npt.NDArray[np.int64]
    channels: npt.NDArray[np.int32]
    words: npt.NDArray[np.uint64]

    @property
    def n_presentations(self) -> int:
        """Number of presentations."""
        return len(self.starts) - 1

    def __getitem__(self, presentations: slice) -> "Events":
        """Return a run of presentations."""
        start, stop, _ = presentations.indices(self.n_presentations)
        words = slice(self.starts[start], self.starts[stop])
        starts = self.starts[start : stop + 1] - self.starts[start]
        return Events(self.n_channels, self.n_time_steps, starts, self.channels[words], self.words[words])

    def dense(self) -> npt.NDArray[np.bool_]:
        """Return the spikes as an array of shape (n_presentations, n_time_steps, n_channels)."""
        dense = np.zeros((self.n_presentations, self.n_time_steps, self.n_channels), dtype=bool)
        presentation = np.repeat(np.arange(self.n_presentations), np.diff(self.starts))
        for t in range(self.n_time_steps):
            dense[presentation, t, self.channels] = (self.words >> np.uint64(t)) & np.uint64(1)
        return dense


def pack_events(spikes: Array) -> Events:
    """Pack dense spikes.

    Parameters
    ----------
    spikes : ndarray of shape (n_presentations, n_time_steps, n_channels)
        Zeros and ones.

    Returns
    -------
    Events
        The same spikes.
    """
    n_presentations, n_time_steps, n_channels = spikes.shape
    words = np.zeros((n_presentations, n_channels), dtype=np.uint64)
    for t in range(n_time_steps):
        words |= (spikes[:, t] != 0).astype(np.uint64) << np.uint64(t)
    return events_of_words(words, n_time_steps)


def events_of_words(words: npt.NDArray[np.uint64], n_time_steps: int) -> Events:
    """Return the events of a matrix of words.

    Parameters
    ----------
    words : ndarray of uint64, shape (n_presentations, n_channels)
        One word per channel, silent ones included: the spikes of a layer, say.
    n_time_steps : int
        Number of time steps.

    Returns
    -------
    Events
        Those words that are not zero.
    """
    presentation, channels = np.nonzero(words)
    starts = np.zeros(len(words) + 1, dtype=np.int64)
    np.cumsum(np.bincount(presentation, minlength=len(words)), out=starts[1:])
    return Events(words.shape[1], n_time_steps, starts, channels.astype(np.int32), words[presentation, channels])


def draw_events(rates: npt.NDArray[np.float32], n_time_steps: int, key: int) -> Events:
    """Draw independent spikes.

    Parameters
    ----------
    rates : ndarray of float32, shape (n_presentations, n_channels)
        Probability of a spike per step.
    n_time_steps : int
        Number of time steps, at most 64.
    key : int
        Source of chance, 64 bits; each presentation has a stream of its own.

    Returns
    -------
    Events
        The spikes.
    """
    rates = np.ascontiguousarray(rates, dtype=np.float32)
    starts = np.zeros(len(rates) + 1, dtype=np.int64)
    np.cumsum(np.count_nonzero(rates, axis=1), out=starts[1:])
    channels, words = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.uint64)
    _draw(rates, n_time_steps, np.uint64(key), starts, channels, words)
    return Events(rates.shape[1], n_time_steps, starts, channels, words)


@compiled
def _mix(state: Any) -> Any:
    """Finish a step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


@compiled_parallel
def _draw(rates: Array, n_time_steps: int, key: Any, starts: Array, channels: Array, words: Array) -> None:
    """Fill `channels` and `words`, two steps per random number."""
    low, valid = np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - n_time_steps)
    for p in parallel_range(rates.shape[0]):
        state = _mix(key ^ _mix(np.uint64(p + 1) * _GOLDEN))
        slot = starts[p]
        for channel in range(rates.shape[1]):
            rate = rates[p, channel]
            if rate == 0:
                continue
            limit = np.uint64(np.float64(rate) * 4294967296.0)
            word = np.uint64(0)
            for t in range(0, n_time_steps, 2):
                state += _GOLDEN
                bits = _mix(state)
                # No branches: at these rates no processor could foretell them.
                word |= np.uint64((bits & low) < limit) << np.uint64(t)
                word |= np.uint64((bits >> np.uint64(32)) < limit) << np.uint64(t + 1)
            channels[slot] = channel
            words[slot] = word & valid
            slot += 1
