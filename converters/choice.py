"""Choosing the fewest time steps and weight bits that cost no more accuracy than is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.converters.config import ConversionConfig
from ff2neuro.converters.rate import convert
from ff2neuro.converters.simulation import predict
from ff2neuro.errors import ConfigurationError, DatasetError
from ff2neuro.networks import AnalogNetwork, SpikingNetwork

__all__ = ["CANDIDATE_BITS", "CANDIDATE_STEPS", "HeldOut", "choose", "two_standard_errors"]

Array = npt.NDArray[Any]

#: Numbers of time steps that are tried, fewest first.
CANDIDATE_STEPS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
#: Widths of a weight that are tried, narrowest first.
CANDIDATE_BITS = (2, 3, 4, 5, 6, 7, 8)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Images to judge a choice by: training images on which nothing was calibrated, never test images.

    Attributes
    ----------
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].
    labels : ndarray of int, shape (n_images,)
        True classes.

    Raises
    ------
    DatasetError
        If there are no images, or not as many labels.
    """

    images: Array
    labels: Array

    def __post_init__(self) -> None:
        if len(self.images) == 0 or len(self.images) != len(self.labels):
            raise DatasetError(
                f"there are {len(self.images)} held-out images and {len(self.labels)} labels; give at least one of "
                "each, as many of one as of the other"
            )


def choose(
    network: AnalogNetwork,
    calibration: Array,
    held_out: HeldOut,
    config: ConversionConfig,
    *,
    tolerance_pp: float,
    steps: Sequence[int] = (),
    weight_bits: Sequence[int] = (),
) -> tuple[ConversionConfig, SpikingNetwork]:
    """Convert with the fewest time steps, and then the narrowest weights, that keep the accuracy.

    Parameters
    ----------
    network : AnalogNetwork
        What to convert; left untouched.
    calibration : ndarray of shape (n_images, n_pixels)
        Images to balance thresholds on.
    held_out : HeldOut
        Images to judge by.
    config : ConversionConfig
        All other choices.
    tolerance_pp : float
        Accuracy that may be lost against the analog network, two standard errors included, in percentage points.
    steps : sequence of int
        Numbers of time steps to try in this order; empty to keep that of `config`.
    weight_bits : sequence of int
        Widths to try in this order, with the number of time steps found; empty to keep that of `config`.

    Returns
    -------
    config : ConversionConfig
        `config` with what was chosen.
    network : SpikingNetwork
        The conversion; its notes say what was tried and what it cost.

    Raises
    ------
    ConfigurationError
        If the tolerance is negative or less than the held-out images can show, or nothing that was tried meets it.
    """
    if not 0 <= tolerance_pp < 100:
        raise ConfigurationError(f"the tolerance is {tolerance_pp} percentage points; it must lie in 0..100")
    least = two_standard_errors(np.zeros(len(held_out.images)))
    if tolerance_pp < least:
        raise ConfigurationError(
            f"the tolerance is {tolerance_pp:g} percentage points, but {len(held_out.images)} held-out images show no "
            f"less than {least:.2g}; allow more with --tolerance, or judge on more with --held-out"
        )
    right = network.predict(held_out.images) == held_out.labels
    trial = _Trial(network, calibration, held_out, right, tolerance_pp)
    notes: list[str] = []
    spiking: SpikingNetwork | None = None
    if steps:
        trials = [(value, replace(config, n_time_steps=value)) for value in steps]
        config, spiking, note = trial.first("time steps", trials)
        notes.append(note)
    if weight_bits:
        trials = [(value, replace(config, weight_bits=value)) for value in weight_bits]
        config, spiking, note = trial.first("weight bits", trials)
        notes.append(note)
    if spiking is None:
        spiking = convert(network, calibration, config)
    return config, replace(spiking, notes=(*spiking.notes, *notes))


@dataclass(frozen=True, eq=False)
class _Trial:
    """What candidates are judged by."""

    network: AnalogNetwork
    calibration: Array
    held_out: HeldOut
    analog_right: Array
    tolerance_pp: float

    def first(
        self, what: str, candidates: Sequence[tuple[int, ConversionConfig]]
    ) -> tuple[ConversionConfig, SpikingNetwork, str]:
        """Return the first candidate that meets the tolerance, and a note on all that were tried."""
        tried = []
        for value, config in candidates:
            spiking = convert(self.network, self.calibration, config)
            right = predict(spiking, self.held_out.images) == self.held_out.labels
            lost = 100 * (self.analog_right.astype(np.float64) - right)
            error = two_standard_errors(lost)
            tried.append(f"{value}: {lost.mean():.2f} +- {error:.2f}")
            if lost.mean() + error <= self.tolerance_pp:
                note = (
                    f"{what} chosen: {value}, the smallest tried that loses at most {self.tolerance_pp:g} points of "
                    f"accuracy, two standard errors included, on {len(lost)} training images that were not used for "
                    "calibration; on images that the network has never seen the loss can be larger (points lost at "
                    f"{', '.join(tried)})"
                )
                return config, spiking, note
        raise ConfigurationError(
            f"no number of {what} tried surely keeps the accuracy within {self.tolerance_pp:g} points of the analog "
            f"network's on {len(self.held_out.images)} held-out training images (points lost, with two standard "
            f"errors, at {', '.join(tried)}); allow more with --tolerance, or judge on more with --held-out"
        )


def two_standard_errors(lost: Array) -> float:
    """Return two standard errors of a paired difference of accuracies.

    Parameters
    ----------
    lost : ndarray of shape (n_images,)
        100 where only the first network is right, -100 where only the second is, else 0 [percentage points].

    Returns
    -------
    float
        Percentage points; one more disagreement than was seen is counted, so that few images never look certain.
    """
    n_discordant = int(np.count_nonzero(lost))
    return float(200 * (n_discordant + 1) ** 0.5 / len(lost))
