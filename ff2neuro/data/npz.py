"""The user's own data: a .npz file with ``x_train, y_train, x_test, y_test``."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.data.dataset import Dataset
from ff2neuro.errors import DatasetError

__all__ = ["load_npz"]

Array = npt.NDArray[Any]

KEYS = ("x_train", "y_train", "x_test", "y_test")

#: Floats beyond this are no class numbers, and not exact integers either.
MAX_LABEL = 2**53

_WRITE_AGAIN = "write it again with numpy.savez"


def load_npz(path: Path) -> Dataset:
    """Load images and labels from a NumPy .npz file.

    Parameters
    ----------
    path : Path
        File with ``x_train`` and ``x_test`` of shape (n_images, ...) and ``y_train`` and ``y_test`` of shape
        (n_images,). Pixels are floats in [0, 1], booleans, or integers from 0 to 255, which are divided by 255. Labels
        are whole numbers; the training split holds each of ``0 .. n_classes - 1``.

    Returns
    -------
    Dataset
        The data, images flattened, named after the file.

    Raises
    ------
    DatasetError
        If the file is missing, damaged, incomplete, would need pickle, or holds something else than described above.

    Notes
    -----
    Integers of which the largest is 1 are refused, whatever their type: they may be black and white images, or 8-bit
    images that are all but black, and dividing the former by 255 would leave next to nothing to learn from.
    """
    arrays = _read_arrays(path)
    x_train, x_test = arrays["x_train"], arrays["x_test"]
    for key in ("x_train", "x_test"):
        _require_images(arrays[key], f"{path}: {key}")
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DatasetError(
            f"{path}: images of x_train have shape {x_train.shape[1:]}, of x_test {x_test.shape[1:]}; "
            "both splits must have images of one shape"
        )
    y_train = _whole_labels(arrays["y_train"], f"{path}: y_train")
    y_test = _whole_labels(arrays["y_test"], f"{path}: y_test")
    n_classes = _count_classes(y_train, path)
    unknown = np.setdiff1d(y_test, y_train)
    if unknown.size:
        raise DatasetError(
            f"{path}: y_test holds classes that y_train lacks, {_listed(unknown)}; give training images of every "
            "class, and number the classes alike in both splits"
        )
    return Dataset(
        name=path.name,
        x_train=_flat_pixels(x_train, f"{path}: x_train"),
        y_train=y_train,
        x_test=_flat_pixels(x_test, f"{path}: x_test"),
        y_test=y_test,
        image_shape=x_train.shape[1:],
        n_classes=n_classes,
    )


def _read_arrays(path: Path) -> dict[str, Array]:
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise DatasetError(f"data file {path} {what}; name a .npz file")
    if not zipfile.is_zipfile(path):
        raise DatasetError(f"data file {path} is not a .npz file, or is truncated; {_WRITE_AGAIN}")
    try:
        # Opened here, because NumPy leaves a file open that it cannot read.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            missing = [key for key in KEYS if key not in file.files]
            if missing:
                found = ", ".join(file.files) or "nothing"
                raise DatasetError(
                    f"data file {path} lacks {', '.join(missing)} (it holds {found}); it needs {', '.join(KEYS)}"
                )
            return {key: _read_array(file, key, path) for key in KEYS}
    except DatasetError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise DatasetError(f"data file {path} cannot be read or is damaged ({error}); {_WRITE_AGAIN}") from error


def _read_array(file: "np.lib.npyio.NpzFile", key: str, path: Path) -> Array:
    try:
        array = file[key]
    except (ValueError, MemoryError, RuntimeError, SyntaxError, tokenize.TokenError) as error:
        # ValueError also means objects, which only pickle could restore; the last two come from damaged headers.
        text = ", text labels as numpy.unique(labels, return_inverse=True)[1]" if key.startswith("y") else ""
        raise DatasetError(
            f"data file {path}: {key} cannot be read ({error}); it must be a plain array of numbers: "
            f"{_WRITE_AGAIN}{text}"
        ) from error
    if not isinstance(array, np.ndarray):
        raise DatasetError(f"data file {path}: {key} is not a NumPy array; {_WRITE_AGAIN}")
    return array


def _require_images(images: Array, what: str) -> None:
    if images.ndim < 2 or images.size == 0:
        raise DatasetError(
            f"{what} has shape {images.shape}; it must be (image, height, width) or (image, pixel), with at least one "
            "of each"
        )
    if images.dtype.kind not in "biuf":
        raise DatasetError(f"{what} holds {images.dtype} values; pixels must be floats in [0, 1] or 8-bit integers")


def _flat_pixels(images: Array, what: str) -> Array:
    flat = images.reshape(len(images), -1)
    if flat.dtype.kind not in "iu":
        return flat
    low, high = int(flat.min()), int(flat.max())
    if low < 0 or high > 255:
        raise DatasetError(
            f"{what} holds {flat.dtype} values from {low} to {high}; integer pixels must lie from 0 to 255: scale them "
            "to floats in [0, 1]"
        )
    if high == 1:
        raise DatasetError(
            f"{what} holds integers from {low} to {high}, which may be black and white or 8-bit pixels; "
            "store black and white as booleans or floats, 8-bit images with values up to 255"
        )
    return flat.astype(np.float32) / np.float32(255)


def _whole_labels(labels: Array, what: str) -> Array:
    if labels.ndim != 1 or labels.size == 0:
        raise DatasetError(
            f"{what} has shape {labels.shape}; it must hold one class number per image, and at least one: for one-hot "
            "rows store labels.argmax(axis=1)"
        )
    if labels.dtype.kind in "SU":
        raise DatasetError(
            f"{what} holds text ({str(labels[0])!r}, ...); number the classes from 0, for example with "
            "numpy.unique(labels, return_inverse=True)"
        )
    if labels.dtype.kind not in "iuf":
        raise DatasetError(f"{what} holds {labels.dtype} values; labels must be whole numbers from 0")
    whole = np.isfinite(labels) & (labels == np.floor(labels)) & (np.abs(labels) < MAX_LABEL)
    if labels.dtype.kind == "f" and not whole.all():
        raise DatasetError(f"{what} holds the label {labels[~whole][0]}; labels must be whole numbers from 0")
    return labels.astype(np.int64)


def _count_classes(labels: Array, path: Path) -> int:
    classes = np.unique(labels)
    if len(classes) < 2:
        raise DatasetError(f"{path}: all labels of y_train are {classes[0]}; give images of at least 2 classes")
    if not np.array_equal(classes, np.arange(len(classes))):
        raise DatasetError(
            f"{path}: y_train holds the classes {_listed(classes)}; they must be 0 to {len(classes) - 1} without a "
            "gap: renumber them, for example with numpy.unique(labels, return_inverse=True)"
        )
    return len(classes)


def _listed(classes: Array) -> str:
    shown = ", ".join(map(str, classes[:5]))
    return shown if len(classes) <= 5 else f"{shown}, ... {classes[-1]}"
