r"""Linear NIR nodes as matrices, in PyTorch's reading of stride, padding, dilation and groups.

The shape that a node makes is computed here and not taken from NIR, whose own inference takes the kernel's height for
both axes and ignores the stride of padding ``'same'``. Shapes have no batch axis: (channel, height, width) for Conv2d
and pools, (channel, length) for Conv1d, (n,) for Linear and Affine. Arrays are flattened in row-major order.

Output size of an axis (torch.nn.Conv2d): :math:`\lfloor (n + p_0 + p_1 - d (k - 1) - 1) / s \rfloor + 1`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
from scipy import sparse

from ff2neuro.errors import GraphError
from ff2neuro.hardware.node_parameters import finite, integers, per_neuron

__all__ = ["LINEAR_NODES", "LinearMap", "linear_map"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LinearMap:
    """A linear function of flattened arrays.

    Attributes
    ----------
    matrix : ndarray or scipy.sparse.csr_array of float64, shape (n_out, n_in)
        Dense for Linear and Affine, sparse for all others.
    offset : ndarray of float64, shape (n_out,)
        What is added.
    shape : tuple of int
        Shape of the result.
    """

    matrix: Any
    offset: Array
    shape: Shape

    def after(self, before: "LinearMap") -> "LinearMap":
        """Compose with the map that is applied first.

        Parameters
        ----------
        before : LinearMap
            The earlier map.

        Returns
        -------
        LinearMap
            This map of the result of `before`.
        """
        return LinearMap(self.matrix @ before.matrix, self.matrix @ before.offset + self.offset, self.shape)


def linear_map(name: str, node: nir.NIRNode, shape: Shape) -> LinearMap:
    """Translate a linear node.

    Parameters
    ----------
    name : str
        Name of the node, for messages.
    node : nir.NIRNode
        One of `LINEAR_NODES`.
    shape : tuple of int
        Shape of what it receives.

    Returns
    -------
    LinearMap
        What it computes.

    Raises
    ------
    GraphError
        If its parameters make no sense or do not fit `shape`.
    """
    return _TRANSLATORS[type(node)](name, node, shape)


def _dense(name: str, node: nir.NIRNode, shape: Shape) -> LinearMap:
    weight = finite(name, "weight", node.weight)
    if weight.ndim == 2 and len(shape) > 1 and weight.shape[1] == shape[-1] != math.prod(shape):
        raise GraphError(
            f"node {name!r} receives an array of shape {shape} with a batch axis; export the graph without one"
        )
    if weight.ndim != 2 or weight.shape[1] != math.prod(shape):
        raise GraphError(f"node {name!r}: weight has shape {weight.shape}; it must be (n_neurons, {math.prod(shape)})")
    if max(shape, default=1) != weight.shape[1]:
        raise GraphError(f"node {name!r} receives an array of shape {shape}; insert a Flatten node before it")
    bias = _bias(name, node, weight.shape[0]) if isinstance(node, nir.Affine) else np.zeros(weight.shape[0])
    return LinearMap(weight, bias, (weight.shape[0],))


def _bias(name: str, node: nir.NIRNode, n_out: int) -> Array:
    bias = finite(name, "bias", node.bias)
    if bias.shape != (n_out,):
        raise GraphError(f"node {name!r}: bias has shape {bias.shape}; it must be ({n_out},)")
    return bias


def _scale(name: str, node: nir.NIRNode, shape: Shape) -> LinearMap:
    factors = per_neuron(name, "scale", node.scale, shape)
    return LinearMap(sparse.diags_array(factors, format="csr"), np.zeros(factors.size), shape)


def _flatten(name: str, node: nir.NIRNode, shape: Shape) -> LinearMap:
    # Axis 0 is the channel axis to NIR, the batch axis to several exporters: both mean the same flat array.
    first, last = int(node.start_dim), int(node.end_dim)
    last = last + len(shape) if last < 0 else min(last, len(shape) - 1)
    if first not in (0, 1) or last < len(shape) - 1:
        raise GraphError(
            f"node {name!r} flattens axes {node.start_dim} to {node.end_dim} of an array of shape {shape}; "
            "only all axes together are supported (start_dim 0 or 1, end_dim -1)"
        )
    n = math.prod(shape)
    return LinearMap(sparse.eye_array(n, format="csr"), np.zeros(n), (n,))


def _conv2d(name: str, node: nir.NIRNode, shape: Shape) -> LinearMap:
    return _convolve(name, node, finite(name, "weight", node.weight), _without_batch(name, shape, 3))


def _conv1d(name: str, node: nir.NIRNode, shape: Shape) -> LinearMap:
    n_channels, length = _without_batch(name, shape, 2)
    weight = finite(name, "weight", node.weight)
    if weight.ndim != 3:
        raise GraphError(f"node {name!r}: weight has shape {weight.shape}; a Conv1d needs three axes")
    flat = _convolve(name, node, weight[:, :, None, :], (n_channels, 1, length))
    return LinearMap(flat.matrix, flat.offset, (flat.shape[0], flat.shape[2]))


def _convolve(name: str, node: nir.NIRNode, weight: Array, shape: Shape) -> LinearMap:
    if weight.ndim != 4:
        raise GraphError(f"node {name!r}: weight has shape {weight.shape}; a Conv2d needs four axes")
    (groups,) = integers(name, "groups", node.groups, 1, 1)
    if weight.shape[1] * groups != shape[0] or weight.shape[0] % groups:
        raise GraphError(
            f"node {name!r}: weight has shape {weight.shape} in {groups} groups, which does not fit the {shape[0]} "
            "channels that it receives"
        )
    n_axes = np.ndim(node.weight) - 2
    stride = _axes(integers(name, "stride", node.stride, n_axes, 1), 1)
    dilation = _axes(integers(name, "dilation", node.dilation, n_axes, 1), 1)
    padding = _padding(name, node.padding, weight.shape[2:], stride, dilation, n_axes)
    matrix, positions = _matrix(name, weight, shape, stride, padding, dilation, groups)
    bias = np.zeros(weight.shape[0]) if node.bias is None else _bias(name, node, weight.shape[0])
    return LinearMap(matrix, np.repeat(bias, math.prod(positions)), (weight.shape[0], *positions))


def _pool(name: str, node: nir.NIRNode, shape: Shape) -> LinearMap:
    shape = _without_batch(name, shape, 3)
    height, width = integers(name, "kernel_size", node.kernel_size, 2, 1)
    stride = integers(name, "stride", node.stride, 2, 1)
    padding = tuple((each, each) for each in integers(name, "padding", node.padding, 2, 0))
    # The mean is over the whole window, padding included, as in PyTorch.
    share = 1.0 / (height * width) if isinstance(node, nir.AvgPool2d) else 1.0
    weight = np.full((shape[0], 1, height, width), share)
    matrix, positions = _matrix(name, weight, shape, stride, padding, (1, 1), shape[0])
    return LinearMap(matrix, np.zeros(matrix.shape[0]), (shape[0], *positions))


def _without_batch(name: str, shape: Shape, n_axes: int) -> Shape:
    """Drop a batch axis of length 1, which changes nothing."""
    shape = shape[1:] if len(shape) == n_axes + 1 and shape[0] == 1 else shape
    if len(shape) != n_axes:
        axes = "(channel, height, width)" if n_axes == 3 else "(channel, length)"
        raise GraphError(f"node {name!r} receives an array of shape {shape}; it must be {axes}, without a batch axis")
    return shape


def _axes(sizes: Shape, missing: int) -> Shape:
    """Sizes of two spatial axes; a Conv1d has only the second."""
    return (missing, *sizes) if len(sizes) == 1 else sizes


def _padding(
    name: str, padding: Any, kernel: Shape, stride: Shape, dilation: Shape, n_axes: int
) -> tuple[tuple[int, int], ...]:
    """Zeros before and after each spatial axis."""
    if isinstance(padding, (str, bytes)):
        word = padding.decode() if isinstance(padding, bytes) else padding
        if word == "valid":
            return ((0, 0), (0, 0))
        if word != "same":
            raise GraphError(f"node {name!r}: padding is {word!r}; it must be 'same', 'valid' or integers")
        if stride != (1, 1):
            raise GraphError(f"node {name!r}: padding is 'same' with stride {stride}; PyTorch defines it for 1 only")
        totals = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    return tuple((each, each) for each in _axes(integers(name, "padding", padding, n_axes, 0), 0))


def _matrix(
    name: str,
    weight: Array,
    shape: Shape,
    stride: Shape,
    padding: tuple[tuple[int, int], ...],
    dilation: Shape,
    groups: int,
) -> tuple[Any, Shape]:
    """Sparse matrix of a convolution, and the number of positions along each spatial axis."""
    n_out, per_group, *kernel = weight.shape
    rows, columns = (_touched(name, shape[1 + a], kernel[a], stride[a], padding[a], dilation[a]) for a in (0, 1))
    positions = (len(rows), len(columns))
    # Axes of all index arrays: output channel, channel of its group, kernel y and x, position y and x.
    o, c, ky, kx, y, x = np.ogrid[tuple(slice(n) for n in (n_out, per_group, *kernel, *positions))]
    source_y, source_x = rows[y, ky], columns[x, kx]
    channel = o // (n_out // groups) * per_group + c
    inside = (source_y >= 0) & (source_x >= 0) & (channel >= 0) & (weight[..., None, None] != 0)
    target = (o * positions[0] + y) * positions[1] + x
    source = (channel * shape[1] + source_y) * shape[2] + source_x
    size = (n_out * math.prod(positions), math.prod(shape))
    entries = [np.broadcast_to(each, inside.shape)[inside] for each in (weight[..., None, None], target, source)]
    return sparse.csr_array((entries[0], (entries[1], entries[2])), shape=size), positions


def _touched(name: str, size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> Array:
    """Input index under each position of the output and the kernel, -1 in the padding."""
    n_positions = (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1
    if n_positions < 1:
        raise GraphError(f"node {name!r}: its window of {dilation * (kernel - 1) + 1} is larger than its input, {size}")
    index = stride * np.arange(n_positions)[:, None] + dilation * np.arange(kernel) - padding[0]
    return np.where((index >= 0) & (index < size), index, -1)


_TRANSLATORS: dict[type, Callable[[str, nir.NIRNode, Shape], LinearMap]] = {
    nir.Linear: _dense,
    nir.Affine: _dense,
    nir.Scale: _scale,
    nir.Flatten: _flatten,
    nir.Conv1d: _conv1d,
    nir.Conv2d: _conv2d,
    nir.SumPool2d: _pool,
    nir.AvgPool2d: _pool,
}
#: Node types that `linear_map` translates.
LINEAR_NODES = tuple(_TRANSLATORS)
