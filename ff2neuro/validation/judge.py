"""Comparing a recording with the trained network that it should behave like."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.analysis.statistics import drop_interval, mcnemar_p_value
from ff2neuro.coding import encode
from ff2neuro.networks import AnalogNetwork, GoodnessHead, LabelCodes, SpikingNetwork, layer_probabilities
from ff2neuro.progress import progress_bar
from ff2neuro.recording import Recording
from ff2neuro.validation.faults import (
    exact_expected,
    file_findings,
    gain_findings,
    replay,
    replay_findings,
    replay_is_fault,
    silence_findings,
)
from ff2neuro.validation.float_execution import FloatExecution, latents_of
from ff2neuro.validation.layers import LayerAgreement, LayerFigures
from ff2neuro.validation.matching import (
    require_data,
    require_inputs,
    require_match,
    require_recording,
    same_inputs,
)
from ff2neuro.validation.neutral import neutral_latents
from ff2neuro.validation.predictions import Predictions
from ff2neuro.validation.spikes import SpikeComparison
from ff2neuro.validation.subsamples import MAX_SHUFFLED_IMAGES, spread
from ff2neuro.validation.thresholds import Thresholds
from ff2neuro.validation.trained import TrainedModel, as_model, label_codes, widths
from ff2neuro.validation.verdict import BackendFigures, Verdict, gate

__all__ = ["synaptic_operations", "validate"]

Array = npt.NDArray[Any]

#: Latent entries of the widest layer that are in memory at once.
ENTRIES_PER_CHUNK = 2**21
#: Seed of the permutation behind `cosine_shuffled`.
SHUFFLE_SEED = 0


def validate(
    analog: AnalogNetwork | TrainedModel,
    spiking: SpikingNetwork,
    recording: Recording,
    images: Array,
    labels: Array,
    thresholds: Thresholds | None = None,
    neutral: Recording | None = None,
) -> Verdict:
    """Judge whether a spiking network still does what the trained one did.

    Parameters
    ----------
    analog : AnalogNetwork or TrainedModel
        The model as it was trained; for one that learned in spiking neurons, its float execution
        (`ff2neuro.validation.float_execution`).
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
    neutral : Recording, optional
        What the machine did with `ff2neuro.validation.neutral.neutral_source`; without it, figures under the neutral
        label are not computed.

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
    model = as_model(analog, images)
    require_match(model.network, spiking)
    require_recording(spiking, recording)
    require_data(model.network, recording, images, labels)
    n_events = require_inputs(recording, encode(spiking.input_code, images, spiking.n_time_steps))
    replayed = replay(spiking, recording, images)
    predictions, layers, n_spikes = _compare(model, spiking, recording, images, labels, neutral)
    faults, notes = _findings(model, spiking, recording, layers, replayed)
    correct, classes, n_samples = predictions.correct, predictions.classes, len(images)
    drop = 100 * int(correct[0].sum() - correct[1].sum()) / n_samples
    interval = drop_interval(correct[0], correct[1])
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
        margins=predictions.margin_histogram(),
        classes=predictions.per_class(),
        layers=layers,
        disagreements=disagreements,
        n_disagreements=n_disagreements,
        faults=faults,
        findings=(*faults, *notes),
        replay=replayed,
        backend=BackendFigures(header.backend, header.backend_version, header.arithmetic),
        n_time_steps=header.n_time_steps,
        max_spikes_per_step=header.max_spikes_per_step,
        synops_per_sample=synaptic_operations(spiking, int(n_events.sum()), n_spikes) / n_samples,
        thresholds=thresholds,
        checks=gate(thresholds, drop, agreement, layers, replayed, len(faults)),
        model_kind="analog" if isinstance(model.network, AnalogNetwork) else "spiking",
    )


