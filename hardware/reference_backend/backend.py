"""The reference backend: what every other machine is compared with."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro._version import __version__
from ff2neuro.dynamics import State, simulate
from ff2neuro.errors import ConfigurationError, GraphError
from ff2neuro.hardware.backend import Backend, RunConfig
from ff2neuro.hardware.beyond_nir import configured_chain
from ff2neuro.hardware.chain import Chain, ChainLayer
from ff2neuro.hardware.early_exit import ScoreBounds
from ff2neuro.hardware.fixed_point import (
    FixedPointLayer,
    check_currents,
    check_fan_in,
    exact_layers,
    why_not_fixed_point,
)
from ff2neuro.hardware.reference_backend.integers import Projection, within_32_bits
from ff2neuro.inputs import InputSource
from ff2neuro.progress import progress_bar
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter

if TYPE_CHECKING:
    from ff2neuro.hardware.reference_backend.compiled_chain import CompiledChain

__all__ = ["ReferenceBackend"]

Array = npt.NDArray[Any]
#: Presentations simulated together: enough for matrix products to be worth their while.
PRESENTATIONS_PER_CHUNK = 4000
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
    stops_early = True
    sends_several = True

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
        chain = configured_chain(graph, config)
        check_input_size(chain, inputs)
        _require_answer(chain, config)
        fixed = self._fixed_layers(chain, inputs)
        header = self.recording_header(chain.layer_sizes, inputs, config, "fixed" if fixed else "float")
        images = _images_per_chunk(chain, inputs)
        simulate_chunk = self._simulator(chain, fixed, header, config.early_exit)
        with (
            RecordingWriter(header, out) as writer,
            progress_bar("reference simulation", inputs.n_images, "images") as bar,
        ):
            for start, events in inputs.chunks(images):
                simulate_chunk(start, events, writer)
                bar.advance(len(events))
        return writer.finish()

    def _simulator(
        self,
        chain: Chain,
        fixed: tuple[FixedPointLayer, ...] | None,
        header: RecordingHeader,
        early_exit: ScoreBounds | None,
    ) -> Callable[[int, Array, RecordingWriter], None]:
        """Choose what simulates and writes a chunk: compiled code for large fixed-point runs, NumPy for all else."""
        steps = header.n_images * header.n_hypotheses * header.n_time_steps
        large = steps * sum(header.layers.values()) >= COMPILED_FROM
        if fixed is not None and within_32_bits(fixed) and not header.states and (large or early_exit):
            from ff2neuro.hardware.reference_backend.compiled_chain import CompiledChain, available_threads

            compiled = CompiledChain(fixed, self._threads or available_threads())
            return partial(_simulate_compiled, compiled, early_exit)
        if early_exit is not None:
            raise ConfigurationError(
                "an early exit needs fixed-point arithmetic, which this graph does not run in; leave it out, or "
                "quantise the graph first: ff2neuro export FILE.nir --weight-bits 8"
            )
        return partial(_simulate, chain, fixed)

    def _fixed_layers(self, chain: Chain, inputs: InputSource) -> tuple[FixedPointLayer, ...] | None:
        """Layers in fixed point, or None if this run is one in double precision."""
        if self._arithmetic == "float":
            return None
        obstacle = why_not_fixed_point(chain) or (None if inputs.integer else "the input is not made of integers")
        if obstacle and self._arithmetic == "fixed":
            raise GraphError(f"fixed-point arithmetic was asked for, but {obstacle}")
        if obstacle:
            return None
        fixed = exact_layers(chain)
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
    given = max(1, inputs.n_hypotheses) if inputs.constant else steps
    # A byte for an event or a spike, eight for a current, of one layer at a time.
    widest = max(layer.n_neurons for layer in chain.layers)
    bytes_per_image = given * chain.n_inputs + steps * (sum(chain.layer_sizes.values()) + 8 * widest)
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


def _simulate_compiled(
    compiled: "CompiledChain", early_exit: ScoreBounds | None, start: int, events: Array, writer: RecordingWriter
) -> None:
    """Simulate and write a chunk of images in compiled code."""
    from ff2neuro.hardware.reference_backend.digests import digest_and_count

    header = writer.header

    def note(first: int, part: Array) -> None:
        writer.note_inputs(start + first, *digest_and_count(part, header.n_time_steps))

    if early_exit is None:
        writer.write(start, compiled.run(events, header.n_time_steps, header.kind, note))
        return
    counts, steps = compiled.run_until_decided(events, header.n_time_steps, start, early_exit)
    note(0, events)
    writer.write(start, counts, steps=steps)


def _simulate(
    chain: Chain, fixed: tuple[FixedPointLayer, ...] | None, start: int, events: Array, writer: RecordingWriter
) -> None:
    """Simulate and write a chunk of images, layer by layer."""
    header = writer.header
    writer.write_inputs(start, events)
    n_images, n_hypotheses = events.shape[:2]
    activity = events.reshape(-1, *events.shape[2:])
    spikes: dict[str, Array] = {}
    states: dict[str, tuple[Array, Array]] = {}
    layers: tuple[FixedPointLayer | ChainLayer, ...] = fixed or chain.layers
    for index, layer in enumerate(layers):
        if isinstance(layer, FixedPointLayer):
            flat = Projection(layer.weight)(activity.reshape(-1, activity.shape[-1]))
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
    writer.write(start, spikes, states)
