r"""Online learning by events: the arithmetic of `ff2neuro.learning.hebbian.oracle`, touching only what fires.

Between two products that reach it, a row of E shrinks by :math:`1 - \tau` per update and the row of W moves by what is
left of it, a geometric series. With the *settled* weight

.. math:: A = W + c E, \qquad c = \nu (1 - \tau) / \tau,

to which W would go if nothing more happened, an update of all rows is a change of one scalar: A stays as it is, E is
stored without the factor :math:`(1 - \tau)^n` common to all rows, and :math:`W = A - c E`. A product g that reaches a
row adds :math:`\nu g` to A and :math:`\tau g` to E.

Online, the current at update step t follows from the rows as they stood before the presentation and from the products
:math:`g_u` of the earlier update steps u:

.. math:: I_t = \sum_{i \in x_t} (A_i - c (1-\tau)^{t-t_0} E_i)
          + \nu \sum_{u < t} |x_u \cap x_t| \, (1 - (1-\tau)^{t-u}) \, g_u,

so a presentation reads each row that fires once and writes it once. Where every neuron may win, a resting layer cannot
spike, and the rest is one multiplication.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.learning.hebbian.compiled import compiled
from ff2neuro.learning.hebbian.stepping import ONE, ZERO, Constants, advance, modulate, noise_at, rest

__all__ = ["train_online"]

Array = npt.NDArray[Any]

#: Scale of the stored eligibility below which the factor is multiplied in, far from what doubles cannot hold.
_SMALLEST_SCALE = 1e-100


@compiled
def _count_overlaps(words: Array, c: Constants, overlaps: Array) -> None:
    """Count the channels that spike at both of two update steps u < t."""
    n_updates = c.n_time_steps - c.first_update
    overlaps[:] = 0
    for word in words:
        late = word >> np.uint64(c.first_update)
        for t in range(1, n_updates):
            if (late >> np.uint64(t)) & ONE:
                for u in range(t):
                    overlaps[t, u] += np.int64((late >> np.uint64(u)) & ONE)


@compiled
def _gather(
    settled: Array, stored: Array, scales: Array, channels: Array, words: Array, c: Constants, currents: Array
) -> None:
    """Add the rows that fire to the currents of each step; scales[m] is c (1-tau)^m times the common factor."""
    n = settled.shape[1]
    row = np.empty(n)
    early = ~ZERO >> np.uint64(63 - c.first_update)
    for e in range(channels.size):
        weight, eligible, word = settled[channels[e]], stored[channels[e]], words[e]
        if word & early:
            for j in range(n):
                row[j] = weight[j] - scales[0] * eligible[j]
            for t in range(c.first_update + 1):
                if (word >> np.uint64(t)) & ONE:
                    current = currents[t]
                    for j in range(n):
                        current[j] += row[j]
        for t in range(c.first_update + 1, c.n_time_steps):
            if (word >> np.uint64(t)) & ONE:
                current = currents[t]
                scale = scales[t - c.first_update]
                for j in range(n):
                    current[j] += weight[j] - scale * eligible[j]


@compiled
def _scatter(settled: Array, stored: Array, channels: Array, words: Array, c: Constants, A: Array, E: Array) -> None:
    """Add the products of the update steps to the rows that fired at them."""
    n = settled.shape[1]
    n_updates = c.n_time_steps - c.first_update
    for e in range(channels.size):
        late = words[e] >> np.uint64(c.first_update)
        if late == 0:
            continue
        weight, eligible = settled[channels[e]], stored[channels[e]]
        for u in range(n_updates):
            if (late >> np.uint64(u)) & ONE:
                for j in range(n):
                    weight[j] += A[u, j]
                    eligible[j] += E[u, j]


@compiled
def train_online(
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
    """Learn from presentations one after the other.

    Parameters
    ----------
    weight, eligibility : ndarray of float64, shape (n_in, n_neurons)
        W and E, changed in place.
    v : ndarray of float64, shape (1, n_neurons)
        Membrane potentials, changed in place.
    starts, channels, words : ndarray
        As in `Events`.
    negative : ndarray of int64, shape (n_presentations,)
        y of every presentation.
    noise : ndarray of float64, shape (n_presentations or 0, n_time_steps + rest_steps, n_neurons)
        Noise in the comparison of winners.
    c : Constants
        Constants.
    output : ndarray of uint64, shape (n_presentations, n_neurons)
        Takes the spikes, one word per neuron.
    traces : ndarray of float64, shape (n_presentations, n_neurons)
        Takes the output traces at the end of each presentation.
    """
    n, n_updates = weight.shape[1], c.n_time_steps - c.first_update
    keep = 1 - c.eligibility_rate
    settle = c.learning_rate * keep / c.eligibility_rate
    kept = keep ** np.arange(n_updates + 1)
    weight += settle * eligibility
    scale = 1.0
    currents, G, E = np.empty((c.n_time_steps, n)), np.empty((n_updates, n)), np.empty((n_updates, n))
    overlaps = np.empty((n_updates, n_updates), np.int64)
    for p in range(starts.size - 1):
        these = slice(starts[p], starts[p + 1])
        quiet = noise[p] if noise.shape[0] else np.empty((0, 0))
        z, out = traces[p], output[p]
        currents[:], z[:], out[:] = 0, 0, 0
        _gather(weight, eligibility, settle * scale * kept, channels[these], words[these], c, currents)
        _count_overlaps(words[these], c, overlaps)
        for t in range(c.n_time_steps):
            for u in range(t - c.first_update):
                factor = overlaps[t - c.first_update, u] * (1 - kept[t - c.first_update - u])
                for j in range(n):
                    currents[t, j] += factor * G[u, j]
            advance(v[0], currents[t], noise_at(quiet, t), ONE << np.uint64(t), z, out, c)
            if t >= c.first_update:
                product = G[t - c.first_update]
                modulate(z, negative[p], c, product)
                for j in range(n):
                    product[j] *= c.learning_rate
        scale *= kept[n_updates]
        if scale < _SMALLEST_SCALE:
            eligibility *= scale
            scale = 1.0
        for u in range(n_updates):
            E[u] = G[u] * (c.eligibility_rate / c.learning_rate * kept[n_updates - 1 - u] / scale)
        _scatter(weight, eligibility, channels[these], words[these], c, G, E)
        rest(v[0], quiet, c)
    eligibility *= scale
    weight -= settle * eligibility
