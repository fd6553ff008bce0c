"""Sweeps: accuracy and latents while one choice of the conversion, or one disturbance, is varied."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.analysis import CosineMean
from ff2neuro.coding import encode, input_energy, scores_of_latents, spiking_latents
from ff2neuro.converters.nir_graph import initial_potentials
from ff2neuro.converters.rate import convert
from ff2neuro.errors import GraphError, NetworkError, RangeError
from ff2neuro.hardware.backend import Backend, RunConfig
from ff2neuro.networks import AnalogNetwork, SpikingNetwork, predict_from_scores
from ff2neuro.progress import progress_bar
from ff2neuro.validation.subsamples import spread
from ff2neuro.validation.sweep_figures import Sweep, SweepPoint
from ff2neuro.validation.sweep_points import (
    CONVERSION_PARAMETERS,
    SweepRequest,
    conversion_of,
    disturb_graph,
    disturb_images,
    vary,
)

__all__ = ["MAX_SWEPT_IMAGES", "run_sweep"]

Array = npt.NDArray[Any]

#: Images at each point of a sweep: each point is a run of its own.
MAX_SWEPT_IMAGES = 1000
#: Images that are compared at once.
CHUNK = 100


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all points of a sweep share."""

    analog: AnalogNetwork
    images: Array
    labels: Array
    machine: Backend
    directory: Path


def run_sweep(
    request: SweepRequest,
    analog: AnalogNetwork,
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
    analog, spiking : AnalogNetwork, SpikingNetwork
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
    """
    chosen = spread(len(data[0]), MAX_SWEPT_IMAGES)
    points = []
    with (
        TemporaryDirectory(prefix="ff2neuro-") as directory,
        progress_bar(f"Sweep of {request.parameter}", len(request.values), "points") as progress,
    ):
        bench = _Bench(analog, data[0][chosen], data[1][chosen], machine, Path(directory))
        for value in request.values:
            try:
                points.append(_point(bench, request, value, spiking, calibration, seed))
            except (RangeError, NetworkError, GraphError) as error:
                points.append(SweepPoint(value, None, None, None, (), None, str(error)))
            progress.advance()
    return Sweep(request.parameter, len(chosen), tuple(points))


def _point(
    bench: _Bench, request: SweepRequest, value: float | str, spiking: SpikingNetwork, calibration: Array, seed: int
) -> SweepPoint:
    if request.parameter in CONVERSION_PARAMETERS:
        network = convert(bench.analog, calibration, vary(conversion_of(spiking), request.parameter, value))
        return _measure(bench, value, network, disturb_graph(network, request, 0.0, seed), bench.images)
    strength = float(value)
    images = disturb_images(bench.images, request, strength, seed)
    return _measure(bench, value, spiking, disturb_graph(spiking, request, strength, seed), images)


def _measure(
    bench: _Bench, value: float | str, network: SpikingNetwork, graph: nir.NIRGraph, images: Array
) -> SweepPoint:
    """Run a graph and compare it with what the analog network makes of the undisturbed images."""
    source = encode(network.input_code, images, network.n_time_steps)
    config = RunConfig(dt=network.dt, reset=network.reset, v_init=initial_potentials(network))
    cosines = [CosineMean() for _ in network.layers]
    classes = np.zeros((2, len(images)), dtype=np.int64)
    n_spikes = [0] * len(network.layers)
    with bench.machine.run(graph, source, config, bench.directory / f"{value}.h5") as recording:
        for start in range(0, len(images), CHUNK):
            stop = min(start + CHUNK, len(images))
            counts = [recording.counts(name, start, stop) for name in recording.layer_names]
            clean, noisy = bench.images[start:stop], images[start:stop]
            latents = bench.analog.latents(clean), spiking_latents(network, counts)
            energy = input_energy(network.input_code, noisy)
            classes[0, start:stop], _ = predict_from_scores(bench.analog.scores_of_latents(clean, latents[0]))
            classes[1, start:stop], _ = predict_from_scores(scores_of_latents(network, latents[1], energy))
            for index, count in enumerate(counts):
                cosines[index].update(latents[0][index], latents[1][index])
                n_spikes[index] += int(count.sum(dtype=np.int64))
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


def _synops(network: SpikingNetwork, n_events: Array | None, n_spikes: Sequence[int]) -> float | None:
    """Operations per image; None where the machine noted no input events."""
    if n_events is None:
        return None
    arriving = [int(n_events.sum()), *n_spikes[:-1]]
    operations = sum(events * layer.n_neurons for events, layer in zip(arriving, network.layers, strict=True))
    return operations / len(n_events)
