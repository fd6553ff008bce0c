"""Input events as a chunked source, so that a large data set never sits in memory once per time step."""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import ConfigurationError

__all__ = ["DIGEST_BYTES", "InputSource", "count_events", "describe_events", "digest_events"]

#: Length of the digest of an image's events: enough that no two images share one by chance.
DIGEST_BYTES = 16


@dataclass(frozen=True, eq=False)
class InputSource:
    """Input events of many presentations, produced a chunk at a time.

    A *presentation* is one image under one label hypothesis.

    Attributes
    ----------
    n_images : int
        Number of images.
    n_hypotheses : int
        Number of label hypotheses per image (1 where there are none).
    n_time_steps : int
        Number of time steps of a presentation.
    n_inputs : int
        Number of input channels.
    constant : bool
        Whether every time step of a presentation is the same; chunks then have one time step.
    integer : bool
        Whether all values are integers, which fixed-point arithmetic needs.
    read : callable
        ``read(start, stop)`` returns the events of images ``start <= i < stop`` as an array of shape
        (stop - start, n_hypotheses, n_time_steps or 1, n_inputs), the same at every call.
    """

    n_images: int
    n_hypotheses: int
    n_time_steps: int
    n_inputs: int
    constant: bool
    integer: bool
    read: Callable[[int, int], npt.NDArray[Any]]

    @classmethod
    def from_array(cls, events: npt.ArrayLike, n_time_steps: int | None = None) -> "InputSource":
        """Wrap events that are in memory already.

        Parameters
        ----------
        events : array_like of shape (n_images, n_hypotheses, n_time_steps, n_inputs)
            The events. With one time step and a larger `n_time_steps`, they are repeated at every step.
        n_time_steps : int, optional
            Number of time steps; by default that of `events`.

        Returns
        -------
        InputSource
            A source that reads from a copy of `events`.

        Raises
        ------
        ConfigurationError
            If the events do not have four axes, hold values that are not finite, or do not have the asked-for number
            of time steps.
        """
        array = np.array(events)
        if array.ndim != 4:
            raise ConfigurationError(
                f"input events have {array.ndim} axes; they need 4: (image, hypothesis, time step, input channel)"
            )
        if not np.isfinite(array).all():
            raise ConfigurationError("input events hold NaN or infinite values; they must be finite")
        n_time_steps = array.shape[2] if n_time_steps is None else n_time_steps
        if array.shape[2] not in (1, n_time_steps):
            raise ConfigurationError(
                f"input events have {array.shape[2]} time steps, asked for are {n_time_steps}; give 1 or {n_time_steps}"
            )
        return cls(
            n_images=array.shape[0],
            n_hypotheses=array.shape[1],
            n_time_steps=n_time_steps,
            n_inputs=array.shape[3],
            constant=array.shape[2] == 1 and n_time_steps > 1,
            integer=bool((array == np.round(array)).all()),
            read=lambda start, stop: array[start:stop],
        )

    def chunks(self, n_images: int) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """Iterate over all images, `n_images` at a time.

        Parameters
        ----------
        n_images : int
            Number of images in a chunk; the last one may hold fewer.

        Yields
        ------
        start : int
            Index of the first image of the chunk.
        events : ndarray of shape (n, n_hypotheses, n_time_steps or 1, n_inputs)
            As `read` gives them.
        """
        for start in range(0, self.n_images, n_images):
            yield start, self.read(start, min(start + n_images, self.n_images))


def digest_events(events: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return a digest of every image's events, so that recordings can tell what they are recordings of.

    Equal events have equal digests whatever their data type, and whether a constant input is given once or at every
    step.

    Parameters
    ----------
    events : ndarray of shape (n_images, n_hypotheses, n_time_steps or 1, n_inputs)
        As `InputSource.chunks` gives them.

    Returns
    -------
    ndarray of uint8, shape (n_images, DIGEST_BYTES)
        BLAKE2b digests.
    """
    contents = _bytes_of_small(events) if events.dtype == np.uint8 else map(_canonical_bytes, events)
    digests = [hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest() for content in contents]
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(events), DIGEST_BYTES)


def _canonical_bytes(image: npt.NDArray[Any]) -> bytes:
    """Bytes of events of shape (n_hypotheses, n_steps, n_inputs) that depend on nothing but their values."""
    if _repeats(image):
        image = image[:, :1]
    if image.dtype != np.uint8:
        with np.errstate(invalid="ignore"):
            small = image.astype(np.uint8)
        # Adding 0 makes a negative zero a positive one.
        image = small if np.array_equal(small, image) else image.astype(np.float64) + 0.0
    if image.dtype == np.uint8 and image.max(initial=0) <= 1:
        # Spikes are many, and eight times fewer bytes are hashed.
        return describe_events("bits", image.shape) + np.packbits(image).tobytes()
    return describe_events(image.dtype.str, image.shape) + image.tobytes()


def _bytes_of_small(events: npt.NDArray[np.uint8]) -> Iterator[bytes]:
    """`_canonical_bytes` of every image, most of its work done for all of them at once."""
    shape = events.shape[1:]
    bits, values = describe_events("bits", shape), describe_events(events.dtype.str, shape)
    flat = events.reshape(len(events), math.prod(shape))
    binary = flat.max(axis=1, initial=0) <= 1
    # Few images that change do so after the second step only.
    perhaps = (events[:, :, 0] == events[:, :, 1]).all(axis=(1, 2)) if shape[1] > 1 else np.zeros(len(events), bool)
    for image, row, may_repeat, is_binary in zip(events, flat, perhaps.tolist(), binary.tolist(), strict=True):
        if may_repeat:
            yield _canonical_bytes(image)
        else:
            yield bits + np.packbits(row).tobytes() if is_binary else values + row.tobytes()


def _repeats(image: npt.NDArray[Any]) -> bool:
    """Say whether all of several steps of events of shape (n_hypotheses, n_steps, n_inputs) are the same."""
    return image.shape[1] > 1 and bool((image == image[:, :1]).all())


def describe_events(kind: str, shape: tuple[int, ...]) -> bytes:
    """Return what goes before the content of an image in its digest.

    Parameters
    ----------
    kind : str
        ``"bits"`` for events of 0 and 1, eight to a byte; else the data type.
    shape : tuple of int
        Shape of the content.

    Returns
    -------
    bytes
        The description.
    """
    return repr((kind, shape)).encode()


def count_events(events: npt.NDArray[Any], n_time_steps: int) -> npt.NDArray[np.int64]:
    """Count the input events of every image: values that are not zero, over all hypotheses and steps.

    Parameters
    ----------
    events : ndarray of shape (n_images, n_hypotheses, n_time_steps or 1, n_inputs)
        As `InputSource.chunks` gives them.
    n_time_steps : int
        Number of time steps T; events of one step are repeated at each.

    Returns
    -------
    ndarray of int, shape (n_images,)
        Numbers of events.
    """
    repeats = n_time_steps if events.shape[2] == 1 else 1
    # One by one: counting along axes is many times slower.
    return np.array([np.count_nonzero(image) for image in events], dtype=np.int64) * repeats
