"""What the goodness of a layer, or of all together, says of the label hypotheses, compared between two networks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.analysis.similarity import cosine_similarity

__all__ = [
    "GoodnessFigures",
    "MarginHistogram",
    "Quartiles",
    "margin_histogram",
    "margin_quartiles",
    "margins",
    "rank_correlation",
]

Array = npt.NDArray[Any]
Quartiles = tuple[float, float, float]

N_BINS = 20


@dataclass(frozen=True)
class GoodnessFigures:
    """How alike two networks rank the hypotheses.

    Attributes
    ----------
    rank_correlation : float or None
        As `rank_correlation` gives it.
    margin_quartiles : tuple of two tuples of float, or None
        As `margin_quartiles` gives them, analog first.
    """

    rank_correlation: float | None
    margin_quartiles: tuple[Quartiles | None, Quartiles | None]

    @classmethod
    def of(cls, scores: Array, labels: Array) -> "GoodnessFigures":
        """Compute the figures from scores of shape (2, n_images, n_classes), analog first."""
        quartiles = (margin_quartiles(scores[0], labels), margin_quartiles(scores[1], labels))
        return cls(rank_correlation(scores[0], scores[1]), quartiles)


@dataclass(frozen=True)
class MarginHistogram:
    """Numbers of images by the margin of their true class.

    Attributes
    ----------
    edges : tuple of float
        Limits of the bins, one more than there are bins.
    analog, spiking : tuple of int
        Images in each bin.
    """

    edges: tuple[float, ...]
    analog: tuple[int, ...]
    spiking: tuple[int, ...]


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


def margins(scores: Array, labels: Array) -> npt.NDArray[np.float64] | None:
    """Return the score of the true class minus the highest of the others.

    Parameters
    ----------
    scores : ndarray of shape (n_images, n_classes)
        Scores.
    labels : ndarray of int, shape (n_images,)
        True classes.

    Returns
    -------
    ndarray of shape (n_images,), or None
        Positive where the true class wins; None if there are no other classes.
    """
    if scores.shape[1] < 2:
        return None
    rows = np.arange(len(labels))
    others = np.array(scores, dtype=np.float64)
    others[rows, labels] = -np.inf
    margin: npt.NDArray[np.float64] = scores[rows, labels] - others.max(axis=1)
    return margin


def margin_quartiles(scores: Array, labels: Array) -> Quartiles | None:
    """Return the quartiles of `margins`; None if there are none."""
    margin = margins(scores, labels)
    if margin is None:
        return None
    low, median, high = np.quantile(margin, [0.25, 0.5, 0.75])
    return float(low), float(median), float(high)


def margin_histogram(scores: Array, labels: Array) -> MarginHistogram | None:
    """Return the distribution of `margins` of two networks over the same bins.

    Parameters
    ----------
    scores : ndarray of shape (2, n_images, n_classes)
        Scores, analog first.
    labels : ndarray of int, shape (n_images,)
        True classes.

    Returns
    -------
    MarginHistogram or None
        None if there is one class only.
    """
    sides = [margins(side, labels) for side in scores]
    if sides[0] is None or sides[1] is None:
        return None
    both = np.stack([sides[0], sides[1]])
    edges = np.histogram_bin_edges(both, N_BINS)
    counts = [tuple(int(n) for n in np.histogram(side, edges)[0]) for side in both]
    return MarginHistogram(tuple(float(edge) for edge in edges), counts[0], counts[1])
