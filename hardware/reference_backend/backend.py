"""The reference backend: what every other machine is compared with."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro._version import __version__
from ff2neuro.dynamics import State, simulate
from ff2neuro.errors import ConfigurationError, GraphError
from ff2neuro.hardware.backend import Backend, RunConfig
from ff2neuro.hardware.chain import Chain, ChainLayer, read_chain
from ff2neuro.hardware.fixed_point import (
    FixedPointLayer,
    check_currents,
    check_fan_in,
    fixed_point_layers,
    why_not_fixed_point,
)
from ff2neuro.hardware.initial_potential import with_initial_potentials
from ff2neuro.hardware.reference_backend.integers import project, within_32_bits
from ff2neuro.inputs import InputSource
from ff2neuro.progress import progress_bar
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter

__all__ = ["ReferenceBackend"]

Array = npt.NDArray[Any]
#: Spikes, and u and v where they are recorded, by the name of the layer.
Chunk = tuple[dict[str, Array], dict[str, tuple[Array, Array]]]

#: Presentations simulated together: enough for matrix products to be worth their while.
PRESENTATIONS_PER_CHUNK = 1000
#: Memory that they may take, roughly [byte].
BYTES_PER_CHUNK = 2**27
#: Neurons times steps times presentations from which compiled code is faster although it has to be loaded first.
COMPILED_FROM = 2_000_000


class ReferenceBackend(Backend):
    """NumPy simulation of a NIR chain.

    Integer weights, thresholds of k + 1/2 and integer input select the arithmetic of Lava's fixed-point models, bit by
    bit; anything else is simulated in double precision.

    Parameters
    ----------
    arithmetic : {"auto", "fixed", "float"}
        Which arithmetic to use; "auto" takes fixed point where it can.
    threads : int, optional
        Number of threads of large fixed-point simulations, which run in compiled code; by default one for each
        processor. It changes no bit.

    Raises
    ------
    ConfigurationError
        If there is not at least one thread.
    """

    name = "reference"

    def __init__(self, arithmetic: str = "auto", threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ConfigurationError(f"the number of threads is {threads}; it must be at least 1")
        self._arithmetic = arithmetic
        self._threads = threads

    @property
    def version(self) -> str:
        """Version of this package."""
        return __version__

    def run(
        self, graph: nir.NIRGraph, inputs: InputSource, config: RunConfig | None = None, out: Path | None = None
    ) -> Recording:
        """Run every presentation through the graph; see `Backend.run`."""
        config = config or RunConfig()
        chain = with_initial_potentials(read_chain(graph, config.dt, config.reset), config)
        check_input_size(chain, inputs)
        _require_answer(chain, config)
        fixed = self._fixed_layers(chain, inputs)
        header = self.recording_header(chain.layer_sizes, inputs, config, "fixed" if fixed else "float")
        images = _images_per_chunk(chain, inputs)
        with (
            self._simulator(chain, fixed, header) as simulate_chunk,
            ThreadPoolExecutor(1) as notes,
            RecordingWriter(header, out) as writer,
            progress_bar("reference simulation", inputs.n_images, "images") as bar,
        ):
            for start, events in inputs.chunks(images):
                noted = notes.submit(writer.write_inputs, start, events)
                spikes, states = simulate_chunk(events)
                noted.result()
                writer.write(start, spikes, states)
                bar.advance(len(events))
        return writer.finish()

    @contextmanager
    def _simulator(
        self, chain: Chain, fixed: tuple[FixedPointLayer, ...] | None, header: RecordingHeader
    ) -> Iterator[Callable[[Array], Chunk]]:
        """Choose what simulates a chunk: compiled code for large fixed-point runs, NumPy for all else."""
        steps = header.n_images * header.n_hypotheses * header.n_time_steps
        large = steps * sum(header.layers.values()) >= COMPILED_FROM
        if fixed is None or header.states or not large or not within_32_bits(fixed):
            yield lambda events: _simulate(chain, fixed, events, header)
            return
        from ff2neuro.hardware.reference_backend.compiled_chain import CompiledChain, available_threads

        compiled = CompiledChain(fixed, self._threads or available_threads())

        def simulate_chunk(events: Array) -> Chunk:
            spikes = compiled.run(events, header.n_time_steps)
            return (compiled.counts(spikes) if header.kind == "counts" else spikes), {}

        try:
            yield simulate_chunk
        finally:
            compiled.close()

    def _fixed_layers(self, chain: Chain, inputs: InputSource) -> tuple[FixedPointLayer, ...] | None:
        """Layers in fixed point, or None if this run is one in double precision."""
        if self._arithmetic == "float":
            return None
        obstacle = why_not_fixed_point(chain) or (None if inputs.integer else "the input is not made of integers")
        if obstacle and self._arithmetic == "fixed":
            raise GraphError(f"fixed-point arithmetic was asked for, but {obstacle}")
        if obstacle:
            return None
        fixed = fixed_point_layers(chain)
        check_fan_in(fixed)
        return fixed


def check_input_size(chain: Chain, inputs: InputSource) -> None:
    """Refuse input events of another width than the graph's input.

    Parameters
    ----------
    chain : Chain
        The graph.
    inputs : InputSource
        The events.

    Raises
    ------
    GraphError
        If they do not fit.
    """
    if inputs.n_inputs != chain.n_inputs:
        raise GraphError(
            f"the input events have {inputs.n_inputs} channels, the graph takes {chain.n_inputs}; "
            "use the data that the network was made for"
        )


def _images_per_chunk(chain: Chain, inputs: InputSource) -> int:
    """Choose how many images are simulated together, so that events, currents and spikes fit their memory."""
    steps = inputs.n_time_steps * max(1, inputs.n_hypotheses)
    # A byte for an event or a spike, eight for a current, of one layer at a time.
    widest = max(layer.n_neurons for layer in chain.layers)
    bytes_per_image = steps * (chain.n_inputs + sum(chain.layer_sizes.values()) + 8 * widest)
    presentations = PRESENTATIONS_PER_CHUNK // max(1, inputs.n_hypotheses)
    return max(1, min(presentations, BYTES_PER_CHUNK // bytes_per_image))


def _require_answer(chain: Chain, config: RunConfig) -> None:
    """Refuse a run whose recording would lack what the last neurons answer with."""
    last = chain.layers[-1]
    if not last.spiking and not config.states:
        raise GraphError(
            f"node {last.name!r} is a {last.kind}, which answers with its membrane potential and never spikes; "
            "record it with --states"
        )


def _simulate(chain: Chain, fixed: tuple[FixedPointLayer, ...] | None, events: Array, header: RecordingHeader) -> Chunk:
    """Simulate a chunk of images, layer by layer."""
    n_images, n_hypotheses = events.shape[:2]
    activity = events.reshape(-1, *events.shape[2:])
    spikes: dict[str, Array] = {}
    states: dict[str, tuple[Array, Array]] = {}
    layers: tuple[FixedPointLayer | ChainLayer, ...] = fixed or chain.layers
    for index, layer in enumerate(layers):
        if isinstance(layer, FixedPointLayer):
            flat = project(activity.reshape(-1, activity.shape[-1]), layer.weight)
            currents = flat.reshape(*activity.shape[:2], -1)
            if index == 0:
                check_currents(layer, currents)
        else:
            currents = activity.astype(np.float64) @ layer.weight.T + layer.bias
        trace: list[State] | None = [] if header.states else None
        activity = simulate(layer.neurons, currents, header.n_time_steps, trace)
        shape = (n_images, n_hypotheses, header.n_time_steps, layer.weight.shape[0])
        spikes[layer.name] = activity.reshape(shape)
        if trace is not None:
            u = np.stack([state.u for state in trace], axis=1)
            v = np.stack([state.v for state in trace], axis=1)
            states[layer.name] = (u.reshape(shape), v.reshape(shape))
    return spikes, states
