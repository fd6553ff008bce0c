"""Hyperparameters of Hebbian Forward-Forward learning, each with its equation and its limits.

The symbols are those of `docs/hebbian.md`; the defaults are the ones with which the authors of arXiv 2406.16479 ran ten
epochs of online learning with the symmetric probability.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ff2neuro.errors import ConfigurationError
from ff2neuro.learning.limits import Schedule, typed_value
from ff2neuro.learning.toml_config import TomlConfig
from ff2neuro.networks.goodness import Probability
from ff2neuro.networks.trace import Trace, TraceKind

__all__ = ["HebbianConfig", "share_of_epoch"]

#: Lower limits of the counted hyperparameters.
_AT_LEAST = {
    "top_k": 0,
    "n_time_steps": 1,
    "first_update": 0,
    "rest_steps": 0,
    "epochs": 1,
    "batch_size": 1,
    "label_length": 1,
    "seed": 0,
    "threads": 0,
}
_POSITIVE = ("trace_factor", "threshold", "alpha", "epsilon", "learning_rate")
_BETWEEN_0_AND_1 = ("membrane_decay", "trace_decay", "label_density")
#: A presentation is one 64-bit word per input channel.
MAX_TIME_STEPS = 64


@dataclass(frozen=True)
class HebbianConfig(TomlConfig):
    r"""How a spiking network learns by the modulated Hebbian rule.

    Attributes
    ----------
    learning : {"hebbian"}
        What kind of training this is, for those who read the file.
    layers : tuple of int
        Number of neurons of every layer. The paper has one; further layers take the spikes of the one before, in the
        same step, and learn by their own goodness.
    probability : {"symmetric", "sigmoid"}
        Probability that a presentation is positive.
    trace : {"li", "relu", "hard-li"}
        Output trace z of the spikes s: leaky :math:`z \leftarrow \lambda_z z + (1 - \lambda_z) s`, accumulating
        :math:`z \leftarrow z + s / f`, or hard :math:`z \leftarrow \lambda_z z`, then 1 where s.
    trace_decay, trace_factor : float
        :math:`\lambda_z` and f.
    membrane_decay : float
        :math:`\lambda` in :math:`v \leftarrow \lambda v + W^\top x`.
    threshold : float
        A neuron spikes where :math:`v > \vartheta` and it is among the winners; v is then reset to zero. The published
        threshold of 2 enters only the comparison of winners, from which it cancels: neurons fire at 0.001.
    top_k : int
        Number of winners per step, 0 for all neurons. Potentials within 0.001 of the last winner's win, too.
    noise : float
        Standard deviation of the Gaussian noise in the comparison of winners; without effect if all neurons win.
    alpha, theta : float
        Slope and threshold of :math:`P_\sigma = \mathrm{sigmoid}(\alpha (\lVert z \rVert^2 - \theta))`.
    epsilon : float
        Smoothing of :math:`P_\mathrm{sym}`.
    learning_rate : float
        :math:`\nu` in :math:`W \leftarrow W + \nu E`; that of the first epoch if there is a schedule.
    schedule : {"constant", "linear", "cosine"}
        How the learning rate falls from epoch to epoch: to 1/epochs of it in the last one if it is linear, along half a
        cosine. The published rate is constant.
    eligibility_rate : float
        :math:`\tau` in :math:`E \leftarrow (1 - \tau) E + \tau \langle M\, x z^\top \rangle`.
    n_time_steps : int
        Steps of a presentation. The published 24 counts one that is never run.
    first_update : int
        First step, counted from 0, that changes weights; earlier ones only fill the traces.
    rest_steps : int
        Steps without input after a presentation, which let v decay; z is then set to zero.
    input_strength : float
        Probability of a spike per step of a full pixel and of a one in the label code (Bernoulli coding).
    epochs : int
        Passes over the training images.
    batch_size : int
        Presentations that share an update; 1 is online learning. Each image is presented once, with its true label
        or, by the toss of a coin, with a wrong one.
    label_length, label_density : int, float
        Bits of a random label code and the probability of a one.
    seed : int
        Source of weights, codes, order, coin, wrong labels, input spikes and noise.
    threads : int
        CPU threads; 0 takes all.

    Raises
    ------
    ConfigurationError
        If a value is of the wrong type or beyond its limits, or values do not go together.

    Examples
    --------
    >>> HebbianConfig(trace="relu", batch_size=50).n_updates
    7
    """

    learning: str = "hebbian"
    layers: tuple[int, ...] = (200,)
    probability: Probability = "symmetric"
    trace: TraceKind = "li"
    trace_decay: float = 0.85
    trace_factor: float = 10.0
    membrane_decay: float = 0.85
    threshold: float = 0.001
    top_k: int = 0
    noise: float = 0.01
    alpha: float = 6.0
    theta: float = 1.0
    epsilon: float = 0.01
    learning_rate: float = 1.0
    schedule: Schedule = "constant"
    eligibility_rate: float = 0.1
    n_time_steps: int = 23
    first_update: int = 16
    rest_steps: int = 20
    input_strength: float = 0.25
    epochs: int = 10
    batch_size: int = 1
    label_length: int = 100
    label_density: float = 0.3
    seed: int = 1
    threads: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, typed_value(field.name, getattr(self, field.name), field.default))
        _check_choices(self)
        _check_limits(self)
        _check_layers(self)
        if self.first_update >= self.n_time_steps:
            raise ConfigurationError(
                f"n_time_steps is {self.n_time_steps}, but the first update is step {self.first_update}, counted from "
                f"0; take at least {self.first_update + 1} steps or lower first_update"
            )

    @property
    def n_updates(self) -> int:
        """Number of steps of a presentation that change weights."""
        return self.n_time_steps - self.first_update

    @property
    def output_trace(self) -> Trace:
        """The output trace as the readout needs it."""
        return Trace(self.trace, self.trace_decay, self.trace_factor)

    def learning_rate_of(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""
        return self.learning_rate * share_of_epoch(self.schedule, epoch, self.epochs)

    def winners(self, layer: int) -> int:
        """Return the number of winners per step of a layer: `top_k`, or its width if that is 0."""
        return self.top_k or self.layers[layer]


def share_of_epoch(schedule: Schedule, epoch: int, epochs: int) -> float:
    """Return the share of the first step size that an epoch is given.

    Parameters
    ----------
    schedule : {"constant", "linear", "cosine"}
        How it falls.
    epoch, epochs : int
        Number of the epoch, counted from 1, and of all.

    Returns
    -------
    float
        1 in the first epoch, greater than 0 in the last one.
    """
    done = (epoch - 1) / max(epochs, epoch)
    return {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[schedule]


def _check_choices(config: HebbianConfig) -> None:
    """Refuse a value that is not among its choices."""
    kinds: tuple[tuple[str, Any], ...] = (
        ("learning", Literal["hebbian"]),
        ("probability", Probability),
        ("trace", TraceKind),
        ("schedule", Schedule),
    )
    for name, kind in kinds:
        choices, value = get_args(kind), getattr(config, name)
        if value not in choices:
            raise ConfigurationError(f"{name} is {value!r}; known are {', '.join(choices)}")


def _check_limits(config: HebbianConfig) -> None:
    """Refuse a number beyond its limits."""
    for name, lowest in _AT_LEAST.items():
        if getattr(config, name) < lowest:
            raise ConfigurationError(f"{name} is {getattr(config, name)}; it must be at least {lowest}")
    for name in _POSITIVE:
        if getattr(config, name) <= 0:
            raise ConfigurationError(f"{name} is {getattr(config, name)}; it must be greater than 0")
    for name in _BETWEEN_0_AND_1:
        if not 0 < getattr(config, name) < 1:
            raise ConfigurationError(f"{name} is {getattr(config, name)}; it must lie between 0 and 1")
    for name in ("eligibility_rate", "input_strength"):
        if not 0 < getattr(config, name) <= 1:
            raise ConfigurationError(f"{name} is {getattr(config, name)}; it must be greater than 0 and at most 1")
    if config.noise < 0:
        raise ConfigurationError(f"noise is {config.noise}; it must be 0 or more")
    if config.n_time_steps > MAX_TIME_STEPS:
        raise ConfigurationError(f"n_time_steps is {config.n_time_steps}; it must be at most {MAX_TIME_STEPS}")


def _check_layers(config: HebbianConfig) -> None:
    """Refuse layers that cannot be built."""
    if not config.layers:
        raise ConfigurationError("layers is empty; name the width of at least one layer, such as 200")
    for index, width in enumerate(config.layers):
        if width < 1:
            raise ConfigurationError(f"layers: layer {index} has {width} neurons; it needs at least 1")
        if config.probability == "symmetric" and width % 2:
            raise ConfigurationError(
                f"layers: layer {index} has {width} neurons; the symmetric probability cuts a layer in halves, so "
                f"make it {width + 1}, or choose the sigmoid probability"
            )
        if config.top_k > width:
            raise ConfigurationError(
                f"top_k is {config.top_k}, but layer {index} has {width} neurons; take at most {width}, or 0 for all"
            )
