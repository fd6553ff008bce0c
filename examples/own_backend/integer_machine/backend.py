"""What ff2neuro asks of a machine: a graph and input events in, a recording out."""

from pathlib import Path

import nir
import numpy as np

from ff2neuro.errors import GraphError
from ff2neuro.hardware.backend import Backend, RunConfig
from ff2neuro.hardware.beyond_nir import require_rest
from ff2neuro.hardware.chain import Chain, read_chain
from ff2neuro.hardware.fixed_point import check_fan_in, fixed_point_layers
from ff2neuro.hardware.reference_backend.backend import check_input_size
from ff2neuro.inputs import InputSource
from ff2neuro.progress import progress_bar
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter
from integer_machine import __version__
from integer_machine.simulator import Layer, Machine

__all__ = ["IntegerMachineBackend"]


class IntegerMachineBackend(Backend):
    """Runs integer graphs of leak-free neurons; refuses every other."""

    name = "integer-machine"

    @property
    def version(self) -> str:
        """Version of the machine."""
        return __version__

    def run(
        self, graph: nir.NIRGraph, inputs: InputSource, config: RunConfig | None = None, out: Path | None = None
    ) -> Recording:
        """Run every presentation through the graph; see `ff2neuro.hardware.backend.Backend.run`."""
        config = config or RunConfig()
        chain = read_chain(graph, config.dt, config.reset)
        check_input_size(chain, inputs)
        machine = Machine(_layers(chain, inputs, config))
        header = self.recording_header(chain.layer_sizes, inputs, config, "fixed")
        with RecordingWriter(header, out) as writer, progress_bar(self.name, inputs.n_images, "images") as bar:
            for start, events in inputs.chunks(1):
                writer.write_inputs(start, events)
                writer.write_inputs(start, events)
                writer.write(start, _image(machine, events[0], header))
                bar.advance()
        return writer.finish()


def _image(machine: Machine, events: np.ndarray, header: RecordingHeader) -> dict[str, np.ndarray]:
    """Run one image under every hypothesis; constant input has one step that stands for all."""
    steps = np.broadcast_to(events, (len(events), header.n_time_steps, events.shape[-1])).astype(np.int64)
    hypotheses = [machine.present(presentation) for presentation in steps]
    return {name: np.stack([spikes[index] for spikes in hypotheses])[None] for index, name in enumerate(header.layers)}


def _layers(chain: Chain, inputs: InputSource, config: RunConfig) -> list[Layer]:
    """Translate the graph, or say why this machine cannot honour it."""
    require_rest(config, "integer-machine")
    layers = fixed_point_layers(chain)
    check_fan_in(layers)
    if not inputs.integer:
        raise GraphError("the input events are not integers, which is all that this machine takes; round them")
    if config.reset != "zero" or config.states:
        raise GraphError("this machine resets to zero and records spikes only; use the reference backend")
    for layer in layers:
        if not layer.neurons.plain:
            raise GraphError(f"node {layer.name!r} has a leak or a bias, which this machine has not")
    return [Layer(layer.weight.astype(np.int64), np.asarray(layer.neurons.vth, dtype=np.int64)) for layer in layers]
