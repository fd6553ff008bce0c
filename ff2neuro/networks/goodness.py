r"""Goodness of a layer, and the probability that a presentation is positive.

The goodness is the squared Euclidean norm, :math:`G = \lVert h \rVert^2`, over the whole layer or over its two halves.
Two probabilities are built on it (arXiv 2406.16479, section 2):

- sigmoid, :math:`P_\sigma = 1 / (1 + e^{-\alpha (G - \theta)})`;
- symmetric, :math:`P_\mathrm{sym} = G_+ / (G_+ + G_-)`, with the first half of the layer positive, the second negative.

Layers are trained with their input scaled to unit length. A layer without bias is positively homogeneous, so the
network can run without that scaling and the goodness be mended afterwards:
:math:`G_l = \lVert h_l \rVert^2 / \lVert h_{l-1} \rVert^2`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ff2neuro.errors import NetworkError
from ff2neuro.files import Tree

__all__ = ["GoodnessHead", "Probability", "layer_probabilities", "predict_from_scores"]

Probability = Literal["sigmoid", "symmetric"]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class GoodnessHead:
    """How the activity of the layers becomes a score of a label hypothesis.

    Attributes
    ----------
    probability : {"sigmoid", "symmetric"}
        Which of the two probabilities.
    alpha, theta : float
        Slope and threshold of the sigmoid; unused by the symmetric one.
    voting_layers : tuple of int
        Indices of the layers whose probabilities are summed.
    normalize_input : bool
        Whether the first layer, too, was trained with its input (image and label code) scaled to unit length.
    normalize_layers : bool
        Whether the other layers were; spiking layers that learned by the Hebbian rule were not.
    smoothing : float
        Added to the goodness of either half, so that P_sym = (G+ + smoothing) / (G+ + G- + 2 smoothing).

    Raises
    ------
    NetworkError
        If a value makes no sense.
    """

    probability: Probability
    alpha: float
    theta: float
    voting_layers: tuple[int, ...]
    normalize_input: bool = False
    normalize_layers: bool = True
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.probability not in get_args(Probability):
            raise NetworkError(
                f"unknown probability {self.probability!r}; known are {', '.join(get_args(Probability))}"
            )
        if not (np.isfinite(self.alpha) and self.alpha > 0 and np.isfinite(self.theta)):
            raise NetworkError(f"alpha is {self.alpha} and theta {self.theta}; alpha must be positive, both finite")
        if not self.voting_layers or min(self.voting_layers) < 0:
            raise NetworkError(f"voting layers are {self.voting_layers}; name at least one layer, counted from 0")
        if not (np.isfinite(self.smoothing) and self.smoothing >= 0):
            raise NetworkError(f"smoothing of the probability is {self.smoothing}; it must be 0 or more, and finite")

    def to_tree(self) -> Tree:
        """Return what a file holds of this head."""
        return {
            "probability": self.probability,
            "alpha": float(self.alpha),
            "theta": float(self.theta),
            "voting_layers": np.asarray(self.voting_layers, dtype=np.int64),
            "normalize_input": bool(self.normalize_input),
            "normalize_layers": bool(self.normalize_layers),
            "smoothing": float(self.smoothing),
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> "GoodnessHead":
        """Build a head from what a file holds."""
        return cls(
            probability=tree["probability"],
            alpha=float(tree["alpha"]),
            theta=float(tree["theta"]),
            voting_layers=tuple(int(layer) for layer in tree["voting_layers"]),
            normalize_input=bool(tree["normalize_input"]),
            normalize_layers=bool(tree.get("normalize_layers", True)),
            smoothing=float(tree.get("smoothing", 0.0)),
        )


def layer_probabilities(head: GoodnessHead, latents: Sequence[Array], input_energy: Array) -> list[Array]:
    """Return the probability of being positive that every voting layer gives.

    Parameters
    ----------
    head : GoodnessHead
        Which probability, which layers.
    latents : sequence of ndarray of shape (..., n_neurons)
        Activity of all layers of the network run without length normalisation, on any scale that keeps
        h_l / |h_(l-1)| right.
    input_energy : ndarray of shape (...)
        Squared length of the input of the first layer, used if `head.normalize_input`.

    Returns
    -------
    list of ndarray of shape (...)
        One array of probabilities per voting layer, in the order of `head.voting_layers`.
    """
    energies = [input_energy if head.normalize_input else np.ones_like(input_energy)]
    energies += [_energy(latent) for latent in latents]
    probabilities = []
    for layer in head.voting_layers:
        if head.probability == "symmetric":
            half = latents[layer].shape[-1] // 2
            positive = _energy(latents[layer][..., :half]) + head.smoothing
            negative = _energy(latents[layer][..., half:]) + head.smoothing
            probabilities.append(_ratio(positive, positive + negative, silent=0.5))
        else:
            normalized = layer == 0 or head.normalize_layers
            goodness = _ratio(energies[layer + 1], energies[layer], silent=0.0) if normalized else energies[layer + 1]
            probabilities.append(expit(head.alpha * (goodness - head.theta)))
    return probabilities


def predict_from_scores(scores: Array) -> tuple[npt.NDArray[np.int64], int]:
    """Return the class with the highest score.

    Parameters
    ----------
    scores : ndarray of shape (n_images, n_classes)
        Sum of the voting layers' probabilities under each label hypothesis.

    Returns
    -------
    predictions : ndarray of int, shape (n_images,)
        The winning class; the lowest one where several tie.
    n_ties : int
        Number of images on which several classes tie.
    """
    best = scores.max(axis=1, keepdims=True)
    n_ties = int(((scores == best).sum(axis=1) > 1).sum())
    return scores.argmax(axis=1).astype(np.int64), n_ties


def _energy(latent: Array) -> Array:
    """Squared Euclidean norm over the neurons, in double precision."""
    wide = latent.astype(np.float64)
    energy: Array = np.einsum("...i,...i->...", wide, wide)
    return energy


def _ratio(numerator: Array, denominator: Array, silent: float) -> Array:
    """Divide, with the value `silent` where a silent layer leaves nothing to divide by."""
    quiet = denominator == 0
    ratio: Array = np.where(quiet, silent, numerator / np.where(quiet, 1.0, denominator))
    return ratio
