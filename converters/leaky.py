"""Quantising networks of leaky neurons, which were trained as spiking networks.

The weights of a Hebbian-trained layer span orders of magnitude, within a neuron and between neurons. Scaling the input
weights and the threshold of one neuron together leaves its spikes as they are, so every neuron has a scale of its own;
and its largest weights may be clipped where that serves the others: of several scales, the one is taken with which the
neuron, simulated in fixed point on calibration data, comes nearest to the output trace that it had.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode
from ff2neuro.converters.quantisation import largest_code
from ff2neuro.converters.target import mean_cosine
from ff2neuro.dynamics import CURRENT_LIMIT, DECAY_UNITY, FixedPointNeurons, FloatNeurons, Neurons, simulate
from ff2neuro.errors import DatasetError, NetworkError, RangeError
from ff2neuro.networks import SpikingLayer, SpikingNetwork
from ff2neuro.spike_numbers import largest_currents

__all__ = ["quantise_network"]

Array = npt.NDArray[Any]

#: Share of a neuron's largest weight that the largest code stands for; what is above is clipped.
CLIPPING = (1.0, 0.84, 0.71, 0.59, 0.5, 0.42, 0.35, 0.25, 0.18, 0.125, 0.088, 0.0625)
#: Presentations that are simulated for each of them.
N_PRESENTATIONS = 1000


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One choice of scales.

    Attributes
    ----------
    codes : ndarray of shape (n_out, n_in)
        Integers.
    scales : ndarray of shape (n_out,)
        Weight that a code of 1 stands for.
    spikes : ndarray of bool, shape (n_presentations, n_time_steps, n_out)
        What the layer does with them.
    error : ndarray of shape (n_out,)
        Mean squared difference of output traces.
    """

    codes: Array
    scales: Array
    spikes: Array
    error: Array


def quantise_network(network: SpikingNetwork, calibration: Array, bits: int, dt: float | None = None) -> SpikingNetwork:
    """Round the weights of a network of leaky neurons to integer codes.

    Parameters
    ----------
    network : SpikingNetwork
        What to quantise; left untouched.
    calibration : ndarray of shape (n_images, n_pixels)
        Images like those that it was trained on, never test images.
    bits : int
        Width of a code, sign included.
    dt : float, optional
        Length of a time step [s]; by default the network's.

    Returns
    -------
    SpikingNetwork
        Integer weights, thresholds k + 1/2, and a note on what each layer lost.

    Raises
    ------
    ConfigurationError
        If `bits` is out of range.
    DatasetError
        If there are no calibration images.
    NetworkError
        If a layer is not reset to zero, or all its weights are zero.
    RangeError
        If currents could leave the range of Lava's arithmetic.
    """
    limit = largest_code(bits)
    events = _calibration_events(network, calibration)
    own = events
    layers, notes = [], list(network.notes)
    for index, layer in enumerate(network.layers):
        _check_layer(index, layer)
        target = _run(_float_neurons(layer), own, layer.weight)
        best = _best(network, layer, target, events, limit)
        _check_range(index, best.codes)
        layers.append(replace(layer, weight=best.codes, v_threshold=_thresholds(layer, best.scales) + 0.5))
        notes.append(_note(network, index, bits, best, target))
        own, events = target, best.spikes
    made = {"converter": "leaky", "weight_bits": bits, "model_checksum": network.checksum}
    provenance = {**network.provenance, **made}
    changes: dict[str, Any] = {"layers": tuple(layers), "notes": tuple(notes), "provenance": provenance}
    return replace(network, dt=dt or network.dt, **changes)


