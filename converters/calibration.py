"""Threshold balancing: choosing a layer's firing threshold by what it does to the latents."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.converters.population import NeuronModel
from ff2neuro.dynamics import simulate, spike_counts
from ff2neuro.errors import NetworkError

__all__ = ["MOST_TRIALS", "BalancedThreshold", "balance_threshold", "mean_cosine"]

Array = npt.NDArray[Any]

#: Percentile of the positive currents that a threshold is measured in: the very largest would starve all others.
CURRENT_PERCENTILE = 99.9
#: Thresholds of the first pass, in units of that current. Below 1 strong neurons saturate; far above, weak ones fall
#: silent, but a neuron that is reset to zero follows its input more faithfully (its rate is 1/ceil(threshold/input)).
COARSE = np.geomspace(0.25, 16.0, 10)
#: Thresholds of the second pass, in units of the best of the first: they fill the gaps to its neighbours.
FINE = (COARSE[1] / COARSE[0]) ** (np.arange(-2, 3) / 3)
#: How many thresholds a layer needs at most.
MOST_TRIALS = COARSE.size + FINE.size
#: Presentations that the first pass looks at.
COARSE_PRESENTATIONS = 250
#: How many thresholds in a row have to be worse than the best before larger ones are not tried any more.
PATIENCE = 2
#: Presentations that are simulated at once: their states stay in the cache.
CHUNK = 250


@dataclass(frozen=True, eq=False)
class BalancedThreshold:
    """Thresholds of a layer with what they do on the calibration data.

    Attributes
    ----------
    v_threshold : ndarray of shape (n_neurons,)
        Firing thresholds in the units of the weights.
    gain : float
        Activity that one spike stands for: least squares of activity on counts.
    cosine : float
        Mean cosine between counts and activity.
    spikes : ndarray of bool, shape (n_presentations, n_time_steps, n_neurons)
        What the layer sends, the input of the next one.
    """

    v_threshold: Array
    gain: float
    cosine: float
    spikes: npt.NDArray[np.bool_]


def balance_threshold(
    currents: Array,
    activity: Array,
    n_time_steps: int,
    model: NeuronModel,
    *,
    name: str,
    scale: Array | float = 1.0,
    tick: Callable[[], None] | None = None,
) -> BalancedThreshold:
    """Choose the threshold whose spike counts point most nearly in the direction of the analog activity.

    Parameters
    ----------
    currents : ndarray of shape (n_presentations, n_time_steps or 1, n_neurons)
        Weighted input of the layer on calibration data, from the spikes of the converted layers before it.
    activity : ndarray of shape (n_presentations, n_neurons)
        What the analog layer does on the same data.
    n_time_steps : int
        Number of time steps T.
    model : NeuronModel
        The neurons.
    name : str
        What the layer is called, for the message.
    scale : float or ndarray of shape (n_neurons,)
        Real weight that a weight of 1 stands for; the threshold is one number for all neurons on the real scale.
    tick : callable, optional
        Called after each threshold that has been tried.

    Returns
    -------
    BalancedThreshold
        The best of the candidates.

    Raises
    ------
    NetworkError
        If the layer is silent: nothing in the calibration data excites it.
    """
    positive = (currents * np.asarray(scale, currents.dtype))[currents > 0]
    if positive.size == 0 or not np.any(activity > 0):
        raise NetworkError(
            f"{name} is dead: no neuron of it is active on the calibration data; train the network longer, or "
            "calibrate on data like those that it was trained on"
        )
    unit = float(np.percentile(positive, CURRENT_PERCENTILE)) / np.broadcast_to(scale, (currents.shape[-1],))
    search = _Search(currents, activity, n_time_steps, model, tick)
    stride = -(-len(currents) // COARSE_PRESENTATIONS)
    coarse = _Search(currents[::stride], activity[::stride], n_time_steps, model, tick).best(unit, COARSE, PATIENCE)
    multiple, cosine = search.best(unit, coarse[0] * FINE)
    thresholds = model.thresholds(unit * multiple)
    neurons = model.at(thresholds)
    spikes = np.concatenate([simulate(neurons, chunk, n_time_steps) for chunk in _chunks(currents)])
    counts = spikes.sum(axis=1).astype(np.float64)
    if not counts.any():
        raise NetworkError(f"{name} sends no spike in {n_time_steps} steps at any threshold; use more --steps")
    gain = float((counts * activity).sum() / (counts**2).sum())
    return BalancedThreshold(thresholds, gain, cosine, spikes)


@dataclass(frozen=True, eq=False)
class _Search:
    """The data that thresholds are tried on."""

    currents: Array
    activity: Array
    n_time_steps: int
    model: NeuronModel
    tick: Callable[[], None] | None

    def best(self, unit: Array, multiples: Array, patience: int | None = None) -> tuple[float, float]:
        """Return the best multiple of the unit, and its cosine; integers make several multiples the same."""
        best, best_cosine, worse = float(multiples[0]), -1.0, 0
        tried: Array | None = None
        for multiple in multiples:
            thresholds = self.model.thresholds(unit * multiple)
            if tried is not None and np.array_equal(thresholds, tried):
                continue
            tried = thresholds
            cosine = mean_cosine(self._counts(thresholds), self.activity)
            if self.tick is not None:
                self.tick()
            if cosine > best_cosine:
                best, best_cosine, worse = float(multiple), cosine, 0
            else:
                worse += 1
            if patience is not None and worse >= patience:
                break
        return best, best_cosine

    def _counts(self, thresholds: Array) -> Array:
        neurons = self.model.at(thresholds)
        return np.concatenate([spike_counts(neurons, chunk, self.n_time_steps) for chunk in _chunks(self.currents)])


def mean_cosine(counts: Array, activity: Array) -> float:
    """Return the mean cosine over presentations; a silent vector counts 0.

    Parameters
    ----------
    counts, activity : ndarray of shape (n_presentations, n_neurons)
        Two descriptions of the same presentations.

    Returns
    -------
    float
        Between 0 and 1 for vectors without negative values.
    """
    a, b = counts.astype(np.float64), activity.astype(np.float64)
    lengths = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    products = (a * b).sum(axis=1)
    return float(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0).mean())


def _chunks(currents: Array) -> list[Array]:
    return [currents[start : start + CHUNK] for start in range(0, len(currents), CHUNK)]
