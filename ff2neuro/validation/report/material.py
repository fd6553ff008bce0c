"""What the figures of a report show: latents, rasters and scores of the first images."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode, input_energy, latents_of_spikes, scores_of_latents
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.networks import AnalogNetwork, SpikingNetwork, layer_probabilities, predict_from_scores
from ff2neuro.recording import Recording
from ff2neuro.validation.float_execution import latents_of
from ff2neuro.validation.run_config import run_config
from ff2neuro.validation.trained import TrainedModel, as_model, label_codes
from ff2neuro.validation.verdict import Verdict

__all__ = ["Disagreement", "LayerMaterial", "Material", "gather"]

Array = npt.NDArray[Any]

#: Images whose latents are drawn, points of a scatter plot, images behind the curve over steps, and points on it.
MAX_IMAGES = 300
MAX_POINTS = 500
MAX_STEPPED = 100
MAX_CURVE_POINTS = 32
#: Bins that may be held for the curve over steps.
MAX_BINS = 2**27
#: Disagreeing images that are drawn.
MAX_DRAWN = 24


@dataclass(frozen=True, eq=False)
class LayerMaterial:
    """Latents of one layer under the true label.

    Attributes
    ----------
    name : str
        Name of the layer.
    pairs : ndarray of shape (n_points, 2)
        Analog and spiking activity of some neurons on some images.
    class_means : ndarray of shape (2, n_classes, n_neurons)
        Mean latent of every class, analog first.
    embedding : ndarray of shape (2, n_images, 2)
        Both sets of latents on the first two principal components of the two together, analog first.
    """

    name: str
    pairs: Array
    class_means: Array
    embedding: Array


@dataclass(frozen=True, eq=False)
class Disagreement:
    """An image that the two networks put into different classes.

    Attributes
    ----------
    index, label, analog, spiking : int
        Which image, its true class, and the classes that the networks predict.
    first_layer : str or None
        First layer that by itself votes for different classes.
    pixels : ndarray of shape `image_shape`
        The image.
    scores : ndarray of shape (2, n_classes)
        Score of every class, analog first.
    """

    index: int
    label: int
    analog: int
    spiking: int
    first_layer: str | None
    pixels: Array
    scores: Array


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that a report draws.

    Attributes
    ----------
    labels : ndarray of shape (n_images,)
        True classes of the images whose latents are drawn.
    layers : tuple of LayerMaterial
        First layer to last.
    raster : tuple of ndarray of bool or uint8, shape (n_time_steps, n_neurons)
        Spikes of every layer for the first image under its true label.
    simulated : bool
        Whether `raster` and `curve` come from a simulation of the file, since only counts were recorded.
    by_times : bool
        Whether whole presentations are read by the times of spikes; shorter ones in `curve` are read by counts.
    curve_steps, curve_accuracy : ndarray of shape (n_points,)
        Accuracy of the readout if the presentation ended after so many steps.
    n_stepped : int
        Number of images behind the curve.
    disagreements : tuple of Disagreement
        The first of them.
    """

    labels: Array
    layers: tuple[LayerMaterial, ...]
    raster: tuple[Array, ...]
    simulated: bool
    by_times: bool
    curve_steps: Array
    curve_accuracy: Array
    n_stepped: int
    disagreements: tuple[Disagreement, ...]


def gather(
    verdict: Verdict,
    analog: AnalogNetwork | TrainedModel,
    spiking: SpikingNetwork,
    recording: Recording,
    images: Array,
    labels: Array,
) -> Material:
    """Collect what a report draws.

    Parameters
    ----------
    verdict : Verdict
        What `ff2neuro.validation.validate` said of the others.
    analog, spiking, recording, images, labels :
        As `ff2neuro.validation.validate` took them.

    Returns
    -------
    Material
        The material.
    """
    model, n_images = as_model(analog, images), min(len(images), MAX_IMAGES)
    rows, shown = np.arange(n_images), labels[:n_images]
    sides = model.latents(rows), latents_of(spiking, recording, rows)
    n_classes = label_codes(spiking).n_classes
    layers = tuple(
        _layer(name, np.stack([side[index][rows, shown] for side in sides]), shown, n_classes)
        for index, name in enumerate(recording.layer_names)
    )
    spikes = _spikes(spiking, recording, images)
    steps, accuracy = _curve(spiking, spikes, images, labels)
    return Material(
        labels=shown,
        layers=layers,
        raster=tuple(layer[0, labels[0]] for layer in spikes),
        simulated=recording.header.kind != "spikes",
        by_times=spiking.trace is None and spiking.needs_bins,
        curve_steps=steps,
        curve_accuracy=accuracy,
        n_stepped=len(spikes[0]),
        disagreements=tuple(_disagreements(verdict, model, spiking, recording, images)),
    )


