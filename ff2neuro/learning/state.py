"""All that training needs to go on from where it was, and the checkpoint file that holds it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import FileFormatError
from ff2neuro.files import Tree, hdf5_bytes, open_hdf5, read_tree, write_bytes
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.hebbian.state import HebbianState
from ff2neuro.learning.toml_config import require_same_training

__all__ = ["TrainingState", "load_checkpoint", "save_checkpoint"]

FORMAT = "ff2neuro-checkpoint"
FORMAT_VERSION = 1

#: Fields that hold one array per layer.
_ARRAYS = ("weights", "first_moments", "second_moments", "best_weights")

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TrainingState:
    """Training after a whole number of epochs.

    Chance enters through the configuration's seed and the number of the epoch alone, so no generator's state is kept.

    Attributes
    ----------
    config : TrainingConfig
        Hyperparameters.
    dataset_name, dataset_checksum : str
        Data set that is trained on.
    data_file : str
        The user's own file that it came from; empty for a known data set.
    epoch : int
        Epochs done.
    step : int
        Updates done, which Adam's bias correction counts.
    weights, first_moments, second_moments : tuple of ndarray of float32, shape (n_out, n_in)
        Weights of every layer and Adam's two moments of them.
    metrics : tuple of str
        One JSON object per epoch.
    best_weights : tuple of ndarray of float32, shape (n_out, n_in)
        Weights of the epoch that was best on held-out images; empty without early stopping.
    """

    config: TrainingConfig
    dataset_name: str
    dataset_checksum: str
    data_file: str
    epoch: int
    step: int
    weights: tuple[Array, ...]
    first_moments: tuple[Array, ...]
    second_moments: tuple[Array, ...]
    metrics: tuple[str, ...]
    best_weights: tuple[Array, ...] = ()

    @property
    def data_source(self) -> str:
        """Name of the known data set, or path of the user's own file."""
        return self.data_file or self.dataset_name

    def to_tree(self) -> Tree:
        """Return what a file holds of this state."""
        groups = {name: {str(index): array for index, array in enumerate(getattr(self, name))} for name in _ARRAYS}
        return {
            "config": self.config.to_toml(),
            "dataset_name": self.dataset_name,
            "dataset_checksum": self.dataset_checksum,
            "data_file": self.data_file,
            "epoch": self.epoch,
            "step": self.step,
            "metrics": list(self.metrics),
            **groups,
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> "TrainingState":
        """Build a state from what a file holds."""
        return cls(
            config=TrainingConfig.from_toml(tree["config"], "the checkpoint's configuration"),
            dataset_name=str(tree["dataset_name"]),
            dataset_checksum=str(tree["dataset_checksum"]),
            data_file=str(tree["data_file"]),
            epoch=int(tree["epoch"]),
            step=int(tree["step"]),
            metrics=tuple(tree["metrics"]),
            **{name: _group(tree[name]) for name in _ARRAYS},
        )

    def require_same(self, config: TrainingConfig, dataset_name: str, dataset_checksum: str) -> None:
        """Refuse to go on with another configuration or data set.

        Parameters
        ----------
        config : TrainingConfig
            Configuration that training is to go on with.
        dataset_name, dataset_checksum : str
            Data set that it is to go on with.

        Raises
        ------
        ConfigurationError
            If any of them differs; the message says in what.
        """
        require_same_training(
            (self.config, self.dataset_name, self.dataset_checksum), (config, dataset_name, dataset_checksum)
        )


def save_checkpoint(state: TrainingState | HebbianState, path: Path) -> None:
    """Write a state to a checkpoint file.

    Parameters
    ----------
    state : TrainingState or HebbianState
        What to write.
    path : Path
        Where; the last checkpoint stays until the new one is whole.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    tree = state.to_tree()
    header = {"format": FORMAT, "format_version": FORMAT_VERSION, "learning": _learning(state)}
    content = {**header, "checksum": _checksum(tree), "state": tree}
    # Optimizer moments hardly compress, and packing them would cost more than an epoch of a small network.
    write_bytes(path, hdf5_bytes(content, compress=False))


def load_checkpoint(path: Path) -> TrainingState | HebbianState:
    """Read a state from a checkpoint file.

    Parameters
    ----------
    path : Path
        A file that `save_checkpoint` wrote.

    Returns
    -------
    TrainingState or HebbianState
        The state.

    Raises
    ------
    FileFormatError
        If the file does not exist, is damaged, is no checkpoint, or is of a newer format.
    """
    with open_hdf5(path, "checkpoint", "start anew with --force") as file:
        if file.attrs.get("format") != FORMAT:
            raise FileFormatError(f"{path} is not a checkpoint of ff2neuro; start anew with --force")
        version = int(file.attrs["format_version"])
        if version > FORMAT_VERSION:
            raise FileFormatError(
                f"checkpoint {path} has format {version}, this version reads up to {FORMAT_VERSION}; upgrade ff2neuro"
            )
        kind = HebbianState if file.attrs["learning"] == "hebbian" else TrainingState
        tree = read_tree(file["state"])
        # The tree's own sum, not that of the state: a checkpoint from before a hyperparameter was added is sound.
        if file.attrs["checksum"] != _checksum(tree):
            raise FileFormatError(f"checkpoint {path} is damaged: its checksum does not fit; start anew with --force")
        state: TrainingState | HebbianState = kind.from_tree(tree)
    return state


def _group(tree: dict[str, Any]) -> tuple[Array, ...]:
    return tuple(np.asarray(tree[str(index)], dtype=np.float32) for index in range(len(tree)))


def _learning(state: TrainingState | HebbianState) -> str:
    return "hebbian" if isinstance(state, HebbianState) else "analog"


def _checksum(tree: Tree) -> str:
    """Return the SHA-256 of all that a state holds, for HDF5 does not notice a flipped bit."""
    digest = hashlib.sha256()
    for part in _parts(tree):
        digest.update(part)
    return digest.hexdigest()


def _parts(tree: Tree) -> Iterable[bytes]:
    for name, value in sorted(tree.items()):
        yield f"{name}\n".encode()
        if isinstance(value, Mapping):
            yield from _parts(value)
        elif isinstance(value, np.ndarray):
            yield np.ascontiguousarray(value).tobytes()
        else:
            yield ("\n".join(value) if isinstance(value, list) else str(value)).encode()
