"""What the worker and the main program say to each other: frames of a JSON header and raw arrays.

A frame is ``magic, length of the header, length of the arrays`` (big-endian), then the header in JSON, then the arrays
one after another in the byte order and layout that the header states.

Requests
    ``build``  a network; answered by ``built``
    ``feed``   windows of input; answered by ``window``, in order, once the last layer has answered the last bin
    ``exit``   no answer; the worker stops Lava and ends
Answers besides those
    ``hello``     first of all, with the versions of protocol, Lava and Python
    ``started``   with the names of the shared memory that a network uses, whenever one starts
    ``progress``  now and then while Lava is running, so that a hang can be told from long work
    ``error``     with the text of an exception; the worker ends after it

Used by both sides, which run different versions of Python: nothing beyond the standard library and NumPy.
"""

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PREFIX", "PROTOCOL_VERSION", "Frame", "ProtocolError", "decode", "encode", "parse_prefix"]

PROTOCOL_VERSION = 2
PREFIX = struct.Struct(">4sIQ")
MAGIC = b"FF2L"

#: Array types that may cross, in NumPy's notation.
DTYPES = frozenset({"|u1", "|i1", "<u2", "<i4", "<i8"})
#: A header only names arrays and sizes.
MAX_HEADER = 2**20
#: Beyond any chunk that is ever sent: a larger length is a corrupt frame.
MAX_BODY = 2**34

Frame = tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]


class ProtocolError(ValueError):
    """A frame that the other side cannot have meant."""


def encode(message: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]] | None = None) -> list[memoryview]:
    """Make a frame.

    Parameters
    ----------
    message : mapping
        What JSON can hold, with the key ``op``.
    arrays : mapping of str to ndarray, optional
        Arrays of a type in `DTYPES`.

    Returns
    -------
    list of memoryview
        Buffers to be written one after another, arrays uncopied.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    described = [[name, array.dtype.str, list(array.shape)] for name, array in contiguous.items()]
    header = json.dumps({**message, "arrays": described}).encode()
    n_bytes = sum(array.nbytes for array in contiguous.values())
    buffers = [memoryview(PREFIX.pack(MAGIC, len(header), n_bytes) + header)]
    return buffers + [array.reshape(-1).view(np.uint8).data for array in contiguous.values() if array.size]


def parse_prefix(prefix: bytes) -> tuple[int, int]:
    """Return the lengths of header and arrays in bytes.

    Parameters
    ----------
    prefix : bytes
        The first ``PREFIX.size`` bytes of a frame.

    Returns
    -------
    tuple of int
        Length of the header, length of the arrays.

    Raises
    ------
    ProtocolError
        If this is not the beginning of a frame.
    """
    magic, n_header, n_body = PREFIX.unpack(prefix)
    if magic != MAGIC or n_header > MAX_HEADER or n_body > MAX_BODY:
        raise ProtocolError(f"{prefix!r} is not the beginning of a message")
    return n_header, n_body


def decode(header: bytes, body: bytes | bytearray) -> Frame:
    """Read what follows the prefix of a frame.

    Parameters
    ----------
    header, body : bytes
        Of the lengths that `parse_prefix` returned.

    Returns
    -------
    message : dict
        What was said.
    arrays : dict of str to ndarray
        The arrays, without a copy.

    Raises
    ------
    ProtocolError
        If the header is not what `encode` writes, or does not fit the arrays.
    """
    try:
        message = json.loads(header)
        described = [(str(name), str(kind), tuple(map(int, shape))) for name, kind, shape in message.pop("arrays")]
        message["op"] = str(message["op"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ProtocolError(f"a message has a header that cannot be read: {error}") from error
    arrays, offset = {}, 0
    for name, kind, shape in described:
        if kind not in DTYPES or any(size < 0 for size in shape):
            raise ProtocolError(f"array {name!r} has type {kind} and shape {shape}, which no message carries")
        count = math.prod(shape)
        if offset + count * np.dtype(kind).itemsize > len(body):
            raise ProtocolError(f"array {name!r} of shape {shape} is longer than its message")
        arrays[name] = np.frombuffer(body, dtype=kind, count=count, offset=offset).reshape(shape)
        offset += arrays[name].nbytes
    if offset != len(body):
        raise ProtocolError(f"a message holds {len(body)} bytes of arrays, its header describes {offset}")
    return message, arrays
