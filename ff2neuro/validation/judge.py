"""Comparing a recording with the analog network that it should behave like."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.analysis.statistics import drop_interval, mcnemar_p_value
from ff2neuro.coding import encode, spiking_latents
from ff2neuro.networks import AnalogNetwork, LabelCodes, SpikingNetwork, layer_probabilities
from ff2neuro.progress import progress_bar
from ff2neuro.recording import Recording
from ff2neuro.validation.faults import file_findings, replay, replay_findings
from ff2neuro.validation.layers import LayerAgreement, LayerFigures
from ff2neuro.validation.matching import require_data, require_match
from ff2neuro.validation.predictions import Predictions
from ff2neuro.validation.thresholds import Thresholds
from ff2neuro.validation.verdict import BackendFigures, Verdict, gate

__all__ = ["synaptic_operations", "validate"]

Array = npt.NDArray[Any]

#: Latent entries of the widest layer that are in memory at once.
ENTRIES_PER_CHUNK = 2**22
#: Input events that are in memory at once.
EVENTS_PER_CHUNK = 2**25
#: Images behind `cosine_shuffled`, a baseline that needs no more, and the seed of the permutation.
MAX_SHUFFLED = 2000
SHUFFLE_SEED = 0


def validate(
    analog: AnalogNetwork,
    spiking: SpikingNetwork,
    recording: Recording,
    images: Array,
    labels: Array,
    thresholds: Thresholds | None = None,
) -> Verdict:
    """Judge whether a spiking network still does what the analog one did.

    Parameters
    ----------
    analog : AnalogNetwork
        The model as it was trained.
    spiking : SpikingNetwork
        What was made of it, with the readout.
    recording : Recording
        What a machine did with `images` under every label hypothesis.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].
    labels : ndarray of int, shape (n_images,)
        True classes.
    thresholds : Thresholds, optional
        The gate; by default that of `Thresholds`.

    Returns
    -------
    Verdict
        Figures, checks, and whether they all hold.

    Raises
    ------
    ConfigurationError
        If networks and recording do not belong together.
    DatasetError
        If images and labels do not belong to them.
    """
    thresholds = thresholds or Thresholds()
    require_match(analog, spiking, recording)
    require_data(analog, recording, images, labels)
    replayed = replay(spiking, recording, images)
    predictions, layers, n_spikes = _compare(analog, spiking, recording, images, labels)
    correct = predictions.correct
    n_samples = len(images)
    drop = 100 * int(correct[0].sum() - correct[1].sum()) / n_samples
    interval = drop_interval(correct[0], correct[1])
    classes = predictions.classes
    agreement = float((classes[0] == classes[1]).mean())
    n_disagreements, disagreements = predictions.disagreements()
    header = recording.header
    return Verdict(
        analog=predictions.classifier(0),
        spiking=predictions.classifier(1),
        n_samples=n_samples,
        accuracy_drop_pp=drop,
        accuracy_drop_interval_pp=None if interval is None else (100 * interval[0], 100 * interval[1]),
        mcnemar_p_value=mcnemar_p_value(correct[0], correct[1]),
        prediction_agreement=agreement,
        score_rank_correlation=predictions.rank_correlation(),
        classes=predictions.per_class(),
        layers=layers,
        disagreements=disagreements,
        n_disagreements=n_disagreements,
        findings=(*file_findings(analog, spiking), *replay_findings(replayed), *_silence_findings(layers)),
        replay=replayed,
        backend=BackendFigures(header.backend, header.backend_version, header.arithmetic),
        n_time_steps=header.n_time_steps,
        synops_per_sample=synaptic_operations(spiking, images, n_spikes) / n_samples,
        thresholds=thresholds,
        checks=gate(thresholds, drop, agreement, layers),
    )


def _compare(
    analog: AnalogNetwork, spiking: SpikingNetwork, recording: Recording, images: Array, labels: Array
) -> tuple[Predictions, tuple[LayerFigures, ...], list[int]]:
    """Pass over all images once: predictions, figures of the layers, and spikes per layer."""
    names, n_steps = recording.layer_names, recording.header.n_time_steps
    predictions = Predictions(labels, analog.n_classes, [names[layer] for layer in analog.head.voting_layers])
    layers = [LayerAgreement(name, len(images), recording.header.layers[name], n_steps) for name in names]
    n_spikes = [0] * len(names)
    partners = _partners(min(len(images), MAX_SHUFFLED))
    size = max(1, ENTRIES_PER_CHUNK // (analog.n_classes * max(analog.widths)))
    with progress_bar("Comparing latents", len(images), "images") as progress:
        for start, stop in _chunks(len(images), size):
            chunk = images[start:stop]
            counts = [recording.counts(name, start, stop) for name in names]
            latents = analog.latents(chunk), spiking_latents(spiking, counts)
            energies = _energy(chunk, analog.label_codes), _energy(chunk, spiking.input_code.label_codes)
            votes = (
                layer_probabilities(analog.head, latents[0], energies[0]),
                layer_probabilities(spiking.head, latents[1], energies[1]),
            )
            predicted = predictions.add(start, votes)
            others = analog.latents(images[partners[start:stop]])
            for index, layer in enumerate(layers):
                layer.update(start, latents[0][index], latents[1][index], counts[index], labels[start:stop], predicted)
                n_spikes[index] += int(counts[index].sum(dtype=np.int64))
                layer.update_shuffled(others[index], latents[1][index][: len(others[index])])
            progress.advance(stop - start)
    return predictions, tuple(layer.figures(labels) for layer in layers), n_spikes


def _energy(images: Array, codes: LabelCodes) -> Array:
    """Squared length of image and label code, of shape (n_images, n_classes)."""
    energy: Array = (images.astype(np.float64) ** 2).sum(axis=1)[:, None] + (codes.values.astype(np.float64) ** 2).sum(
        axis=1
    )
    return energy


def _chunks(n_images: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_images, size):
        yield start, min(start + size, n_images)


def _partners(n_images: int) -> Array:
    """Give every image another one, at random: a single cycle through all of them has no fixed point."""
    if n_images < 2:
        return np.zeros(0, dtype=np.int64)
    order = np.random.default_rng(SHUFFLE_SEED).permutation(n_images)
    partners = np.empty_like(order)
    partners[order] = np.roll(order, 1)
    return partners


def synaptic_operations(network: SpikingNetwork, images: Array, n_spikes: list[int]) -> int:
    """Count the synaptic operations of a run: every event, graded or spike, times its fan-out.

    Parameters
    ----------
    network : SpikingNetwork
        The network; its layers are dense, so an event reaches every neuron of the next layer.
    images : ndarray of shape (n_images, n_pixels)
        What was presented, under every label hypothesis.
    n_spikes : list of int
        Number of spikes of each layer.

    Returns
    -------
    int
        Operations over all images, hypotheses and time steps.
    """
    source = encode(network.input_code, images, network.n_time_steps)
    size = max(1, EVENTS_PER_CHUNK // (source.n_hypotheses * source.n_time_steps * source.n_inputs))
    repeats = source.n_time_steps if source.constant else 1
    n_events = sum(int(np.count_nonzero(events)) for _, events in source.chunks(size)) * repeats
    arriving = [n_events, *n_spikes[:-1]]
    return sum(events * layer.n_neurons for events, layer in zip(arriving, network.layers, strict=True))


def _silence_findings(layers: tuple[LayerFigures, ...]) -> Iterator[str]:
    """Say which layers lost neurons."""
    for layer in layers:
        lost = layer.n_silent_spiking - layer.n_silent_analog
        if layer.n_silent_spiking == layer.n_neurons:
            yield f"{layer.name} never spikes"
        elif lost > 0:
            silent = f"{layer.n_silent_spiking} of {layer.n_neurons} neurons never spike"
            yield f"{layer.name}: {silent}, {lost} more than in the model"
