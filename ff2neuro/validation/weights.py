"""The weights and thresholds of a file against the model that it was made from.

Rounding weights w to integer codes c with a scale s means |w/s - c| <= 1/2, except where the largest code clips. So
every weight allows an interval of scales, and those of a sound neuron have a scale in common: a weight that does not
allow it is not the model's. In the same way a threshold of k + 1/2 allows an interval of real thresholds, which the
neurons of a sound layer have in common.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.networks import SpikingLayer

__all__ = ["weight_findings"]

Array = npt.NDArray[Any]

#: What rounding in the file's and the model's own precision explains, relative.
PRECISION = 1e-6
#: The same for weights that are not integers, as a share of the layer's largest weight.
FLOAT_ROUNDING = 1e-4
#: How far a neuron's scale may lie from its layer's where weights are not integers.
FLOAT_SCALE_TOLERANCE = 1e-3
#: How far a threshold may lie from what the scale says, in units of the integer codes: it is rounded to k + 1/2.
THRESHOLD_ROUNDING = 1.0


def weight_findings(name: str, weight: Array, layer: SpikingLayer) -> Iterator[str]:
    """Compare the weights and thresholds of a layer with the model's.

    Parameters
    ----------
    name : str
        What the layer is called in the sentences.
    weight : ndarray of shape (n_out, n_in)
        The model's weights.
    layer : SpikingLayer
        The file's.

    Yields
    ------
    str
        A sentence for everything that rounding does not explain.
    """
    wide = np.asarray(weight, dtype=np.float64)
    integral = bool((layer.weight == np.round(layer.weight)).all())
    limits, wrong = _integer_fit(wide, layer.weight) if integral else _float_fit(wide, layer.weight)
    rounding = THRESHOLD_ROUNDING if integral else 0.0
    low = limits[0] * np.maximum(layer.v_threshold - rounding, 0)
    high = limits[1] * (layer.v_threshold + rounding)
    known = np.isfinite(high) & (limits[0] > 0)
    if not known.any() or wrong.mean() > 0.5:
        yield f"{name}: the weights of the NIR file are not those of the model"
        return
    common = _common_point(low[None, known], high[None, known])
    real = float(common.mean())
    odd = known & ((low > real * (1 + PRECISION)) | (high < real * (1 - PRECISION)))
    if odd.any():
        factor = real / ((low + high) / 2)
        neuron = int(np.where(odd, np.abs(np.log(np.where(odd, factor, 1))), -1).argmax())
        yield (
            f"{name}: weights over threshold of {int(odd.sum())} neurons are out of scale with the model, most of all "
            f"neuron {neuron} by a factor of {factor[neuron]:.2f} (threshold {layer.v_threshold[neuron]:g})"
        )
    wrong[odd] = False
    if wrong.any():
        yield _describe_wrong(name, wide, layer.weight, limits.mean(axis=0), wrong)


def _describe_wrong(name: str, weight: Array, found: Array, scale: Array, wrong: Array) -> str:
    expected = weight / np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)[:, None]
    error = np.where(wrong, np.abs(found - expected), -1)
    neuron, source = (int(position) for position in np.unravel_index(int(error.argmax()), error.shape))
    return (
        f"{name}: {int(wrong.sum())} weights are not the model's, the furthest off at neuron {neuron}, input {source}: "
        f"{found[neuron, source]:.4g} where {expected[neuron, source]:.4g} is expected"
    )


def _integer_fit(weight: Array, codes: Array) -> tuple[Array, Array]:
    """Limits of each neuron's scale, of shape (2, n_out), and which codes do not fit it."""
    magnitude, code = np.abs(weight), np.abs(codes)
    low = magnitude / (code + 0.5)
    high = np.divide(magnitude, code - 0.5, out=np.full(code.shape, np.inf), where=code > 0)
    # Weights beyond the largest code are clipped to it.
    low[code == code.max()] = 0
    never = (code > 0) & (weight * codes <= 0)
    low[never] = high[never] = 0
    low, high = low * (1 - PRECISION), high * (1 + PRECISION)
    limits = _common_point(low, high)
    scale = limits.mean(axis=0)[:, None]
    # A neuron of zeros allows every scale from some point on.
    scale = np.where(np.isfinite(scale), scale, limits[0][:, None])
    return limits, (scale < low) | (scale > high) | never


def _common_point(low: Array, high: Array) -> Array:
    """Find for each row of intervals where most of them overlap: the limits of that place, of shape (2, n_rows)."""
    ends = np.concatenate([low, high], axis=1)
    # Stable: where an interval ends as another begins, both count.
    order = np.argsort(ends, axis=1, kind="stable")
    overlap = np.cumsum(np.where(order < low.shape[1], 1, -1), axis=1)
    best = overlap.argmax(axis=1)
    rows = np.arange(len(ends))
    return np.stack([ends[rows, order[rows, best]], ends[rows, order[rows, best + 1]]])


def _float_fit(weight: Array, other: Array) -> tuple[Array, Array]:
    """Limits of each neuron's scale and which weights do not fit it, where nothing was rounded to integers.

    The median of the larger half of the ratios, so that single changed weights do not move it.
    """
    magnitude = np.abs(weight)
    large = (magnitude >= np.median(magnitude, axis=1, keepdims=True)) & (magnitude > 0) & (other != 0)
    ratios = np.divide(weight, other, out=np.full(weight.shape, np.nan), where=large)
    known = large.any(axis=1)
    scale = np.full(len(weight), np.inf)
    scale[known] = np.nanmedian(ratios[known], axis=1)
    expected = np.divide(weight, scale[:, None], out=np.zeros_like(weight), where=scale[:, None] != 0)
    wrong = np.abs(other - expected) > FLOAT_ROUNDING * float(np.abs(other).max(initial=0))
    return np.stack([scale * (1 - FLOAT_SCALE_TOLERANCE), scale * (1 + FLOAT_SCALE_TOLERANCE)]), wrong
