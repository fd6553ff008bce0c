"""Reading a NIR graph as a chain of weights and neurons, with every check that NIR itself does not make."""

import math
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
from scipy import sparse

from ff2neuro.dynamics import FloatNeurons, Reset
from ff2neuro.errors import GraphError, RangeError
from ff2neuro.hardware.linear_nodes import LINEAR_NODES, LinearMap, linear_map
from ff2neuro.hardware.neuron_nodes import NEURON_NODES, float_neurons
from ff2neuro.hardware.node_order import chain_order

__all__ = ["Chain", "ChainLayer", "read_chain"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

#: Entries of the matrix between two layers of neurons: 1 GiB in double precision.
LARGEST_MATRIX = 2**27


@dataclass(frozen=True, eq=False)
class ChainLayer:
    """One weight matrix with the neurons that it feeds.

    Attributes
    ----------
    name : str
        Name of the neuron node; inside a nested graph, after the graph's name and a dot.
    weight : ndarray of float64, shape (n_out, n_in)
        Product of the linear nodes before the neurons.
    bias : ndarray of float64, shape (n_out,)
        Constant input per step.
    neurons : FloatNeurons
        Their discrete equations in double precision.
    kind : str
        Type of the neuron node.
    shape : tuple of int
        Shape of the neurons, which `weight` takes in row-major order.
    """

    name: str
    weight: Array
    bias: Array
    neurons: FloatNeurons
    kind: str
    shape: Shape

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return int(self.weight.shape[0])

    @property
    def spiking(self) -> bool:
        """Whether the neurons have a threshold; those that have none answer with their membrane potential."""
        return not np.isinf(self.neurons.v_threshold).any()


@dataclass(frozen=True, eq=False)
class Chain:
    """A graph as a list of layers, first to last.

    Attributes
    ----------
    input_shape : tuple of int
        Shape of the input as the graph states it; events hold it in row-major order.
    layers : tuple of ChainLayer
        The layers; only the last may be without spikes.
    """

    input_shape: Shape
    layers: tuple[ChainLayer, ...]

    @property
    def n_inputs(self) -> int:
        """Number of input channels."""
        return math.prod(self.input_shape)

    @property
    def layer_sizes(self) -> dict[str, int]:
        """Number of neurons of each layer, by name."""
        return {layer.name: layer.n_neurons for layer in self.layers}


def read_chain(graph: nir.NIRGraph, dt: float, reset: Reset = "zero") -> Chain:
    """Read a graph as a chain of layers of neurons.

    Parameters
    ----------
    graph : nir.NIRGraph
        One input, one output and one path between them, of Linear, Affine, Scale, Flatten, Conv1d, Conv2d, SumPool2d
        and AvgPool2d nodes and of IF, LIF and CubaLIF nodes; the last neurons may be LI or CubaLI. Nested graphs that
        are such chains are opened. Left untouched.
    dt : float
        Length of a time step [s].
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.

    Returns
    -------
    Chain
        The layers, with discrete parameters.

    Raises
    ------
    GraphError
        If the graph has a cycle, a branch or a node that is not supported, or parameters that make no sense; the
        message names the node.
    RangeError
        If the matrix between two layers of neurons would be too large.
    """
    (_, source), *middle, (output_name, output) = chain_order(graph)
    input_shape = shape = _input_shape(source)
    layers: list[ChainLayer] = []
    pending: LinearMap | None = None
    for name, node in middle:
        if layers and not layers[-1].spiking:
            raise GraphError(f"node {layers[-1].name!r} is a {layers[-1].kind}, which must be the last node")
        if isinstance(node, LINEAR_NODES):
            step = linear_map(name, node, shape)
            pending = step if pending is None else step.after(pending)
            shape = step.shape
        elif isinstance(node, NEURON_NODES):
            layers.append(_layer(name, node, pending, shape, dt, reset))
            pending = None
        else:
            known = ", ".join(kind.__name__ for kind in (*LINEAR_NODES, *NEURON_NODES))
            raise GraphError(f"node {name!r} is a {type(node).__name__}, which is not supported; supported are {known}")
    if pending is not None or not layers:
        raise GraphError("the graph does not end in neurons; its last node must be IF, LIF, CubaLIF, LI or CubaLI")
    _check_output(output_name, output, shape)
    return Chain(input_shape, tuple(layers))


def _layer(name: str, node: nir.NIRNode, linear: LinearMap | None, shape: Shape, dt: float, reset: Reset) -> ChainLayer:
    """Neurons with what stands between them and the neurons before; that may be nothing."""
    if linear is None:
        linear = LinearMap(sparse.eye_array(math.prod(shape), format="csr"), np.zeros(math.prod(shape)), shape)
    n_out, n_in = linear.matrix.shape
    if n_out * n_in > LARGEST_MATRIX:
        raise RangeError(
            f"node {name!r}: its {n_out} neurons and {n_in} inputs make a matrix of {n_out * n_in} entries; up to "
            f"{LARGEST_MATRIX} are supported: use smaller images, or a stride or pooling before the neurons"
        )
    weight = linear.matrix if isinstance(linear.matrix, np.ndarray) else linear.matrix.toarray()
    neurons = float_neurons(name, node, shape, dt, reset)
    return ChainLayer(name, weight, linear.offset, neurons, type(node).__name__, shape)


def _input_shape(node: nir.Input) -> Shape:
    """Shape of the input, as the graph states it."""
    given = node.input_type["input"]
    if given is None:
        raise GraphError("the input node says no shape; export the graph anew with its shapes")
    shape = tuple(int(size) for size in np.ravel(given))
    if any(size < 1 for size in shape):
        raise GraphError(f"the input node has shape {shape}; all its axes must be at least 1 long")
    return shape


def _check_output(name: str, node: nir.Output, shape: Shape) -> None:
    given = node.output_type["output"]
    stated = () if given is None else tuple(int(size) for size in np.ravel(given))
    # NIR takes the shape of neurons from their parameters, which may be stored once for all.
    if math.prod(stated) not in (1, math.prod(shape)):
        raise GraphError(f"node {name!r} has shape {stated}; the last neurons have {shape}")
