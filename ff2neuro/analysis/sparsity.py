r"""How few neurons carry the activity: the Hoyer index.

.. math:: H(h) = \frac{\sqrt{n} - \lVert h \rVert_1 / \lVert h \rVert_2}{\sqrt{n} - 1}

is 0 where all n neurons are equally active and 1 where a single one is (P. O. Hoyer, JMLR 5:1457-1469, 2004).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PAPER_SMOOTHING", "HoyerMean", "hoyer_index", "mean_hoyer_index"]

Array = npt.NDArray[Any]

#: What the published code of arXiv 2406.16479 adds to both norms, so that a silent layer divides by something.
PAPER_SMOOTHING = 1e-3


def hoyer_index(latents: Array, smoothing: float = PAPER_SMOOTHING) -> npt.NDArray[np.float64]:
    """Return the Hoyer index of every latent.

    Parameters
    ----------
    latents : ndarray of shape (..., n_neurons)
        Activity.
    smoothing : float
        Added to both norms. The default is that of arXiv 2406.16479, for comparison with its figures; 0 gives Hoyer's
        own definition.

    Returns
    -------
    ndarray of shape (...)
        Between 0 and 1. NaN where it is not defined: for a single neuron, and without smoothing for a silent latent.
    """
    wide = latents.astype(np.float64)
    n_neurons = wide.shape[-1]
    if n_neurons < 2:
        return np.full(wide.shape[:-1], np.nan)
    l1 = np.abs(wide).sum(axis=-1) + smoothing
    l2 = np.sqrt(np.einsum("...i,...i->...", wide, wide)) + smoothing
    ratio = np.divide(l1, l2, out=np.full(l1.shape, np.nan), where=l2 > 0)
    index: npt.NDArray[np.float64] = (np.sqrt(n_neurons) - ratio) / (np.sqrt(n_neurons) - 1)
    return index


def mean_hoyer_index(latents: Array, smoothing: float = PAPER_SMOOTHING) -> float | None:
    """Return the mean Hoyer index over those latents that have one.

    Parameters
    ----------
    latents : ndarray of shape (n_samples, n_neurons)
        Activity.
    smoothing : float
        As for `hoyer_index`.

    Returns
    -------
    float or None
        None if no latent has an index: not computed, which is not the same as 0.
    """
    mean = HoyerMean(smoothing)
    mean.update(latents)
    return mean.result()


class HoyerMean:
    """Mean of `hoyer_index` over chunks, over those latents that have one.

    Parameters
    ----------
    smoothing : float
        As for `hoyer_index`.
    """

    def __init__(self, smoothing: float = PAPER_SMOOTHING) -> None:
        self._smoothing = smoothing
        self._sum = 0.0
        self._n = 0

    def update(self, latents: Array) -> None:
        """Add a chunk: an array of shape (n_samples, n_neurons)."""
        index = hoyer_index(latents, self._smoothing)
        defined = index[~np.isnan(index)]
        self._sum += float(defined.sum())
        self._n += defined.size

    def result(self) -> float | None:
        """Return the mean; None if no latent has an index: not computed, which is not the same as 0."""
        return self._sum / self._n if self._n else None
