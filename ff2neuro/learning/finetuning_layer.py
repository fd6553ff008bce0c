r"""A spiking layer that learns: its true response forwards, the slope of its rate curve backwards.

Forwards a layer does what it will do on a machine: its weights are the integers that they round to, and its spikes are
simulated step by step in the arithmetic of the machine. Backwards, counts have no slope, for they are staircases of
the weights; that of a smooth rate curve stands in for it (a surrogate gradient, arXiv 1901.09948; for rounding, the
straight-through estimator, arXiv 1308.3432). With the mean current I over the T steps of a presentation and the
threshold :math:`\vartheta`, the curve is

- reset to zero: :math:`n = T I / (\vartheta + I)`, the lower envelope of the staircase
  :math:`T / \lceil \vartheta / I \rceil`;
- reset by subtraction: :math:`n = T I / \vartheta`, which counts follow as T grows, up to T, and
  :math:`n = T (2 - \vartheta / I)` from there on, which is as smooth.

for I > 0, and goes on as the straight line :math:`T I / \vartheta` below. Its slope is nowhere zero: a neuron
that spikes at every step can spike no more, but fewer spikes may be what its layer needs, and in a single step every
active neuron is such a one; and a neuron may spike early although its input is negative on the whole. Silent neurons
do not learn, for the loss has no slope by their activity.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ff2neuro.dynamics import Neurons, Reset, simulate, spike_counts
from ff2neuro.networks import SpikingLayer
from ff2neuro.networks.population import is_integer, layer_neurons

__all__ = ["TunedLayer", "rate_curve", "rate_slope"]

Array = npt.NDArray[Any]

#: How far, in units of the integer codes, a real weight may lie from the code that it rounds to.
MOST_ROUNDING = 0.49


@dataclass(eq=False)
class TunedLayer:
    """Real weights that learn, and the layer of spiking neurons that they round to.

    Attributes
    ----------
    shadow : Tensor of shape (n_out, n_in)
        Real weights on the scale of the analog network, changed in place by an optimizer (see `refresh`).
    scale : Tensor of shape (n_out, 1)
        Real weight that a weight of 1 in the spiking layer stands for.
    weight : Tensor of shape (n_out, n_in)
        Weights of the spiking layer, in its own units.
    layer : SpikingLayer
        Everything else: thresholds, leak, reset and gain stay as they are.
    n_time_steps : int
        Number of time steps T of a presentation.
    """

    shadow: Tensor
    scale: Tensor
    weight: Tensor
    layer: SpikingLayer
    n_time_steps: int

    def __post_init__(self) -> None:
        self._integer = is_integer(self.layer)
        self._limit = float(np.abs(self.layer.weight).max())
        self._neurons: Neurons = layer_neurons(self.layer, integer=self._integer)
        self._threshold = torch.tensor(self.layer.v_threshold, dtype=torch.float32)

    @classmethod
    def of(cls, layer: SpikingLayer, model: Array, n_time_steps: int) -> "TunedLayer":
        """Begin with a layer as it was converted.

        Parameters
        ----------
        layer : SpikingLayer
            The converted layer.
        model : ndarray of shape (n_out, n_in)
            Weights that it was converted from.
        n_time_steps : int
            Number of time steps T of a presentation.

        Returns
        -------
        TunedLayer
            Its real weights are the model's, as far as those round to the layer's.
        """
        wide = np.asarray(model, dtype=np.float64)
        scale = _scale(wide, layer.weight)
        shadow = wide
        if is_integer(layer):
            codes = layer.weight
            shadow = scale * (codes + np.clip(wide / scale - codes, -MOST_ROUNDING, MOST_ROUNDING))
        shadows, scales, weights = (torch.tensor(array, dtype=torch.float32) for array in (shadow, scale, layer.weight))
        return cls(shadows, scales, weights, layer, n_time_steps)

    def refresh(self) -> None:
        """Round the real weights anew; those that passed the largest code are set back to it."""
        if not self._integer:
            torch.div(self.shadow, self.scale, out=self.weight)
            return
        codes = (self.shadow / self.scale).clamp_(-self._limit - MOST_ROUNDING, self._limit + MOST_ROUNDING)
        torch.mul(codes, self.scale, out=self.shadow)
        torch.round(codes, out=self.weight)

    def spikes(self, currents: Tensor) -> Tensor:
        """Simulate the layer.

        Parameters
        ----------
        currents : Tensor of shape (n_presentations, n_time_steps or 1, n_out)
            Weighted input; with one time step it is the same at every step.

        Returns
        -------
        Tensor of shape (n_presentations, n_time_steps, n_out)
            Zeros and ones.
        """
        return torch.from_numpy(simulate(self._neurons, currents.numpy(), self.n_time_steps)).float()

    def counts(self, currents: Tensor) -> Tensor:
        """Simulate the layer and keep only how often each neuron spikes.

        Parameters
        ----------
        currents : Tensor of shape (n_presentations, n_time_steps or 1, n_out)
            As for `spikes`.

        Returns
        -------
        Tensor of shape (n_presentations, n_out)
            Spike counts.
        """
        return torch.from_numpy(spike_counts(self._neurons, currents.numpy(), self.n_time_steps)).float()

    def weight_gradient(self, by_activity: Tensor, drive: Tensor, summed_input: Tensor) -> Tensor:
        """Return the surrogate gradient by the real weights.

        Parameters
        ----------
        by_activity : Tensor of shape (n_presentations, n_out)
            Derivative of a loss by the activity, the gain times the counts.
        drive : Tensor of shape (n_presentations, n_out)
            Currents summed over the time steps.
        summed_input : Tensor of shape (n_presentations, n_in)
            Input events summed over the time steps.

        Returns
        -------
        Tensor of shape (n_out, n_in)
            Derivative of the loss with `rate_curve` in place of the counts.
        """
        slope = rate_slope(drive, self._threshold, self.n_time_steps, self.layer.reset)
        by_drive = by_activity * slope * self.layer.gain
        return torch.mm(by_drive.T, summed_input).div_(self.scale)


def rate_curve(drive: Tensor, threshold: Tensor, n_time_steps: int, reset: Reset) -> Tensor:
    """Return the smooth curve whose slope stands in for that of the counts.

    Parameters
    ----------
    drive : Tensor of shape (n_presentations, n_neurons)
        Currents summed over the time steps.
    threshold : Tensor of shape (n_neurons,)
        Firing thresholds.
    n_time_steps : int
        Number of time steps T.
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.

    Returns
    -------
    Tensor of shape (n_presentations, n_neurons)
        Spike counts as real numbers; negative where the drive is.
    """
    current = drive / n_time_steps
    beyond = torch.maximum(current, threshold)
    if reset == "zero":
        curve = current / (threshold + current.clamp(min=0))
    else:
        curve = torch.where(current > threshold, 2 - threshold / beyond, current / threshold)
    return n_time_steps * curve


def rate_slope(drive: Tensor, threshold: Tensor, n_time_steps: int, reset: Reset) -> Tensor:
    """Return the derivative of `rate_curve` by the drive.

    Parameters
    ----------
    drive, threshold, n_time_steps, reset
        As for `rate_curve`.

    Returns
    -------
    Tensor of shape (n_presentations, n_neurons)
        Spikes per unit of drive.
    """
    current = (drive / n_time_steps).clamp(min=0)
    return threshold / (threshold + current if reset == "zero" else torch.maximum(current, threshold)).square()


def _scale(model: Array, weight: Array) -> Array:
    """Real weight that a weight of 1 stands for, by least squares: one for each row, the layer's for rows of zeros."""
    products, squares = (model * weight).sum(axis=1), (weight**2).sum(axis=1)
    whole = products.sum() / squares.sum()
    rows = np.divide(products, squares, out=np.full(len(weight), whole), where=squares > 0)
    scale: Array = np.where(rows > 0, rows, whole)[:, None]
    return scale