def _calibration_events(network: SpikingNetwork, calibration: Array) -> Array:
    """Return input events of shape (n_presentations, n_time_steps, n_inputs)."""
    if len(calibration) == 0:
        raise DatasetError("there are no calibration images; give at least one")
    n_images = min(len(calibration), max(1, N_PRESENTATIONS // network.input_code.label_codes.n_classes))
    # Spread over all that there are, for files are often sorted by class.
    chosen = calibration[np.arange(n_images) * len(calibration) // n_images]
    source = encode(network.input_code, chosen, network.n_time_steps)
    events = source.read(0, source.n_images)
    return events.reshape(-1, *events.shape[2:])


def _check_layer(index: int, layer: SpikingLayer) -> None:
    if layer.reset != "zero" or np.any(layer.v_init):
        raise NetworkError(
            f"layer {index} is not reset to zero or does not start there; only such layers are quantised"
        )
    if not np.any(layer.weight):
        raise NetworkError(f"the weights of layer {index} are all zero; they quantise to nothing: train it first")


def _check_range(index: int, codes: Array) -> None:
    largest = float(largest_currents(codes).max())
    if largest >= CURRENT_LIMIT:
        raise RangeError(
            f"layer {index}: spikes can give a neuron a current of {largest:.0f} in one step; Lava's currents wrap "
            f"around at {CURRENT_LIMIT}: use fewer --weight-bits"
        )


def _best(network: SpikingNetwork, layer: SpikingLayer, target: Array, events: Array, limit: int) -> _Candidate:
    """Return the best scale of every neuron, or of the layer if its thresholds would come apart otherwise."""
    all_scales = [_scales(layer, share, limit) for share in CLIPPING]
    candidates = [_candidate(network, layer, target, events, scales, limit) for scales in all_scales]
    errors = np.array([candidate.error for candidate in candidates])
    if np.ptp([_thresholds(layer, scales) for scales in all_scales]) > 0:
        return candidates[int(errors.sum(axis=1).argmin())]
    best, neurons = errors.argmin(axis=0), np.arange(layer.n_neurons)
    return _Candidate(
        codes=np.stack([candidate.codes for candidate in candidates])[best, neurons],
        scales=np.stack([candidate.scales for candidate in candidates])[best, neurons],
        spikes=np.stack([candidate.spikes for candidate in candidates], axis=-1)[..., neurons, best],
        error=np.stack([candidate.error for candidate in candidates])[best, neurons],
    )


def _scales(layer: SpikingLayer, share: float, limit: int) -> Array:
    """Return scales that give all neurons one integer threshold, each its own where that is 0."""
    largest = np.abs(layer.weight).max(axis=1)
    of_layer = share * float(largest.max()) / limit
    k = int(float(layer.v_threshold.max()) / of_layer)
    own: Array = np.maximum(share * largest / limit, layer.v_threshold)
    common: Array = layer.v_threshold / (k + 0.5)
    return common if k else own


def _candidate(
    network: SpikingNetwork, layer: SpikingLayer, target: Array, events: Array, scales: Array, limit: int
) -> _Candidate:
    codes = np.clip(np.rint(layer.weight / scales[:, None]), -limit, limit)
    neurons = FixedPointNeurons(
        vth=_thresholds(layer, scales).astype(np.int64),
        bias=np.zeros(layer.n_neurons, dtype=np.int64),
        mem_leak=layer.leak,
    )
    spikes = _run(neurons, events, codes)
    error = ((_activity(network, spikes) - _activity(network, target)) ** 2).mean(axis=0)
    return _Candidate(codes, scales, spikes, error)


def _thresholds(layer: SpikingLayer, scales: Array) -> Array:
    """Return the integer thresholds k."""
    thresholds: Array = np.ceil(layer.v_threshold / scales) - 1
    return thresholds


def _float_neurons(layer: SpikingLayer) -> FloatNeurons:
    ones, zeros = np.ones(layer.n_neurons), np.zeros(layer.n_neurons)
    return FloatNeurons(
        v_threshold=layer.v_threshold,
        v_reset=zeros,
        mem_decay=(1 - layer.leak / DECAY_UNITY) * ones,
        mem_gain=ones,
        syn_decay=zeros,
        syn_gain=ones,
        leak=zeros,
        v_init=zeros,
    )


def _run(neurons: Neurons, events: Array, weight: Array) -> Array:
    """Simulate a layer on its input events."""
    flat = events.reshape(-1, events.shape[-1]).astype(np.float64)
    currents: Array = flat @ weight.T
    currents = currents.reshape(*events.shape[:2], weight.shape[0])
    return simulate(neurons, currents, events.shape[1])


def _activity(network: SpikingNetwork, spikes: Array) -> Array:
    """Return what the readout makes of a layer's spikes: its output trace, or the spike counts."""
    if network.trace is None:
        counts: Array = spikes.sum(axis=1).astype(np.float64)
        return counts
    return network.trace.final(spikes)


def _note(network: SpikingNetwork, index: int, bits: int, best: _Candidate, target: Array) -> str:
    cosine = mean_cosine(_activity(network, best.spikes), _activity(network, target))
    same = float((best.spikes == target).mean())
    return (
        f"layer {index}: {bits}-bit weights, one scale per neuron ({best.scales.min():.3g} to {best.scales.max():.3g} "
        f"per code): on calibration data {same:.2%} of all bins as before, mean cosine of the activity {cosine:.4f}"
    )
