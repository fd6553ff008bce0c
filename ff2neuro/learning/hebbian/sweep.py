"""The label sweep: what an image's hypotheses share is weighted once, and images are independent.

Beside it, presentations in turn, whose potentials are carried over, as where the published code takes latents.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.learning.hebbian.compiled import compiled, compiled_parallel, parallel_range
from ff2neuro.learning.hebbian.stepping import ONE, Constants, advance, noise_at

__all__ = ["respond", "respond_in_turn"]

Array = npt.NDArray[Any]


@compiled
def _add_rows(weight: Array, channels: Array, words: Array, currents: Array) -> None:
    """Add every row to the currents of the steps at which it fires, four rows of a step at a time."""
    n = weight.shape[1]
    firing = np.empty(channels.size + 1, np.int64)
    for t in range(currents.shape[0]):
        current, n_firing, first = currents[t], 0, 0
        for e in range(channels.size):
            firing[n_firing] = channels[e]
            n_firing += int((words[e] >> np.uint64(t)) & ONE)
        while first + 4 <= n_firing:
            a, b = weight[firing[first]], weight[firing[first + 1]]
            c, d = weight[firing[first + 2]], weight[firing[first + 3]]
            for j in range(n):
                current[j] += (a[j] + b[j]) + (c[j] + d[j])
            first += 4
        for e in range(first, n_firing):
            a = weight[firing[e]]
            for j in range(n):
                current[j] += a[j]


@compiled_parallel
def respond(
    weight: Array,
    shared: tuple[Array, Array, Array],
    own: tuple[Array, Array, Array],
    noise: Array,
    c: Constants,
    output: Array,
    traces: Array,
) -> None:
    """Run every image under every hypothesis, each from v = 0, without learning.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_in, n_neurons)
        W.
    shared : tuple of (starts, channels, words)
        Events of every image that all its hypotheses have in common: their currents are computed once.
    own : tuple of (starts, channels, words)
        Events of every presentation; those of an image follow each other.
    noise : ndarray of float64, shape (n_images or 0, n_time_steps, n_neurons)
        Noise in the comparison of winners, shared by an image's hypotheses.
    c : Constants
        Constants.
    output : ndarray of uint64, shape (n_images, n_hypotheses, n_neurons)
        Takes the spikes, one word per neuron.
    traces : ndarray of float64, shape (n_images, n_hypotheses, n_neurons)
        Takes the output traces at the end.
    """
    n_images, n_hypotheses, n = output.shape
    for i in parallel_range(n_images):
        base, currents = np.zeros((c.n_time_steps, n)), np.empty((c.n_time_steps, n))
        v = np.empty(n)
        quiet = noise[i] if noise.shape[0] else np.empty((0, 0))
        these = slice(shared[0][i], shared[0][i + 1])
        _add_rows(weight, shared[1][these], shared[2][these], base)
        for h in range(n_hypotheses):
            p = i * n_hypotheses + h
            these = slice(own[0][p], own[0][p + 1])
            currents[:], v[:] = base, 0
            output[i, h, :], traces[i, h, :] = 0, 0
            _add_rows(weight, own[1][these], own[2][these], currents)
            for t in range(c.n_time_steps):
                advance(v, currents[t], noise_at(quiet, t), ONE << np.uint64(t), traces[i, h], output[i, h], c)


@compiled
def respond_in_turn(
    weight: Array,
    starts: Array,
    channels: Array,
    words: Array,
    v: Array,
    c: Constants,
    output: Array,
    traces: Array,
) -> None:
    """Run presentations one after the other, each from the v that the one before left, without rest or learning.

    Parameters
    ----------
    weight, starts, channels, words, c
        As for `ff2neuro.learning.hebbian.online.train_online`.
    v : ndarray of float64, shape (batch_size, n_neurons)
        Membrane potentials, changed in place. Presentation p goes on where presentation p - batch_size ended.
    output : ndarray of uint64, shape (n_presentations, n_neurons)
        Takes the spikes, one word per neuron.
    traces : ndarray of float64, shape (n_presentations, n_neurons)
        Takes the output traces at the end.
    """
    currents, quiet = np.empty((c.n_time_steps, v.shape[1])), np.empty(0)
    output[:], traces[:] = 0, 0
    for p in range(starts.size - 1):
        these = slice(starts[p], starts[p + 1])
        currents[:] = 0
        _add_rows(weight, channels[these], words[these], currents)
        for t in range(c.n_time_steps):
            advance(v[p % v.shape[0]], currents[t], quiet, ONE << np.uint64(t), traces[p], output[p], c)
