"""What the two networks make of the images: accuracy, agreement, margins, and where they part."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.analysis.statistics import accuracy_interval
from ff2neuro.networks import predict_from_scores
from ff2neuro.validation.goodness import (
    GoodnessFigures,
    MarginHistogram,
    margin_histogram,
    margin_quartiles,
    rank_correlation,
)
from ff2neuro.validation.verdict import ClassifierFigures

__all__ = ["Predictions"]

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
        Names of all layers.
    voting_layers : tuple of int
        Which of them vote.
    """

    def __init__(self, labels: Array, n_classes: int, layer_names: list[str], voting_layers: tuple[int, ...]) -> None:
        self.labels = labels
        self._layer_names, self._voting = layer_names, voting_layers
        self._scores = np.zeros((2, len(labels), n_classes))
        self._probabilities = np.zeros((2, len(layer_names), len(labels), n_classes))

    def add(self, start: int, probabilities: tuple[list[Array], list[Array]]) -> tuple[Array, Array]:
        """Add a chunk of images.

        Parameters
        ----------
        start : int
            Index of the first image.
        probabilities : tuple of two lists of ndarray of shape (n, n_classes)
            For the analog and the spiking network, what each layer, voting or not, says of each hypothesis.

        Returns
        -------
        tuple of two ndarray of int, shape (n,)
            The classes that the two networks predict.
        """
        for side, layers in enumerate(probabilities):
            stop = start + len(layers[0])
            self._scores[side, start:stop] = np.sum([layers[index] for index in self._voting], axis=0)
            self._probabilities[side, :, start:stop] = layers
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
        quartiles = margin_quartiles(self._scores[side], self.labels)
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

    def layer_goodness(self, index: int) -> GoodnessFigures:
        """Return how alike both networks rank the hypotheses by one layer alone."""
        return GoodnessFigures.of(self._probabilities[:, index], self.labels)

    def margin_histogram(self) -> MarginHistogram | None:
        """Return the distribution of both networks' margins."""
        return margin_histogram(self._scores, self.labels)

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
        """Name the first voting layer that by itself votes for different classes; None if only the sum does."""
        for layer in self._voting:
            analog, spiking = self._probabilities[:, layer, index].argmax(axis=1)
            if analog != spiking:
                return self._layer_names[layer]
        return None
