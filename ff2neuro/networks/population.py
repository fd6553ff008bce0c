"""The neurons of a spiking layer, in the arithmetic that they will run in: the response that a layer really has."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import DECAY_UNITY, STATE_SCALE, FixedPointNeurons, FloatNeurons, Neurons, Reset
from ff2neuro.networks.spiking_layer import SpikingLayer

__all__ = ["is_integer", "layer_neurons", "neurons"]

Array = npt.NDArray[Any]


def is_integer(layer: SpikingLayer) -> bool:
    """Say whether a layer runs in fixed point: integer weights, and thresholds of k + 1/2."""
    return bool((layer.weight == np.round(layer.weight)).all() and (layer.v_threshold % 1 == 0.5).all())


def layer_neurons(layer: SpikingLayer, *, integer: bool) -> Neurons:
    """Return the population of a layer.

    Parameters
    ----------
    layer : SpikingLayer
        The layer.
    integer : bool
        Whether to use Lava's fixed-point arithmetic.

    Returns
    -------
    Neurons
        The population.
    """
    return neurons(
        layer.v_threshold,
        np.asarray(layer.v_init),
        layer.leak,
        layer.reset,
        layer.max_spikes_per_step,
        integer=integer,
    )


def neurons(
    v_threshold: Array, v_init: Array, leak: int, reset: Reset, max_spikes_per_step: int = 1, *, integer: bool
) -> Neurons:
    """Return a population.

    Parameters
    ----------
    v_threshold : ndarray of shape (n_neurons,)
        Firing thresholds in the units of the weights; k + 1/2 for integers.
    v_init : ndarray of shape (n_neurons,)
        Potentials at the start of a presentation, in the same units.
    leak : int
        Numerator n of the leak n/4096 per step.
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.
    max_spikes_per_step : int
        Number of spikes that a neuron can send in one step.
    integer : bool
        Whether to use Lava's fixed-point arithmetic.

    Returns
    -------
    Neurons
        The population.
    """
    if integer:
        return FixedPointNeurons(
            vth=np.floor(v_threshold).astype(np.int64),
            bias=np.zeros(v_threshold.shape, dtype=np.int64),
            mem_leak=leak,
            reset=reset,
            v_init=np.round(v_init * STATE_SCALE).astype(np.int64),
            max_spikes_per_step=max_spikes_per_step,
        )
    ones, zeros = np.ones(v_threshold.shape), np.zeros(v_threshold.shape)
    return FloatNeurons(
        v_threshold=v_threshold,
        v_reset=zeros,
        mem_decay=ones - leak / DECAY_UNITY,
        mem_gain=ones,
        syn_decay=zeros,
        syn_gain=ones,
        leak=zeros,
        v_init=v_init,
        reset=reset,
        max_spikes_per_step=max_spikes_per_step,
    )
