"""Encoders: images and label hypotheses become input events.

All three are right on average: the mean event per step of a channel is its value times `InputCode.scale`, up to the
rounding of graded input. Chunks are independent of how the images are cut into them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import ConfigurationError, DatasetError
from ff2neuro.inputs import InputSource
from ff2neuro.networks import InputCode

__all__ = ["encode"]

Array = npt.NDArray[Any]


def encode(code: InputCode, images: Array, n_time_steps: int, codes: Array | None = None) -> InputSource:
    """Present images under every label hypothesis.

    Parameters
    ----------
    code : InputCode
        Coding, scale and label codes.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].
    n_time_steps : int
        Number of time steps T of a presentation.
    codes : ndarray of shape (n_hypotheses, code_length), optional
        Label codes, 0 to 1; by default those of all classes.

    Returns
    -------
    InputSource
        Events of shape (image, hypothesis, step, channel); pixels come first, the label code last.

    Raises
    ------
    DatasetError
        If the images do not have the code's number of pixels, or leave [0, 1].
    ConfigurationError
        If `n_time_steps` is below 1.
    """
    if n_time_steps < 1:
        raise ConfigurationError(f"the number of time steps is {n_time_steps}; it must be at least 1")
    if images.ndim != 2 or images.shape[1] != code.n_pixels:
        raise DatasetError(
            f"images have {images.shape[-1]} pixels each, the network takes {code.n_pixels}; "
            "use the data set that it was trained on"
        )
    if len(images) and not (float(images.min()) >= 0 and float(images.max()) <= 1):
        raise DatasetError("pixels leave the range [0, 1] or are NaN; scale the images first")
    labels = code.label_codes.codes if codes is None else np.asarray(codes, dtype=np.float32)
    reader = {"constant": _constant, "regular": _regular, "bernoulli": _bernoulli}[code.coding]

    def read(start: int, stop: int) -> Array:
        return reader(code, images[start:stop], labels, n_time_steps, start)

    return InputSource(
        n_images=len(images),
        n_hypotheses=len(labels),
        n_time_steps=n_time_steps,
        n_inputs=code.n_inputs,
        constant=code.coding == "constant",
        integer=True,
        read=read,
    )


def _combine(pixels: Array, labels: Array) -> Array:
    """Join (image, step, pixel) and (hypothesis, step, bit) or (image, hypothesis, step, bit) events."""
    if labels.ndim == 3:
        labels = np.broadcast_to(labels[None], (len(pixels), *labels.shape))
    spread = np.broadcast_to(pixels[:, None], (*labels.shape[:2], *pixels.shape[1:]))
    return np.concatenate([spread, labels], axis=-1)


def _constant(code: InputCode, images: Array, labels: Array, n_time_steps: int, start: int) -> Array:
    """Graded integers, one step that stands for all."""
    pixels = np.rint(images * np.float32(code.scale)).astype(np.uint8)
    return _combine(pixels[:, None], np.rint(labels * code.label_amplitude).astype(np.uint8)[:, None])


def _regular(code: InputCode, images: Array, labels: Array, n_time_steps: int, start: int) -> Array:
    """Spikes as evenly spaced as steps allow: round(rate * T) of them."""
    return _combine(
        _even_spikes(images * code.scale, n_time_steps), _even_spikes(labels * code.label_amplitude, n_time_steps)
    )


def _even_spikes(rates: Array, n_time_steps: int) -> Array:
    """Spike where the expected count passes the next half: shape (n, n_time_steps, n_channels)."""
    expected = rates.astype(np.float64)[:, None] * np.arange(n_time_steps + 1)[:, None]
    return np.diff(np.floor(expected + 0.5), axis=1).astype(np.uint8)


def _bernoulli(code: InputCode, images: Array, labels: Array, n_time_steps: int, start: int) -> Array:
    """Independent draws, the same for an image whatever chunk it comes in; hypotheses share the image's spikes."""
    chunk = []
    for offset, image in enumerate(images):
        rng = np.random.Generator(np.random.Philox(key=[code.seed, start + offset]))
        pixels = rng.random((1, n_time_steps, code.n_pixels), dtype=np.float32) < image * np.float32(code.scale)
        bits = rng.random((1, len(labels), n_time_steps, labels.shape[1]), dtype=np.float32)
        chunk.append(_combine(pixels, bits < labels[:, None] * np.float32(code.label_amplitude)).astype(np.uint8))
    shape = (0, len(labels), n_time_steps, code.n_inputs)
    return np.concatenate(chunk) if chunk else np.zeros(shape, dtype=np.uint8)
