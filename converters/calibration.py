"""Threshold balancing: choosing a layer's firing threshold by what it does to the latents and to the layer's vote."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.converters.config import Readout
from ff2neuro.converters.population import NeuronModel
from ff2neuro.converters.target import Target, Trial, least_squares_gain
from ff2neuro.dynamics import simulate, spike_counts, spike_times
from ff2neuro.errors import NetworkError
from ff2neuro.networks import ActivityTable
from ff2neuro.networks.activity_table import last_spikes

__all__ = ["MOST_TRIALS", "BalancedThreshold", "balance_threshold"]

Array = npt.NDArray[Any]

#: Percentile of the positive currents that a threshold is measured in: the very largest would starve all others.
CURRENT_PERCENTILE = 99.9
#: Thresholds of the first pass, in units of that current. Below 1 strong neurons saturate; far above, weak ones fall
#: silent, but a neuron that is reset to zero follows its input more faithfully (its rate is 1/ceil(threshold/input)).
COARSE = np.geomspace(0.1, 16.0, 12)
#: Thresholds of the second pass, in units of the best of the first: they fill the gaps to its neighbours.
FINE = (COARSE[1] / COARSE[0]) ** (np.arange(-2, 3) / 3)
#: How many thresholds a layer needs at most.
MOST_TRIALS = COARSE.size + FINE.size + 1
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
    table : ActivityTable or None
        What spikes stand for by their number and the time of the last one; None if they are read by number alone.
    activity : ndarray of shape (n_presentations, n_neurons)
        What the spikes stand for.
    cosine : float
        Mean cosine between what is read of the spikes and activity.
    error : float or None
        Mean absolute error of the probability that the layer votes with; None if it does not vote.
    spikes : ndarray of bool or uint8, shape (n_presentations, n_time_steps, n_neurons)
        What the layer sends, the input of the next one.
    """

    v_threshold: Array
    gain: float
    table: ActivityTable | None
    activity: Array
    cosine: float
    error: float | None
    spikes: Array


def balance_threshold(
    currents: Array,
    target: Target,
    n_time_steps: int,
    model: NeuronModel,
    *,
    name: str,
    scale: Array | float = 1.0,
    readout: Readout = "counts",
    tick: Callable[[], None] | None = None,
) -> BalancedThreshold:
    """Choose the threshold whose spikes describe the analog layer best, as `Target.choose` says.

    Parameters
    ----------
    currents : ndarray of shape (n_presentations, n_time_steps or 1, n_neurons)
        Weighted input of the layer on calibration data, from the spikes of the converted layers before it.
    target : Target
        What the analog layer does on the same data.
    n_time_steps : int
        Number of time steps T.
    model : NeuronModel
        The neurons.
    name : str
        What the layer is called, for the message.
    scale : float or ndarray of shape (n_neurons,)
        Real weight that a weight of 1 stands for; the threshold is one number for all neurons on the real scale.
    readout : {"counts", "times"}
        What the spikes will be read by; the target's rule says what they are read by while thresholds are tried.
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
    if positive.size == 0 or not np.any(target.activity > 0):
        raise NetworkError(
            f"{name} is dead: no neuron of it is active on the calibration data; train the network longer, or "
            "calibrate on data like those that it was trained on"
        )
    # What a neuron can send in a step at most, it sends at that current and the threshold of 1.
    current = float(np.percentile(positive, CURRENT_PERCENTILE)) / model.max_spikes_per_step
    unit = current / np.broadcast_to(scale, (currents.shape[-1],))
    search = _Search(currents, target, n_time_steps, model, tick)
    stride = -(-len(currents) // COARSE_PRESENTATIONS)
    coarse = search.every(stride).trials(unit, COARSE, PATIENCE)
    straightest = min(coarse, key=lambda trial: trial.lost_cosine).multiple
    # How much of the cosine a threshold may lose is measured against the best of all.
    fine = np.union1d(target.choose(coarse).multiple * FINE, straightest)
    thresholds = model.thresholds(unit * target.choose(search.trials(unit, fine)).multiple)
    neurons = model.at(thresholds)
    spikes = np.concatenate([simulate(neurons, chunk, n_time_steps) for chunk in _chunks(currents)])
    counts = spikes.sum(axis=1).astype(np.float64)
    if not counts.any():
        raise NetworkError(f"{name} sends no spike in {n_time_steps} steps at any threshold; use more --steps")
    gain = least_squares_gain(counts, target.activity)
    if readout == "counts":
        fit = target.cosine(counts), target.error(counts)
        return BalancedThreshold(thresholds, gain, None, counts * gain, *fit, spikes)
    last = last_spikes(spikes)
    table = ActivityTable.fit(counts, last, target.activity, n_time_steps, gain)
    activity = table.of(counts, last)
    fit = target.cosine(activity), target.error(activity)
    return BalancedThreshold(thresholds, gain, table, activity, *fit, spikes)


@dataclass(frozen=True, eq=False)
class _Search:
    """The data that thresholds are tried on."""

    currents: Array
    target: Target
    n_time_steps: int
    model: NeuronModel
    tick: Callable[[], None] | None

    def every(self, stride: int) -> "_Search":
        """Return a search on every `stride`-th presentation."""
        return replace(self, currents=self.currents[::stride], target=self.target.every(stride))

    def trials(self, unit: Array, multiples: Array, patience: int | None = None) -> list[Trial]:
        """Try ascending multiples of the unit; integers make several of them the same."""
        trials: list[Trial] = []
        tried: Array | None = None
        for multiple in multiples:
            thresholds = self.model.thresholds(unit * multiple)
            if tried is not None and np.array_equal(thresholds, tried):
                continue
            tried = thresholds
            trials.append(self.target.judge(float(multiple), self._read(thresholds)))
            if self.tick is not None:
                self.tick()
            # A rule that looks at the error alone bounds the cosine by the best there is: that has to be found as well.
            best = max(int(np.argmin([getattr(trial, what) for trial in trials])) for what in ("loss", "lost_cosine"))
            if patience is not None and len(trials) - 1 - best >= patience:
                break
        return trials

    def _read(self, thresholds: Array) -> Array:
        """Return what is read of the spikes, on any scale."""
        neurons = self.model.at(thresholds)
        if self.target.rule.read_by == "counts":
            return np.concatenate([spike_counts(neurons, chunk, self.n_time_steps) for chunk in _chunks(self.currents)])
        parts = [spike_times(neurons, chunk, self.n_time_steps) for chunk in _chunks(self.currents)]
        counts, last = (np.concatenate(part) for part in zip(*parts, strict=True))
        gain = least_squares_gain(counts, self.target.activity)
        return ActivityTable.fit(counts, last, self.target.activity, self.n_time_steps, gain).of(counts, last)


def _chunks(currents: Array) -> list[Array]:
    return [currents[start : start + CHUNK] for start in range(0, len(currents), CHUNK)]
