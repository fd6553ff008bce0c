"""The reference backend: what every other machine is compared with."""

from pathlib import Path
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro._version import __version__
from ff2neuro.dynamics import State, simulate
from ff2neuro.errors import GraphError
from ff2neuro.hardware.backend import Backend, RunConfig
from ff2neuro.hardware.chain import Chain, ChainLayer, read_chain
from ff2neuro.hardware.fixed_point import (
    FixedPointLayer,
    check_currents,
    check_fan_in,
    fixed_point_layers,
    why_not_fixed_point,
)
from ff2neuro.inputs import InputSource
from ff2neuro.progress import progress_bar
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter

__all__ = ["ReferenceBackend"]

Array = npt.NDArray[Any]

#: Presentations simulated together: enough for BLAS, few enough for their states to stay in the cache.
PRESENTATIONS_PER_CHUNK = 500
#: Sums of integers below this are exact in single precision.
EXACT_SINGLE = 2**24


class ReferenceBackend(Backend):
    """NumPy simulation of a NIR chain.

    Integer weights, thresholds of k + 1/2 and integer input select the arithmetic of Lava's fixed-point models, bit by
    bit; anything else is simulated in double precision.

    Parameters
    ----------
    arithmetic : {"auto", "fixed", "float"}
        Which arithmetic to use; "auto" takes fixed point where it can.
    """

    name = "reference"

    def __init__(self, arithmetic: str = "auto") -> None:
        self._arithmetic = arithmetic

    @property
    def version(self) -> str:
        """Version of this package."""
        return __version__

    def run(
        self, graph: nir.NIRGraph, inputs: InputSource, config: RunConfig | None = None, out: Path | None = None
    ) -> Recording:
        """Run every presentation through the graph; see `Backend.run`."""
        config = config or RunConfig()
        chain = read_chain(graph, config.dt, config.reset)
        check_input_size(chain, inputs)
        _require_answer(chain, config)
        fixed = self._fixed_layers(chain, inputs)
        header = RecordingHeader(
            layers=chain.layer_sizes,
            n_images=inputs.n_images,
            n_hypotheses=inputs.n_hypotheses,
            n_time_steps=inputs.n_time_steps,
            kind=config.record,
            backend=self.name,
            backend_version=self.version,
            arithmetic="fixed" if fixed else "float",
            dt=config.dt,
            states=config.states,
        )
        images = max(1, PRESENTATIONS_PER_CHUNK // max(1, inputs.n_hypotheses))
        with (
            RecordingWriter(header, out) as writer,
            progress_bar("reference simulation", inputs.n_images, "images") as bar,
        ):
            for start, events in inputs.chunks(images):
                spikes, states = _simulate(chain, fixed, events, header)
                writer.write(start, spikes, states)
                bar.advance(len(events))
        return writer.finish()

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


def _require_answer(chain: Chain, config: RunConfig) -> None:
    """Refuse a run whose recording would lack what the last neurons answer with."""
    last = chain.layers[-1]
    if not last.spiking and not config.states:
        raise GraphError(
            f"node {last.name!r} is a {last.kind}, which answers with its membrane potential and never spikes; "
            "record it with --states"
        )


def _simulate(
    chain: Chain, fixed: tuple[FixedPointLayer, ...] | None, events: Array, header: RecordingHeader
) -> tuple[dict[str, Array], dict[str, tuple[Array, Array]]]:
    """Simulate a chunk of images, layer by layer."""
    n_images, n_hypotheses = events.shape[:2]
    activity = events.reshape(-1, *events.shape[2:])
    spikes: dict[str, Array] = {}
    states: dict[str, tuple[Array, Array]] = {}
    layers: tuple[FixedPointLayer | ChainLayer, ...] = fixed or chain.layers
    for index, layer in enumerate(layers):
        if isinstance(layer, FixedPointLayer):
            largest = float(np.abs(activity).max(initial=0)) * np.abs(layer.weight).sum(axis=1).max(initial=0)
            currents = _project(activity, layer.weight, np.float32 if largest < EXACT_SINGLE else np.float64)
            if index == 0:
                check_currents(layer, currents)
        else:
            currents = _project(activity, layer.weight, np.float64) + layer.bias
        trace: list[State] | None = [] if header.states else None
        activity = simulate(layer.neurons, currents, header.n_time_steps, trace)
        shape = (n_images, n_hypotheses, header.n_time_steps, layer.weight.shape[0])
        spikes[layer.name] = activity.reshape(shape)
        if trace is not None:
            u = np.stack([state.u for state in trace], axis=1)
            v = np.stack([state.v for state in trace], axis=1)
            states[layer.name] = (u.reshape(shape), v.reshape(shape))
    return spikes, states


def _project(activity: Array, weight: Array, dtype: type) -> Array:
    """Weighted input of every presentation and step: shape (n_presentations, n_steps, n_neurons)."""
    flat: Array = activity.reshape(-1, activity.shape[-1]).astype(dtype)
    currents: Array = flat @ weight.T.astype(dtype)
    return currents.reshape(*activity.shape[:2], weight.shape[0])
