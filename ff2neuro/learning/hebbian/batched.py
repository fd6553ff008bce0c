"""Learning in batches: forward by events, one pass over all weights per update, which most rows take part in."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.learning.hebbian.compiled import compiled
from ff2neuro.learning.hebbian.stepping import ONE, Constants, add_rows, advance, modulate, noise_at, rest

__all__ = ["train_batched"]

Array = npt.NDArray[Any]


@compiled
def _by_channel(starts: Array, channels: Array, words: Array, n_channels: int) -> Any:
    """Sort the events of a batch by channel: where each channel starts, presentations and words."""
    first, after = np.zeros(n_channels + 1, np.int64), np.zeros(n_channels, np.int64)
    for e in range(starts[0], starts[-1]):
        after[channels[e]] += 1
    for i in range(n_channels):
        first[i + 1] = first[i] + after[i]
        after[i] = first[i]
    members, sorted_words = np.empty(first[-1], np.int64), np.empty(first[-1], np.uint64)
    for b in range(starts.size - 1):
        for e in range(starts[b], starts[b + 1]):
            slot = after[channels[e]]
            members[slot], sorted_words[slot] = b, words[e]
            after[channels[e]] += 1
    return first, members, sorted_words


@compiled
def _update_batch(
    weight: Array,
    eligibility: Array,
    events: tuple[Array, Array, Array],
    batch_size: int,
    t: int,
    c: Constants,
    G: Array,
) -> None:
    """Apply the mean Hebbian product of one step, row by row: a row of the product never leaves the fastest memory."""
    n = weight.shape[1]
    first, members, words = events
    bit, product = ONE << np.uint64(t), np.empty(n)
    keep, gain = 1 - c.eligibility_rate, c.eligibility_rate / batch_size
    for i in range(weight.shape[0]):
        product[:] = 0
        for e in range(first[i], first[i + 1]):
            if words[e] & bit:
                of_one = G[members[e]]
                for j in range(n):
                    product[j] += of_one[j]
        eligible, row = eligibility[i], weight[i]
        for j in range(n):
            eligible[j] = keep * eligible[j] + gain * product[j]
            row[j] += c.learning_rate * eligible[j]


@compiled
def train_batched(
    weight: Array,
    eligibility: Array,
    v: Array,
    starts: Array,
    channels: Array,
    words: Array,
    negative: Array,
    noise: Array,
    c: Constants,
    output: Array,
    traces: Array,
) -> None:
    """Learn from presentations, `len(v)` at a time.

    Parameters
    ----------
    weight, eligibility, starts, channels, words, negative, c, output, traces
        As for `train_online`.
    v : ndarray of float64, shape (batch_size, n_neurons)
        Membrane potentials of every place in a batch, changed in place.
    noise : ndarray of float64, shape (n_batches or 0, n_time_steps + rest_steps, n_neurons)
        Noise in the comparison of winners, shared by a batch.
    """
    n_presentations, batch_size = starts.size - 1, v.shape[0]
    G = np.empty(v.shape)
    currents = np.empty((c.n_time_steps, v.shape[1]))
    output[:], traces[:] = 0, 0
    for low in range(0, n_presentations, batch_size):
        high = min(low + batch_size, n_presentations)
        starting = starts[low : high + 1]
        quiet = noise[low // batch_size] if noise.shape[0] else np.empty((0, 0))
        events = _by_channel(starting, channels, words, weight.shape[0])
        # Until the first update weights stay as they are, so that a presentation runs up to there on its own.
        first = 0
        for stop in range(c.first_update + 1, c.n_time_steps + 1):
            for b in range(high - low):
                these = slice(starting[b], starting[b + 1])
                currents[first:stop] = 0
                add_rows(weight, channels[these], words[these], first, stop, currents)
                z, out = traces[low + b], output[low + b]
                for t in range(first, stop):
                    advance(v[b], currents[t], noise_at(quiet, t), ONE << np.uint64(t), z, out, c)
                modulate(z, negative[low + b], c, G[b])
            _update_batch(weight, eligibility, events, high - low, stop - 1, c, G)
            first = stop
        for b in range(high - low):
            rest(v[b], quiet, c)
