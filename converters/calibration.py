"""Threshold balancing: choosing a layer's firing threshold by what it does to the latents."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import FixedPointNeurons, FloatNeurons, Neurons, Reset, simulate
from ff2neuro.errors import NetworkError

__all__ = ["BalancedThreshold", "balance_threshold", "mean_cosine", "neurons_at"]

Array = npt.NDArray[Any]

#: Percentile of the positive currents that a threshold is measured in: the very largest would starve all others.
CURRENT_PERCENTILE = 99.9
#: Thresholds that are tried, in units of that current. Below 1 strong neurons saturate; far above, weak ones fall
#: silent, but a neuron that is reset to zero follows its input more faithfully (its rate is 1/ceil(threshold/input)).
CANDIDATES = np.geomspace(0.25, 16.0, 25)
#: Presentations that are simulated at once.
CHUNK = 1000


@dataclass(frozen=True, eq=False)
class BalancedThreshold:
    """A threshold with what it does on the calibration data.

    Attributes
    ----------
    v_threshold : float
        Firing threshold in weight units.
    gain : float
        Activity that one spike stands for: least squares of activity on counts.
    cosine : float
        Mean cosine between counts and activity.
    spikes : ndarray of bool, shape (n_presentations, n_time_steps, n_neurons)
        What the layer sends, the input of the next one.
    """

    v_threshold: float
    gain: float
    cosine: float
    spikes: npt.NDArray[np.bool_]


def balance_threshold(
    currents: Array, activity: Array, n_time_steps: int, reset: Reset, *, integer: bool, name: str
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
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.
    integer : bool
        Whether weights are integers, and the threshold has to be k + 1/2.
    name : str
        What the layer is called, for the message.

    Returns
    -------
    BalancedThreshold
        The best of the candidates.

    Raises
    ------
    NetworkError
        If the layer is silent: nothing in the calibration data excites it.
    """
    positive = currents[currents > 0]
    if positive.size == 0 or not np.any(activity > 0):
        raise NetworkError(
            f"{name} is dead: no neuron of it is active on the calibration data; train the network longer, or "
            "calibrate on data like those that it was trained on"
        )
    unit = float(np.percentile(positive, CURRENT_PERCENTILE))
    thresholds = unit * CANDIDATES
    if integer:
        thresholds = np.unique(np.maximum(np.floor(thresholds), 0.0)) + 0.5
    best_cosine, best = -1.0, thresholds[0]
    for v_threshold in thresholds:
        counts = _spikes(currents, v_threshold, n_time_steps, reset, integer=integer).sum(axis=1)
        cosine = mean_cosine(counts, activity)
        if cosine > best_cosine:
            best_cosine, best = cosine, v_threshold
    spikes = _spikes(currents, best, n_time_steps, reset, integer=integer)
    counts = spikes.sum(axis=1).astype(np.float64)
    if not counts.any():
        raise NetworkError(f"{name} sends no spike in {n_time_steps} steps at any threshold; use more --steps")
    gain = float((counts * activity).sum() / (counts**2).sum())
    return BalancedThreshold(float(best), gain, best_cosine, spikes)


def neurons_at(v_threshold: float, n_neurons: int, reset: Reset, *, integer: bool) -> Neurons:
    """Return leak-free neurons with one threshold, in the arithmetic that they will run in.

    Parameters
    ----------
    v_threshold : float
        Firing threshold in weight units; k + 1/2 if `integer`.
    n_neurons : int
        Number of neurons.
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.
    integer : bool
        Whether to use Lava's fixed-point arithmetic.

    Returns
    -------
    Neurons
        The population.
    """
    if integer:
        vth = np.full(n_neurons, int(v_threshold - 0.5), dtype=np.int64)
        return FixedPointNeurons(vth=vth, bias=np.zeros(n_neurons, dtype=np.int64), reset=reset)
    ones, zeros = np.ones(n_neurons), np.zeros(n_neurons)
    return FloatNeurons(
        v_threshold=np.full(n_neurons, v_threshold),
        v_reset=zeros,
        mem_decay=ones,
        mem_gain=ones,
        syn_decay=zeros,
        syn_gain=ones,
        leak=zeros,
        v_init=zeros,
        reset=reset,
    )


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


def _spikes(
    currents: Array, v_threshold: float, n_time_steps: int, reset: Reset, *, integer: bool
) -> npt.NDArray[np.bool_]:
    """Simulate the layer on all presentations, in chunks that stay in the cache."""
    neurons = neurons_at(v_threshold, currents.shape[-1], reset, integer=integer)
    chunks = [simulate(neurons, currents[i : i + CHUNK], n_time_steps) for i in range(0, len(currents), CHUNK)]
    return np.concatenate(chunks)
