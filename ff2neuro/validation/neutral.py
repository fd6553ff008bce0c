"""The neutral label: images presented with the mean of all label codes, which says nothing of the class."""

from typing import Any

import numpy.typing as npt

from ff2neuro.coding import encode, recorded_latents
from ff2neuro.errors import ConfigurationError
from ff2neuro.inputs import InputSource
from ff2neuro.networks import SpikingNetwork
from ff2neuro.recording import Recording
from ff2neuro.validation.matching import require_inputs
from ff2neuro.validation.subsamples import MAX_NEUTRAL_IMAGES, spread

__all__ = ["neutral_latents", "neutral_source"]

Array = npt.NDArray[Any]


def neutral_source(spiking: SpikingNetwork, images: Array) -> InputSource:
    """Present some of the images under the neutral label.

    Parameters
    ----------
    spiking : SpikingNetwork
        Network that is to be run.
    images : ndarray of shape (n_images, n_pixels)
        All images that are judged; no more than `MAX_NEUTRAL_IMAGES` of them are presented.

    Returns
    -------
    InputSource
        Events under one hypothesis; graded input rounds the mean code to integers.
    """
    chosen = images[spread(len(images), MAX_NEUTRAL_IMAGES)]
    mean = spiking.input_code.label_codes.codes.mean(axis=0, keepdims=True)
    return encode(spiking.input_code, chosen, spiking.n_time_steps, mean)


def neutral_latents(spiking: SpikingNetwork, recording: Recording, images: Array) -> list[Array]:
    """Return what the spiking network makes of images under the neutral label.

    Parameters
    ----------
    spiking : SpikingNetwork
        Network that was run.
    recording : Recording
        What a machine did with `neutral_source`.
    images : ndarray of shape (n_images, n_pixels)
        All images that are judged.

    Returns
    -------
    list of ndarray of shape (n_chosen, n_neurons)
        Latents of every layer.

    Raises
    ------
    ConfigurationError
        If the recording is not of that source, or of other layers.
    """
    source = neutral_source(spiking, images)
    header = recording.header
    widths = [layer.n_neurons for layer in spiking.layers]
    sizes = (header.n_images, header.n_hypotheses, header.n_time_steps, *header.layers.values())
    expected = (source.n_images, 1, source.n_time_steps, *widths)
    if sizes != expected:
        raise ConfigurationError(
            f"the recording under the neutral label has images, hypotheses, steps and layers {sizes}; expected are "
            f"{expected}: record it with the same file and images"
        )
    require_inputs(recording, source)
    return [latent[:, 0] for latent in recorded_latents(spiking, recording)]
