"""Sweeps: accuracy and latents while one choice of the conversion, or one disturbance, is varied."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.analysis import CosineMean
from ff2neuro.coding import encode, input_energy, scores_of_latents
from ff2neuro.converters.leaky import quantise_network
from ff2neuro.converters.nir_graph import initial_potentials
from ff2neuro.converters.rate import convert
from ff2neuro.errors import ConfigurationError, GraphError, NetworkError, RangeError
from ff2neuro.hardware.backend import Backend
from ff2neuro.networks import SpikingNetwork, predict_from_scores
from ff2neuro.progress import progress_bar
from ff2neuro.validation.float_execution import latents_of, trained_model
from ff2neuro.validation.run_config import run_config
from ff2neuro.validation.subsamples import spread
from ff2neuro.validation.sweep_figures import Sweep, SweepPoint
from ff2neuro.validation.sweep_points import (
    CONVERSION_PARAMETERS,
    SweepRequest,
    conversion_of,
    disturb_graph,
    disturb_images,
    require_sweepable,
    vary,
)
from ff2neuro.validation.trained import TrainedModel, TrainedNetwork

__all__ = ["MAX_SWEPT_IMAGES", "run_sweep"]

Array = npt.NDArray[Any]

#: Images at each point of a sweep: each point is a run of its own.
MAX_SWEPT_IMAGES = 1000
#: Images that are compared at once.
CHUNK = 100


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all points of a sweep share."""

    model: TrainedModel
    images: Array
    labels: Array
    machine: Backend
    directory: Path


def run_sweep(
    request: SweepRequest,
    trained: TrainedNetwork,
    spiking: SpikingNetwork,
    data: tuple[Array, Array],
    calibration: Array,
    machine: Backend,
    *,
    seed: int = 0,
) -> Sweep:
    """Measure a network at every value of one parameter.

    Parameters
    ----------
    request : SweepRequest
        What to vary.
    trained, spiking : AnalogNetwork or SpikingNetwork, SpikingNetwork
        The model, and its conversion, whose other choices are kept.
    data : tuple of two ndarray
        Images of shape (n_images, n_pixels) and labels, of which no more than `MAX_SWEPT_IMAGES` are taken.
    calibration : ndarray of shape (n, n_pixels)
        Training images on which conversions balance their thresholds.
    machine : Backend
        Where to run, started.
    seed : int
        Source of noise, and of which neurons break.

    Returns
    -------
    Sweep
        Figures of all points; a value that the conversion or the machine refuses has their reason instead.

    Raises
    ------
    ConfigurationError
        As `ff2neuro.validation.sweep_points.require_sweepable`.
    """
    require_sweepable(request, trained, spiking)
    chosen = spread(len(data[0]), MAX_SWEPT_IMAGES)
    points = []
    with (
        TemporaryDirectory(prefix="ff2neuro-") as directory,
        trained_model(trained, data[0][chosen]) as model,
        progress_bar(f"Sweep of {request.parameter}", len(request.values), "points") as progress,
    ):
        bench = _Bench(model, data[0][chosen], data[1][chosen], machine, Path(directory))
        for value in request.values:
            try:
                points.append(_point(bench, request, value, spiking, calibration, seed))
            except (ConfigurationError, RangeError, NetworkError, GraphError) as error:
                points.append(SweepPoint(value, None, None, None, (), None, str(error)))
            progress.advance()
    return Sweep(request.parameter, len(chosen), tuple(points))


def _point(
    bench: _Bench, request: SweepRequest, value: float | str, spiking: SpikingNetwork, calibration: Array, seed: int
) -> SweepPoint:
    if request.parameter in CONVERSION_PARAMETERS:
        network = _converted(bench.model.network, request, value, spiking, calibration)
        return _measure(bench, value, network, disturb_graph(network, request, 0.0, seed), bench.images)
    strength = float(value)
    images = disturb_images(bench.images, request, strength, seed)
    return _measure(bench, value, spiking, disturb_graph(spiking, request, strength, seed), images)


def _converted(
    trained: TrainedNetwork, request: SweepRequest, value: float | str, spiking: SpikingNetwork, calibration: Array
) -> SpikingNetwork:
    """Convert anew with one other choice; of a network that learned in spiking neurons that is the weight bits."""
    config = vary(conversion_of(spiking), request.parameter, value)
    if not isinstance(trained, SpikingNetwork):
        return convert(trained, calibration, config)
    if config.weight_bits is None:
        return replace(trained, dt=spiking.dt)
    return quantise_network(trained, calibration, config.weight_bits, spiking.dt)


def _measure(
    bench: _Bench, value: float | str, network: SpikingNetwork, graph: nir.NIRGraph, images: Array
) -> SweepPoint:
    """Run a graph and compare it with what the trained network makes of the undisturbed images."""
    source = encode(network.input_code, images, network.n_time_steps)
    # A stuck neuron may have a lower threshold than the one that its start was made for.
    v_init = {
        name: np.minimum(start, graph.nodes[name].v_threshold) for name, start in initial_potentials(network).items()
    }
    config = run_config(network, v_init=v_init)
    cosines = [CosineMean() for _ in network.layers]
    classes = np.zeros((2, len(images)), dtype=np.int64)
    n_spikes = [0] * len(network.layers)
    with bench.machine.run(graph, source, config, bench.directory / f"{value}.h5") as recording:
        for start in range(0, len(images), CHUNK):
            chosen = np.arange(start, min(start + CHUNK, len(images)))
            latents = bench.model.latents(chosen), latents_of(network, recording, chosen)
            classes[0, chosen] = _classes(bench.model.network, latents[0], bench.images[chosen])
            classes[1, chosen] = _classes(network, latents[1], images[chosen])
            for index, name in enumerate(recording.layer_names):
                cosines[index].update(latents[0][index], latents[1][index])
                n_spikes[index] += int(recording.counts(name, start, start + CHUNK).sum(dtype=np.int64))
        n_events = recording.input_events
    right = (classes == bench.labels).mean(axis=1)
    return SweepPoint(
        value=value,
        accuracy=float(right[1]),
        accuracy_drop_pp=100 * float(right[0] - right[1]),
        prediction_agreement=float((classes[0] == classes[1]).mean()),
        cosines=tuple(cosine.result() for cosine in cosines),
        synops_per_sample=_synops(network, n_events, n_spikes),
    )


def _classes(network: TrainedNetwork, latents: list[Array], images: Array) -> Array:
    if isinstance(network, SpikingNetwork):
        scores = scores_of_latents(network, latents, input_energy(network.input_code, images))
    else:
        scores = network.scores_of_latents(images, latents)
    return predict_from_scores(scores)[0]


def _synops(network: SpikingNetwork, n_events: Array | None, n_spikes: Sequence[int]) -> float | None:
    """Operations per image; None where the machine noted no input events."""
    if n_events is None:
        return None
    arriving = [int(n_events.sum()), *n_spikes[:-1]]
    operations = sum(events * layer.n_neurons for events, layer in zip(arriving, network.layers, strict=True))
    return operations / len(n_events)
