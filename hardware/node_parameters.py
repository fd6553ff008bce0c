"""Parameters of NIR nodes as arrays that can be computed with; what cannot be read in one way only is refused."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import GraphError

__all__ = ["finite", "integers", "per_neuron"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


def finite(name: str, field: str, value: Any) -> npt.NDArray[np.float64]:
    """Return a parameter in double precision, which holds every number of the types that files carry.

    Parameters
    ----------
    name, field : str
        Node and parameter, for the message.
    value : array_like
        Integers or floating-point numbers of any width, or a scalar.

    Returns
    -------
    ndarray of float64
        The same numbers.

    Raises
    ------
    GraphError
        If the values are no real numbers, or not all finite.
    """
    given = np.asarray(value)
    if given.dtype.kind not in "iuf":
        raise GraphError(f"node {name!r}: {field} is of type {given.dtype}; it must be made of real numbers")
    array = given.astype(np.float64)
    if not np.isfinite(array).all():
        raise GraphError(f"node {name!r}: {field} holds values that are NaN or infinite")
    return array


def integers(name: str, field: str, value: Any, n_values: int, least: int) -> Shape:
    """Return a size per axis that may be given once for all axes.

    Parameters
    ----------
    name, field : str
        Node and parameter, for the message.
    value : array_like of int
        One number, or `n_values` of them.
    n_values : int
        Number of axes.
    least : int
        Smallest value that makes sense.

    Returns
    -------
    tuple of int
        One number per axis.

    Raises
    ------
    GraphError
        If there are not so many numbers, or they are not integers of at least `least`.
    """
    array = finite(name, field, value).ravel()
    if array.size not in (1, n_values) or (array != np.round(array)).any() or array.min() < least:
        raise GraphError(f"node {name!r}: {field} is {value}; it must be {n_values} integers of at least {least}")
    return tuple(int(number) for number in np.broadcast_to(array, (n_values,)))


def per_neuron(name: str, field: str, value: Any, shape: Shape) -> npt.NDArray[np.float64]:
    """Return one value per neuron of a parameter that may be stored once for all or once per channel.

    Parameters
    ----------
    name, field : str
        Node and parameter, for the message.
    value : array_like
        A scalar, or of the neurons' shape, or broadcastable to it along axes of length 1; axes of length 1 that the
        neurons lack are ignored.
    shape : tuple of int
        Shape of the neurons, without a batch axis.

    Returns
    -------
    ndarray of float64, shape (n_neurons,)
        The values in row-major order.

    Raises
    ------
    GraphError
        If the parameter does not fit the neurons.
    """
    array = finite(name, field, value)
    n_neurons = math.prod(shape)
    if array.size == 1:
        return np.full(n_neurons, array.ravel()[0])
    if array.size == n_neurons and (array.ndim == 1 or _long_axes(array.shape) == _long_axes(shape)):
        return array.ravel()
    if array.ndim == len(shape) and all(given in (1, wanted) for given, wanted in zip(array.shape, shape, strict=True)):
        return np.broadcast_to(array, shape).ravel()
    raise GraphError(f"node {name!r}: {field} has shape {array.shape}; it must be {shape} or a scalar")


def _long_axes(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)
