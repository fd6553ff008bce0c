"""The machine itself, which knows nothing of ff2neuro: neurons are visited only when an event reaches them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Layer", "Machine"]


@dataclass(frozen=True)
class Layer:
    """Leak-free integrate-and-fire neurons and the synapses that end on them.

    Attributes
    ----------
    weight : ndarray of int64, shape (n_out, n_in)
        Synaptic weights.
    threshold : ndarray of int64, shape (n_out,)
        A neuron spikes where its potential is above, and goes back to 0.
    """

    weight: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.int64]


class Machine:
    """A chain of layers that lives through one presentation after another.

    Parameters
    ----------
    layers : sequence of Layer
        First to last.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        # Events arrive one by one, so the synapses of one input lie together.
        self._fan_out = [np.ascontiguousarray(layer.weight.T) for layer in layers]

    def present(self, events: npt.NDArray[np.int64]) -> list[npt.NDArray[np.bool_]]:
        """Run one presentation from rest.

        Parameters
        ----------
        events : ndarray of int64, shape (n_time_steps, n_inputs)
            Graded input events; 0 where there is none.

        Returns
        -------
        list of ndarray of bool, shape (n_time_steps, n_neurons)
            Spikes of every layer.
        """
        potentials = [np.zeros(len(layer.threshold), dtype=np.int64) for layer in self._layers]
        spikes = [np.zeros((len(events), len(layer.threshold)), dtype=bool) for layer in self._layers]
        for t, arriving in enumerate(events):
            activity = arriving
            for layer, fan_out, v, fired in zip(self._layers, self._fan_out, potentials, spikes, strict=True):
                for source in np.flatnonzero(activity):
                    v += int(activity[source]) * fan_out[source]
                fired[t] = v > layer.threshold
                v[fired[t]] = 0
                activity = fired[t].astype(np.int64)
        return spikes
