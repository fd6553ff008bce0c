r"""How alike two sets of latents are, computed from chunks so that no set need be in memory.

- mean cosine per presentation;
- Pearson correlation over all presentations and neurons;
- linear centred kernel alignment, in the form that needs only matrices over neurons (Kornblith et al., ICML 2019,
  eq. 5): :math:`\lVert Y^T X \rVert_F^2 / (\lVert X^T X \rVert_F \lVert Y^T Y \rVert_F)` with centred columns;
- Spearman correlation of the distances between presentations (Kriegeskorte et al., Front. Syst. Neurosci. 2:4, 2008).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CosineMean", "LinearCKA", "PearsonCorrelation", "cosine_similarity", "representational_similarity"]

Array = npt.NDArray[Any]


def cosine_similarity(first: Array, second: Array) -> npt.NDArray[np.float64]:
    """Return the cosine between corresponding latents.

    Parameters
    ----------
    first, second : ndarray of shape (..., n_neurons)
        Activity.

    Returns
    -------
    ndarray of shape (...)
        Between -1 and 1; 0 where one of the two is silent, for a layer that fell silent agrees with nothing.
    """
    dot = np.einsum("...i,...i->...", first, second, dtype=np.float64)
    squares = np.einsum("...i,...i->...", first, first, dtype=np.float64)
    norm = np.sqrt(squares * np.einsum("...i,...i->...", second, second, dtype=np.float64))
    cosine: npt.NDArray[np.float64] = np.divide(dot, norm, out=np.zeros_like(dot), where=norm > 0)
    return cosine


class CosineMean:
    """Mean of `cosine_similarity` over chunks."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._n = 0

    def update(self, first: Array, second: Array) -> None:
        """Add a chunk: two arrays of shape (..., n_neurons)."""
        cosine = cosine_similarity(first, second)
        self._sum += float(cosine.sum())
        self._n += cosine.size

    def result(self) -> float | None:
        """Return the mean, or None if nothing was added."""
        return self._sum / self._n if self._n else None


class PearsonCorrelation:
    """Pearson correlation over chunks: merged moments, after Chan, Golub and LeVeque (Am. Stat. 37:242, 1983)."""

    def __init__(self) -> None:
        self._n = 0
        self._means = np.zeros(2)
        self._moments = np.zeros((2, 2))

    def update(self, first: Array, second: Array) -> None:
        """Add a chunk: two arrays of the same shape, every entry a pair."""
        pairs = np.stack([first.ravel(), second.ravel()]).astype(np.float64)
        n = pairs.shape[1]
        if n == 0:
            return
        means = pairs.mean(axis=1)
        centred = pairs - means[:, None]
        shift = means - self._means
        total = self._n + n
        self._moments += centred @ centred.T + np.outer(shift, shift) * (self._n * n / total)
        self._means += shift * (n / total)
        self._n = total

    def result(self) -> float | None:
        """Return the correlation, or None if one side does not vary."""
        scale = float(np.sqrt(self._moments[0, 0] * self._moments[1, 1]))
        return float(np.clip(self._moments[0, 1] / scale, -1, 1)) if scale > 0 else None


class LinearCKA:
    """Linear centred kernel alignment over chunks."""

    def __init__(self) -> None:
        self._n = 0
        self._sums: list[Array] = []
        self._products: list[Array] = []
        self._shifts: list[Array] = []

    def update(self, first: Array, second: Array) -> None:
        """Add a chunk: two arrays of shape (n_samples, n_neurons), which may differ in the number of neurons."""
        if len(first) == 0:
            return
        if self._n == 0:
            # Products of nearly centred numbers lose nothing when the mean is taken out at the end.
            self._shifts = [side.mean(axis=0, dtype=np.float64) for side in (first, second)]
            sizes = (first.shape[1], second.shape[1])
            self._sums = [np.zeros(size) for size in sizes]
            self._products = [np.zeros((sizes[i], sizes[j])) for i, j in ((0, 0), (1, 1), (0, 1))]
        sides = [(side - shift).astype(np.float32) for side, shift in zip((first, second), self._shifts, strict=True)]
        for total, side in zip(self._sums, sides, strict=True):
            total += side.sum(axis=0, dtype=np.float64)
        for product, (i, j) in zip(self._products, ((0, 0), (1, 1), (0, 1)), strict=True):
            product += sides[i].T @ sides[j]
        self._n += len(first)

    def result(self) -> float | None:
        """Return the alignment between 0 and 1, or None if one side does not vary."""
        if self._n < 2:
            return None
        pairs = ((0, 0), (1, 1), (0, 1))
        norms = [
            float(np.linalg.norm(product - np.outer(self._sums[i], self._sums[j]) / self._n))
            for product, (i, j) in zip(self._products, pairs, strict=True)
        ]
        scale = norms[0] * norms[1]
        return min(norms[2] ** 2 / scale, 1.0) if scale > 0 else None


def representational_similarity(first: Array, second: Array) -> float | None:
    """Return the rank correlation of the distances between samples.

    Parameters
    ----------
    first, second : ndarray of shape (n_samples, n_neurons)
        Latents of the same samples; the numbers of neurons may differ.

    Returns
    -------
    float or None
        Spearman correlation of the two condensed matrices of Euclidean distances; None for fewer than three samples,
        or if all distances of one side are equal.
    """
    from scipy.spatial.distance import pdist
    from scipy.stats import rankdata

    if len(first) < 3:
        return None
    ranks = PearsonCorrelation()
    ranks.update(rankdata(pdist(first)), rankdata(pdist(second)))
    return ranks.result()
