"""The neurons of a converted layer, in the arithmetic that they will run in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.converters.config import ConversionConfig
from ff2neuro.dynamics import STATE_SCALE, Neurons, Reset
from ff2neuro.networks import SpikingLayer
from ff2neuro.networks.population import layer_neurons, neurons

__all__ = ["NeuronModel"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class NeuronModel:
    """Everything about a population but its thresholds.

    Attributes
    ----------
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.
    leak : int
        Numerator n of the leak n/4096 per step.
    initial_potential : float
        Membrane potential at the start, as a fraction of the threshold.
    integer : bool
        Whether to use Lava's fixed-point arithmetic, with thresholds of k + 1/2.
    max_spikes_per_step : int
        How many spikes a neuron can send in one step.
    """

    reset: Reset = "zero"
    leak: int = 0
    initial_potential: float = 0.0
    integer: bool = True
    max_spikes_per_step: int = 1

    @classmethod
    def of(cls, config: ConversionConfig) -> "NeuronModel":
        """Return the neurons that a conversion asks for."""
        integer = config.weight_bits is not None
        return cls(config.reset, config.mem_leak, config.start, integer, config.max_spikes_per_step)

    def thresholds(self, exact: Array) -> Array:
        """Return the thresholds nearest below, in the units of the weights, that these neurons can have.

        Parameters
        ----------
        exact : ndarray of shape (n_neurons,)
            Thresholds as real numbers.

        Returns
        -------
        ndarray of shape (n_neurons,)
            k + 1/2 for integers, else as given. k is above 0 where several spikes in a step each subtract it.
        """
        lowest = 0.0 if self.max_spikes_per_step == 1 else 1.0
        return np.maximum(np.floor(exact), lowest) + 0.5 if self.integer else exact

    def v_init(self, v_threshold: Array) -> Array:
        """Return the initial potentials that go with thresholds, in the units of the weights."""
        exact = self.initial_potential * v_threshold
        return np.floor(exact * STATE_SCALE) / STATE_SCALE if self.integer else exact

    def at(self, v_threshold: Array) -> Neurons:
        """Return a population.

        Parameters
        ----------
        v_threshold : ndarray of shape (n_neurons,)
            Firing thresholds in the units of the weights, as `thresholds` gives them.

        Returns
        -------
        Neurons
            The population.
        """
        return neurons(
            v_threshold,
            self.v_init(v_threshold),
            self.leak,
            self.reset,
            self.max_spikes_per_step,
            integer=self.integer,
        )

    @staticmethod
    def of_layer(layer: SpikingLayer, *, integer: bool) -> Neurons:
        """Return the population of a layer that has been converted."""
        return layer_neurons(layer, integer=integer)
