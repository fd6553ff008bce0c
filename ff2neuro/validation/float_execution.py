"""The float execution of a network that learned in spiking neurons, which its quantised form is compared with.

It has the network's own weights, the membrane decay of the training and no noise, and takes the very input events that
the machine is given. The random spikes of an image depend on its place among all images, so all are recorded at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode, recorded_latents
from ff2neuro.converters.nir_graph import spikes_name, to_nir
from ff2neuro.dynamics import DECAY_UNITY
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.networks import AnalogNetwork, SpikingNetwork
from ff2neuro.recording import Recording
from ff2neuro.validation.neutral import neutral_source
from ff2neuro.validation.run_config import run_config
from ff2neuro.validation.trained import AnalogModel, TrainedModel, TrainedNetwork

__all__ = ["FloatExecution", "float_execution", "float_graph", "latents_of", "trained_model"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class FloatExecution:
    """What a network that learned in spiking neurons does with the images in floating point.

    Attributes
    ----------
    network : SpikingNetwork
        What was trained.
    recording, neutral : Recording
        Its spikes under all label hypotheses, and under the neutral label.
    """

    network: SpikingNetwork
    recording: Recording
    neutral: Recording

    def latents(self, indices: Array) -> list[Array]:
        """Read the activity of every layer; see `TrainedModel`."""
        return latents_of(self.network, self.recording, indices)

    def neutral_latents(self) -> list[Array]:
        """Read the activity under the neutral label; see `TrainedModel`."""
        return [latent[:, 0] for latent in recorded_latents(self.network, self.neutral)]


def latents_of(network: SpikingNetwork, recording: Recording, indices: Array) -> list[Array]:
    """Return the activity that recorded spikes of some images stand for.

    Parameters
    ----------
    network : SpikingNetwork
        Network that was run.
    recording : Recording
        What a machine did.
    indices : ndarray of int, shape (n,), n at least 1
        Which images.

    Returns
    -------
    list of ndarray of shape (n, n_hypotheses, n_neurons)
        As `ff2neuro.coding.recorded_latents`.
    """
    runs = np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1)
    parts = [recorded_latents(network, recording, int(run[0]), int(run[-1]) + 1) for run in runs]
    return [np.concatenate(layer) for layer in zip(*parts, strict=True)]


@contextmanager
def trained_model(network: TrainedNetwork, images: Array) -> Iterator[TrainedModel]:
    """Make of a trained network what a verdict compares with.

    Parameters
    ----------
    network : AnalogNetwork or SpikingNetwork
        What was trained.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].

    Yields
    ------
    TrainedModel
        For use inside the ``with`` block.

    Raises
    ------
    NetworkError
        As `float_graph`.
    """
    if isinstance(network, AnalogNetwork):
        yield AnalogModel(network, images)
        return
    with float_execution(network, images) as execution:
        yield execution


@contextmanager
def float_execution(network: SpikingNetwork, images: Array) -> Iterator[FloatExecution]:
    """Execute a network that learned in spiking neurons in double precision.

    Parameters
    ----------
    network : SpikingNetwork
        What was trained.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].

    Yields
    ------
    FloatExecution
        Its recordings are temporary files, removed in the end.

    Raises
    ------
    NetworkError
        As `float_graph`.
    DatasetError
        If the images are not of the network's size.
    """
    graph = float_graph(network)
    config = run_config(network)
    backend = ReferenceBackend("float")
    with TemporaryDirectory(prefix="ff2neuro-") as directory:
        labels, neutral = (Path(directory) / f"{name}.h5" for name in ("labels", "neutral"))
        with (
            backend.run(graph, encode(network.input_code, images, network.n_time_steps), config, labels) as recording,
            backend.run(graph, neutral_source(network, images), config, neutral) as of_neutral,
        ):
            yield FloatExecution(network, recording, of_neutral)


def float_graph(network: SpikingNetwork) -> nir.NIRGraph:
    """Write a network that learned in spiking neurons as it was trained.

    Parameters
    ----------
    network : SpikingNetwork
        What `ff2neuro train --learning hebbian` wrote, or any other spiking network.

    Returns
    -------
    nir.NIRGraph
        Native neurons. Where the provenance names the membrane decay of the training, of which a layer's leak is the
        rounded form, the neurons have that decay itself.

    Raises
    ------
    NetworkError
        If no graph can say what the network does, as where only some neurons may win.
    """
    graph = to_nir(network, "native")
    decay = network.provenance.get("config.membrane_decay")
    if not isinstance(decay, (int, float)) or not 0 < decay < 1:
        return graph
    for index, layer in enumerate(network.layers):
        if layer.leak == round((1 - decay) * DECAY_UNITY):
            steps = np.full(layer.n_neurons, 1 / (1 - decay))
            threshold = np.array(layer.v_threshold)
            graph.nodes[spikes_name(index)] = nir.LIF(
                tau=steps * network.dt, r=steps, v_leak=0 * steps, v_threshold=threshold, v_reset=0 * steps
            )
    return graph
