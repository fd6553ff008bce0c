"""Integers in floating point and in 32 bits: where they are exact."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import STATE_SCALE
from ff2neuro.hardware.fixed_point import FixedPointLayer

__all__ = ["Projection", "within_32_bits"]

Array = npt.NDArray[Any]

#: Sums of integers below this are exact in single precision.
EXACT_SINGLE = 2**24
#: Parameters below this leave sums of a few of them, and of states of 24 bits, within 32 bits.
SMALL = 2**29


class Projection:
    """Exact products of integers with one matrix, in single precision where that is enough.

    Parameters
    ----------
    weight : ndarray of shape (n_neurons, n_inputs)
        Integers.
    """

    def __init__(self, weight: Array) -> None:
        self._weight = weight
        self._reach = float(np.abs(weight).sum(axis=1).max(initial=0))
        self._matrices: dict[type[np.floating[Any]], Array] = {}

    def __call__(self, events: Array) -> Array:
        """Multiply.

        Parameters
        ----------
        events : ndarray of shape (n, n_inputs)
            Integers.

        Returns
        -------
        ndarray of float32 or float64, shape (n, n_neurons)
            Weighted input.
        """
        largest = max(abs(float(events.max(initial=0))), abs(float(events.min(initial=0))))
        dtype = np.float32 if largest * self._reach < EXACT_SINGLE else np.float64
        if dtype not in self._matrices:
            self._matrices[dtype] = self._weight.T.astype(dtype)
        product: Array = events.astype(dtype) @ self._matrices[dtype]
        return product


def within_32_bits(layers: tuple[FixedPointLayer, ...]) -> bool:
    """Say whether thresholds, biases and initial potentials leave room in 32-bit integers.

    Parameters
    ----------
    layers : tuple of FixedPointLayer
        First to last.

    Returns
    -------
    bool
        Whether all are small enough; currents and states always are.
    """
    largest = [
        max(int(np.max(np.abs(values), initial=0)) for values in parameters)
        for parameters in (
            (np.asarray(layer.neurons.vth) * STATE_SCALE, layer.neurons.bias, np.asarray(layer.neurons.v_init))
            for layer in layers
        )
    ]
    return max(largest) < SMALL
