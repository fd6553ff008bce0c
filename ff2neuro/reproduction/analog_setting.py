"""Hyperparameters of the paper's analog networks."""

from dataclasses import dataclass

from ff2neuro.learning.limits import Schedule
from ff2neuro.networks.goodness import Probability

__all__ = ["AnalogSetting"]


@dataclass(frozen=True)
class AnalogSetting:
    """Hyperparameters of the paper's analog networks.

    Attributes
    ----------
    probability : {"sigmoid", "symmetric"}
        Which probability.
    epochs : int
        Passes over the training images.
    seed : int
        Source of all chance.
    n_neurons : int
        Width of the layer.
    theta : float
        Threshold of the sigmoid probability, whose slope is 1.
    batch_size : int
        Images per update.
    learning_rate : float
        Step size of Adam (arXiv 1412.6980), that of the first epoch if there is a schedule.
    schedule : {"constant", "linear", "cosine"}
        How the step size falls from epoch to epoch, as in `HebbianConfig`; constant in the paper.
    label_length, label_density : int, float
        Bits of a random label code and the probability of a one.
    """

    probability: Probability
    epochs: int = 10
    seed: int = 1
    n_neurons: int = 200
    theta: float = 3.5
    batch_size: int = 50
    learning_rate: float = 0.01
    schedule: Schedule = "constant"
    label_length: int = 100
    label_density: float = 0.3
