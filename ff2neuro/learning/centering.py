r"""Learning on images less their mean, by a network that takes images as they are and has no bias.

What all images share, a bright background say, makes all presentations alike and slows learning down (LeCun et al.,
Efficient BackProp, 1998, section 4.3). The first layer therefore learns on :math:`x - \mu`. If the label codes c of
all classes have :math:`v^\top c = 1` for some v, as independent ones do, then
:math:`W (x - \mu) + U c = W x + (U - W \mu v^\top) c`: the trained weights of the label code make up for the mean.
"""

import numpy as np
import numpy.typing as npt

from ff2neuro.learning.config import TrainingConfig
from ff2neuro.networks import LabelCodes, unit_length

__all__ = ["center_note", "fold_center", "image_center", "orthogonal_to_center"]

Array = npt.NDArray[np.float32]


def image_center(config: TrainingConfig, codes: LabelCodes, images: Array) -> Array | None:
    """Return what is subtracted from images before the first layer learns on them.

    Parameters
    ----------
    config : TrainingConfig
        Hyperparameters.
    codes : LabelCodes
        Label codes.
    images : ndarray of shape (n_images, n_pixels)
        Images to learn from.

    Returns
    -------
    ndarray of float32, shape (n_pixels,), or None
        Their mean; None if `config.center_input` is false, or the codes cannot make up for it.
    """
    if not config.center_input or not _can_make_up(codes):
        return None
    center: Array = images.mean(axis=0, dtype=np.float64).astype(np.float32)
    return center


def fold_center(weight: Array, codes: LabelCodes, center: Array) -> Array:
    r"""Return the first layer's weights for images as they are, given those for images less a center.

    Parameters
    ----------
    weight : ndarray of shape (n_out, n_pixels + code_length)
        [W, U].
    codes : LabelCodes
        Label codes.
    center : ndarray of shape (n_pixels,)
        The image :math:`\mu`.

    Returns
    -------
    ndarray of float32, shape (n_out, n_pixels + code_length)
        :math:`[W, U - W \mu v^\top]`, with the shortest v.
    """
    folded = weight.astype(np.float64)
    folded[:, len(center) :] -= np.outer(folded[:, : len(center)] @ center, _common_direction(codes))
    return folded.astype(np.float32)


def orthogonal_to_center(weight: Array, center: Array) -> Array:
    """Return weights that a multiple of the center leaves silent, for training to start from.

    There is little then for the weights of the label code to make up for; large ones would cost the others their
    precision on a chip, where all share one scale.

    Parameters
    ----------
    weight : ndarray of shape (n_out, n_pixels + code_length)
        First layer's weights.
    center : ndarray of shape (n_pixels,)
        The center.

    Returns
    -------
    ndarray of float32, shape (n_out, n_pixels + code_length)
        The weights, without the pixels' component along the center.
    """
    direction = unit_length(center)
    projected = weight.astype(np.float64)
    pixels = projected[:, : len(center)]
    pixels -= np.outer(pixels @ direction, direction)
    return projected.astype(np.float32)


def center_note(config: TrainingConfig, codes: LabelCodes) -> str | None:
    """Say so if centering was asked for that the label codes do not allow.

    Parameters
    ----------
    config : TrainingConfig
        Hyperparameters.
    codes : LabelCodes
        Label codes.

    Returns
    -------
    str or None
        What to tell the user; None if there is nothing to tell.
    """
    if not config.center_input or _can_make_up(codes):
        return None
    return (
        f"center_input has no effect: codes of {codes.length} bits for {codes.n_classes} classes cannot make up for "
        f"the mean image; set label_length to {2 * codes.n_classes} or more"
    )


def _can_make_up(codes: LabelCodes) -> bool:
    return bool(np.allclose(codes.values.astype(np.float64) @ _common_direction(codes), 1))


def _common_direction(codes: LabelCodes) -> npt.NDArray[np.float64]:
    """Return the shortest v of which all codes have the component 1, or come nearest to that."""
    direction: npt.NDArray[np.float64] = np.linalg.pinv(codes.values.astype(np.float64)).sum(axis=1)
    return direction
