"""The readout: recorded spike counts become latents, goodness and scores.

A count n_l stands for the activity h_l = g_l n_l of the analog network. Length normalisation between layers, which no
chip has, is made up for here: see `ff2neuro.networks.goodness`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.networks import InputCode, SpikingNetwork, layer_probabilities

__all__ = ["input_energy", "scores", "spiking_latents"]

Array = npt.NDArray[Any]


def spiking_latents(network: SpikingNetwork, counts: Sequence[Array]) -> list[Array]:
    """Return the activity that spike counts stand for.

    Parameters
    ----------
    network : SpikingNetwork
        Network that was run.
    counts : sequence of ndarray of shape (..., n_neurons)
        Spike counts of all its layers.

    Returns
    -------
    list of ndarray of float32, shape (..., n_neurons)
        Counts times the layers' gains.
    """
    return [
        count.astype(np.float32) * np.float32(layer.gain) for count, layer in zip(counts, network.layers, strict=True)
    ]


def input_energy(code: InputCode, images: Array) -> npt.NDArray[np.float64]:
    """Return the squared length of the input under every hypothesis, in the units of pixels.

    Parameters
    ----------
    code : InputCode
        Label codes.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].

    Returns
    -------
    ndarray of shape (n_images, n_classes)
        |image|^2 + |label code|^2.
    """
    image_part = (images.astype(np.float64) ** 2).sum(axis=1)
    label_part = (code.label_codes.values.astype(np.float64) ** 2).sum(axis=1)
    energy: npt.NDArray[np.float64] = image_part[:, None] + label_part
    return energy


def scores(network: SpikingNetwork, counts: Sequence[Array], energy: Array) -> npt.NDArray[np.float64]:
    """Return the score of every hypothesis.

    Parameters
    ----------
    network : SpikingNetwork
        Network that was run.
    counts : sequence of ndarray of shape (n_images, n_hypotheses, n_neurons)
        Spike counts of all its layers.
    energy : ndarray of shape (n_images, n_hypotheses)
        As `input_energy` gives it.

    Returns
    -------
    ndarray of shape (n_images, n_hypotheses)
        Sum of the voting layers' probabilities.
    """
    probabilities = layer_probabilities(network.head, spiking_latents(network, counts), energy)
    total: npt.NDArray[np.float64] = np.sum(probabilities, axis=0)
    return total
