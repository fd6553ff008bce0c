"""The readout: recorded spikes become latents, goodness and scores.

A count n_l stands for the activity h_l = g_l n_l of the analog network; a layer with a table of activity is read by the
time of the last spike as well, and a network with an output trace has that instead of counts. Tables and most traces
need the spikes of every step. Length normalisation between layers, which no chip has, is made up for here: see
`ff2neuro.networks.goodness`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import NetworkError
from ff2neuro.networks import InputCode, SpikingNetwork, layer_probabilities
from ff2neuro.recording import Kind, Recording

__all__ = [
    "input_energy",
    "latents_of_spikes",
    "needed_kind",
    "one_pass_scores",
    "recorded_latents",
    "scores",
    "scores_after_early_exit",
    "scores_of_latents",
    "spiking_latents",
]

Array = npt.NDArray[Any]


def needed_kind(network: SpikingNetwork) -> Kind:
    """Return what must be recorded of a network so that its activity can be read: "counts" or "spikes"."""
    return "spikes" if network.needs_bins else "counts"


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
        Counts times the layers' gains, or the output traces.

    Raises
    ------
    NetworkError
        If the network's readout needs more than counts.
    """
    if network.trace is None and network.needs_bins:
        raise NetworkError(
            f"the network is read out by {network.readout}, and only counts were recorded; record spikes"
        )
    if network.trace is not None:
        return [network.trace.of_counts(count).astype(np.float32) for count in counts]
    return [layer.by_counts(count) for count, layer in zip(counts, network.layers, strict=True)]


def recorded_latents(
    network: SpikingNetwork, recording: Recording, start: int = 0, stop: int | None = None
) -> list[Array]:
    """Return the activity that recorded spikes stand for.

    Parameters
    ----------
    network : SpikingNetwork
        Network that was run.
    recording : Recording
        What the machine did; with spikes of every step where `needed_kind` says so.
    start, stop : int, optional
        Range of images; all by default.

    Returns
    -------
    list of ndarray of shape (n_images, n_hypotheses, n_neurons)
        As `spiking_latents`.

    Raises
    ------
    ConfigurationError
        If the readout needs spikes and only counts were recorded.
    """
    if network.needs_bins:
        return latents_of_spikes(network, [recording.spikes(name, start, stop) for name in recording.layer_names])
    return spiking_latents(network, [recording.counts(name, start, stop) for name in recording.layer_names])


def latents_of_spikes(network: SpikingNetwork, spikes: Sequence[Array]) -> list[Array]:
    """Return the activity that the spikes of every step stand for.

    Parameters
    ----------
    network : SpikingNetwork
        Network that was run.
    spikes : sequence of ndarray of shape (..., n_time_steps, n_neurons)
        Numbers of spikes of all its layers: zeros and ones unless a neuron can send several in a step.

    Returns
    -------
    list of ndarray of shape (..., n_neurons)
        As `spiking_latents`; a table of activity reads the time of the last spike as well.
    """
    if network.trace is not None:
        return [network.trace.final(layer) for layer in spikes]
    return [
        layer.by_counts(trains.sum(axis=-2)) if layer.table is None else layer.table.of_spikes(trains)
        for layer, trains in zip(network.layers, spikes, strict=True)
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
    return scores_of_latents(network, spiking_latents(network, counts), energy)


def scores_of_latents(network: SpikingNetwork, latents: Sequence[Array], energy: Array) -> npt.NDArray[np.float64]:
    """Return the score of every hypothesis from the layers' activity.

    Parameters
    ----------
    network : SpikingNetwork
        Network that was run.
    latents : sequence of ndarray of shape (n_images, n_hypotheses, n_neurons)
        As `spiking_latents` or `recorded_latents` gives them.
    energy : ndarray of shape (n_images, n_hypotheses)
        As `input_energy` gives it.

    Returns
    -------
    ndarray of shape (n_images, n_hypotheses)
        Sum of the voting layers' probabilities.
    """
    probabilities = layer_probabilities(network.head, latents, energy)
    total: npt.NDArray[np.float64] = np.sum(probabilities, axis=0)
    return total


def scores_after_early_exit(
    network: SpikingNetwork, recording: Recording, energy: Array, start: int = 0, stop: int | None = None
) -> npt.NDArray[np.float64]:
    """Return the score of every hypothesis of a recording in which some were stopped because they could not win.

    Parameters
    ----------
    network : SpikingNetwork
        Network that was run.
    recording : Recording
        What the machine did.
    energy : ndarray of shape (n_images, n_hypotheses)
        As `input_energy` gives it, for the images asked for.
    start, stop : int, optional
        Range of images; all by default.

    Returns
    -------
    ndarray of shape (n_images, n_hypotheses)
        As `scores` for presentations that ran to their end; minus infinity for those that were stopped.
    """
    counts = [recording.counts(name, start, stop, partial=True) for name in recording.layer_names]
    whole = recording.steps[start:stop] == recording.header.n_time_steps
    final: npt.NDArray[np.float64] = np.where(whole, scores(network, counts, energy), -np.inf)
    return final


def one_pass_scores(network: SpikingNetwork, counts: Sequence[Array]) -> npt.NDArray[np.float64]:
    """Return the score of every class from spikes under the neutral label code alone.

    The input for it is ``encode(network.input_code, images, network.n_time_steps, network.one_pass.code[None])``.

    Parameters
    ----------
    network : SpikingNetwork
        Network that was run.
    counts : sequence of ndarray of shape (n_images, 1, n_neurons)
        Spike counts of all its layers; a layer's gain does not matter here, for only its direction counts.

    Returns
    -------
    ndarray of shape (n_images, n_classes)
        Scores, on the scale of logits.

    Raises
    ------
    NetworkError
        If the network has no one-pass head.
    """
    if network.one_pass is None:
        raise NetworkError("the network has no one-pass head; train it with one_pass_updates above 0 and convert it")
    return network.one_pass.scores([count[:, 0] for count in counts])
