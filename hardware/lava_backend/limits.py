"""What Lava's fixed-point models can hold, checked before anything is started."""

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import CURRENT_LIMIT, STATE_LIMIT, STATE_SCALE
from ff2neuro.errors import GraphError, RangeError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.beyond_nir import configured_chain
from ff2neuro.hardware.fixed_point import FixedPointLayer, check_currents, check_fan_in, fixed_point_layers
from ff2neuro.hardware.reference_backend.backend import check_input_size
from ff2neuro.inputs import InputSource

__all__ = ["check_events", "lava_layers"]

#: Signed 8-bit weights.
WEIGHT_RANGE = (-128, 127)
#: 17-bit thresholds.
VTH_RANGE = (0, 131071)
#: 13-bit mantissa of the bias, with the exponent that makes its unit the weights'.
BIAS_RANGE = (-4096, 4095)
#: 24-bit potentials, in whole units of the weights.
V_RANGE = (1 - STATE_LIMIT // STATE_SCALE, STATE_LIMIT // STATE_SCALE - 1)
#: Graded spikes of 8 bits.
INPUT_RANGE = (0, 255)


def lava_layers(graph: nir.NIRGraph, inputs: InputSource, config: RunConfig) -> tuple[FixedPointLayer, ...]:
    """Translate a graph into integers that Lava honours exactly.

    Parameters
    ----------
    graph : nir.NIRGraph
        A chain.
    inputs : InputSource
        Input events; only their shape and kind are looked at.
    config : RunConfig
        What the graph does not say.

    Returns
    -------
    tuple of FixedPointLayer
        First to last.

    Raises
    ------
    GraphError
        If the graph is not made of integers, or the events do not fit it or are not integers.
    RangeError
        If a parameter is beyond Lava's range.
    """
    chain = configured_chain(graph, config)
    check_input_size(chain, inputs)
    layers = fixed_point_layers(chain)
    if not inputs.integer:
        raise GraphError(
            "the input events are not integers, which is all that Lava's fixed-point models take; "
            "scale and round them, or use the reference backend"
        )
    check_fan_in(layers)
    for layer in layers:
        _check_layer(layer)
    return layers


def _check_layer(layer: FixedPointLayer) -> None:
    neurons = layer.neurons
    bias = np.asarray(neurons.bias) // STATE_SCALE
    for what, values, (low, high), advice in (
        ("a weight", layer.weight, WEIGHT_RANGE, "export with --weight-bits 8"),
        ("a threshold", np.asarray(neurons.vth), VTH_RANGE, "export with fewer --weight-bits"),
        ("a bias", bias, BIAS_RANGE, "export with fewer --weight-bits"),
        ("an initial potential", np.atleast_1d(neurons.v_init) / STATE_SCALE, V_RANGE, "start nearer to 0"),
    ):
        beyond = values[(values < low) | (values > high)]
        if beyond.size:
            raise RangeError(
                f"node {layer.name!r}: {what} is {beyond.ravel()[0]:.0f}; Lava takes {low}..{high}: {advice}"
            )
    # Lava's two decay constants are 12-bit numbers, and u has one added to it.
    if neurons.mem_leak > 4095 or not 1 <= neurons.syn_leak <= 4096:
        raise RangeError(
            f"node {layer.name!r}: v leaks {neurons.mem_leak}/4096 and u {neurons.syn_leak}/4096 per step; "
            "Lava takes 0..4095 and 1..4096: choose other time constants"
        )


def check_events(layer: FixedPointLayer, events: npt.NDArray[np.generic]) -> None:
    """Refuse input events that Lava cannot take.

    Parameters
    ----------
    layer : FixedPointLayer
        First layer.
    events : ndarray of shape (..., n_inputs)
        Input events.

    Raises
    ------
    RangeError
        If an event is beyond 0..255, or a current reaches 2^17, where Lava's would wrap around.
    """
    low, high = float(events.min(initial=0)), float(events.max(initial=0))
    if low < INPUT_RANGE[0] or high > INPUT_RANGE[1]:
        raise RangeError(
            f"an input event is {low if low < 0 else high:.0f}; Lava's graded spikes hold "
            f"{INPUT_RANGE[0]}..{INPUT_RANGE[1]}: export with fewer --input-bits"
        )
    if high * np.abs(layer.weight).sum(axis=1).max(initial=0) < CURRENT_LIMIT:
        return
    check_currents(layer, events.reshape(-1, events.shape[-1]).astype(np.float64) @ layer.weight.T)
