"""With what a network is fine-tuned: the hyperparameters that it was trained with, at a smaller step size."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ff2neuro.errors import ConfigurationError
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.networks import AnalogNetwork

__all__ = ["tuning_config"]

#: Step size of fine-tuning, as a share of the first one of training: what was learnt is to be kept.
RATE_SHARE = 0.1
#: Where a network's provenance names its hyperparameters.
PREFIX = "config."


def tuning_config(
    network: AnalogNetwork, epochs: int, learning_rate: float | None = None, seed: int = 1
) -> TrainingConfig:
    """Return the hyperparameters of fine-tuning.

    Parameters
    ----------
    network : AnalogNetwork
        Network that is to be fine-tuned; loss, negatives, batches and shifts are those of its training, or the
        defaults where its provenance does not name them.
    epochs : int
        Passes over the training images.
    learning_rate : float, optional
        First step size; by default a tenth of that of training.
    seed : int
        Source of the order of images, their shifts and wrong labels.

    Returns
    -------
    TrainingConfig
        The hyperparameters.

    Raises
    ------
    ConfigurationError
        If one of them is refused.
    """
    before = _of_provenance(network.provenance)
    head = network.head
    rate = float(f"{RATE_SHARE * before.learning_rate:.6g}") if learning_rate is None else learning_rate
    return before.replace(
        layers=list(network.widths),
        probability=head.probability,
        alpha=head.alpha,
        theta=head.theta,
        voting_layers=list(head.voting_layers),
        normalize_input=head.normalize_input,
        epochs=epochs,
        learning_rate=rate,
        schedule="linear",
        patience=0,
        one_pass_updates=0,
        # Rounded products would not be the currents that the machine's integers make.
        matmul_precision="highest",
        device="cpu",
        seed=seed,
    )


def _of_provenance(provenance: Mapping[str, str | int | float]) -> TrainingConfig:
    """Return the configuration that `ff2neuro.learning.provenance.training_provenance` wrote down."""
    values = {}
    for field in fields(TrainingConfig):
        if PREFIX + field.name in provenance:
            values[field.name] = _read(provenance[PREFIX + field.name], field.default)
    try:
        return TrainingConfig.from_mapping(values, "the model's provenance")
    except ConfigurationError as error:
        raise ConfigurationError(f"the model's provenance names hyperparameters that are refused: {error}") from error


def _read(value: str | int | float, default: Any) -> Any:
    if isinstance(default, bool):
        return value == "true"
    if isinstance(default, tuple):
        return [int(part) for part in str(value).split(",") if part]
    return value