def _findings(
    model: TrainedModel,
    spiking: SpikingNetwork,
    recording: Recording,
    layers: tuple[LayerFigures, ...],
    replayed: SpikeComparison,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the faults, and what is merely worth knowing."""
    differences = tuple(replay_findings(replayed))
    at_fault = replay_is_fault(replayed, exact=exact_expected(spiking, recording.header))
    of_file = (*file_findings(model.network, spiking), *_event_findings(model, recording))
    faults = (*of_file, *gain_findings(layers), *(differences if at_fault else ()))
    return faults, (*(() if at_fault else differences), *silence_findings(layers))


def _event_findings(model: TrainedModel, recording: Recording) -> Iterator[str]:
    """Say where a float execution was given other events than the machine."""
    own = model.recording.input_digests if isinstance(model, FloatExecution) else None
    if own is not None and recording.input_digests is not None:
        difference = same_inputs(own, recording.input_digests)
        if difference:
            yield f"the machine was not given the input events of the model's float execution: {difference}"


def _compare(
    model: TrainedModel,
    spiking: SpikingNetwork,
    recording: Recording,
    images: Array,
    labels: Array,
    neutral: Recording | None,
) -> tuple[Predictions, tuple[LayerFigures, ...], list[int]]:
    """Pass over all images once: predictions, figures of the layers, and spikes per layer."""
    names, largest = recording.layer_names, recording.header.largest_count
    codes = label_codes(model.network), label_codes(spiking)
    predictions = Predictions(labels, codes[0].n_classes, names, spiking.head.voting_layers)
    layers = [LayerAgreement(name, len(images), recording.header.layers[name], largest) for name in names]
    heads = [_all_voting(network.head, len(names)) for network in (model.network, spiking)]
    n_spikes = [0] * len(names)
    with progress_bar("Comparing latents", len(images), "images") as progress:
        for start, stop in _chunks(len(images), _images_per_chunk(spiking)):
            chosen = np.arange(start, stop)
            latents = model.latents(chosen), latents_of(spiking, recording, chosen)
            votes = tuple(
                layer_probabilities(head, side, _energy(images[start:stop], code))
                for head, side, code in zip(heads, latents, codes, strict=True)
            )
            predicted = predictions.add(start, (votes[0], votes[1]))
            for index, layer in enumerate(layers):
                counts = recording.counts(names[index], start, stop)
                layer.update(start, latents[0][index], latents[1][index], counts, labels[start:stop], predicted)
                n_spikes[index] += int(counts.sum(dtype=np.int64))
            progress.advance(stop - start)
    _compare_shuffled(model, spiking, recording, layers)
    if neutral is not None:
        sides = model.neutral_latents(), neutral_latents(spiking, neutral, images)
        for layer, first, second in zip(layers, *sides, strict=True):
            layer.set_neutral(first, second)
    figures = (layer.figures(labels, predictions.layer_goodness(index)) for index, layer in enumerate(layers))
    return predictions, tuple(figures), n_spikes


def _all_voting(head: GoodnessHead, n_layers: int) -> GoodnessHead:
    return replace(head, voting_layers=tuple(range(n_layers)))


def _compare_shuffled(
    model: TrainedModel, spiking: SpikingNetwork, recording: Recording, layers: list[LayerAgreement]
) -> None:
    """Hold the latents of some images against those of others, the baseline of every cosine."""
    chosen = spread(recording.header.n_images, MAX_SHUFFLED_IMAGES)
    partners = chosen[_partners(len(chosen))]
    for start, stop in _chunks(len(partners), _images_per_chunk(spiking)):
        sides = model.latents(partners[start:stop]), latents_of(spiking, recording, chosen[start:stop])
        for layer, first, second in zip(layers, *sides, strict=True):
            layer.update_shuffled(first, second)


def _images_per_chunk(network: SpikingNetwork) -> int:
    return max(1, ENTRIES_PER_CHUNK // (label_codes(network).n_classes * max(widths(network))))


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


def synaptic_operations(network: SpikingNetwork, n_events: int, n_spikes: list[int]) -> int:
    """Count the synaptic operations of a run: every event, graded or spike, times its fan-out.

    Parameters
    ----------
    network : SpikingNetwork
        The network; its layers are dense, so an event reaches every neuron of the next layer.
    n_events : int
        Number of input events over all images, hypotheses and time steps.
    n_spikes : list of int
        Number of spikes of each layer.

    Returns
    -------
    int
        Operations over all images, hypotheses and time steps.
    """
    arriving = [n_events, *n_spikes[:-1]]
    return sum(events * layer.n_neurons for events, layer in zip(arriving, network.layers, strict=True))
