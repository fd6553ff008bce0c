"""Limits of the hyperparameters of Forward-Forward training."""

import math
from typing import TYPE_CHECKING, Any, Literal, get_args

from ff2neuro.errors import ConfigurationError
from ff2neuro.networks.goodness import Probability

if TYPE_CHECKING:
    from ff2neuro.learning.config import TrainingConfig

__all__ = [
    "Device",
    "LabelCoding",
    "LabelLayers",
    "LayerNormalization",
    "Loss",
    "MatmulPrecision",
    "Negatives",
    "Schedule",
    "check_config",
    "typed_value",
]

Device = Literal["cpu", "cuda"]
LabelCoding = Literal["random", "one-hot"]
LabelLayers = Literal["first", "all"]
LayerNormalization = Literal["layer", "halves"]
Loss = Literal["cross-entropy", "symba", "swish"]
Negatives = Literal["random", "hard"]
MatmulPrecision = Literal["highest", "medium"]
Schedule = Literal["constant", "linear", "cosine"]

#: Hyperparameters that are one of several words.
_CHOICES: dict[str, Any] = {
    "probability": Probability,
    "loss": Loss,
    "negatives": Negatives,
    "schedule": Schedule,
    "label_code": LabelCoding,
    "device": Device,
    "label_layers": LabelLayers,
    "layer_normalization": LayerNormalization,
    "matmul_precision": MatmulPrecision,
}
#: Lower limits of the counted hyperparameters.
_AT_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "label_length": 1,
    "patience": 0,
    "peer_normalization": 0,
    "one_pass_updates": 0,
    "seed": 0,
    "threads": 0,
}
#: Hyperparameters that must be positive and finite.
_POSITIVE = ("alpha", "learning_rate", "label_strength")


def typed_value(name: str, value: Any, default: Any) -> Any:
    """Return a value in the type of a hyperparameter: TOML and the command line both come through here.

    Parameters
    ----------
    name : str
        Name of the hyperparameter, for messages.
    value : object
        What was given.
    default : object
        The hyperparameter's default, whose type counts.

    Returns
    -------
    object
        `value`, with a tuple for a list and a float for a whole number where those are wanted.

    Raises
    ------
    ConfigurationError
        If `value` is of another type, or not finite.
    """
    if isinstance(default, tuple):
        if isinstance(value, (list, tuple)) and all(_is_whole(item) for item in value):
            return tuple(int(item) for item in value)
        raise ConfigurationError(f"{name} is {value!r}; it must be a list of whole numbers, such as [200, 200]")
    if isinstance(default, (bool, str)):
        if isinstance(value, type(default)):
            return value
        wanted = "true or false" if isinstance(default, bool) else "a string"
        raise ConfigurationError(f"{name} is {value!r}; it must be {wanted}")
    if isinstance(default, int):
        if _is_whole(value):
            return int(value)
        raise ConfigurationError(f"{name} is {value!r}; it must be a whole number")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ConfigurationError(f"{name} is {value!r}; it must be a finite number")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check_config(config: "TrainingConfig") -> None:
    """Refuse hyperparameters that are beyond their limits or do not go together.

    Parameters
    ----------
    config : TrainingConfig
        Hyperparameters, each of its own type.

    Raises
    ------
    ConfigurationError
        If one of them is refused.
    """
    _check_choices(config)
    _check_limits(config)
    _check_layers(config)


def _check_choices(config: "TrainingConfig") -> None:
    """Refuse a value that is not among its choices."""
    for name, kind in _CHOICES.items():
        choices, value = get_args(kind), getattr(config, name)
        if value not in choices:
            raise ConfigurationError(f"{name} is {value!r}; known are {', '.join(choices)}")


def _check_limits(config: "TrainingConfig") -> None:
    """Refuse a number beyond its limits."""
    for name, lowest in _AT_LEAST.items():
        if getattr(config, name) < lowest:
            raise ConfigurationError(f"{name} is {getattr(config, name)}; it must be at least {lowest}")
    for name in _POSITIVE:
        if getattr(config, name) <= 0:
            raise ConfigurationError(f"{name} is {getattr(config, name)}; it must be greater than 0")
    if not 0 < config.label_density < 1:
        raise ConfigurationError(f"label_density is {config.label_density}; it must lie between 0 and 1")
    if not 0 <= config.max_shift < 1:
        raise ConfigurationError(
            f"max_shift is {config.max_shift}; it is a share of the image's height and width, so 0 or more, below 1"
        )
    if not 0 <= config.validation_fraction < 1:
        raise ConfigurationError(f"validation_fraction is {config.validation_fraction}; it must be 0 or more, below 1")
    if config.patience and not config.validation_fraction:
        raise ConfigurationError(
            f"patience is {config.patience}, but no images are held out to judge by; set validation_fraction to 0.1"
        )


def _check_layers(config: "TrainingConfig") -> None:
    """Refuse layers that cannot be built or cannot vote."""
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
    if config.layer_normalization == "halves" and config.probability != "symmetric":
        raise ConfigurationError(
            "layer_normalization is 'halves', but only the symmetric probability cuts a layer in halves; choose "
            "that, or 'layer'"
        )
    for layer in config.voting_layers:
        if not 0 <= layer < len(config.layers):
            raise ConfigurationError(
                f"voting_layers names layer {layer}; there are {len(config.layers)}, counted from 0"
            )
    if len(set(config.voting_layers)) < len(config.voting_layers):
        raise ConfigurationError(f"voting_layers is {list(config.voting_layers)}; name each layer once")
