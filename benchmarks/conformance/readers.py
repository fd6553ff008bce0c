"""The NIR readers of other programs, each run as its documentation says, with the spikes of every layer.

Nothing is corrected: a reader that refuses a graph raises, and one that reads it in its own way gives other spikes.
"""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
import torch

__all__ = ["READERS", "run_reader"]

Array = npt.NDArray[Any]

NEURONS = (nir.IF, nir.LIF, nir.CubaLIF)


def run_reader(name: str, graph: nir.NIRGraph, events: Array, dt: float) -> dict[str, Array]:
    """Run a graph with a reader, in single precision.

    Parameters
    ----------
    name : str
        One of `READERS`.
    graph : nir.NIRGraph
        A chain whose names hold no dots; left untouched.
    events : ndarray of shape (n_presentations, n_time_steps, *input_shape)
        Input events.
    dt : float
        Length of a time step [s], for readers that take one.

    Returns
    -------
    dict of str to ndarray of bool, shape (n_presentations, n_time_steps, n_neurons)
        Spikes by the name of the neuron node.
    """
    with _quiet(), _one_thread():
        network = READERS[name](copy.deepcopy(graph), dt)
        return _simulate(network, graph, torch.as_tensor(events, dtype=torch.float32))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what readers print and warn of to themselves."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Networks this small only lose time to threads."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def _simulate(network: Any, graph: nir.NIRGraph, events: torch.Tensor) -> dict[str, Array]:
    modules = dict(network.named_modules())
    names = list(_neuron_names(graph))
    recorded: dict[str, list[Array]] = {name: [] for name in names}

    def record(name: str) -> Callable[..., None]:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            spikes = output[0] if isinstance(output, tuple) else output
            recorded[name].append(spikes.detach().numpy().reshape(len(events), -1) > 0)

        return hook

    for name in names:
        modules[name].register_forward_hook(record(name))
    state = None
    with torch.no_grad():
        for t in range(events.shape[1]):
            output = network(events[:, t]) if state is None else network(events[:, t], state)
            state = output[1] if isinstance(output, tuple) else None
    return {name: np.stack(steps, axis=1) for name, steps in recorded.items()}


def _neuron_names(graph: nir.NIRGraph, prefix: str = "") -> Iterator[str]:
    """Names of spiking nodes, those of nested graphs included, which are modules of modules to a reader."""
    for name, node in graph.nodes.items():
        if isinstance(node, nir.NIRGraph):
            yield from _neuron_names(node, f"{prefix}{name}.")
        elif isinstance(node, NEURONS):
            yield prefix + name


def _snntorch(graph: nir.NIRGraph, dt: float) -> Any:
    from snntorch import utils
    from snntorch.import_nir import import_from_nir

    network = import_from_nir(graph)
    utils.reset(network)
    return network


def _norse(graph: nir.NIRGraph, dt: float) -> Any:
    from norse.torch.utils.import_nir import from_nir

    return from_nir(graph, dt=dt)


def _spikingjelly(graph: nir.NIRGraph, dt: float) -> Any:
    from loguru import logger
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    logger.disable("spikingjelly")
    return import_from_nir(graph, dt=dt)


READERS: dict[str, Callable[[nir.NIRGraph, float], Any]] = {
    "snntorch": _snntorch,
    "norse": _norse,
    "spikingjelly": _spikingjelly,
}
