r"""Spiking network -> NIR graph, in two dialects.

``portable`` writes every neuron as a ``CubaLIF`` whose synapse forgets within one step and whose gain is 1::

    tau_syn = dt,  w_in = 1,  r = tau_mem / dt,  v_leak = v_reset = 0

with tau_mem = 2^30 dt for a leak-free neuron and 4096 dt / n for a leak of n/4096. In double precision this is the
encoding on which the readers of snnTorch, Norse, SpikingJelly and this package agree bin for bin.

``native`` writes what the neurons are, ``nir.IF`` with r = 1/dt and ``nir.LIF`` with r = tau/dt, and needs a reader
that takes the time step as an argument.
"""

from itertools import pairwise
from typing import Any, Literal, get_args

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.errors import ConfigurationError, NetworkError
from ff2neuro.networks import SpikingLayer, SpikingNetwork

__all__ = ["Dialect", "initial_potentials", "linear_name", "spikes_name", "to_nir"]

Dialect = Literal["portable", "native"]
Array = npt.NDArray[Any]

#: tau_mem/dt of a leak-free neuron: a power of two, so that r dt/tau_mem is 1 exactly in every precision.
LEAK_FREE = 2.0**30
#: Denominator of a leak.
LEAK_UNITY = 4096


def linear_name(index: int) -> str:
    """Return the name of a layer's weight node."""
    return f"layer_{index}_linear"


def spikes_name(index: int) -> str:
    """Return the name of a layer's neuron node, under which recordings hold its spikes."""
    return f"layer_{index}_spikes"


def to_nir(network: SpikingNetwork, dialect: Dialect = "portable") -> nir.NIRGraph:
    """Write a spiking network as a NIR graph.

    Parameters
    ----------
    network : SpikingNetwork
        What to write; left untouched.
    dialect : {"portable", "native"}
        See this module.

    Returns
    -------
    nir.NIRGraph
        Nodes ``input``, ``layer_0_linear``, ``layer_0_spikes``, ..., ``output``.

    Raises
    ------
    ConfigurationError
        If the dialect is unknown.
    NetworkError
        If the dialect cannot say what the network does.
    """
    if dialect not in get_args(Dialect):
        raise ConfigurationError(f"unknown dialect {dialect!r}; known are {', '.join(get_args(Dialect))}")
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([network.input_code.n_inputs])})}
    for index, layer in enumerate(network.layers):
        if layer.winners:
            raise NetworkError(
                f"in layer {index} only {layer.winners} of {layer.n_neurons} neurons may spike in a step (top_k), "
                "which NIR cannot say: train with --top-k 0 to export"
            )
        if dialect == "portable":
            _require_portable(index, layer)
        nodes[linear_name(index)] = nir.Linear(weight=np.array(layer.weight, dtype=np.float64))
        nodes[spikes_name(index)] = (_portable if dialect == "portable" else _native)(layer, network.dt)
    nodes["output"] = nir.Output({"output": np.array([network.layers[-1].n_neurons])})
    names = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(pairwise(names)))


def initial_potentials(network: SpikingNetwork) -> dict[str, npt.NDArray[np.float64]]:
    """Return what the graph cannot say of a network: where its membrane potentials start.

    Parameters
    ----------
    network : SpikingNetwork
        What was exported.

    Returns
    -------
    dict of str to ndarray of shape (n_neurons,)
        Potentials by the name of the neuron node, in the units of the weights; layers that start at 0 are left out.
    """
    return {
        spikes_name(index): np.asarray(layer.v_init)
        for index, layer in enumerate(network.layers)
        if np.any(layer.v_init)
    }


def _require_portable(index: int, layer: SpikingLayer) -> None:
    if layer.reset != "zero":
        raise NetworkError(
            f"layer {index} is reset by {layer.reset}ion, which NIR cannot say and its readers do not share; "
            "export with --reset zero, or with --dialect native for the backends of ff2neuro"
        )
    if np.any(layer.v_init):
        raise NetworkError(
            f"layer {index} starts at potentials up to {np.max(layer.v_init):g}, which NIR cannot say; convert with "
            "--initial-potential 0, or export with --dialect native for the backends of ff2neuro"
        )
    if np.ptp(layer.v_threshold) > 0:
        raise NetworkError(
            f"layer {index} has thresholds from {layer.v_threshold.min():g} to {layer.v_threshold.max():g}; the "
            "portable dialect holds one per layer, as several readers do: export with --dialect native"
        )


def _portable(layer: SpikingLayer, dt: float) -> nir.CubaLIF:
    ones = np.ones(layer.n_neurons)
    steps = LEAK_UNITY / layer.leak if layer.leak else LEAK_FREE
    return nir.CubaLIF(
        tau_syn=dt * ones,
        tau_mem=steps * dt * ones,
        r=steps * ones,
        v_leak=0 * ones,
        v_threshold=np.array(layer.v_threshold),
        v_reset=0 * ones,
        w_in=ones.copy(),
    )


def _native(layer: SpikingLayer, dt: float) -> nir.NIRNode:
    ones = np.ones(layer.n_neurons)
    threshold, v_reset = np.array(layer.v_threshold), 0 * ones
    if not layer.leak:
        return nir.IF(r=ones / dt, v_threshold=threshold, v_reset=v_reset)
    steps = LEAK_UNITY / layer.leak
    return nir.LIF(tau=steps * dt * ones, r=steps * ones, v_leak=0 * ones, v_threshold=threshold, v_reset=v_reset)
