"""Latents of the test images, and what the paper measures of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.analysis import mean_hoyer_index, nearest_neighbours, separability
from ff2neuro.data import Dataset
from ff2neuro.files import hdf5_bytes, open_hdf5, read_tree, write_bytes
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.networks import AnalogNetwork, LabelCodes, SpikingNetwork, load_network

__all__ = ["LABELINGS", "LatentFigures", "figures_of", "latents_of"]

Array = npt.NDArray[Any]

#: What latents are taken of: the paper's way, with the true label and, of a spiking network, with potentials that are
#: carried over from image to image; each image from rest, with the true label, the network's own answer, or no code.
LABELINGS = {
    "published": "true label in the input, potentials carried over",
    "true": "true label in the input",
    "predicted": "predicted label in the input",
    "none": "no label in the input",
}
_ORDER_SEED = 0


@dataclass(frozen=True)
class LatentFigures:
    """Sparsity and separability of the latents of one network.

    Attributes
    ----------
    hoyer : dict of str to float or None
        Mean Hoyer index, with the paper's smoothing, by what label stands in the input.
    separability : dict of str to float or None
        Share of the five nearest neighbours that belong to the same class, likewise.
    silent : dict of str to float
        Share of the images that no neuron answers, likewise: they are all neighbours, of whatever class.
    active_neurons : dict of str to int
        Number of neurons that answer some image, likewise.
    """

    hoyer: dict[str, float | None]
    separability: dict[str, float | None]
    silent: dict[str, float]
    active_neurons: dict[str, int]

    def to_mapping(self) -> dict[str, Any]:
        """Return the figures as JSON holds them."""
        return asdict(self)


def latents_of(run: Path, data: Dataset, out: Path) -> dict[str, Array]:
    """Return the latents of the test images, and keep them in a file.

    Parameters
    ----------
    run : Path
        Run directory of a trained network.
    data : Dataset
        Images.
    out : Path
        HDF5 file; read if it exists.

    Returns
    -------
    dict of str to ndarray of float32, shape (n_images, n_neurons)
        Activity of the last layer for each of `LABELINGS`: summed spikes, or the ReLU activity of an analog network.

    Raises
    ------
    FileFormatError, NetworkError
        If the network cannot be read.
    """
    if out.exists():
        with open_hdf5(out, "latents") as file:
            tree = read_tree(file)
            return {name: np.asarray(tree[name], dtype=np.float32) for name in LABELINGS}
    network = load_network(run / "model.h5")
    latents = _spiking(network, run, data) if isinstance(network, SpikingNetwork) else _analog(network, data)
    write_bytes(out, hdf5_bytes({**latents, "labels": data.y_test}))
    return latents


def figures_of(latents: dict[str, Array], labels: Array) -> LatentFigures:
    """Measure latents.

    Parameters
    ----------
    latents : dict of str to ndarray of shape (n_images, n_neurons)
        As `latents_of` gives them.
    labels : ndarray of shape (n_images,)
        Classes.

    Returns
    -------
    LatentFigures
        The figures.
    """
    return LatentFigures(
        hoyer={name: mean_hoyer_index(latent) for name, latent in latents.items()},
        separability={name: separability(labels, nearest_neighbours(latent)) for name, latent in latents.items()},
        silent={name: float((latent == 0).all(axis=1).mean()) for name, latent in latents.items()},
        active_neurons={name: int((latent != 0).any(axis=0).sum()) for name, latent in latents.items()},
    )


def _codes(codes: LabelCodes, data: Dataset, predictions: Array) -> dict[str, Array]:
    """Label codes of every image for each labeling from rest, shape (n_images, code_length)."""
    values = codes.codes
    nothing = np.zeros((len(data.y_test), codes.length), np.float32)
    return {"true": values[data.y_test], "predicted": values[predictions], "none": nothing}


def _spiking(network: SpikingNetwork, run: Path, data: Dataset) -> dict[str, Array]:
    from ff2neuro.learning.hebbian.evaluation import evaluate_network, responses

    config = HebbianConfig.from_toml((run / "config.toml").read_text(encoding="utf-8"), f"{run / 'config.toml'}")
    weights = [np.ascontiguousarray(layer.weight.T) for layer in network.layers]
    codes = network.input_code.label_codes
    predictions = evaluate_network(network, config, data.x_test).scores.argmax(axis=1)
    by_labeling = _codes(codes, data, predictions)
    of_images = np.stack(list(by_labeling.values()), axis=1)
    counts = np.empty((len(data.y_test), len(by_labeling), network.layers[-1].n_neurons), np.float32)
    for chunk, response in responses(weights, config, codes, data.x_test, seed=0, codes_of=of_images):
        counts[chunk] = response.counts[-1]
    latents = {name: np.ascontiguousarray(counts[:, index]) for index, name in enumerate(by_labeling)}
    return {"published": _carried_over(weights, config, codes, data), **latents}


def _carried_over(weights: Sequence[Array], config: HebbianConfig, codes: LabelCodes, data: Dataset) -> Array:
    """Latents as the published code takes them: images in random order, potentials carried over."""
    from ff2neuro.learning.hebbian.evaluation import responses_in_turn

    order = np.random.default_rng(_ORDER_SEED).permutation(len(data.y_test))
    inputs = np.concatenate([data.x_test[order], codes.codes[data.y_test[order]]], axis=1)
    counts = np.empty((len(order), weights[-1].shape[1]), np.float32)
    for chunk, response in responses_in_turn(weights, config, inputs):
        counts[order[chunk]] = response.counts[-1][:, 0]
    return counts


def _analog(network: AnalogNetwork, data: Dataset) -> dict[str, Array]:
    every = network.label_codes.values
    predictions = network.predict(data.x_test)
    latents = {}
    for name, labels in (("true", data.y_test), ("predicted", predictions)):
        activity = np.empty((len(labels), network.widths[-1]), np.float32)
        for label in range(network.n_classes):
            chosen = labels == label
            activity[chosen] = network.latents(data.x_test[chosen], every[label : label + 1])[-1][:, 0]
        latents[name] = activity
    latents["none"] = network.latents(data.x_test, np.zeros_like(every[:1]))[-1][:, 0]
    return {"published": latents["true"], **latents}
