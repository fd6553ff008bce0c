"""What a converted network makes of images, without a backend: for choices that are made while converting."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode, input_energy, latents_of_spikes, scores_of_latents
from ff2neuro.converters.population import NeuronModel
from ff2neuro.dynamics import simulate
from ff2neuro.networks import SpikingNetwork, predict_from_scores
from ff2neuro.networks.population import is_integer

__all__ = ["predict", "spikes_of"]

Array = npt.NDArray[Any]

#: Images that are simulated at once.
CHUNK = 50


def predict(network: SpikingNetwork, images: Array) -> npt.NDArray[np.int64]:
    """Classify images by label sweep.

    Parameters
    ----------
    network : SpikingNetwork
        A converted network.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].

    Returns
    -------
    ndarray of int, shape (n_images,)
        The class with the highest score, the lowest one where several tie.
    """
    energy = input_energy(network.input_code, images)
    parts = [
        predict_from_scores(
            scores_of_latents(network, latents_of_spikes(network, spikes), energy[start : start + CHUNK])
        )[0]
        for start, spikes in spikes_of(network, images)
    ]
    return np.concatenate(parts)


def spikes_of(network: SpikingNetwork, images: Array) -> Iterator[tuple[int, list[Array]]]:
    """Yield the spikes of all layers, a chunk of images at a time.

    Parameters
    ----------
    network : SpikingNetwork
        A converted network.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].

    Yields
    ------
    start : int
        Index of the first image of the chunk.
    spikes : list of ndarray of bool, shape (n, n_hypotheses, n_time_steps, n_neurons)
        Spikes of each layer.
    """
    source = encode(network.input_code, images, network.n_time_steps)
    integer = all(is_integer(layer) for layer in network.layers)
    for start, events in source.chunks(CHUNK):
        arriving = events.reshape(-1, *events.shape[2:])
        spikes = []
        for layer in network.layers:
            flat = arriving.reshape(-1, arriving.shape[-1]).astype(np.float32)
            currents = (flat @ layer.weight.T.astype(np.float32)).reshape(*arriving.shape[:2], layer.n_neurons)
            arriving = simulate(NeuronModel.of_layer(layer, integer=integer), currents, network.n_time_steps)
            spikes.append(arriving.reshape(*events.shape[:2], *arriving.shape[1:]))
        yield start, spikes
