"""What all kernels share: one presentation of one layer, one step."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ff2neuro.learning.hebbian.compiled import compiled
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.oracle import WINNER_MARGIN

__all__ = ["ONE", "ZERO", "Constants", "add_rows", "advance", "constants_of", "modulate", "noise_at", "rest"]

Array = npt.NDArray[Any]

ZERO, ONE = np.uint64(0), np.uint64(1)
_MARGIN = WINNER_MARGIN


class Constants(NamedTuple):
    """Constants of a layer as compiled code takes them; names as in `HebbianConfig`.

    The trace is z <- trace_decay z + trace_gain s, or, if it is hard, z <- trace_decay z and 1 where s.
    """

    symmetric: bool
    hard: bool
    trace_decay: float
    trace_gain: float
    membrane_decay: float
    threshold: float
    top_k: int
    alpha: float
    theta: float
    epsilon: float
    learning_rate: float
    eligibility_rate: float
    n_time_steps: int
    first_update: int
    rest_steps: int


def constants_of(config: HebbianConfig, layer: int) -> Constants:
    """Return the constants of one layer.

    Parameters
    ----------
    config : HebbianConfig
        Configuration.
    layer : int
        Index of the layer, which decides the number of winners.

    Returns
    -------
    Constants
        For the kernels of this module.
    """
    return Constants(
        symmetric=config.probability == "symmetric",
        hard=config.trace == "hard-li",
        trace_decay=1.0 if config.trace == "relu" else config.trace_decay,
        trace_gain=1 / config.trace_factor if config.trace == "relu" else 1 - config.trace_decay,
        membrane_decay=config.membrane_decay,
        threshold=config.threshold,
        top_k=config.winners(layer),
        alpha=config.alpha,
        theta=config.theta,
        epsilon=config.epsilon,
        learning_rate=config.learning_rate,
        eligibility_rate=config.eligibility_rate,
        n_time_steps=config.n_time_steps,
        first_update=config.first_update,
        rest_steps=config.rest_steps,
    )


@compiled
def _compete(v: Array, noise: Array, top_k: int) -> Any:
    """Return the value that potentials (with their noise, if any) must surpass to win, and what is compared with it."""
    compared = v + noise if noise.size else v.copy()
    return np.partition(compared, v.size - top_k)[v.size - top_k] - _MARGIN, compared


@compiled
def advance(v: Array, currents: Array, noise: Array, bit: Any, z: Array, output: Array, c: Constants) -> None:
    """Advance one presentation by one step: potentials, trace, output word; `noise` is empty where there is none."""
    n = v.size
    limit = c.threshold
    for j in range(n):
        v[j] = c.membrane_decay * v[j] + currents[j]
    if c.top_k < n:
        margin, compared = _compete(v, noise, c.top_k)
        for j in range(n):
            wins = v[j] > limit and compared[j] > margin
            z[j] = _next_trace(z[j], wins, c)
            output[j] |= bit if wins else ZERO
            v[j] = 0.0 if wins else v[j]
    elif c.hard:
        for j in range(n):
            z[j] = 1.0 if v[j] > limit else c.trace_decay * z[j]
            output[j] |= bit if v[j] > limit else ZERO
            v[j] = 0.0 if v[j] > limit else v[j]
    else:
        for j in range(n):
            z[j] = c.trace_decay * z[j] + (c.trace_gain if v[j] > limit else 0.0)
            output[j] |= bit if v[j] > limit else ZERO
            v[j] = 0.0 if v[j] > limit else v[j]


@compiled
def _next_trace(z: float, spikes: bool, c: Constants) -> float:
    """Advance one neuron's trace."""
    if c.hard:
        return 1.0 if spikes else c.trace_decay * z
    return c.trace_decay * z + (c.trace_gain if spikes else 0.0)


@compiled
def modulate(z: Array, negative: int, c: Constants, product: Array) -> None:
    """Write M * z, what a spiking input contributes to its row of the Hebbian product."""
    half = z.size // 2
    first, second = 0.0, 0.0
    for j in range(half):
        first += z[j] * z[j]
    for j in range(half, z.size):
        second += z[j] * z[j]
    if not c.symmetric:
        factor = 1 - negative - 1 / (1 + np.exp(-c.alpha * (first + second - c.theta)))
        for j in range(z.size):
            product[j] = factor * z[j]
        return
    own, opposite = (first, second) if negative == 0 else (second, first)
    reward = (opposite + c.epsilon) / (own + c.epsilon) / (own + opposite + c.epsilon)
    penalty = -1 / (own + opposite + c.epsilon)
    for j in range(half):
        product[j] = (reward if negative == 0 else penalty) * z[j]
    for j in range(half, z.size):
        product[j] = (penalty if negative == 0 else reward) * z[j]


@compiled
def rest(v: Array, noise: Array, c: Constants) -> None:
    """Let a layer rest without input."""
    n = v.size
    if c.top_k >= n:
        factor = c.membrane_decay**c.rest_steps
        for j in range(n):
            v[j] *= factor
        return
    silence, z, output = np.zeros(n), np.zeros(n), np.zeros(n, np.uint64)
    for t in range(c.rest_steps):
        advance(v, silence, noise_at(noise, c.n_time_steps + t), ONE, z, output, c)


@compiled
def noise_at(noise: Array, t: int) -> Array:
    """Return the noise of one step, empty where there is none."""
    return noise[t] if noise.size else noise.reshape(-1)


@compiled
def add_rows(weight: Array, channels: Array, words: Array, first: int, stop: int, currents: Array) -> None:
    """Add every row to the currents of those steps from `first` to before `stop` at which it fires."""
    n = weight.shape[1]
    for e in range(channels.size):
        row, word = weight[channels[e]], words[e]
        for t in range(first, stop):
            if (word >> np.uint64(t)) & ONE:
                current = currents[t]
                for j in range(n):
                    current[j] += row[j]
