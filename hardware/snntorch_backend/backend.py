"""snnTorch behind the backend contract: its own NIR reader, unchanged, with every graph refused that it would bend."""

import contextlib
import copy
import io
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.errors import GraphError
from ff2neuro.hardware.backend import Backend, RunConfig
from ff2neuro.hardware.beyond_nir import configured_chain
from ff2neuro.hardware.chain import Chain
from ff2neuro.hardware.portability import statement
from ff2neuro.hardware.reader_conditions import SNNTORCH_DT
from ff2neuro.hardware.reference_backend.backend import check_input_size
from ff2neuro.inputs import InputSource
from ff2neuro.progress import progress_bar
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter

if TYPE_CHECKING:
    import torch

__all__ = ["SnnTorchBackend"]

Array = npt.NDArray[Any]

PRESENTATIONS_PER_CHUNK = 1000


class SnnTorchBackend(Backend):
    """Runs a graph through ``snntorch.import_nir``, in single precision.

    Graphs that this reader would change without a word are refused (see `ff2neuro.hardware.reader_rules`), and so are
    resets by subtraction and other time steps than 1e-4 s.
    """

    name = "snntorch"

    @property
    def version(self) -> str:
        """Version of snnTorch."""
        return version("snntorch")

    def run(
        self, graph: nir.NIRGraph, inputs: InputSource, config: RunConfig | None = None, out: Path | None = None
    ) -> Recording:
        """Run every presentation through the graph; see `Backend.run`."""
        config = config or RunConfig()
        chain = configured_chain(graph, config)
        check_input_size(chain, inputs)
        _require_honoured(graph, config)
        header = self.recording_header(chain.layer_sizes, inputs, config, "float")
        network = _import(graph)
        images = max(1, PRESENTATIONS_PER_CHUNK // max(1, inputs.n_hypotheses))
        with (
            RecordingWriter(header, out) as writer,
            progress_bar("snnTorch simulation", inputs.n_images, "images") as bar,
        ):
            for start, events in inputs.chunks(images):
                writer.write_inputs(start, events)
                writer.write(start, _simulate(network, events, header, chain))
                bar.advance(len(events))
        return writer.finish()


def _require_honoured(graph: nir.NIRGraph, config: RunConfig) -> None:
    """Refuse what snnTorch's reader would change or ignore."""
    if config.dt != SNNTORCH_DT:
        raise GraphError(f"dt is {config.dt} s; snnTorch's NIR reader assumes {SNNTORCH_DT} s: export with that dt")
    if config.reset != "zero":
        raise GraphError("snnTorch's NIR reader resets to zero; export with --reset zero, or use the reference backend")
    if config.states:
        raise GraphError("the snntorch backend records no membrane potentials; use the reference backend")
    found = statement("snntorch", graph, replace(config, v_init={}))
    if found.status != "same":
        raise GraphError(
            f"snnTorch's NIR reader would not give this graph's spikes: {found.reasons[0]}; export with --dialect "
            "portable, or use the reference backend"
        )


def _import(graph: nir.NIRGraph) -> "torch.nn.Module":
    """Read a graph with snnTorch's reader, which edits what it is given and prints to stdout."""
    from snntorch.import_nir import import_from_nir

    with contextlib.redirect_stdout(io.StringIO()):
        network: torch.nn.Module = import_from_nir(copy.deepcopy(graph))
    return network


@contextlib.contextmanager
def _recorded(network: "torch.nn.Module", n_layers: int) -> Iterator[list[Any]]:
    """Collect what the spiking modules send in one step, in the order of the chain."""
    import snntorch

    step: list[Any] = []
    neurons = [module for module in network.modules() if isinstance(module, snntorch.SpikingNeuron)]
    if len(neurons) != n_layers:
        raise GraphError(f"snnTorch's reader made {len(neurons)} spiking layers of {n_layers}")
    hooks = [module.register_forward_hook(lambda _m, _i, output: step.append(output)) for module in neurons]
    try:
        yield step
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def _started(network: "torch.nn.Module", chain: Chain, step: list[Any]) -> Iterator[None]:
    """Set the potentials of a layer when it is called for the first time; the length of `step` says which one it is."""
    import snntorch
    import torch

    begun: set[int] = set()

    def begin(module: Any, inputs: tuple[Any, ...]) -> None:
        if len(step) not in begun:
            layer = chain.layers[len(step)]
            v_init = torch.as_tensor(layer.neurons.v_init, dtype=torch.float32).reshape(layer.shape)
            # snnTorch starts at 0 by itself where the shape is another than that of the input.
            module.mem = v_init.expand_as(inputs[0]).clone()
            begun.add(len(step))

    neurons = [module for module in network.modules() if isinstance(module, snntorch.SpikingNeuron)]
    hooks = [module.register_forward_pre_hook(begin) for module in neurons]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _simulate(network: "torch.nn.Module", events: Array, header: RecordingHeader, chain: Chain) -> dict[str, Array]:
    """Run a chunk of images from the start."""
    import torch
    from snntorch import utils

    n_images, n_hypotheses, n_given = events.shape[:3]
    names = list(header.layers)
    shape = (n_images, n_hypotheses, header.n_time_steps)
    spikes = {name: np.empty((*shape, size), dtype=bool) for name, size in header.layers.items()}
    shaped = torch.as_tensor(events.reshape(-1, events.shape[2], *chain.input_shape), dtype=torch.float32)
    utils.reset(network)
    with torch.no_grad(), _recorded(network, len(names)) as step, _started(network, chain, step):
        for t in range(header.n_time_steps):
            step.clear()
            network(shaped[:, t if n_given > 1 else 0])
            for name, output in zip(names, step, strict=True):
                spikes[name][:, :, t] = output.numpy().reshape(n_images, n_hypotheses, -1) > 0
    return spikes
