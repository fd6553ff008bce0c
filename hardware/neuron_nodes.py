r"""NIR's neuron nodes as discrete equations.

Forward Euler with step :math:`\Delta t` turns NIR's equations into the discrete ones of `ff2neuro.dynamics`:

========== ============================ ============================ =========================
node       mem_decay                    mem_gain                     syn_decay, syn_gain
========== ============================ ============================ =========================
IF         1                            :math:`r \Delta t`           0, 1
LIF, LI    :math:`1-\Delta t/\tau`      :math:`r \Delta t/\tau`      0, 1
CubaLIF,   :math:`1-\Delta t/\tau_m`    :math:`r \Delta t/\tau_m`    :math:`1-\Delta t/\tau_s`,
CubaLI                                                               :math:`w_{in}\Delta t/\tau_s`
========== ============================ ============================ =========================

LI and CubaLI have no threshold: they are neurons that never spike, with a threshold of infinity.

A leak :math:`\Delta t/\tau_m \le 2^{-24}` is below what single precision can hold beside 1; it is *defined* as none, so
that the portable encoding of a leak-free neuron (tau_mem = 2^30 dt) means the same in every precision.
"""

from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import FloatNeurons, Reset
from ff2neuro.errors import GraphError
from ff2neuro.hardware.node_parameters import finite, per_neuron

__all__ = ["NEURON_NODES", "READOUT_NODES", "SPIKING_NODES", "float_neurons"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

SPIKING_NODES = (nir.IF, nir.LIF, nir.CubaLIF)
#: Leaky integrators: their membrane potential is the answer.
READOUT_NODES = (nir.LI, nir.CubaLI)
NEURON_NODES = (*SPIKING_NODES, *READOUT_NODES)

#: Leak per step that counts as none.
NEGLIGIBLE_LEAK = 2.0**-24
#: How far dt/tau may lie from 1 by rounding alone where tau is stored in double precision.
ROUNDING = 1e-9


def float_neurons(name: str, node: nir.NIRNode, shape: Shape, dt: float, reset: Reset) -> FloatNeurons:
    """Discrete equations of a neuron node.

    Parameters
    ----------
    name : str
        Name of the node, for messages.
    node : nir.NIRNode
        One of `NEURON_NODES`.
    shape : tuple of int
        Shape of the neurons.
    dt : float
        Length of a time step [s].
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.

    Returns
    -------
    FloatNeurons
        The neurons in row-major order.

    Raises
    ------
    GraphError
        If a parameter makes no sense or does not fit the shape.
    """
    r = per_neuron(name, "r", node.r, shape)
    ones, zeros = np.ones_like(r), np.zeros_like(r)
    v_threshold, v_reset = _threshold(name, node, shape, ones)
    mem_decay, mem_gain, leak = ones, r * dt, zeros
    if not isinstance(node, nir.IF):
        field = "tau_mem" if isinstance(node, (nir.CubaLIF, nir.CubaLI)) else "tau"
        mem_decay, mem_gain, leak = _membrane(name, node, field, shape, dt, r)
    syn_decay, syn_gain = zeros, ones
    if isinstance(node, (nir.CubaLIF, nir.CubaLI)):
        rate = _leak_per_step(name, node, "tau_syn", shape, dt)
        syn_decay, syn_gain = 1 - rate, per_neuron(name, "w_in", node.w_in, shape) * rate
    return FloatNeurons(
        v_threshold=v_threshold,
        v_reset=v_reset,
        mem_decay=mem_decay,
        mem_gain=mem_gain,
        syn_decay=syn_decay,
        syn_gain=syn_gain,
        leak=leak,
        v_init=zeros,
        reset=reset,
    )


def _threshold(name: str, node: nir.NIRNode, shape: Shape, ones: Array) -> tuple[Array, Array]:
    """v_threshold and v_reset of every neuron."""
    if isinstance(node, READOUT_NODES):
        return np.inf * ones, 0 * ones
    v_threshold = per_neuron(name, "v_threshold", node.v_threshold, shape)
    # Files written before nir 1.0.6 have no v_reset, which nir fills in; a graph built by hand may hold None.
    v_reset = 0 * ones if node.v_reset is None else per_neuron(name, "v_reset", node.v_reset, shape)
    if (v_reset >= v_threshold).any():
        raise GraphError(f"node {name!r}: v_reset is not below v_threshold; such a neuron would spike for ever")
    return v_threshold, v_reset


def _membrane(
    name: str, node: nir.NIRNode, field: str, shape: Shape, dt: float, r: Array
) -> tuple[Array, Array, Array]:
    """mem_decay, mem_gain and leak current of a leaky membrane."""
    rate = _leak_per_step(name, node, field, shape, dt)
    v_leak = per_neuron(name, "v_leak", node.v_leak, shape)
    decay = np.where(rate <= NEGLIGIBLE_LEAK, 1.0, 1 - rate)
    return decay, r * rate, (1 - decay) * v_leak


def _leak_per_step(name: str, node: nir.NIRNode, field: str, shape: Shape, dt: float) -> Array:
    """dt/tau, checked to lie in (0, 1]."""
    given = getattr(node, field)
    if (finite(name, field, given) <= 0).any():
        raise GraphError(f"node {name!r}: {field} is {np.min(given)} s; a time constant must be positive")
    leak = dt / per_neuron(name, field, given, shape)
    # tau = dt is the memoryless neuron; neither the division nor the precision of the file must make it another.
    rounding = max(ROUNDING, 2 * float(np.finfo(given.dtype).eps)) if np.asarray(given).dtype.kind == "f" else ROUNDING
    if (leak > 1 + rounding).any():
        raise GraphError(
            f"node {name!r}: {field} is {np.min(given)} s, shorter than the time step {dt} s; pass a smaller --dt"
        )
    return np.where(np.abs(leak - 1) <= rounding, 1.0, leak)
