"""All that Hebbian training needs to go on from where it was."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.files import Tree
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.toml_config import require_same_training

__all__ = ["HebbianState"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HebbianState:
    """Training after a whole number of epochs.

    Chance enters through the configuration's seed and the number of the epoch alone, so no generator's state is kept.

    Attributes
    ----------
    config : HebbianConfig
        Hyperparameters.
    dataset_name, dataset_checksum : str
        Data set that is trained on.
    data_file : str
        The user's own file that it came from; empty for a known data set.
    weights, eligibilities : tuple of ndarray of float64, shape (n_in, n_neurons)
        W and E of every layer.
    potentials : tuple of ndarray of float64, shape (batch_size, n_neurons)
        Membrane potentials, which survive the rest between presentations.
    metrics : tuple of str
        One JSON object per epoch.
    """

    config: HebbianConfig
    dataset_name: str
    dataset_checksum: str
    data_file: str
    weights: tuple[Array, ...]
    eligibilities: tuple[Array, ...]
    potentials: tuple[Array, ...]
    metrics: tuple[str, ...]

    @property
    def epoch(self) -> int:
        """Number of epochs done."""
        return len(self.metrics)

    @property
    def data_source(self) -> str:
        """Name of the known data set, or path of the user's own file."""
        return self.data_file or self.dataset_name

    def to_tree(self) -> Tree:
        """Return what a file holds of this state."""
        groups = {"weights": self.weights, "eligibilities": self.eligibilities, "potentials": self.potentials}
        return {
            "config": self.config.to_toml(),
            "dataset_name": self.dataset_name,
            "dataset_checksum": self.dataset_checksum,
            "data_file": self.data_file,
            "metrics": list(self.metrics),
            **{name: {str(index): array for index, array in enumerate(group)} for name, group in groups.items()},
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> "HebbianState":
        """Build a state from what a file holds."""
        return cls(
            config=HebbianConfig.from_toml(tree["config"], "the checkpoint's configuration"),
            dataset_name=str(tree["dataset_name"]),
            dataset_checksum=str(tree["dataset_checksum"]),
            data_file=str(tree["data_file"]),
            weights=_group(tree["weights"]),
            eligibilities=_group(tree["eligibilities"]),
            potentials=_group(tree["potentials"]),
            metrics=tuple(tree["metrics"]),
        )

    def require_same(self, config: HebbianConfig, dataset_name: str, dataset_checksum: str) -> None:
        """Refuse to go on with another configuration or data set.

        Parameters
        ----------
        config : HebbianConfig
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


def _group(tree: dict[str, Any]) -> tuple[Array, ...]:
    return tuple(np.array(tree[str(index)], dtype=np.float64) for index in range(len(tree)))
