"""What a converted network makes of images, without a backend: for choices that are made while converting."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode, input_energy, scores
from ff2neuro.converters.population import NeuronModel
from ff2neuro.dynamics import simulate
from ff2neuro.networks import SpikingNetwork, predict_from_scores

__all__ = ["predict", "spike_counts_of"]

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
        predict_from_scores(scores(network, counts, energy[start : start + CHUNK]))[0]
        for start, counts in spike_counts_of(network, images)
    ]
    return np.concatenate(parts)


def spike_counts_of(network: SpikingNetwork, images: Array) -> Iterator[tuple[int, list[Array]]]:
    """Yield the spike counts of all layers, a chunk of images at a time.

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
    counts : list of ndarray of int, shape (n, n_hypotheses, n_neurons)
        Spike counts of each layer.
    """
    source = encode(network.input_code, images, network.n_time_steps)
    integer = all(
        bool((layer.weight == np.round(layer.weight)).all() and (layer.v_threshold % 1 == 0.5).all())
        for layer in network.layers
    )
    for start, events in source.chunks(CHUNK):
        activity = events.reshape(-1, *events.shape[2:])
        counts = []
        for layer in network.layers:
            flat = activity.reshape(-1, activity.shape[-1]).astype(np.float32)
            currents = (flat @ layer.weight.T.astype(np.float32)).reshape(*activity.shape[:2], layer.n_neurons)
            activity = simulate(NeuronModel.of_layer(layer, integer=integer), currents, network.n_time_steps)
            counts.append(activity.sum(axis=1).reshape(*events.shape[:2], layer.n_neurons))
        yield start, counts