def _layer(name: str, latents: Array, labels: Array, n_classes: int) -> LayerMaterial:
    """Material of a layer from its latents: (2, image, neuron)."""
    rng = np.random.default_rng(0)
    flat = latents.reshape(2, -1)
    # Silent on both sides says nothing and would hide the rest.
    active = np.flatnonzero(flat.any(axis=0))
    chosen = rng.choice(active, size=min(MAX_POINTS, len(active)), replace=False)
    means = np.zeros((2, n_classes, latents.shape[2]))
    for label in np.unique(labels):
        means[:, label] = latents[:, labels == label].mean(axis=1)
    return LayerMaterial(name, flat[:, np.sort(chosen)].T, means, _principal_components(latents))


def _principal_components(latents: Array) -> Array:
    """Project (2, image, neuron) on the two directions in which both sets together vary most."""
    from scipy.linalg import eigh

    joint = latents.reshape(-1, latents.shape[2]).astype(np.float64)
    joint = joint - joint.mean(axis=0)
    # Of the matrix of inner products only two eigenvectors are needed, which is far less than a decomposition of all.
    last = len(joint) - 1
    scale, directions = eigh(joint @ joint.T, subset_by_index=(max(0, last - 1), last))
    components = np.zeros((len(joint), 2))
    kept = len(scale)
    components[:, :kept] = (directions * np.sqrt(np.maximum(scale, 0)))[:, ::-1]
    # The sign of a singular vector is arbitrary; fixing it makes the report the same on every machine.
    largest = components[np.abs(components).argmax(axis=0), [0, 1]]
    projected: Array = (components * np.where(largest < 0, -1, 1)).reshape(*latents.shape[:2], 2)
    return projected


def _spikes(spiking: SpikingNetwork, recording: Recording, images: Array) -> list[Array]:
    """Spikes of the first images, recorded or simulated: one (image, hypothesis, step, neuron) array per layer."""
    header = recording.header
    bins = header.n_hypotheses * header.n_time_steps * sum(header.layers.values())
    n_images = min(len(images), MAX_STEPPED, max(1, MAX_BINS // bins))
    if header.kind == "spikes":
        source: Any = nullcontext(recording)
    else:
        backend = ReferenceBackend("float" if header.arithmetic == "float" else "auto")
        events = encode(spiking.input_code, images[:n_images], spiking.n_time_steps)
        config = run_config(spiking, record="spikes")
        source = backend.run(to_nir(spiking, "native"), events, config)
    with source as spikes:
        return [spikes.spikes(name, 0, n_images) for name in spikes.layer_names]


def _curve(spiking: SpikingNetwork, spikes: Sequence[Array], images: Array, labels: Array) -> tuple[Array, Array]:
    """Accuracy of the readout after each of some numbers of steps."""
    n_images, n_steps = spikes[0].shape[0], spikes[0].shape[2]
    steps = np.unique(np.rint(np.geomspace(1, n_steps, MAX_CURVE_POINTS)).astype(np.int64))
    energy = input_energy(spiking.input_code, images[:n_images])
    accuracy = []
    for step in steps:
        latents = _latents_after(spiking, spikes, int(step))
        predicted, _ = predict_from_scores(scores_of_latents(spiking, latents, energy))
        accuracy.append(float((predicted == labels[:n_images]).mean()))
    return steps, np.array(accuracy)


def _latents_after(spiking: SpikingNetwork, spikes: Sequence[Array], n_steps: int) -> list[Array]:
    """Return the activity that the first steps stand for: the trace at that time, or what counts say of it."""
    share = n_steps / spiking.n_time_steps
    if spiking.trace is not None or share == 1:
        return latents_of_spikes(spiking, [layer[:, :, :n_steps] for layer in spikes])
    # Gains and tables are fitted to whole presentations; of the two, gains can be stretched.
    counts = [layer[:, :, :n_steps].sum(axis=2) / share for layer in spikes]
    return [layer.by_counts(count) for count, layer in zip(counts, spiking.layers, strict=True)]


def _disagreements(
    verdict: Verdict, model: TrainedModel, spiking: SpikingNetwork, recording: Recording, images: Array
) -> list[Disagreement]:
    drawn = []
    for entry in verdict.disagreements[:MAX_DRAWN]:
        chosen = np.array([entry["image"]])
        energy = input_energy(spiking.input_code, images[chosen])
        sides = (model.network.head, model.latents(chosen)), (spiking.head, latents_of(spiking, recording, chosen))
        drawn.append(
            Disagreement(
                index=entry["image"],
                label=entry["label"],
                analog=entry["analog"],
                spiking=entry["spiking"],
                first_layer=entry["first_layer"],
                pixels=images[entry["image"]].reshape(spiking.input_code.image_shape),
                scores=np.stack([np.sum(layer_probabilities(head, side, energy), axis=0)[0] for head, side in sides]),
            )
        )
    return drawn
