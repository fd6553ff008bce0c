"""How many spikes there can be: in one step, in one presentation, and what current they can give."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import Reset
from ff2neuro.errors import ConfigurationError

__all__ = ["LARGEST_COUNT", "MOST_SPIKES_PER_STEP", "largest_currents", "require_spikes_per_step"]

Array = npt.NDArray[Any]

#: Spikes that a neuron can send in one step at most: what a byte holds, as in Lava's 8-bit messages.
MOST_SPIKES_PER_STEP = 255
#: Spikes that can be counted in one presentation: what two bytes hold.
LARGEST_COUNT = 65535


def require_spikes_per_step(most: int, reset: Reset, n_time_steps: int = 1) -> None:
    """Refuse a number of spikes in a step that neurons cannot send, or that counts cannot hold.

    Parameters
    ----------
    most : int
        How many spikes a neuron can send in one step.
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.
    n_time_steps : int
        Number of time steps T.

    Raises
    ------
    ConfigurationError
        If it is no whole number of 1 to `MOST_SPIKES_PER_STEP`; or above 1 with reset to zero, where nothing is left
        for a second spike; or if a count could exceed `LARGEST_COUNT`.
    """
    whole = isinstance(most, (int, np.integer)) and not isinstance(most, bool)
    if not whole or not 1 <= most <= MOST_SPIKES_PER_STEP:
        raise ConfigurationError(
            f"neurons are to send up to {most} spikes in a step; it must be a whole number in 1..{MOST_SPIKES_PER_STEP}"
        )
    if most * n_time_steps > LARGEST_COUNT:
        raise ConfigurationError(
            f"{most} spikes in each of {n_time_steps} steps make counts of up to {most * n_time_steps}; recordings "
            f"hold {LARGEST_COUNT}: use fewer --steps or --max-spikes-per-step"
        )
    if most > 1 and reset != "subtract":
        raise ConfigurationError(
            f"neurons are to send up to {most} spikes in a step, and are reset to {reset}, which leaves nothing for a "
            "second one: use --reset subtract"
        )


def largest_currents(weight: Array, spikes_per_step: int = 1) -> Array:
    """Return the largest magnitude of the current that spikes can give to each neuron in one step.

    Parameters
    ----------
    weight : ndarray of shape (n_neurons, n_sources)
        Weights.
    spikes_per_step : int
        How many spikes a source can send in one step.

    Returns
    -------
    ndarray of shape (n_neurons,)
        The sum of the weights above 0, or of those below, whichever is larger in magnitude, times the spikes.
    """
    excitation, inhibition = (np.maximum(sign * weight, 0).sum(axis=1) for sign in (1, -1))
    largest: Array = spikes_per_step * np.maximum(excitation, inhibition)
    return largest
