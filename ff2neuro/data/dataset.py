"""The dataset type: images and labels that are known to be sound."""

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import DatasetError
from ff2neuro.files import readonly

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels in a training and a test split.

    Whether the training split holds every class, or more than one, is not checked here: a subset of a dataset is a
    dataset. `ff2neuro.data.load_npz` does check it, for files.

    Attributes
    ----------
    name : str
        Name, for messages and provenance.
    x_train, x_test : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1], float32, read-only.
    y_train, y_test : ndarray of shape (n_images,)
        Classes ``0 .. n_classes - 1``, int64, read-only.
    image_shape : tuple of int
        Shape of one image before it was flattened.
    n_classes : int
        Number of classes.
    checksum : str
        SHA-256 over shapes and bytes of the four arrays, as a hexadecimal string; computed, not given.

    Raises
    ------
    DatasetError
        If an array has the wrong shape or kind, is empty, or holds a value outside its range; if images and labels
        differ in number, or `image_shape` does not have as many pixels as an image; if there are fewer than two
        classes.

    Examples
    --------
    >>> images = np.eye(2)
    >>> Dataset("eye", images, np.array([0, 1]), images, np.array([0, 1]), image_shape=(2,), n_classes=2).n_pixels
    2
    """

    name: str
    x_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.float32]
    y_test: npt.NDArray[np.int64]
    image_shape: tuple[int, ...]
    n_classes: int
    checksum: str = field(init=False)

    def __post_init__(self) -> None:
        if self.n_classes < 2:
            raise DatasetError(f"dataset {self.name}: {self.n_classes} classes; at least 2 are needed to tell apart")
        object.__setattr__(self, "image_shape", tuple(int(size) for size in self.image_shape))
        digest = hashlib.sha256()
        for split in ("train", "test"):
            pixels = _checked_pixels(getattr(self, f"x_{split}"), f"dataset {self.name}: x_{split}")
            labels = _checked_labels(getattr(self, f"y_{split}"), self.n_classes, f"dataset {self.name}: y_{split}")
            self._check_split(split, pixels, labels)
            for name, array in ((f"x_{split}", pixels), (f"y_{split}", labels)):
                digest.update(repr(array.shape).encode())
                digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
                object.__setattr__(self, name, array)
        object.__setattr__(self, "checksum", digest.hexdigest())

    def _check_split(self, split: str, pixels: npt.NDArray[Any], labels: npt.NDArray[Any]) -> None:
        if len(pixels) != len(labels):
            raise DatasetError(
                f"dataset {self.name}: x_{split} holds {len(pixels)} images, y_{split} {len(labels)} labels; "
                "every image needs one label"
            )
        if pixels.shape[1] != math.prod(self.image_shape):
            raise DatasetError(
                f"dataset {self.name}: images of x_{split} have {pixels.shape[1]} pixels, an image of shape "
                f"{self.image_shape} has {math.prod(self.image_shape)}; give both splits images of one size"
            )

    @property
    def n_pixels(self) -> int:
        """Number of pixels of an image."""
        return int(self.x_train.shape[1])

    def split(self, name: Literal["train", "test"]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Return images and labels of one split.

        Parameters
        ----------
        name : {"train", "test"}
            Which split.

        Returns
        -------
        tuple of (ndarray of shape (n_images, n_pixels), ndarray of shape (n_images,))
            Pixels and labels.

        Raises
        ------
        DatasetError
            If there is no such split.
        """
        if name == "train":
            return self.x_train, self.y_train
        if name == "test":
            return self.x_test, self.y_test
        raise DatasetError(f"dataset {self.name} has no split {name!r}; choose train or test")


def _checked_pixels(values: npt.ArrayLike, what: str) -> npt.NDArray[np.float32]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise DatasetError(f"{what} holds {array.dtype} values; pixels must be numbers in [0, 1]")
    if array.ndim != 2 or array.size == 0:
        raise DatasetError(f"{what} has shape {array.shape}; it must be (image, pixel), with at least one of each")
    # Two passes without a temporary: the extremes are NaN or infinite whenever any pixel is.
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DatasetError(f"{what} holds NaN or infinite pixels; replace them by values in [0, 1]")
    if low < 0 or high > 1:
        raise DatasetError(f"{what} holds pixels from {low:g} to {high:g}; scale them to [0, 1]")
    return readonly(array, np.float32)


def _checked_labels(values: npt.ArrayLike, n_classes: int, what: str) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise DatasetError(f"{what} has shape {array.shape}; it must hold one label per image, and at least one")
    if array.dtype.kind not in "iu":
        raise DatasetError(f"{what} holds {array.dtype} values; labels must be integers from 0 to {n_classes - 1}")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= n_classes:
        raise DatasetError(
            f"{what} holds labels from {low} to {high}; with {n_classes} classes they must lie from 0 to "
            f"{n_classes - 1}: renumber them"
        )
    return readonly(array, np.int64)
