"""What NIR cannot say of neurons beside their reset: a run gives it with the graph."""

from dataclasses import replace

import nir
import numpy as np

from ff2neuro.errors import GraphError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.chain import Chain, ChainLayer, read_chain

__all__ = ["configured_chain", "require_rest"]


def configured_chain(graph: nir.NIRGraph, config: RunConfig) -> Chain:
    """Read a graph as a chain whose neurons start where the run says, and send as many spikes in a step.

    Parameters
    ----------
    graph : nir.NIRGraph
        As for `read_chain`; left untouched.
    config : RunConfig
        Time step and reset; initial potentials by the name of the layer, where layers that it does not name start at
        0; and how many spikes a neuron can send in one step.

    Returns
    -------
    Chain
        The layers, with discrete parameters.

    Raises
    ------
    GraphError, RangeError
        As `read_chain`; or if a name is no layer of the graph, or the potentials do not fit its neurons.
    """
    chain = read_chain(graph, config.dt, config.reset)
    layers = {layer.name: _sending(layer, config.max_spikes_per_step) for layer in chain.layers}
    for name, potentials in config.v_init.items():
        if name not in layers:
            known = ", ".join(layers)
            raise GraphError(f"initial potentials are given for {name!r}, which is no layer of the graph: {known}")
        layer, v_init = layers[name], np.asarray(potentials, dtype=np.float64)
        if v_init.shape != (layer.n_neurons,) or not (v_init <= layer.neurons.v_threshold).all():
            raise GraphError(
                f"node {name!r}: initial potentials must be {layer.n_neurons} numbers up to the threshold; they have "
                f"shape {v_init.shape} and reach {v_init.max(initial=0):g}"
            )
        layers[name] = replace(layer, neurons=replace(layer.neurons, v_init=v_init))
    return replace(chain, layers=tuple(layers.values()))


def _sending(layer: ChainLayer, most: int) -> ChainLayer:
    """Return a layer whose neurons send up to so many spikes in a step; those without a threshold send none."""
    if most == 1 or not layer.spiking:
        return layer
    if layer.neurons.v_threshold.min() <= 0:
        raise GraphError(
            f"node {layer.name!r} has a v_threshold of {layer.neurons.v_threshold.min():g}, which subtracted as often "
            "as it is exceeded has no end; several spikes in a step take thresholds above 0"
        )
    return replace(layer, neurons=replace(layer.neurons, max_spikes_per_step=most))


def require_rest(config: RunConfig, machine: str) -> None:
    """Refuse a run with initial potentials on a machine that starts every neuron at 0.

    Parameters
    ----------
    config : RunConfig
        What the graph does not say.
    machine : str
        Name of the machine, for the message.

    Raises
    ------
    GraphError
        If any initial potential is not 0.
    """
    for name, potentials in config.v_init.items():
        if np.any(potentials):
            raise GraphError(
                f"node {name!r} starts at potentials up to {np.max(potentials):g}; {machine} starts every neuron at 0: "
                "convert with --initial-potential 0, or use the reference backend"
            )
