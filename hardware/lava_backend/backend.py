"""The Lava backend: integer graphs on the official simulator, bit for bit what `ff2neuro.dynamics` says."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import STATE_SCALE
from ff2neuro.errors import BackendError, ConfigurationError, RangeError
from ff2neuro.hardware.backend import Backend, RunConfig
from ff2neuro.hardware.fixed_point import FixedPointLayer
from ff2neuro.hardware.lava_backend.chunks import ChunkPlan
from ff2neuro.hardware.lava_backend.environment import LAVA
from ff2neuro.hardware.lava_backend.limits import check_events, lava_layers
from ff2neuro.hardware.lava_backend.memory import fitting_lanes
from ff2neuro.hardware.lava_backend.pool import WorkerPool
from ff2neuro.hardware.lava_backend.resume import ChunkStore, go_on
from ff2neuro.inputs import InputSource
from ff2neuro.progress import progress_bar
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter

__all__ = ["DEFAULT_LANES", "LavaBackend"]

Array = npt.NDArray[Any]

#: Where benchmarks/lava.py finds the throughput to level off.
DEFAULT_LANES = 200
#: u and v are read value by value, which takes so long that lanes gain nothing.
LANES_WITH_STATES = 8


class LavaBackend(Backend):
    """Runs integer graphs on Lava's fixed-point CPU models, in workers of their own Python.

    Parameters
    ----------
    lanes : int, optional
        Presentations simulated side by side in one Lava network, with a Dense process of ours. One lane takes official
        Lava processes only; it is slow, and the witness that the lanes are exact. Reset by subtraction and initial
        potentials take a model of ours of the official LIFReset, whatever the number of lanes.
    workers : int
        Number of workers.

    Raises
    ------
    ConfigurationError
        If there is not at least one lane and one worker.
    """

    name = "lava"
    sends_several = True

    def __init__(self, lanes: int | None = None, workers: int = 1) -> None:
        if lanes is not None and lanes < 1:
            raise ConfigurationError(
                f"the number of lanes is {lanes}; it must be at least 1 (1: official processes only)"
            )
        if workers < 1:
            raise ConfigurationError(f"the number of workers is {workers}; it must be at least 1")
        self._lanes = lanes
        self._n_workers = workers
        self._pool: WorkerPool | None = None
        self._kept = False

    @property
    def version(self) -> str:
        """Version of lava-nc."""
        if self._pool is not None:
            return self._pool.version
        return LAVA.status().version or "missing"

    def __enter__(self) -> "LavaBackend":
        """Keep the workers from one run to the next."""
        self._kept = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept = False
        self._end(orderly=error is None)

    def run(
        self, graph: nir.NIRGraph, inputs: InputSource, config: RunConfig | None = None, out: Path | None = None
    ) -> Recording:
        """Run every presentation through the graph; see `Backend.run`.

        A run that writes to `out` keeps finished chunks beside it until it is through: the same run, started again
        after an error, goes on where it stopped.

        Raises
        ------
        ConfigurationError
            If more lanes were asked for than memory holds.
        GraphError
            If the graph is not made of integers.
        RangeError
            If weights, thresholds, inputs or currents are beyond what Lava can hold.
        BackendMissingError
            If Lava is not installed.
        BackendError
            If Lava fails.
        """
        config = config or RunConfig()
        layers = lava_layers(graph, inputs, config)
        try:
            recording = self._run(layers, inputs, config, out)
        except BaseException:
            self._end(orderly=False)
            raise
        if not self._kept:
            self._end(orderly=True)
        return recording

    def _started(self, config: RunConfig) -> WorkerPool:
        if self._pool is None:
            self._pool = WorkerPool(LAVA.find_interpreter(), self._n_workers, config.time_limit)
        for worker in self._pool.workers:
            worker.set_time_limit(config.time_limit)
        return self._pool

    def _end(self, *, orderly: bool) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            if orderly:
                pool.stop()
            else:
                pool.kill()

    def _run(
        self,
        layers: tuple[FixedPointLayer, ...],
        inputs: InputSource,
        config: RunConfig,
        out: Path | None,
    ) -> Recording:
        sizes = {layer.name: layer.neurons.n_neurons for layer in layers}
        header = self.recording_header(sizes, inputs, config, "fixed")
        default = LANES_WITH_STATES if config.states else DEFAULT_LANES
        lanes = fitting_lanes(self._lanes, default, inputs, header, self._n_workers)
        plan = ChunkPlan.of(inputs, header, lanes)
        message, arrays = _build_request(layers, header, plan.lanes, config)
        pool = self._started(config)
        pool.build(message, arrays)
        resumable = out is not None and inputs.n_images > plan.n_images
        store = ChunkStore(out, message, arrays, pool.version) if out and resumable else None
        try:
            with (
                RecordingWriter(header, out) as writer,
                progress_bar("Lava simulation", inputs.n_images, "images") as bar,
            ):
                for start, answer in go_on(store, _chunks(plan, layers[0], inputs, writer), pool.map):
                    n_images = min(plan.n_images, inputs.n_images - start)
                    spikes, states = _by_layer(plan, header, answer, n_images)
                    writer.write(start, spikes, states)
                    bar.advance(n_images)
        except RangeError:
            # This input will never be simulated.
            if store is not None:
                store.clear()
            raise
        if store is not None:
            store.clear()
        return writer.finish()


def _build_request(
    layers: tuple[FixedPointLayer, ...], header: RecordingHeader, lanes: int, config: RunConfig
) -> tuple[dict[str, Any], dict[str, Array]]:
    message = {
        "op": "build",
        "n_time_steps": header.n_time_steps,
        "lanes": lanes,
        "reset": config.reset,
        "max_spikes_per_step": config.max_spikes_per_step,
        "record": header.kind,
        "states": header.states,
        "layers": [{"mem_leak": layer.neurons.mem_leak, "syn_leak": layer.neurons.syn_leak} for layer in layers],
    }
    arrays: dict[str, Array] = {}
    for index, layer in enumerate(layers):
        arrays[f"weight_{index}"] = layer.weight.astype(np.int8)
        arrays[f"vth_{index}"] = np.asarray(layer.neurons.vth).astype(np.int32)
        arrays[f"bias_{index}"] = (np.asarray(layer.neurons.bias) // STATE_SCALE).astype(np.int32)
        arrays[f"v_init_{index}"] = np.asarray(layer.neurons.v_init).astype(np.int32)
    return message, arrays


def _chunks(
    plan: ChunkPlan, layer: FixedPointLayer, inputs: InputSource, writer: RecordingWriter
) -> Iterator[tuple[int, Array]]:
    """Events of all chunks, checked, by the index of their first image."""
    for start, events in inputs.chunks(plan.n_images):
        check_events(layer, events)
        writer.write_inputs(start, events)
        yield start, plan.windows(events)


def _by_layer(
    plan: ChunkPlan, header: RecordingHeader, answer: dict[str, Array], n_images: int
) -> tuple[dict[str, Array], dict[str, tuple[Array, Array]]]:
    """Spikes and states of a chunk, by the name of the layer."""
    spikes, states = {}, {}
    for index, (name, n_neurons) in enumerate(header.layers.items()):
        sizes = (n_images, header.n_hypotheses, n_neurons)
        try:
            spikes[name] = plan.presentations(answer[f"spikes_{index}"], *sizes)
            if header.states:
                u, v = (plan.presentations(answer[f"{variable}_{index}"], *sizes) for variable in "uv")
                states[name] = (u, v)
        except (KeyError, ValueError) as error:
            raise BackendError(f"Lava's worker sent an answer of the wrong shape ({error}); run again") from error
    return spikes, states
