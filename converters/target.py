"""What the spikes of a layer have to describe: activity of the analog layer, and the probability that it votes with."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.converters.config import ConversionConfig, Readout
from ff2neuro.networks import GoodnessHead, layer_probabilities

__all__ = [
    "HIDDEN",
    "LAST",
    "LAST_BY_TIMES",
    "Rule",
    "Target",
    "Trial",
    "Vote",
    "layer_probability",
    "least_squares_gain",
    "mean_cosine",
    "rule_of",
]

Array = npt.NDArray[Any]

#: Error of a probability, and loss of cosine, below which less is no gain: neither may hide the other.
NEGLIGIBLE = 1e-4


@dataclass(frozen=True, eq=False)
class Vote:
    """The probabilities that a layer has to give, and what they follow from beside its own activity.

    Attributes
    ----------
    head : GoodnessHead
        How activity becomes a probability.
    probability : ndarray of shape (n_presentations,)
        What the analog layer gives.
    energy : ndarray of shape (n_presentations,)
        Squared length of the network's input.
    before : ndarray of shape (n_presentations,) or None
        Length of the activity that the spikes of the layer before stand for; None for the first layer.
    """

    head: GoodnessHead
    probability: Array
    energy: Array
    before: Array | None

    def error(self, activity: Array) -> float:
        """Return the mean absolute error of the probability for an activity of shape (n_presentations, n_neurons)."""
        return float(np.abs(layer_probability(self.head, activity, self.energy, self.before) - self.probability).mean())

    def every(self, stride: int) -> "Vote":
        """Return the same for every `stride`-th presentation."""
        return replace(
            self,
            probability=self.probability[::stride],
            energy=self.energy[::stride],
            before=None if self.before is None else self.before[::stride],
        )


@dataclass(frozen=True)
class Rule:
    """What a voting layer gives up for what.

    Attributes
    ----------
    cosine_slack : float
        How many times the least 1 - cosine may be, for a better probability.
    error_slack : float or None
        How many times the least error of the probability may be, for a lower threshold; None to make error times
        (1 - cosine) smallest, whatever the threshold.
    read_by : {"counts", "times"}
        What spikes are read by while thresholds are tried.
    """

    cosine_slack: float
    error_slack: float | None
    read_by: Readout = "counts"


#: The next layer needs the spikes of a hidden layer early.
HIDDEN = Rule(cosine_slack=2.0, error_slack=1.15)
#: The last layer, read by counts: high thresholds cost spikes and weak activity, low ones the cosine.
LAST = Rule(cosine_slack=1.1, error_slack=None)
#: Reset by subtraction and read by times, the cosine is above that of counts by more than a lower threshold costs.
LAST_BY_TIMES = Rule(cosine_slack=1.5, error_slack=1.15, read_by="times")


def rule_of(config: ConversionConfig, *, last: bool) -> Rule:
    """Return how the threshold of a voting layer is chosen.

    A neuron that is reset to zero loses charge at every spike. Times tell the readout what was lost, not the next
    layer, which lives on the spikes alone: a threshold that is good for times would starve it.

    Parameters
    ----------
    config : ConversionConfig
        Choices of the conversion.
    last : bool
        Whether it is the last layer.

    Returns
    -------
    Rule
        The rule.
    """
    if config.reset == "zero":
        return replace(LAST, read_by=config.readout) if last else HIDDEN
    if last:
        return LAST if config.readout == "counts" else LAST_BY_TIMES
    return replace(HIDDEN, read_by=config.readout)


@dataclass(frozen=True)
class Trial:
    """What one threshold does.

    Attributes
    ----------
    multiple : float
        The threshold, on the scale of a search.
    lost_cosine : float
        1 minus the mean cosine between what is read of the spikes and activity.
    loss : float
        What is to be made smallest.
    """

    multiple: float
    lost_cosine: float
    loss: float


@dataclass(frozen=True, eq=False)
class Target:
    """What the spikes of a layer have to describe.

    Attributes
    ----------
    activity : ndarray of shape (n_presentations, n_neurons)
        What the analog layer does.
    vote : Vote or None
        What the layer has to vote; None if it does not vote.
    ordinary : ndarray of bool, shape (n_presentations,), or None
        Which presentations are like those that the network will see: the cosine is taken over these. None for all.
    rule : Rule
        How a threshold is chosen: what spikes are read by, and what is given up for what if the layer votes.
    """

    activity: Array
    vote: Vote | None = None
    ordinary: Array | None = None
    rule: Rule = LAST

    def every(self, stride: int) -> "Target":
        """Return the same for every `stride`-th presentation."""
        return replace(
            self,
            activity=self.activity[::stride],
            vote=None if self.vote is None else self.vote.every(stride),
            ordinary=None if self.ordinary is None else self.ordinary[::stride],
        )

    def cosine(self, read: Array) -> float:
        """Return the mean cosine between what is read of spikes and activity over the ordinary presentations."""
        if self.ordinary is None:
            return mean_cosine(read, self.activity)
        return mean_cosine(read[self.ordinary], self.activity[self.ordinary])

    def error(self, read: Array) -> float | None:
        """Return the mean absolute error of the probability that follows; None if the layer does not vote."""
        return None if self.vote is None else self.vote.error(read * least_squares_gain(read, self.activity))

    def judge(self, multiple: float, read: Array) -> Trial:
        """Judge what is read of the spikes at a threshold, counts or activity, on any scale."""
        lost, error = 1 - self.cosine(read), self.error(read)
        if error is None:
            return Trial(multiple, lost, lost)
        straightness = lost + NEGLIGIBLE if self.rule.error_slack is None else 1.0
        return Trial(multiple, lost, straightness * (error + NEGLIGIBLE))

    def choose(self, trials: list[Trial]) -> Trial:
        """Return the best of several trials.

        A layer that does not vote takes the threshold with the highest cosine. The cosine is decided by strong
        presentations, though; the probability that a layer votes with is lost first in weak ones, whose few small
        activities a high threshold silences. So a layer that votes chooses among the thresholds that lose little more
        of the cosine than the best, and among these as its rule says: the one with the least product of error and
        (1 - cosine), or the lowest of those whose error is about the least.
        """
        if self.vote is None:
            return min(trials, key=lambda trial: trial.loss)
        enough = min(trial.lost_cosine for trial in trials) * self.rule.cosine_slack
        trials = [trial for trial in trials if trial.lost_cosine <= enough]
        if self.rule.error_slack is None:
            return min(trials, key=lambda trial: trial.loss)
        enough = min(trial.loss for trial in trials) * self.rule.error_slack
        return min((trial for trial in trials if trial.loss <= enough), key=lambda trial: trial.multiple)


def layer_probability(head: GoodnessHead, activity: Array, energy: Array, before: Array | None) -> Array:
    """Return the probability of being positive that one layer gives.

    Parameters
    ----------
    head : GoodnessHead
        How activity becomes a probability.
    activity : ndarray of shape (n_presentations, n_neurons)
        Activity of the layer.
    energy : ndarray of shape (n_presentations,)
        Squared length of the network's input.
    before : ndarray of shape (n_presentations,) or None
        Length of the activity of the layer before; None for the first layer.

    Returns
    -------
    ndarray of shape (n_presentations,)
        Probabilities.
    """
    layers = [activity] if before is None else [before[:, None], activity]
    alone = replace(head, voting_layers=(len(layers) - 1,))
    return layer_probabilities(alone, layers, energy)[0]


def least_squares_gain(counts: Array, activity: Array) -> float:
    """Return the activity that a spike stands for, by least squares; 0 where there are none.

    Parameters
    ----------
    counts, activity : ndarray of shape (n_presentations, n_neurons)
        Two descriptions of the same presentations.

    Returns
    -------
    float
        The gain.
    """
    wide = counts.astype(np.float64)
    energy = float((wide**2).sum())
    return float((wide * activity).sum()) / energy if energy else 0.0


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
