"""Quantising a NIR graph that was made elsewhere, so that fixed-point machines take it."""

from dataclasses import replace
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.converters.quantisation import quantise
from ff2neuro.errors import GraphError

__all__ = ["quantise_graph"]

Array = npt.NDArray[Any]

_WEIGHTED = (nir.Linear, nir.Affine, nir.Conv1d, nir.Conv2d)
#: Nodes that keep integers integers.
_UNCHANGED = (nir.Flatten, nir.SumPool2d)


def quantise_graph(graph: nir.NIRGraph, bits: int, dt: float) -> tuple[nir.NIRGraph, list[str]]:
    """Round weights to integer codes and thresholds to k + 1/2, layer by layer.

    Scaling a layer's weights and threshold by one number changes none of its spikes, so each layer is measured in
    units of its own quantisation step; rounding is the only approximation. Neurons are written in the portable
    encoding.

    Parameters
    ----------
    graph : nir.NIRGraph
        Pairs of a Linear, Affine, Conv1d or Conv2d node and an IF, LIF or CubaLIF node that resets to 0 and leaks to 0,
        with Flatten and SumPool2d nodes between pairs; left untouched.
    bits : int
        Width of a code, sign included.
    dt : float
        Length of a time step [s].

    Returns
    -------
    graph : nir.NIRGraph
        The quantised graph, with the same node names.
    notes : list of str
        What was rounded, and by how much.

    Raises
    ------
    GraphError
        If the graph holds a node for which this does not hold.
    """
    before = {target: source for source, target in graph.edges}
    nodes: dict[str, nir.NIRNode] = {}
    notes = []
    for name, node in graph.nodes.items():
        if isinstance(node, (nir.Input, nir.Output, *_UNCHANGED)):
            nodes[name] = node
        elif isinstance(node, (nir.IF, nir.LIF, nir.CubaLIF)):
            source = before.get(name, "")
            linear = graph.nodes.get(source)
            if not isinstance(linear, _WEIGHTED):
                raise GraphError(
                    f"node {name!r} follows no Linear, Affine, Conv1d or Conv2d node; only such pairs are quantised"
                )
            nodes[source], nodes[name], note = _pair(source, linear, name, node, bits, dt)
            notes.append(note)
        elif not isinstance(node, _WEIGHTED):
            kind = type(node).__name__
            raise GraphError(
                f"node {name!r} is a {kind}; only Linear, Affine, Conv1d, Conv2d, IF, LIF and CubaLIF are quantised"
            )
    ordered = {name: nodes[name] for name in graph.nodes if name in nodes}
    if set(ordered) != set(graph.nodes):
        lost = sorted(set(graph.nodes) - set(ordered))[0]
        raise GraphError(f"node {lost!r} feeds no neurons; the last node must be IF, LIF or CubaLIF")
    return nir.NIRGraph(nodes=ordered, edges=list(graph.edges)), notes


def _pair(
    source: str, linear: nir.NIRNode, name: str, neuron: nir.NIRNode, bits: int, dt: float
) -> tuple[nir.NIRNode, nir.CubaLIF, str]:
    """Quantise one weight node with the neurons behind it."""
    if np.any(neuron.v_reset) or np.any(getattr(neuron, "v_leak", 0)):
        raise GraphError(f"node {name!r} has a v_reset or v_leak other than 0, which fixed-point Lava does not have")
    leak, gain = _leak_and_gain(name, neuron, dt)
    if np.any(getattr(linear, "bias", 0)):
        raise GraphError(f"node {source!r} has a bias, which is not quantised; fold it into the thresholds or drop it")
    weight = linear.weight * _beside_weights(name, gain, linear)
    codes, scale = quantise(weight, bits, f"node {source!r}")
    exact = np.broadcast_to(neuron.v_threshold, leak.shape) / scale
    if exact.min() < 0.5:
        raise GraphError(f"node {name!r}: the threshold is below half a weight step at {bits} bits; use more bits")
    # The neuron spikes where an integer exceeds the threshold, so the integer part decides.
    threshold = np.floor(exact) + 0.5
    steps = np.where(leak > 0, 4096 / np.maximum(leak, 1), 2.0**30)
    ones = np.ones(leak.shape)
    cuba = nir.CubaLIF(
        tau_syn=dt * ones,
        tau_mem=steps * dt,
        r=steps,
        v_leak=0 * ones,
        v_threshold=threshold,
        v_reset=0 * ones,
        w_in=ones.copy(),
    )
    error = float(np.abs(codes * scale - weight).max() / scale)
    note = f"{source}: {bits}-bit weights, scale {scale:.6g}, largest rounding error {error:.3f} of a step"
    return _with_weight(linear, codes), cuba, note


def _with_weight(linear: nir.NIRNode, codes: Array) -> nir.NIRNode:
    if isinstance(linear, (nir.Linear, nir.Affine)):
        return nir.Linear(weight=codes)
    return replace(linear, weight=codes, bias=np.zeros(len(codes)))


def _beside_weights(name: str, gain: Array, linear: nir.NIRNode) -> Array:
    """Return what a neuron makes of its input in the shape of the weights that lead to it."""
    if isinstance(linear, (nir.Linear, nir.Affine)):
        return gain[:, None]
    # Neurons at all places of a channel share its weights.
    per_channel = np.reshape(gain, (len(gain), -1))
    if np.any(per_channel != per_channel[:, :1]):
        raise GraphError(f"node {name!r}: r or tau differs within a channel of a convolution; this is not quantised")
    return per_channel[:, :1].reshape(-1, *(1,) * (linear.weight.ndim - 1))


def _leak_and_gain(name: str, neuron: nir.NIRNode, dt: float) -> tuple[Array, Array]:
    """Leak in units of 1/4096 per step, and what a neuron makes of its input per step (forward Euler)."""
    shape = np.shape(neuron.v_threshold)
    if isinstance(neuron, nir.IF):
        return np.zeros(shape), neuron.r * dt
    synapse = 1.0
    tau = neuron.tau if isinstance(neuron, nir.LIF) else neuron.tau_mem
    if isinstance(neuron, nir.CubaLIF):
        if not np.allclose(neuron.tau_syn, dt):
            raise GraphError(f"node {name!r} has a synapse that remembers (tau_syn is not dt); this is not quantised")
        synapse = neuron.w_in
    rate = dt / np.asarray(tau, dtype=np.float64)
    leak = np.where(rate <= 2.0**-24, 0.0, np.round(rate * 4096))
    if np.any((leak < 1) & (rate > 2.0**-24)) or np.any(leak > 4095):
        raise GraphError(f"node {name!r}: dt/tau is {rate.max():g}; a leak of n/4096 with n in 1..4095 is needed")
    return np.broadcast_to(leak, shape), np.broadcast_to(neuron.r * rate * synapse, shape)
