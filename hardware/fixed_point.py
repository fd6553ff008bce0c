"""Which graphs run in fixed point, and what must hold so that Lava's integers do not overflow."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import CURRENT_LIMIT, DECAY_UNITY, STATE_SCALE, FixedPointNeurons
from ff2neuro.errors import GraphError, RangeError
from ff2neuro.hardware.chain import Chain, ChainLayer
from ff2neuro.spike_numbers import largest_currents

__all__ = [
    "FixedPointLayer",
    "check_currents",
    "check_fan_in",
    "exact_layers",
    "fixed_point_layers",
    "why_not_fixed_point",
]

Array = npt.NDArray[Any]

#: How far a decay or gain computed from time constants may lie from its exact value.
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class FixedPointLayer:
    """A layer whose every parameter is an integer of Lava's arithmetic.

    Attributes
    ----------
    name : str
        Name of the neuron node.
    weight : ndarray of float64, shape (n_out, n_in)
        Integers.
    neurons : FixedPointNeurons
        Their discrete equations.
    """

    name: str
    weight: Array
    neurons: FixedPointNeurons


def why_not_fixed_point(chain: Chain) -> str | None:
    """Say what keeps a chain from running in fixed point.

    Parameters
    ----------
    chain : Chain
        Layers with discrete parameters.

    Returns
    -------
    str or None
        The first obstacle, naming the node; None if there is none.
    """
    for layer in chain.layers:
        obstacle = _obstacle(layer)
        if obstacle:
            return f"node {layer.name!r}: {obstacle}"
    return None


def fixed_point_layers(chain: Chain) -> tuple[FixedPointLayer, ...]:
    """Translate a chain into Lava's fixed-point parameters.

    Parameters
    ----------
    chain : Chain
        Layers with discrete parameters.

    Returns
    -------
    tuple of FixedPointLayer
        The same layers.

    Raises
    ------
    GraphError
        If a parameter is no integer of that arithmetic.
    """
    last = chain.layers[-1]
    if not last.spiking:
        raise GraphError(
            f"node {last.name!r} is a {last.kind}, which never spikes; fixed-point neurons always have a threshold: "
            "run the graph on the reference backend"
        )
    obstacle = why_not_fixed_point(chain)
    if obstacle:
        raise GraphError(f"{obstacle}; quantise the graph first: ff2neuro export FILE.nir --weight-bits 8")
    return exact_layers(chain)


def exact_layers(chain: Chain) -> tuple[FixedPointLayer, ...]:
    """Translate a chain of which it is known that nothing keeps it from running in fixed point.

    Parameters
    ----------
    chain : Chain
        Layers with discrete parameters, for which `why_not_fixed_point` gives None.

    Returns
    -------
    tuple of FixedPointLayer
        The same layers.
    """
    return tuple(
        FixedPointLayer(
            name=layer.name,
            weight=np.round(layer.weight),
            neurons=FixedPointNeurons(
                vth=np.round(layer.neurons.v_threshold - 0.5).astype(np.int64),
                bias=np.round(layer.bias).astype(np.int64) * STATE_SCALE,
                mem_leak=int(_leak_numerator(layer.neurons.mem_decay)[0]),
                syn_leak=int(_leak_numerator(layer.neurons.syn_decay)[0]),
                reset=layer.neurons.reset,
                v_init=np.round(layer.neurons.v_init * STATE_SCALE).astype(np.int64),
                max_spikes_per_step=layer.neurons.max_spikes_per_step,
            ),
        )
        for layer in chain.layers
    )


def check_fan_in(layers: tuple[FixedPointLayer, ...]) -> None:
    """Refuse hidden weights that could overflow Lava's current.

    Parameters
    ----------
    layers : tuple of FixedPointLayer
        The network; the first layer is checked by `check_currents`, since its input is graded.

    Raises
    ------
    RangeError
        If spikes can give a neuron a current of 2^17 or more.
    """
    for before, layer in pairwise(layers):
        currents = largest_currents(layer.weight, before.neurons.max_spikes_per_step)
        if currents.max(initial=0) >= CURRENT_LIMIT:
            raise RangeError(
                f"node {layer.name!r}: {before.name!r} can give neuron {int(currents.argmax())} a current of "
                f"{currents.max():.0f} in one step; Lava's currents wrap around at {CURRENT_LIMIT}: use fewer "
                "--weight-bits or --max-spikes-per-step"
            )


def check_currents(layer: FixedPointLayer, currents: Array) -> None:
    """Refuse input that would overflow Lava's current.

    Parameters
    ----------
    layer : FixedPointLayer
        First layer of the network.
    currents : ndarray of shape (..., n_neurons)
        Weighted input of the layer.

    Raises
    ------
    RangeError
        If a current reaches 2^17 in magnitude, where Lava would wrap it around and invert the spikes.
    """
    largest = max(float(currents.max(initial=0)), -float(currents.min(initial=0)))
    if largest >= CURRENT_LIMIT:
        raise RangeError(
            f"node {layer.name!r}: an input current reaches {largest:.0f}; Lava's currents wrap around at "
            f"{CURRENT_LIMIT}: export with fewer --input-bits or --weight-bits"
        )


def _leak_numerator(decay: Array) -> Array:
    return np.round((1 - decay) * DECAY_UNITY).astype(np.int64)


def _obstacle(layer: ChainLayer) -> str | None:
    """Name the first parameter of a layer that is no integer of the arithmetic."""
    neurons = layer.neurons
    if not layer.spiking:
        return f"a {layer.kind} never spikes"
    if not _integral(layer.weight):
        return "the weights are not integers"
    if not _integral(layer.bias):
        return "the bias is not made of integers"
    if not _integral(neurons.v_threshold - 0.5):
        return "v_threshold is not an integer plus 1/2"
    if neurons.v_threshold.min() < 0:
        return "v_threshold is negative"
    if neurons.max_spikes_per_step > 1 and neurons.v_threshold.min() < 1:
        return "v_threshold is below 1, of which a spike subtracts nothing, so that several in a step have no end"
    if np.any(neurons.v_reset) or np.any(neurons.leak):
        return "v_reset or v_leak is not 0"
    if not _integral(neurons.v_init * STATE_SCALE):
        return f"an initial potential is no multiple of 1/{STATE_SCALE}"
    for what, decay in (("tau_mem", neurons.mem_decay), ("tau_syn", neurons.syn_decay)):
        exact = 1 - _leak_numerator(decay) / DECAY_UNITY
        if not np.allclose(decay, exact, rtol=0, atol=TOLERANCE):
            return f"dt/{what} is no multiple of 1/{DECAY_UNITY}"
        if np.ptp(decay) > TOLERANCE:
            return f"{what} differs between neurons"
    if not np.allclose(neurons.mem_gain * neurons.syn_gain, 1, rtol=0, atol=TOLERANCE):
        return "the gain of the input (r dt/tau) is not 1"
    return None


def _integral(values: Array) -> bool:
    return bool((values == np.round(values)).all())
