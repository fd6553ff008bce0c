"""Learning in batches: forward by events, one pass over all weights per update, which most rows take part in."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.learning.hebbian.compiled import compiled
from ff2neuro.learning.hebbian.stepping import ONE, ZERO, Constants, add_rows, advance, modulate, noise_at, rest

__all__ = ["train_batched"]

Array = npt.NDArray[Any]


@compiled
def _update_batch(
    weight: Array,
    eligibility: Array,
    starts: Array,
    channels: Array,
    words: Array,
    t: int,
    c: Constants,
    G: Array,
    D: Array,
) -> None:
    """Apply the mean Hebbian product of one step; D is a zero matrix to work in."""
    n, batch_size = weight.shape[1], starts.size - 1
    bit = ONE << np.uint64(t)
    for b in range(batch_size):
        product = G[b]
        for e in range(starts[b], starts[b + 1]):
            if words[e] & bit:
                row = D[channels[e]]
                for j in range(n):
                    row[j] += product[j]
    keep, gain = 1 - c.eligibility_rate, c.eligibility_rate / batch_size
    for i in range(weight.shape[0]):
        for j in range(n):
            eligible = keep * eligibility[i, j] + gain * D[i, j]
            eligibility[i, j] = eligible
            weight[i, j] += c.learning_rate * eligible
            D[i, j] = 0


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
    G, D = np.empty(v.shape), np.zeros(weight.shape)
    currents = np.empty((batch_size, c.n_time_steps, v.shape[1]))
    early = ~ZERO >> np.uint64(63 - c.first_update)
    output[:], traces[:] = 0, 0
    for low in range(0, n_presentations, batch_size):
        high = min(low + batch_size, n_presentations)
        starting = starts[low : high + 1]
        quiet = noise[low // batch_size] if noise.shape[0] else np.empty((0, 0))
        currents[:] = 0
        for t in range(c.n_time_steps):
            steps = early if t == 0 else ONE << np.uint64(t)
            for b in range(high - low):
                if t == 0 or t > c.first_update:
                    these = slice(starting[b], starting[b + 1])
                    add_rows(weight, channels[these], words[these], steps, currents[b])
                z, out = traces[low + b], output[low + b]
                advance(v[b], currents[b, t], noise_at(quiet, t), ONE << np.uint64(t), z, out, c)
                if t >= c.first_update:
                    modulate(z, negative[low + b], c, G[b])
            if t >= c.first_update:
                _update_batch(weight, eligibility, starting, channels, words, t, c, G, D)
        for b in range(high - low):
            rest(v[b], quiet, c)
