"""Digests of input events in compiled code: the bytes of `ff2neuro.inputs.digest_events`, without its interpreter.

Hashing a small image takes longer than simulating it, and Python's own BLAKE2b holds the interpreter's lock for short
messages, so that threads would wait for each other. Here several images are hashed side by side, one in each lane of a
vector.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.hardware.reference_backend.kernels import compiled, inlined
from ff2neuro.inputs import DIGEST_BYTES, count_events, describe_events, digest_events

__all__ = ["digest_and_count"]

Array = npt.NDArray[Any]

_BLOCK = 128
_WORDS = 16
#: Images hashed side by side: 64-bit words in the widest vectors.
_LANES = 8
#: Initial state of BLAKE2b, and where the words of a block are in each round (RFC 7693, sections 2.6 and 2.7).
_START = np.array(
    [
        0x6A09E667F3BCC908,
        0xBB67AE8584CAA73B,
        0x3C6EF372FE94F82B,
        0xA54FF53A5F1D36F1,
        0x510E527FADE682D1,
        0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B,
        0x5BE0CD19137E2179,
    ],
    dtype=np.uint64,
)
_ORDER = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ],
    dtype=np.uint64,
) * np.uint64(_LANES)
#: Keyless, a tree of one node, and the length of the digest (RFC 7693, section 2.5).
_PARAMETERS = np.uint64(0x01010000 ^ DIGEST_BYTES)
_ZERO = np.uint64(0)
#: Where rows of the state begin, and how many words are in one; a variable, for loops of known length are unrolled
#: rather than made of vectors.
_ROW = tuple(np.uint64(_LANES * row) for row in range(_WORDS))
#: Moves the lowest bit of each of eight bytes into the highest byte, the first to its highest bit.
_GATHER, _HIGHEST_BYTE = np.uint64(0x8040201008040201), np.uint64(56)


def digest_and_count(events: Array, n_time_steps: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return what a recording notes of its input.

    Parameters
    ----------
    events : ndarray of shape (n_images, n_hypotheses, n_time_steps or 1, n_inputs)
        Input events.
    n_time_steps : int
        Number of time steps T.

    Returns
    -------
    digests : ndarray of uint8, shape (n_images, DIGEST_BYTES)
        As `ff2neuro.inputs.digest_events`.
    n_events : ndarray of int, shape (n_images,)
        As `ff2neuro.inputs.count_events`.
    """
    if events.dtype != np.uint8 or 0 in events.shape:
        return digest_events(events), count_events(events, n_time_steps)
    images = np.ascontiguousarray(events)
    n_events = np.empty(len(images), dtype=np.int64)
    largest = np.empty(len(images), dtype=np.uint8)
    repeats = np.empty(len(images), dtype=np.bool_)
    _survey(images, n_events, largest, repeats)
    digests = np.empty((len(images), DIGEST_BYTES), dtype=np.uint8)
    flat = images.reshape(len(images), -1)
    for kind, chosen in (("bits", largest <= 1), ("|u1", largest > 1)):
        description = np.frombuffer(describe_events(kind, images.shape[1:]), dtype=np.uint8)
        n_blocks = 1 + (description.size + flat.shape[1]) // _BLOCK
        messages = np.zeros((_LANES, n_blocks * _BLOCK), dtype=np.uint8)
        _digest(flat, np.flatnonzero(chosen), kind == "bits", description, messages, np.uint64(_LANES), digests)
    if repeats.any():
        # Rare, since a constant input is handed on as one step.
        digests[repeats] = digest_events(images[repeats])
    return digests, n_events * (n_time_steps if images.shape[2] == 1 else 1)


@inlined
def _mix(v: Array, a: Any, b: Any, c: Any, d: Any, m: Array, x: Any, y: Any, n_lanes: Any) -> None:
    """Mix two words of the messages into a column or diagonal of the states (RFC 7693, section 3.1)."""
    for lane in range(n_lanes):
        va, vb, vc, vd = v[a + lane], v[b + lane], v[c + lane], v[d + lane]
        va = va + vb + m[x + lane]
        vd ^= va
        vd = (vd >> np.uint64(32)) | (vd << np.uint64(32))
        vc = vc + vd
        vb ^= vc
        vb = (vb >> np.uint64(24)) | (vb << np.uint64(40))
        va = va + vb + m[y + lane]
        vd ^= va
        vd = (vd >> np.uint64(16)) | (vd << np.uint64(48))
        vc = vc + vd
        vb ^= vc
        vb = (vb >> np.uint64(63)) | (vb << np.uint64(1))
        v[a + lane], v[b + lane], v[c + lane], v[d + lane] = va, vb, vc, vd


