"""Latents of the test images, and what the paper measures of them."""

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

#: Which label stands in the input: the true one, as in the paper; the network's own answer; or no code at all.
LABELINGS = ("true", "predicted", "none")


@dataclass(frozen=True)
class LatentFigures:
    """Sparsity and separability of the latents of one network.

    Attributes
    ----------
    hoyer : dict of str to float or None
        Mean Hoyer index, with the paper's smoothing, by what label stands in the input.
    separability : dict of str to float or None
        Share of the five nearest neighbours that belong to the same class, likewise.
    """

    hoyer: dict[str, float | None]
    separability: dict[str, float | None]

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
            return {name: np.asarray(read_tree(file)[name], dtype=np.float32) for name in LABELINGS}
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
    )


def _codes(codes: LabelCodes, data: Dataset, predictions: Array) -> dict[str, Array]:
    """Label codes of every image for each labeling, shape (n_images, code_length)."""
    values = codes.codes
    nothing = np.zeros((len(data.y_test), codes.length), np.float32)
    return {"true": values[data.y_test], "predicted": values[predictions], "none": nothing}


def _spiking(network: SpikingNetwork, run: Path, data: Dataset) -> dict[str, Array]:
    from ff2neuro.learning.hebbian.evaluation import evaluate_network, responses

    config = HebbianConfig.from_toml((run / "config.toml").read_text(encoding="utf-8"), f"{run / 'config.toml'}")
    weights = [np.ascontiguousarray(layer.weight.T) for layer in network.layers]
    codes = network.input_code.label_codes
    predictions = evaluate_network(network, config, data.x_test).scores.argmax(axis=1)
    of_images = np.stack(list(_codes(codes, data, predictions).values()), axis=1)
    counts = np.empty((len(data.y_test), len(LABELINGS), network.layers[-1].n_neurons), np.float32)
    for chunk, response in responses(weights, config, codes, data.x_test, seed=0, codes_of=of_images):
        counts[chunk] = response.counts[-1]
    return {name: np.ascontiguousarray(counts[:, index]) for index, name in enumerate(LABELINGS)}


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
    return latents
