"""Bounds of a hypothesis' score while its spikes are not all counted: interval arithmetic over the readout.

The score of `ff2neuro.coding.readout.scores` grows with some counts and falls with others: a layer's activity raises
its own goodness and lowers that of the next layer, whose input it normalises. Every bound takes the worst of each.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ff2neuro.errors import ConfigurationError
from ff2neuro.networks import SpikingNetwork

__all__ = ["score_bounds"]

Array = npt.NDArray[Any]
Interval = tuple[Array, Array]
Bounds = Callable[[Array, Sequence[Array], Sequence[Array]], Interval]

#: Share by which the readout's rounding can change the goodness: it multiplies counts in single precision.
ROUNDING = 1e-6
#: Amount by which it can change a score otherwise.
SLACK = 1e-9
#: Sums of integers below this are exact in single precision.
EXACT_SINGLE = 2**24


def score_bounds(network: SpikingNetwork, energy: Array) -> Bounds:
    """Return what bounds the score of hypotheses by the counts that their neurons can still reach.

    Parameters
    ----------
    network : SpikingNetwork
        Network that is run.
    energy : ndarray of shape (n_images, n_hypotheses)
        As `ff2neuro.coding.input_energy` gives it, for all images.

    Returns
    -------
    callable
        ``bounds(images, low, high)`` as `ff2neuro.hardware.early_exit.ScoreBounds`; the score that `scores` gives of
        any counts between `low` and `high` lies between what it returns.

    Raises
    ------
    ConfigurationError
        If the network is read out by an output trace or the times of spikes, not by counts alone, or its neurons can
        send several spikes in a step.
    """
    if network.trace is not None or network.needs_bins:
        raise ConfigurationError(
            f"the network is read out by {network.readout}, which has no bounds before the last step; leave the early "
            "exit out"
        )
    if network.max_spikes_per_step > 1:
        raise ConfigurationError(
            f"neurons of the network send up to {network.max_spikes_per_step} spikes in a step, so that steps that are "
            "left say little of counts; leave the early exit out"
        )

    def bounds(images: Array, low: Sequence[Array], high: Sequence[Array]) -> Interval:
        given = energy[images] if network.head.normalize_input else np.ones(low[0].shape[:2])
        lowest, highest = np.full(given.shape, -SLACK), np.full(given.shape, SLACK)
        for layer in network.head.voting_layers:
            if network.head.probability == "symmetric":
                interval = _symmetric(network, layer, low[layer], high[layer])
            else:
                own = _energy(network.layers[layer].gain, low[layer], high[layer])
                before = (given, given)
                if layer > 0:
                    before = _energy(network.layers[layer - 1].gain, low[layer - 1], high[layer - 1])
                interval = _sigmoid(network, layer, own, before)
            lowest += interval[0]
            highest += interval[1]
        return lowest, highest

    return bounds


def _energy(gain: float, low: Array, high: Array) -> Interval:
    """Bounds of the squared norm of a layer's activity."""
    least = gain**2 * _squares(low)
    most = least if low is high else gain**2 * _squares(high)
    return least * (1 - ROUNDING), most * (1 + ROUNDING)


def _squares(counts: Array) -> Array:
    exact = int(counts.max(initial=0)) ** 2 * counts.shape[-1] < EXACT_SINGLE
    values: Any = counts.astype(np.float32 if exact else np.float64)
    return np.asarray(np.einsum("...i,...i->...", values, values), dtype=np.float64)


def _sigmoid(network: SpikingNetwork, layer: int, own: Interval, before: Interval) -> Interval:
    """Bounds of a layer's probability from those of its energy and that of the layer before."""
    head = network.head
    low, high = own
    if layer == 0 or head.normalize_layers:
        # The goodness of what a silent layer feeds is 0.
        low = np.where(before[0] > 0, low / np.where(before[1] > 0, before[1], 1.0), 0.0)
        most = np.where(before[0] > 0, high / np.where(before[0] > 0, before[0], 1.0), np.inf)
        high = np.where((before[1] == 0) | (high == 0), 0.0, most)
    return expit(head.alpha * (low - head.theta)), expit(head.alpha * (high - head.theta))


def _symmetric(network: SpikingNetwork, layer: int, low: Array, high: Array) -> Interval:
    """Bounds of G+ / (G+ + G-), which grows with G+ and falls with G-."""
    half = low.shape[-1] // 2
    gain, smoothing = network.layers[layer].gain, network.head.smoothing
    positive = _energy(gain, low[..., :half], high[..., :half])
    negative = _energy(gain, low[..., half:], high[..., half:])
    return _share(positive[0], negative[1], smoothing), _share(positive[1], negative[0], smoothing)


def _share(positive: Array, negative: Array, smoothing: float) -> Array:
    total = positive + negative + 2 * smoothing
    share: Array = np.where(total == 0, 0.5, (positive + smoothing) / np.where(total == 0, 1.0, total))
    return share