@compiled
def _round(v: Array, m: Array, order: Array, n: Any) -> None:
    """Mix columns, then diagonals (RFC 7693, section 3.2)."""
    r = _ROW
    _mix(v, r[0], r[4], r[8], r[12], m, order[0], order[1], n)
    _mix(v, r[1], r[5], r[9], r[13], m, order[2], order[3], n)
    _mix(v, r[2], r[6], r[10], r[14], m, order[4], order[5], n)
    _mix(v, r[3], r[7], r[11], r[15], m, order[6], order[7], n)
    _mix(v, r[0], r[5], r[10], r[15], m, order[8], order[9], n)
    _mix(v, r[1], r[6], r[11], r[12], m, order[10], order[11], n)
    _mix(v, r[2], r[7], r[8], r[13], m, order[12], order[13], n)
    _mix(v, r[3], r[4], r[9], r[14], m, order[14], order[15], n)


@compiled
def _hash(messages: Array, size: int, h: Array, v: Array, m: Array, n_lanes: Any) -> None:
    """BLAKE2b of the first bytes of several messages, behind which there are zeros, into the rows of `h`."""
    for k in range(_START.size):
        h[k] = _START[k]
    h[0] ^= _PARAMETERS
    words = messages.view(np.uint64)
    n_blocks = max(1, -(-size // _BLOCK))
    for block in range(n_blocks):
        for lane in range(_LANES):
            for k in range(_WORDS):
                m[k * _LANES + lane] = words[lane, block * _WORDS + k]
        last = block == n_blocks - 1
        hashed = np.uint64(size if last else (block + 1) * _BLOCK)
        for k in range(_START.size):
            for lane in range(_LANES):
                v[k * _LANES + lane] = h[k, lane]
                v[(k + 8) * _LANES + lane] = _START[k]
        for lane in range(_LANES):
            v[12 * _LANES + lane] ^= hashed
            if last:
                v[14 * _LANES + lane] = ~v[14 * _LANES + lane]
        for k in range(12):
            _round(v, m, _ORDER[k % 10], n_lanes)
        for k in range(_START.size):
            for lane in range(_LANES):
                h[k, lane] ^= v[k * _LANES + lane] ^ v[(k + 8) * _LANES + lane]


@compiled
def _pack(events: Array, packed: Array) -> int:
    """Put eight events of 0 and 1 into a byte, the first into its highest bit, as `numpy.packbits` does."""
    whole = events.size // 8
    for k in range(whole):
        word = _ZERO
        for bit in range(8):
            word |= np.uint64(events[8 * k + bit]) << np.uint64(8 * bit)
        packed[k] = np.uint8((word * _GATHER) >> _HIGHEST_BYTE)
    if events.size % 8 == 0:
        return whole
    rest = 0
    for k in range(8 * whole, events.size):
        rest |= int(events[k]) << (7 - k % 8)
    packed[whole] = np.uint8(rest)
    return whole + 1


@compiled
def _survey(events: Array, n_events: Array, largest: Array, repeats: Array) -> None:
    """Find the number of events of every image, the largest, and whether several steps are all the same."""
    for i in range(events.shape[0]):
        flat = events[i].reshape(-1)
        n, top = 0, np.uint8(0)
        for k in range(flat.size):
            n += flat[k] != 0
            top = max(top, flat[k])
        n_events[i], largest[i] = n, top
        repeats[i] = events.shape[2] > 1
        for s in range(1, events.shape[2]):
            for h in range(events.shape[1]):
                if repeats[i] and not np.array_equal(events[i, h, 0], events[i, h, s]):
                    repeats[i] = False


@compiled
def _digest(
    images: Array, chosen: Array, binary: bool, description: Array, messages: Array, n_lanes: Any, digests: Array
) -> None:
    """Digest those images that are chosen, several at a time; `messages` has a row for each of them."""
    h, v, m = np.empty((8, _LANES), np.uint64), np.empty(128, np.uint64), np.empty(128, np.uint64)
    messages[:, : description.size] = description
    for start in range(0, chosen.size, _LANES):
        n = min(_LANES, chosen.size - start)
        size = 0
        for lane in range(n):
            image, content = images[chosen[start + lane]], messages[lane, description.size :]
            if binary:
                size = _pack(image, content)
            else:
                size = image.size
                content[:size] = image
        _hash(messages, description.size + size, h, v, m, n_lanes)
        for lane in range(n):
            for k in range(DIGEST_BYTES):
                digests[chosen[start + lane], k] = np.uint8(h[k // 8, lane] >> np.uint64(8 * (k % 8)))
