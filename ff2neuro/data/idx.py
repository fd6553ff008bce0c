"""Reading IDX, the file format of MNIST and its siblings.

A file is four bytes (0, 0, type, number of axes), one big-endian 32-bit size per axis, then the values in C order
(Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits"). Only unsigned bytes are read: none
of these datasets holds anything else.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import DatasetError

__all__ = ["read_idx", "read_images_and_labels"]

#: Values that a file may announce: 45 times MNIST's training images. A damaged header can announce 2**128.
MAX_VALUES = 2**31

_CHUNK = 2**20
_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_OTHER_TYPES = {0x09: "signed bytes", 0x0B: "shorts", 0x0C: "integers", 0x0D: "floats", 0x0E: "doubles"}
_FETCH_AGAIN = "fetch the file again"


def read_idx(path: Path, n_axes: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped or not.

    Parameters
    ----------
    path : Path
        File; whether it is gzipped is seen from its content.
    n_axes : int
        Number of axes that it must have: 3 for images, 1 for labels.

    Returns
    -------
    ndarray of uint8
        The values, in the shape that the header announces.

    Raises
    ------
    DatasetError
        If the file cannot be read, is not IDX, holds another type or number of axes, announces an absurd size, or
        holds fewer or more values than it announces.
    """
    try:
        with _open(path) as file:
            shape = _read_shape(file, path, n_axes)
            content = _read_values(file, path, shape)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path} is a damaged or truncated gzip file ({error}); {_FETCH_AGAIN}") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from error
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def read_images_and_labels(images_path: Path, labels_path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Read a file of images and the file of their labels.

    Parameters
    ----------
    images_path, labels_path : Path
        The two IDX files.

    Returns
    -------
    images : ndarray of shape (n_images, height, width)
        Pixels, 0 to 255.
    labels : ndarray of shape (n_images,)
        Labels.

    Raises
    ------
    DatasetError
        As in `read_idx`, and if the two files differ in length.
    """
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise DatasetError(
            f"{images_path} holds {len(images)} images, {labels_path} {len(labels)} labels; they must be of one split "
            "of one dataset: fetch both again"
        )
    return images, labels


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    file = path.open("rb")
    gzipped = file.read(2) == _GZIP_MAGIC
    if gzipped:
        file.close()
        return gzip.open(path, "rb")
    file.seek(0)
    return file


def _read_shape(file: IO[bytes] | gzip.GzipFile, path: Path, n_axes: int) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in (_UNSIGNED_BYTE, *_OTHER_TYPES):
        raise DatasetError(f"{path} is not an IDX file: it starts with {magic.hex(' ') or 'nothing'}; {_FETCH_AGAIN}")
    if magic[2] != _UNSIGNED_BYTE:
        raise DatasetError(f"{path} holds {_OTHER_TYPES[magic[2]]}; images and labels must be unsigned bytes")
    if magic[3] != n_axes:
        raise DatasetError(
            f"{path} has {magic[3]} axes, not {n_axes}; images have 3, labels 1: check that the files are not swapped"
        )
    sizes = file.read(4 * n_axes)
    if len(sizes) < 4 * n_axes:
        raise DatasetError(f"{path} is truncated: it ends within its header; {_FETCH_AGAIN}")
    shape = struct.unpack(f">{n_axes}I", sizes)
    if not 0 < math.prod(shape) <= MAX_VALUES:
        raise DatasetError(
            f"{path} announces {_product(shape)} values; it must be 1 to {MAX_VALUES}: the header is damaged, "
            f"{_FETCH_AGAIN}"
        )
    return shape


def _read_values(file: IO[bytes] | gzip.GzipFile, path: Path, shape: tuple[int, ...]) -> bytearray:
    # In pieces, so that memory grows with what the file holds and not with what its header claims.
    expected = math.prod(shape)
    content = bytearray()
    while len(content) <= expected:
        piece = file.read(min(_CHUNK, expected + 1 - len(content)))
        if not piece:
            break
        content += piece
    if len(content) < expected:
        raise DatasetError(
            f"{path} is truncated: it holds {len(content)} values, its header announces {_product(shape)}; "
            f"{_FETCH_AGAIN}"
        )
    if len(content) > expected:
        raise DatasetError(
            f"{path} holds more values than the {_product(shape)} that its header announces; {_FETCH_AGAIN}"
        )
    return content


def _product(shape: tuple[int, ...]) -> str:
    factors = " x ".join(map(str, shape))
    return f"{factors} = {math.prod(shape)}" if len(shape) > 1 else factors
