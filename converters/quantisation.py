"""Symmetric quantisation of weights to integer codes."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import ConfigurationError, NetworkError

__all__ = ["WeightScale", "codes_at", "largest_code", "quantise", "quantise_layer"]

WeightScale = Literal["layer", "neuron"]
Array = npt.NDArray[Any]

#: Shares of the largest weight that may become the largest code. Few bits round the many small weights better if the
#: few large ones are clipped.
CLIPPING = np.linspace(1.0, 0.3, 29)


def largest_code(bits: int) -> int:
    """Return the largest magnitude of a symmetric code.

    Parameters
    ----------
    bits : int
        Width of a code, sign included, 2 to 8: Lava's Dense holds no more.

    Returns
    -------
    int
        ``2**(bits - 1) - 1``.

    Raises
    ------
    ConfigurationError
        If `bits` is out of range.
    """
    if not 2 <= bits <= 8:
        raise ConfigurationError(f"weight bits are {bits}; Lava's synapses hold 2 to 8, sign included")
    return int(2 ** (bits - 1) - 1)


def quantise(weight: npt.NDArray[Any], bits: int, name: str) -> tuple[npt.NDArray[np.float64], float]:
    """Round a weight matrix to integer codes with one scale, without clipping any weight.

    Parameters
    ----------
    weight : ndarray of shape (n_out, n_in)
        Real weights.
    bits : int
        Width of a code, sign included.
    name : str
        What the matrix belongs to, for the message.

    Returns
    -------
    codes : ndarray of float64, shape (n_out, n_in)
        Integers in [-(2^(bits-1) - 1), 2^(bits-1) - 1].
    scale : float
        Real weight that a code of 1 stands for.

    Raises
    ------
    NetworkError
        If the weights are all zero, so that no scale can be found.
    """
    scale = _largest(weight, name) / largest_code(bits)
    return np.rint(weight.astype(np.float64) / scale), scale


def quantise_layer(
    weight: Array, bits: int, name: str, per: WeightScale = "layer"
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Round a weight matrix to integer codes with the scale that leaves the least squared error.

    Parameters
    ----------
    weight : ndarray of shape (n_out, n_in)
        Real weights.
    bits : int
        Width of a code, sign included.
    name : str
        What the matrix belongs to, for the message.
    per : {"layer", "neuron"}
        Whether there is one scale, or one for each row.

    Returns
    -------
    codes : ndarray of float64, shape (n_out, n_in)
        Integers in [-(2^(bits-1) - 1), 2^(bits-1) - 1]; the largest weights may be clipped.
    scale : ndarray of float64, shape (n_out,)
        Real weight that a code of 1 stands for.

    Raises
    ------
    NetworkError
        If the weights are all zero, so that no scale can be found.
    """
    limit, wide = largest_code(bits), weight.astype(np.float64)
    whole = _largest(weight, name) / limit
    if per == "layer":
        full = np.full((len(wide), 1), whole)
    else:
        rows = np.abs(wide).max(axis=1, keepdims=True) / limit
        full = np.where(rows > 0, rows, whole)
    best = np.full((len(wide), 1), np.inf)
    scale = full
    for share in CLIPPING:
        error = (codes_at(wide, full * share, bits) * full * share - wide) ** 2
        total = error.sum(axis=1, keepdims=True) if per == "neuron" else np.full_like(best, error.sum())
        scale, best = np.where(total < best, full * share, scale), np.minimum(total, best)
    return codes_at(wide, scale, bits), scale[:, 0]


def codes_at(weight: Array, scale: Array, bits: int) -> npt.NDArray[np.float64]:
    """Return the integers nearest to weights in units of a scale.

    Parameters
    ----------
    weight : ndarray of shape (n_out, n_in)
        Real weights.
    scale : ndarray of shape (n_out, 1)
        Real weight that a code of 1 stands for.
    bits : int
        Width of a code, sign included; larger weights are clipped to it.

    Returns
    -------
    ndarray of float64, shape (n_out, n_in)
        Integers in [-(2^(bits-1) - 1), 2^(bits-1) - 1].
    """
    limit = largest_code(bits)
    codes: npt.NDArray[np.float64] = np.clip(np.rint(weight.astype(np.float64) / scale), -limit, limit)
    return codes


def _largest(weight: Array, name: str) -> float:
    largest = float(np.abs(weight).max(initial=0))
    if largest == 0:
        raise NetworkError(f"the weights of {name} are all zero; they quantise to nothing: train the network first")
    return largest
