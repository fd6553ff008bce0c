"""Initial membrane potentials, which NIR cannot say: a run gives them beside the graph."""

from dataclasses import replace

import numpy as np

from ff2neuro.errors import GraphError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.chain import Chain

__all__ = ["require_rest", "with_initial_potentials"]


def with_initial_potentials(chain: Chain, config: RunConfig) -> Chain:
    """Return a chain whose neurons start where the run says.

    Parameters
    ----------
    chain : Chain
        Layers as the graph gives them; left untouched.
    config : RunConfig
        Initial potentials by the name of the layer; layers that it does not name start at 0.

    Returns
    -------
    Chain
        The same layers.

    Raises
    ------
    GraphError
        If a name is no layer of the graph, or the potentials do not fit its neurons.
    """
    layers = {layer.name: layer for layer in chain.layers}
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
