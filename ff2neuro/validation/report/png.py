"""Heat maps as PNG images inside the page: a matrix of a thousand neurons would be too many SVG elements."""

import base64
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["heat_map_uri", "png_bytes"]

#: Blue that shows on white and on black alike; the value is its opacity.
COLOUR = (37, 110, 190)


def heat_map_uri(values: npt.NDArray[Any], peak: float | None = None) -> str:
    """Return a matrix as the ``data:`` URI of an image, one pixel per entry.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Entries from 0 on.
    peak : float, optional
        Value of full opacity; by default the largest entry.

    Returns
    -------
    str
        The URI.
    """
    peak = float(values.max(initial=0)) if peak is None else peak
    alpha = np.clip(values / peak if peak > 0 else np.zeros(values.shape), 0, 1)
    pixels = np.empty((*values.shape, 4), dtype=np.uint8)
    pixels[..., :3] = COLOUR
    pixels[..., 3] = np.rint(255 * alpha)
    return "data:image/png;base64," + base64.b64encode(png_bytes(pixels)).decode()


def png_bytes(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return pixels as a PNG file (ISO/IEC 15948).

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 4)
        Red, green, blue and opacity.

    Returns
    -------
    bytes
        The file.
    """
    height, width = pixels.shape[:2]
    # Every row is led by the number of its filter: 0, none.
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
