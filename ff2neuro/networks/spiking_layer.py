"""A layer of spiking neurons: its weights, what they do, and what their spikes stand for."""

import hashlib
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import Reset
from ff2neuro.errors import ConfigurationError, NetworkError
from ff2neuro.files import readonly
from ff2neuro.networks.activity_table import LARGEST_ACTIVITY, ActivityTable
from ff2neuro.spike_numbers import require_spikes_per_step

__all__ = ["SpikingLayer"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class SpikingLayer:
    """A weight matrix and the neurons behind it.

    Attributes
    ----------
    weight : ndarray of float64, shape (n_out, n_in)
        Synaptic weights; integer codes if the network is quantised.
    v_threshold : ndarray of float64, shape (n_out,)
        Firing thresholds in the units of the weights; k + 1/2 if the network is quantised.
    leak : int
        Numerator n of the leak n/4096 per step of the membrane potential; 0 for an integrate-and-fire neuron.
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.
    gain : float
        Activity of the analog network that one spike stands for.
    winners : int
        How many neurons may spike in a step; 0 for all, which is all that NIR can say.
    v_init : ndarray of float64, shape (n_out,)
        Membrane potential at the start of a presentation, in the units of the weights; 0 is all that NIR can say.
    table : ActivityTable or None
        What spikes stand for, by their number and the time of the last one; None for their number times `gain`.
    max_spikes_per_step : int
        How many spikes a neuron can send in one step; 1 is all that NIR can say, and more take reset by subtraction.

    Raises
    ------
    NetworkError
        If shapes do not fit, or a value is NaN, infinite or out of its range.
    """

    weight: npt.NDArray[np.float64]
    v_threshold: npt.NDArray[np.float64]
    leak: int = 0
    reset: Reset = "zero"
    gain: float = 1.0
    winners: int = 0
    v_init: npt.NDArray[np.float64] | float = 0.0
    table: ActivityTable | None = None
    max_spikes_per_step: int = 1

    def __post_init__(self) -> None:
        weight = readonly(self.weight, np.float64)
        if weight.ndim != 2 or not np.isfinite(weight).all():
            n_wrong = int((~np.isfinite(weight)).sum())
            raise NetworkError(
                f"weight of shape {weight.shape} must be a matrix of finite numbers; {n_wrong} are NaN or infinite"
            )
        v_threshold = readonly(np.broadcast_to(self.v_threshold, (weight.shape[0],)), np.float64)
        if not (np.isfinite(v_threshold).all() and (v_threshold > 0).all()):
            raise NetworkError(f"thresholds must be positive and finite; the lowest is {v_threshold.min()}")
        if not 0 <= self.leak < 4096:
            raise NetworkError(f"leak is {self.leak}/4096; the numerator must lie in 0..4095")
        if self.reset not in get_args(Reset):
            raise NetworkError(f"unknown reset {self.reset!r}; known are {', '.join(get_args(Reset))}")
        if not 0 < self.gain <= LARGEST_ACTIVITY:
            raise NetworkError(f"latent gain is {self.gain}; it must be positive and finite, to {LARGEST_ACTIVITY:g}")
        if not 0 <= self.winners <= weight.shape[0]:
            raise NetworkError(f"{self.winners} neurons are to win a step, of {weight.shape[0]}; take 0 for all")
        v_init = readonly(np.broadcast_to(self.v_init, (weight.shape[0],)), np.float64)
        if not (np.isfinite(v_init).all() and (v_init <= v_threshold).all()):
            raise NetworkError(f"initial potentials reach {v_init.max()}; they must be finite and up to the threshold")
        self._check_spikes_per_step()
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "v_threshold", v_threshold)
        object.__setattr__(self, "v_init", v_init)

    def _check_spikes_per_step(self) -> None:
        try:
            require_spikes_per_step(self.max_spikes_per_step, self.reset)
        except ConfigurationError as error:
            raise NetworkError(str(error)) from error
        if self.max_spikes_per_step > 1 and (self.table is not None or self.winners):
            what = "a limit on winners" if self.winners else "a table of activity by the times of spikes"
            raise NetworkError(f"{what} takes neurons that send one spike in a step, not {self.max_spikes_per_step}")

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return int(self.weight.shape[0])

    def by_counts(self, counts: Array) -> npt.NDArray[np.float32]:
        """Return the activity that spike counts stand for, whatever `table` says: counts times the gain."""
        activity: npt.NDArray[np.float32] = counts.astype(np.float32) * np.float32(self.gain)
        return activity

    @property
    def checksum(self) -> str:
        """SHA-256 over all that decides what the layer does and what its spikes stand for."""
        digest = hashlib.sha256(repr((self.weight.shape, self.leak, self.reset, float(self.gain))).encode())
        for array in (self.weight, self.v_threshold, np.asarray(self.v_init)):
            digest.update(np.ascontiguousarray(array).tobytes())
        if self.max_spikes_per_step > 1:
            digest.update(f"up to {self.max_spikes_per_step} spikes in a step".encode())
        if self.table is not None:
            digest.update(np.ascontiguousarray(self.table.activity).tobytes())
        return digest.hexdigest()
