"""Integers in floating point and in 32 bits: where they are exact."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import STATE_SCALE
from ff2neuro.hardware.fixed_point import FixedPointLayer

__all__ = ["project", "within_32_bits"]

Array = npt.NDArray[Any]

#: Sums of integers below this are exact in single precision.
EXACT_SINGLE = 2**24
#: Parameters below this leave sums of a few of them, and of states of 24 bits, within 32 bits.
SMALL = 2**29


def project(events: Array, weight: Array) -> Array:
    """Multiply integers exactly, in single precision where that is enough.

    Parameters
    ----------
    events : ndarray of shape (n, n_inputs)
        Integers.
    weight : ndarray of shape (n_neurons, n_inputs)
        Integers.

    Returns
    -------
    ndarray of float32 or float64, shape (n, n_neurons)
        Weighted input.
    """
    largest = max(abs(float(events.max(initial=0))), abs(float(events.min(initial=0))))
    largest *= float(np.abs(weight).sum(axis=1).max(initial=0))
    dtype = np.float32 if largest < EXACT_SINGLE else np.float64
    product: Array = events.astype(dtype) @ weight.T.astype(dtype)
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
