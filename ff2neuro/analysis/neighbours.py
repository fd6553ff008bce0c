"""Who lies next to whom in latent space: separability of the classes, and whether two sets of latents agree on it."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["N_NEIGHBOURS", "nearest_neighbours", "neighbour_overlap", "separability"]

Array = npt.NDArray[Any]

#: Number of neighbours in the separability index of arXiv 2406.16479.
N_NEIGHBOURS = 5


def nearest_neighbours(latents: Array, n_neighbours: int = N_NEIGHBOURS) -> npt.NDArray[np.int64] | None:
    """Return the nearest other latents of every latent by Euclidean distance.

    Parameters
    ----------
    latents : ndarray of shape (n_samples, n_neurons)
        Activity.
    n_neighbours : int
        How many neighbours.

    Returns
    -------
    ndarray of int, shape (n_samples, n_neighbours), or None
        Indices, none of them a sample's own; None if there are not enough samples.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(latents) < n_neighbours + 1:
        return None
    # Trees are slower than brute force in hundreds of dimensions.
    search = NearestNeighbors(n_neighbors=n_neighbours, algorithm="brute")
    return np.asarray(search.fit(latents).kneighbors(return_distance=False), dtype=np.int64)


def separability(labels: Array, neighbours: npt.NDArray[np.int64] | None) -> float | None:
    """Return the share of nearest neighbours that belong to the same class.

    The separability index of arXiv 2406.16479. With the label in the input, as there, it is partly a measure of how
    strongly the label marks the latent.

    Parameters
    ----------
    labels : ndarray of int, shape (n_samples,)
        Class of every sample.
    neighbours : ndarray of int, shape (n_samples, n_neighbours), or None
        As `nearest_neighbours` gives them.

    Returns
    -------
    float or None
        Between 0 and 1; None if there are no neighbours, or one class only.
    """
    if neighbours is None or len(np.unique(labels)) < 2:
        return None
    return float((labels[neighbours] == labels[:, None]).mean())


def neighbour_overlap(first: npt.NDArray[np.int64] | None, second: npt.NDArray[np.int64] | None) -> float | None:
    """Return the share of nearest neighbours that two sets of latents of the same samples have in common.

    Parameters
    ----------
    first, second : ndarray of int, shape (n_samples, n_neighbours), or None
        As `nearest_neighbours` gives them.

    Returns
    -------
    float or None
        Between 0 and 1; None if one of them is None.
    """
    if first is None or second is None:
        return None
    return float((first[:, :, None] == second[:, None, :]).any(axis=2).mean())
