"""What lava-dl's netx loader makes of a weight matrix.

The loader (lava-dl 0.6.0, ``netx.utils.optimize_weight_bits``) shifts a matrix to the left until it fills 8 bits and
counts the bits that are then in use; Lava's Dense takes the sign mode from the matrix, clips and truncates. Most
integer matrices survive that exactly. `require_exact` repeats it step by step and names those that do not.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import NetworkError, RangeError

__all__ = ["loaded_weight", "require_exact"]

Array = npt.NDArray[Any]

#: Bits of a synapse.
SYNAPSE_BITS = 8
#: What any matrix may hold, and what one of both signs is clipped to.
LOWEST, HIGHEST = -256, 255
CLIPPED = (-256, 254)


def require_exact(index: int, weight: Array) -> None:
    """Refuse a weight matrix that netx would change or cannot load.

    Parameters
    ----------
    index : int
        Number of the layer, for the message.
    weight : ndarray of shape (n_out, n_in)
        Weights.

    Raises
    ------
    NetworkError
        If weights are not integers, or none is positive and that makes netx fail.
    RangeError
        If a weight needs more bits than a synapse has, or would be changed.
    """
    if (weight != np.round(weight)).any():
        real = weight[weight != np.round(weight)].ravel()[0]
        raise NetworkError(
            f"layer {index} has a weight of {real:g}; netx files hold integers: export with --weight-bits 8"
        )
    low, high = float(weight.min(initial=0)), float(weight.max(initial=0))
    if low < LOWEST or high > HIGHEST:
        raise RangeError(
            f"layer {index} has weights from {low:.0f} to {high:.0f}; netx takes {LOWEST} to {HIGHEST}: "
            "export with --weight-bits 8"
        )
    if not weight.any():
        raise NetworkError(f"the weights of layer {index} are all zero, on which netx fails; train the network first")
    if weight.max() == 0:
        raise NetworkError(
            f"the largest weight of layer {index} is 0, by which netx divides, and its neurons can never spike; train "
            "the network further"
        )
    loaded, bits = loaded_weight(weight)
    if bits > SYNAPSE_BITS:
        raise RangeError(
            f"the weights of layer {index}, {low:.0f} to {high:.0f}, need {bits} bits in netx and a synapse has "
            f"{SYNAPSE_BITS}, sign included: keep odd weights within -128 to 127, as --weight-bits 8 does"
        )
    changed = loaded != weight
    if changed.any():
        raise RangeError(
            f"netx would change a weight of layer {index} from {weight[changed][0]:.0f} to {loaded[changed][0]:g}: "
            "export with other --weight-bits"
        )


def loaded_weight(weight: Array) -> tuple[npt.NDArray[np.float64], int]:
    """Return the weights that Lava's Dense multiplies with, after netx has loaded a matrix.

    Parameters
    ----------
    weight : ndarray of shape (n_out, n_in)
        Integers, -256 to 255, not all zero or negative with a zero.

    Returns
    -------
    loaded : ndarray of float64, shape (n_out, n_in)
        In the units of `weight`; fractions are what the exponent of the Dense rounds away.
    bits : int
        Weight bits that netx asks of the synapse.
    """
    codes = weight.astype(np.int64)
    low, high = int(codes.min()), int(codes.max())
    mixed = low < 0 <= high
    if mixed:
        codes = np.clip(codes, *CLIPPED)
        low, high = int(codes.min()), int(codes.max())
    scale = min(127 / high, -128 / low) if mixed else 255 / high if low >= 0 else -256 / low
    shift = int(np.floor(np.log2(scale))) + mixed
    precision = _common_factor_bits(codes)
    bits = SYNAPSE_BITS - shift - (precision - mixed)
    return _dense_weight(codes << shift, bits, mixed) / 2.0**shift, bits


def _common_factor_bits(codes: Array) -> int:
    """Return how often all integers can be halved, at most 8 times."""
    combined = int(np.bitwise_or.reduce(codes, axis=None)) | 1 << SYNAPSE_BITS
    return (combined & -combined).bit_length() - 1


def _dense_weight(codes: Array, bits: int, mixed: bool) -> Array:
    """Clip and truncate as Lava's fixed-point Dense does on its first step; it takes the signs from the matrix."""
    truncated = SYNAPSE_BITS - bits + mixed
    if codes.max() <= 0:
        kept: Array = -((-np.clip(codes, -255, 0) >> truncated) << truncated)
    elif codes.min() >= 0:
        kept = (np.clip(codes, 0, 255) >> truncated) << truncated
    else:
        kept = (np.clip(codes, -256, 255) >> truncated) << truncated
    return kept
