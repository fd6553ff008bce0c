"""brian2-loihi behind the backend contract: small integer graphs, as an independent check of Loihi's arithmetic."""

from pathlib import Path
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import STATE_LIMIT
from ff2neuro.errors import GraphError, RangeError
from ff2neuro.hardware.backend import Backend, RunConfig
from ff2neuro.hardware.beyond_nir import require_rest
from ff2neuro.hardware.chain import read_chain
from ff2neuro.hardware.fixed_point import FixedPointLayer, check_currents, check_fan_in, fixed_point_layers
from ff2neuro.hardware.own_environment import OwnEnvironment
from ff2neuro.hardware.reference_backend.backend import check_input_size
from ff2neuro.hardware.script_worker import ask, record_chunks
from ff2neuro.inputs import InputSource
from ff2neuro.recording import Recording, RecordingHeader

__all__ = ["BRIAN2_LOIHI", "Brian2LoihiBackend"]

Array = npt.NDArray[Any]

BRIAN2_LOIHI = OwnEnvironment(
    backend="brian2-loihi",
    distribution="brian2-loihi",
    version="0.5.2",
    requirements=Path(__file__).with_name("requirements.txt"),
    check="import brian2_loihi",
    size="about 180 MB",
)
WORKER = Path(__file__).with_name("worker.py")
#: Synapses that are simulated side by side: a few hundred bytes each.
SYNAPSES = 1_000_000
PRESENTATIONS_PER_CHUNK = 500
#: Ranges of Loihi 1: weights of one sign, thresholds, and values made of the bits that weight exponents offer.
WEIGHT_RANGE, VTH_LIMIT, INPUT_LIMIT = (-256, 255), 131071, 255


class Brian2LoihiBackend(Backend):
    """Runs integer graphs that reset to zero on brian2-loihi 0.5.2; slow, and written by others than Lava."""

    name = "brian2-loihi"

    @property
    def version(self) -> str:
        """Version of brian2-loihi, or "missing"."""
        return BRIAN2_LOIHI.status().version or "missing"

    def run(
        self, graph: nir.NIRGraph, inputs: InputSource, config: RunConfig | None = None, out: Path | None = None
    ) -> Recording:
        """Run every presentation through the graph; see `Backend.run`."""
        config = config or RunConfig()
        layers = _layers(graph, inputs, config)
        python = BRIAN2_LOIHI.find_interpreter()
        sizes = {layer.name: layer.neurons.n_neurons for layer in layers}
        header = self.recording_header(sizes, inputs, config, "fixed")

        def simulate(events: Array) -> dict[str, Array]:
            return _simulate(python, layers, events, header, config.time_limit)

        return record_chunks(header, inputs, out, _images_per_chunk(layers, inputs), simulate)


def _layers(graph: nir.NIRGraph, inputs: InputSource, config: RunConfig) -> tuple[FixedPointLayer, ...]:
    """Translate the graph into integers, or say why brian2-loihi cannot honour it."""
    require_rest(config, "brian2-loihi")
    chain = read_chain(graph, config.dt, config.reset)
    check_input_size(chain, inputs)
    layers = fixed_point_layers(chain)
    check_fan_in(layers)
    if config.reset != "zero" or config.states:
        raise GraphError("brian2-loihi resets to zero, and its potentials are not recorded; use the reference backend")
    if not inputs.integer:
        raise GraphError("the input events are not integers, which is all that brian2-loihi takes; round them")
    for layer in layers:
        vth = np.asarray(layer.neurons.vth)
        if np.any(layer.neurons.bias) or np.ptp(vth):
            raise GraphError(f"node {layer.name!r} has a bias or uneven thresholds, which brian2-loihi has not")
        for what, values, limits in (("weights", layer.weight, WEIGHT_RANGE), ("thresholds", vth, (0, VTH_LIMIT))):
            if values.min() < limits[0] or values.max() > limits[1]:
                raise RangeError(
                    f"node {layer.name!r}: {what} reach from {values.min():.0f} to {values.max():.0f}; Loihi holds "
                    f"{limits[0]} to {limits[1]}: use fewer weight bits"
                )
    return layers


def _images_per_chunk(layers: tuple[FixedPointLayer, ...], inputs: InputSource) -> int:
    synapses = sum(int(np.count_nonzero(layer.weight)) for layer in layers)
    presentations = min(PRESENTATIONS_PER_CHUNK, SYNAPSES // max(1, synapses))
    return max(1, presentations // max(1, inputs.n_hypotheses))


def _simulate(
    python: str, layers: tuple[FixedPointLayer, ...], events: Array, header: RecordingHeader, time_limit: float | None
) -> dict[str, Array]:
    """Run a chunk of images in a process of its own."""
    n_images, n_hypotheses, _, n_inputs = events.shape
    if events.min(initial=0) < 0 or events.max(initial=0) > INPUT_LIMIT:
        raise RangeError(
            f"input events reach {events.max()} or below 0; brian2-loihi takes 0 to {INPUT_LIMIT}: scale them"
        )
    check_currents(layers[0], events.reshape(-1, n_inputs).astype(np.float64) @ layers[0].weight.T)
    steps = np.broadcast_to(events, (n_images, n_hypotheses, header.n_time_steps, n_inputs))
    request: dict[str, Array] = {
        "events": steps.reshape(-1, header.n_time_steps, n_inputs).astype(np.int64),
        "n_layers": np.array(len(layers)),
        "vth": np.array([np.max(layer.neurons.vth) for layer in layers]),
        "mem_leak": np.array([layer.neurons.mem_leak for layer in layers]),
        "syn_leak": np.array([layer.neurons.syn_leak for layer in layers]),
    }
    request |= {f"weight_{index}": layer.weight.astype(np.int64) for index, layer in enumerate(layers)}
    answer = ask(BRIAN2_LOIHI, python, WORKER, request, time_limit)
    if answer["lowest"] <= 1 - STATE_LIMIT:
        raise RangeError(
            f"a membrane potential falls to {float(answer['lowest']) / 64:.0f}, where Lava clips it and brian2-loihi "
            "does not: use fewer steps or weight bits"
        )
    shape = (n_images, n_hypotheses, header.n_time_steps)
    return {layer.name: answer[f"spikes_{index}"].reshape(*shape, -1) for index, layer in enumerate(layers)}
