"""Which images stand for all where a figure would cost too much on each of them.

All choices are spread evenly over the images, which files often sort by class, and depend on their number only, so
that the same recording always gives the same figures.
"""

import numpy as np
import numpy.typing as npt

__all__ = [
    "MAX_ALIGNED_PRESENTATIONS",
    "MAX_NEIGHBOUR_IMAGES",
    "MAX_NEUTRAL_IMAGES",
    "MAX_RANKED_IMAGES",
    "MAX_SHUFFLED_IMAGES",
    "aligned_hypotheses",
    "spread",
]

#: Images between which nearest neighbours are sought: the number of distances grows with the square.
MAX_NEIGHBOUR_IMAGES = 2000
#: Images between which distances are ranked.
MAX_RANKED_IMAGES = 500
#: Images that are presented under the neutral label.
MAX_NEUTRAL_IMAGES = 2000
#: Images behind the baseline of shuffled images.
MAX_SHUFFLED_IMAGES = 1000
#: Presentations behind the kernel alignment: ten times the neurons of a wide layer.
MAX_ALIGNED_PRESENTATIONS = 10_000


def spread(n_images: int, most: int) -> npt.NDArray[np.int64]:
    """Choose images spread evenly over all.

    Parameters
    ----------
    n_images : int
        How many there are.
    most : int
        How many to choose at most.

    Returns
    -------
    ndarray of int, shape (min(n_images, most),)
        Their indices, rising.
    """
    n_chosen = min(n_images, most)
    return np.arange(n_chosen, dtype=np.int64) * n_images // max(1, n_chosen)


def aligned_hypotheses(start: int, stop: int, n_images: int, n_hypotheses: int) -> npt.NDArray[np.int64]:
    """Choose the label hypotheses under which images enter the kernel alignment, all equally often.

    Parameters
    ----------
    start, stop : int
        Range of images.
    n_images, n_hypotheses : int
        How many there are.

    Returns
    -------
    ndarray of int, shape (stop - start, n_chosen)
        At least one hypothesis for each image, all of them if there is room.
    """
    n_chosen = int(np.clip(MAX_ALIGNED_PRESENTATIONS // n_images, 1, n_hypotheses))
    images = np.arange(start, stop, dtype=np.int64)
    chosen: npt.NDArray[np.int64] = (images[:, None] * n_chosen + np.arange(n_chosen)) % n_hypotheses
    return chosen
