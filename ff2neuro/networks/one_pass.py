r"""Classification in one pass: a neutral label code, and a linear head on the layers' directions.

The label sweep presents an image once per class. In one pass it comes once, under a code that speaks for no class, and
each voting layer's activity, scaled to unit length, goes through a linear map without bias (arXiv 2212.13345,
section 3.3):

.. math:: s = \sum_l H_l \, h_l / \lVert h_l \rVert

Only the direction of a layer counts, so that spike counts serve as well as activity, whatever their scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import NetworkError
from ff2neuro.files import Tree, readonly

__all__ = ["OnePassHead", "unit_length"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class OnePassHead:
    """Neutral label code and one linear map per voting layer.

    Attributes
    ----------
    code : ndarray of float32, shape (code_length,)
        Neutral label code in [0, 1], in the units of `LabelCodes.codes`.
    weights : tuple of ndarray of float32, shape (n_classes, n_neurons)
        One map per voting layer.
    layers : tuple of int
        Indices of those layers, counted from 0.

    Raises
    ------
    NetworkError
        If shapes do not fit, or a value is NaN, infinite or out of its range.
    """

    code: npt.NDArray[np.float32]
    weights: tuple[npt.NDArray[np.float32], ...]
    layers: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", readonly(self.code, np.float32))
        object.__setattr__(self, "weights", tuple(readonly(weight, np.float32) for weight in self.weights))
        object.__setattr__(self, "layers", tuple(int(layer) for layer in self.layers))
        if self.code.ndim != 1 or not ((self.code >= 0) & (self.code <= 1)).all():
            raise NetworkError(f"the neutral label code has shape {self.code.shape}; it must be a vector of 0 to 1")
        if not self.layers or len(self.layers) != len(self.weights):
            raise NetworkError(
                f"the one-pass head has {len(self.weights)} maps for the layers {self.layers}; it needs one for each"
            )
        for layer, weight in zip(self.layers, self.weights, strict=True):
            if weight.ndim != 2 or not np.isfinite(weight).all():
                raise NetworkError(
                    f"the one-pass map of layer {layer} has shape {weight.shape}; it must be a matrix (class, neuron) "
                    "of finite numbers"
                )

    def check_fits(self, widths: Sequence[int], n_classes: int, code_length: int) -> None:
        """Refuse a head that belongs to another network.

        Parameters
        ----------
        widths : sequence of int
            Number of neurons of each layer of the network.
        n_classes, code_length : int
            Its number of classes and of label inputs.

        Raises
        ------
        NetworkError
            If code or maps do not fit.
        """
        if len(self.code) != code_length:
            raise NetworkError(f"the neutral label code has {len(self.code)} bits; the network takes {code_length}")
        for layer, weight in zip(self.layers, self.weights, strict=True):
            if not 0 <= layer < len(widths):
                raise NetworkError(f"the one-pass head reads layer {layer}; there are {len(widths)}, counted from 0")
            if weight.shape != (n_classes, widths[layer]):
                raise NetworkError(
                    f"the one-pass map of layer {layer} has shape {weight.shape}; this network needs "
                    f"{(n_classes, widths[layer])}"
                )

    def scores(self, latents: Sequence[Array]) -> npt.NDArray[np.float64]:
        """Return the score of every class.

        Parameters
        ----------
        latents : sequence of ndarray of shape (..., n_neurons)
            Activity or spike counts of all layers under the neutral label code, each layer on any scale.

        Returns
        -------
        ndarray of shape (..., n_classes)
            Scores; all zero where every voting layer is silent.
        """
        maps = zip(self.layers, self.weights, strict=True)
        total: npt.NDArray[np.float64] = np.sum(
            [unit_length(latents[layer]) @ weight.T.astype(np.float64) for layer, weight in maps], axis=0
        )
        return total

    def to_tree(self) -> Tree:
        """Return what a file holds of this head."""
        return {
            "code": self.code,
            "layers": np.asarray(self.layers, dtype=np.int64),
            "weights": {str(index): weight for index, weight in enumerate(self.weights)},
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> "OnePassHead":
        """Build a head from what a file holds."""
        return cls(
            code=tree["code"],
            weights=tuple(tree["weights"][str(index)] for index in range(len(tree["weights"]))),
            layers=tuple(int(layer) for layer in tree["layers"]),
        )


def unit_length(latent: Array) -> npt.NDArray[np.float64]:
    """Scale activity to unit length; a silent layer stays silent.

    Parameters
    ----------
    latent : ndarray of shape (..., n_neurons)
        Activity or spike counts.

    Returns
    -------
    ndarray of float64, shape (..., n_neurons)
        Directions.
    """
    wide = latent.astype(np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    directions: npt.NDArray[np.float64] = wide / np.where(length > 0, length, 1.0)
    return directions
