"""What a trained network says of its origin: configuration, data and versions."""

from typing import Any

import numpy as np
import torch

from ff2neuro._version import __version__
from ff2neuro.data import Dataset
from ff2neuro.learning.config import TrainingConfig

__all__ = ["training_provenance"]


def training_provenance(
    config: TrainingConfig, dataset: Dataset, data_file: str, epochs_done: int
) -> dict[str, str | int | float]:
    """Return how a trained network came to be.

    Parameters
    ----------
    config : TrainingConfig
        Hyperparameters.
    dataset : Dataset
        Images that it learnt from.
    data_file : str
        The user's own file that they came from; empty for a known data set.
    epochs_done : int
        Epochs done.

    Returns
    -------
    dict
        Strings and numbers, fit for `AnalogNetwork.provenance`.
    """
    return {
        "learning": "analog",
        "dataset": dataset.name,
        "dataset_checksum": dataset.checksum,
        **({"data_file": data_file} if data_file else {}),
        "epochs_done": epochs_done,
        "seed": config.seed,
        "threads": config.threads or torch.get_num_threads(),
        "ff2neuro_version": __version__,
        "torch_version": str(torch.__version__),
        "numpy_version": np.__version__,
        **{f"config.{name}": _plain(value) for name, value in config.to_mapping().items() if name != "seed"},
    }


def _plain(value: Any) -> str | int | float:
    """Return a hyperparameter as a string or a number."""
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    plain: str | int | float = str(value).lower() if isinstance(value, bool) else value
    return plain
