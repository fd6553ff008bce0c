"""Populations of neurons as compiled code takes them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import STATE_LIMIT, STATE_SCALE, FixedPointNeurons

__all__ = ["KernelParameters", "in_lanes", "kernel_parameters", "regular"]

Array = npt.NDArray[Any]

#: Neurons that vectors hold: populations are filled up to a multiple with silent ones, for what is left over is slow.
LANES = 32


class KernelParameters(NamedTuple):
    """A population as compiled code takes it; all arrays are int32 of shape (n_lanes,), in units of 1/64.

    n_lanes is n_neurons filled up by `in_lanes`. `plain` says that u is the input of the step and v has no leak, `most`
    how many spikes a neuron can send in one step.
    """

    threshold: Array
    bias: Array
    v_init: Array
    mem_leak: int
    syn_leak: int
    subtract: bool
    plain: bool
    most: int


def in_lanes(n_neurons: int) -> int:
    """Return the length to which an axis of neurons is filled up.

    Parameters
    ----------
    n_neurons : int
        Number of neurons.

    Returns
    -------
    int
        The next multiple of `LANES`; neurons beyond `n_neurons` have no input and no threshold and never spike.
    """
    return -(-n_neurons // LANES) * LANES


def kernel_parameters(neurons: FixedPointNeurons) -> KernelParameters:
    """Return the parameters of a population.

    Parameters
    ----------
    neurons : FixedPointNeurons
        The population.

    Returns
    -------
    KernelParameters
        For `integrate` and `propagate`.
    """

    def spread(values: Any) -> Array:
        lanes = np.zeros(in_lanes(neurons.n_neurons), dtype=np.int32)
        lanes[: neurons.n_neurons] = values
        return lanes

    return KernelParameters(
        threshold=spread(np.asarray(neurons.vth, dtype=np.int64) * STATE_SCALE),
        bias=spread(neurons.bias),
        v_init=spread(neurons.v_init),
        mem_leak=neurons.mem_leak,
        syn_leak=neurons.syn_leak,
        subtract=neurons.reset == "subtract",
        plain=neurons.plain,
        most=neurons.max_spikes_per_step,
    )


def regular(parameters: KernelParameters) -> bool:
    """Say whether a constant current makes a population spike at regular intervals from the start.

    Parameters
    ----------
    parameters : KernelParameters
        The population.

    Returns
    -------
    bool
        True for leak-free neurons that start at 0, reset to 0 and have a threshold that their potential can pass.
    """
    within = parameters.threshold.max(initial=0) < STATE_LIMIT - 1 and not parameters.v_init.any()
    return within and parameters.plain and not parameters.subtract
