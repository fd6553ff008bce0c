"""The file of a fitted estimator: a model file with a group of its own for classes and scale."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import ConfigurationError, FileFormatError
from ff2neuro.files import open_hdf5, read_tree
from ff2neuro.networks import AnalogNetwork, load_model, save_model

__all__ = ["FittedState", "load_fitted", "save_fitted"]


@dataclass(frozen=True, eq=False)
class FittedState:
    """What a fitted estimator knows.

    Attributes
    ----------
    network : AnalogNetwork
        The trained network.
    classes : ndarray of shape (n_classes,)
        Numbers, truth values or strings.
    feature_min, feature_range : ndarray of float64, shape (n_features,)
        Scale of the features.
    parameters : mapping
        Parameters of the estimator: numbers, strings, truth values, None and sequences of whole numbers.
    """

    network: AnalogNetwork
    classes: npt.NDArray[Any]
    feature_min: npt.NDArray[np.float64]
    feature_range: npt.NDArray[np.float64]
    parameters: Mapping[str, Any]


def save_fitted(fitted: FittedState, path: Path) -> None:
    """Write a fitted estimator.

    Parameters
    ----------
    fitted : FittedState
        What to write.
    path : Path
        Where; replaced if it exists.

    Raises
    ------
    OutputError
        If the file cannot be written.
    ConfigurationError
        If the classes are neither numbers nor strings.
    """
    kind = fitted.classes.dtype.kind
    text = kind in "OU" and all(isinstance(name, str) for name in fitted.classes)
    if not text and kind not in "biuf":
        raise ConfigurationError(
            f"classes are {fitted.classes.dtype} such as {fitted.classes[0]!r}; a model file holds numbers and strings"
        )
    tree = {
        "classes": [str(name) for name in fitted.classes] if text else fitted.classes,
        "classes_are_objects": kind == "O",
        "feature_min": fitted.feature_min,
        "feature_range": fitted.feature_range,
        "parameters": json.dumps(dict(fitted.parameters), sort_keys=True, default=_plain),
    }
    save_model(fitted.network, path, estimator=tree)


def load_fitted(path: Path) -> FittedState:
    """Read a fitted estimator.

    Parameters
    ----------
    path : Path
        A file that `save_fitted` wrote.

    Returns
    -------
    FittedState
        What the file holds.

    Raises
    ------
    FileFormatError
        If the file does not exist, is damaged, or holds no estimator.
    """
    network = load_model(path)
    with open_hdf5(path, "model file") as file:
        if "estimator" not in file:
            raise FileFormatError(
                f"model file {path} holds a network but no estimator; read it with ff2neuro.networks.load_model"
            )
        tree = read_tree(file["estimator"])
    classes = np.asarray(tree["classes"], dtype=object if tree["classes_are_objects"] else None)
    scale = (np.asarray(tree["feature_min"]), np.asarray(tree["feature_range"]))
    return FittedState(network, classes, *scale, json.loads(tree["parameters"]))


def _plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise ConfigurationError(f"parameter {value!r} is neither number nor string, so that no model file can hold it")
