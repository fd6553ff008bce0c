"""The label sweep: what an image's hypotheses share is weighted once, and images are independent."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.learning.hebbian.compiled import compiled_parallel, parallel_range
from ff2neuro.learning.hebbian.stepping import ONE, ZERO, Constants, add_rows, advance, noise_at

__all__ = ["respond"]

Array = npt.NDArray[Any]


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
        v, every = np.empty(n), ~ZERO
        quiet = noise[i] if noise.shape[0] else np.empty((0, 0))
        these = slice(shared[0][i], shared[0][i + 1])
        add_rows(weight, shared[1][these], shared[2][these], every, base)
        for h in range(n_hypotheses):
            p = i * n_hypotheses + h
            these = slice(own[0][p], own[0][p + 1])
            currents[:], v[:] = base, 0
            output[i, h, :], traces[i, h, :] = 0, 0
            add_rows(weight, own[1][these], own[2][these], every, currents)
            for t in range(c.n_time_steps):
                advance(v, currents[t], noise_at(quiet, t), ONE << np.uint64(t), traces[i, h], output[i, h], c)
