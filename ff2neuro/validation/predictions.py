"""What the two networks make of the images: accuracy, agreement, margins, and where they part."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.analysis.similarity import cosine_similarity
from ff2neuro.analysis.statistics import accuracy_interval
from ff2neuro.networks import predict_from_scores
from ff2neuro.validation.verdict import ClassifierFigures

__all__ = ["Predictions", "rank_correlation"]

Array = npt.NDArray[Any]

#: Disagreeing images that a verdict lists one by one.
MAX_LISTED = 100


class Predictions:
    """Scores of both networks for all images, and the votes of their layers.

    Parameters
    ----------
    labels : ndarray of int, shape (n_images,)
        True classes.
    n_classes : int
        Number of classes.
    layer_names : list of str
        Names of the voting layers.
    """

    def __init__(self, labels: Array, n_classes: int, layer_names: list[str]) -> None:
        self.labels = labels
        self._layer_names = layer_names
        self._scores = np.zeros((2, len(labels), n_classes))
        self._votes = np.zeros((2, len(labels), len(layer_names)), dtype=np.int64)

    def add(self, start: int, probabilities: tuple[list[Array], list[Array]]) -> tuple[Array, Array]:
        """Add a chunk of images.

        Parameters
        ----------
        start : int
            Index of the first image.
        probabilities : tuple of two lists of ndarray of shape (n, n_classes)
            For the analog and the spiking network, what each voting layer says of each hypothesis.

        Returns
        -------
        tuple of two ndarray of int, shape (n,)
            The classes that the two networks predict.
        """
        for side, layers in enumerate(probabilities):
            stop = start + len(layers[0])
            self._scores[side, start:stop] = np.sum(layers, axis=0)
            self._votes[side, start:stop] = np.stack([layer.argmax(axis=1) for layer in layers], axis=1)
        analog, spiking = (predict_from_scores(self._scores[side, start:stop])[0] for side in (0, 1))
        return analog, spiking

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """Predicted classes: shape (2, n_images), analog first."""
        return np.stack([predict_from_scores(scores)[0] for scores in self._scores])

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Which predictions are right: shape (2, n_images), analog first."""
        right: npt.NDArray[np.bool_] = self.classes == self.labels
        return right

    def classifier(self, side: int) -> ClassifierFigures:
        """Return the figures of one network (0: analog, 1: spiking)."""
        n_correct, n_samples = int(self.correct[side].sum()), len(self.labels)
        quartiles = _margin_quartiles(self._scores[side], self.labels)
        return ClassifierFigures(
            accuracy=n_correct / n_samples,
            n_correct=n_correct,
            accuracy_interval=accuracy_interval(n_correct, n_samples),
            n_ties=predict_from_scores(self._scores[side])[1],
            margin_quartiles=quartiles,
        )

    def rank_correlation(self) -> float | None:
        """Return the mean rank correlation of both networks' scores of the hypotheses."""
        return rank_correlation(self._scores[0], self._scores[1])

    def per_class(self) -> tuple[Mapping[str, Any], ...]:
        """Return number of images and both accuracies of every class; None for a class without images."""
        rows = []
        for label in range(self._scores.shape[2]):
            members = self.labels == label
            n_samples = int(members.sum())
            analog, spiking = (float(right[members].mean()) if n_samples else None for right in self.correct)
            rows.append({"label": label, "n_samples": n_samples, "analog": analog, "spiking": spiking})
        return tuple(rows)

    def disagreements(self) -> tuple[int, tuple[Mapping[str, Any], ...]]:
        """Return how many images the networks put into different classes, and the first of them in detail."""
        classes = self.classes
        indices = np.flatnonzero(classes[0] != classes[1])
        listed = tuple(
            {
                "image": int(index),
                "label": int(self.labels[index]),
                "analog": int(classes[0, index]),
                "spiking": int(classes[1, index]),
                "first_layer": self._first_layer(index),
            }
            for index in indices[:MAX_LISTED]
        )
        return len(indices), listed

    def _first_layer(self, index: int) -> str | None:
        """Name the first layer that by itself votes for different classes; None if only the sum does."""
        differs = np.flatnonzero(self._votes[0, index] != self._votes[1, index])
        return self._layer_names[differs[0]] if differs.size else None


def rank_correlation(first: Array, second: Array) -> float | None:
    """Return the mean Spearman correlation of corresponding rows.

    Parameters
    ----------
    first, second : ndarray of shape (n_samples, n_classes)
        Scores.

    Returns
    -------
    float or None
        Mean over the rows in which neither side is constant; None if there are none.
    """
    from scipy.stats import rankdata

    ranks = [rankdata(side, axis=1) for side in (first, second)]
    centred = [side - side.mean(axis=1, keepdims=True) for side in ranks]
    varying = [(side != 0).any(axis=1) for side in centred]
    # Centred ranks: their cosine is Spearman's correlation.
    defined = cosine_similarity(centred[0], centred[1])[varying[0] & varying[1]]
    return float(defined.mean()) if defined.size else None


def _margin_quartiles(scores: Array, labels: Array) -> tuple[float, float, float] | None:
    """Quartiles of the score of the true class minus the highest of the others; None if there are no others."""
    if scores.shape[1] < 2:
        return None
    rows = np.arange(len(labels))
    others = scores.copy()
    others[rows, labels] = -np.inf
    low, median, high = np.quantile(scores[rows, labels] - others.max(axis=1), [0.25, 0.5, 0.75])
    return float(low), float(median), float(high)
