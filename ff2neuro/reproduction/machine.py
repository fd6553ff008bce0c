"""The online network in fixed point: the same input events given to it and to its float execution."""

from pathlib import Path
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode, recorded_latents, scores_of_latents
from ff2neuro.converters.leaky import quantise_network
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.data import Dataset
from ff2neuro.errors import NetworkError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.networks import SpikingNetwork, load_network
from ff2neuro.reproduction.tables import Row

__all__ = ["machine_rows"]

Array = npt.NDArray[Any]

N_IMAGES = 1000
N_CALIBRATION = 200
CHUNK = 100
WEIGHT_BITS = 8


def machine_rows(run: Path, data: Dataset, backend: str) -> list[Row]:
    """Run a trained network in floating point and, quantised, on a machine.

    Parameters
    ----------
    run : Path
        Run directory of a network that learned by the Hebbian rule.
    data : Dataset
        Images.
    backend : str
        Machine of the quantised network.

    Returns
    -------
    list of Row
        Both accuracies, their difference in percentage points and the share of equal answers.

    Raises
    ------
    NetworkError
        If `run` holds an analog network.
    BackendError
        If the machine is missing or fails.
    """
    network = load_network(run / "model.h5")
    if not isinstance(network, SpikingNetwork):
        raise NetworkError(f"{run} holds an analog network; the part 'machine' is about Hebbian learning")
    quantised = quantise_network(network, data.x_train[:N_CALIBRATION], WEIGHT_BITS)
    images, labels = data.x_test[:N_IMAGES], data.y_test[:N_IMAGES]
    real = _predictions(network, to_nir(network), images, "reference")
    fixed = _predictions(quantised, to_nir(quantised), images, backend)
    accuracies = [100 * float((answers == labels).mean()) for answers in (real, fixed)]
    remark = f"{len(images)} images, {WEIGHT_BITS}-bit weights"
    figures = {
        "float test accuracy [%]": accuracies[0],
        "fixed-point test accuracy [%]": accuracies[1],
        "fixed point minus float [points]": accuracies[1] - accuracies[0],
        "equal answers [%]": 100 * float((real == fixed).mean()),
    }
    return [Row("machine", f"{run.name} on {backend}", name, None, value, remark) for name, value in figures.items()]


def _predictions(network: SpikingNetwork, graph: nir.NIRGraph, images: Array, backend: str) -> Array:
    """Classify by label sweep, a chunk of images at a time so that spikes of every step fit in memory."""
    source = encode(network.input_code, images, network.n_time_steps)
    config = RunConfig(dt=network.dt, record="spikes")
    with get_backend(backend) as machine, machine.run(graph, source, config) as recording:
        predictions = []
        for start in range(0, len(images), CHUNK):
            latents = recorded_latents(network, recording, start, start + CHUNK)
            scores = scores_of_latents(network, latents, np.ones(latents[0].shape[:2]))
            predictions.append(scores.argmax(axis=1))
    return np.concatenate(predictions)
