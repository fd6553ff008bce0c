"""Symmetric quantisation of weights to integer codes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import ConfigurationError, NetworkError

__all__ = ["largest_code", "quantise"]


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
    """Round a weight matrix to integer codes with one scale.

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
    limit = largest_code(bits)
    largest = float(np.abs(weight).max(initial=0))
    if largest == 0:
        raise NetworkError(f"the weights of {name} are all zero; they quantise to nothing: train the network first")
    scale = largest / limit
    return np.rint(weight.astype(np.float64) / scale), scale
