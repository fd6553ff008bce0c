"""Conversion to rate-coded integrate-and-fire neurons, with or without leak."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro._version import __version__
from ff2neuro.converters.calibration import MOST_TRIALS, BalancedThreshold, balance_threshold
from ff2neuro.converters.config import ConversionConfig
from ff2neuro.converters.late_progress import LateProgress
from ff2neuro.converters.population import NeuronModel
from ff2neuro.converters.presentations import present
from ff2neuro.converters.quantisation import codes_at, largest_code, quantise_layer
from ff2neuro.converters.target import Target
from ff2neuro.dynamics import CURRENT_LIMIT, DECAY_UNITY
from ff2neuro.errors import DatasetError, RangeError
from ff2neuro.networks import AnalogNetwork, InputCode, SpikingLayer, SpikingNetwork
from ff2neuro.spike_numbers import largest_currents

__all__ = ["ConversionConfig", "convert", "sweep"]

Array = npt.NDArray[Any]

#: Share of Lava's current range that calibration data may use: unseen images need room.
CURRENT_MARGIN = 1.5
#: Room that rounding to a coarser scale needs.
CURRENT_HEADROOM = 1.02
#: How much coarser than needed weights may be so that several spikes in a step fit that range: a bit less.
WASTE_FOR_SEVERAL = 2
#: Spike rate of a full pixel under regular and Bernoulli coding.
FULL_RATE = 1.0


def convert(network: AnalogNetwork, calibration: Array, config: ConversionConfig | None = None) -> SpikingNetwork:
    """Convert an analog network to integrate-and-fire neurons, layer by layer.

    Each layer's weights are quantised, and its threshold is chosen by how well the spike counts, made from the spikes
    of the converted layers before it, keep the direction of the analog activity and the probability that follows from
    it. Scales and thresholds change nothing but the layer's gain, since layers without bias are homogeneous.

    Parameters
    ----------
    network : AnalogNetwork
        What to convert; left untouched.
    calibration : ndarray of shape (n_images, n_pixels)
        Images like those that it was trained on, never test images.
    config : ConversionConfig, optional
        Choices.

    Returns
    -------
    SpikingNetwork
        The converted network, with notes on every approximation.

    Raises
    ------
    DatasetError
        If the calibration images are empty or of another size.
    NetworkError
        If a layer is silent or its weights are all zero.
    RangeError
        If currents would leave the range of Lava's arithmetic.
    """
    config = config or ConversionConfig()
    network.require_convertible()
    network.check_images(calibration)
    if len(calibration) == 0:
        raise DatasetError("there are no calibration images; give at least one")
    code = _input_code(network, config)
    presentations = present(network, code, calibration, config)
    layers, notes = [], _input_notes(code, config)
    events, before = presentations.events, None
    with LateProgress("balancing thresholds", len(network.weights) * MOST_TRIALS, "thresholds") as progress:
        for index, weight in enumerate(network.weights):
            target = presentations.target(index, before, config)
            layer, balanced, note = _convert_layer(index, weight, events, target, config, progress)
            layers.append(layer)
            notes.append(note)
            events, before = balanced.spikes, balanced.activity
            progress.reach((index + 1) * MOST_TRIALS)
    return SpikingNetwork(
        layers=tuple(layers),
        input_code=code,
        head=network.head,
        n_time_steps=config.n_time_steps,
        dt=config.dt,
        notes=tuple(notes),
        provenance={
            **network.provenance,
            "model_checksum": network.checksum,
            "converter": config.neuron,
            "converter_version": __version__,
        },
        one_pass=network.one_pass,
    )


def sweep(
    network: AnalogNetwork, calibration: Array, configs: Iterable[ConversionConfig]
) -> Iterator[tuple[ConversionConfig, SpikingNetwork]]:
    """Convert a network in several ways, one after the other.

    Parameters
    ----------
    network : AnalogNetwork
        What to convert; left untouched.
    calibration : ndarray of shape (n_images, n_pixels)
        As for `convert`.
    configs : iterable of ConversionConfig
        The ways.

    Yields
    ------
    config : ConversionConfig
        One of the ways.
    network : SpikingNetwork
        What it gives.
    """
    for config in configs:
        yield config, convert(network, calibration, config)


def _convert_layer(
    index: int,
    weight: Array,
    events: Array,
    target: Target,
    config: ConversionConfig,
    progress: LateProgress,
) -> tuple[SpikingLayer, BalancedThreshold, str]:
    """Quantise a layer's weights and balance its threshold towards its target."""
    name, model = f"layer {index}", NeuronModel.of(config)
    codes, scale = np.asarray(weight, np.float64), np.ones(len(weight))
    spikes_per_step = config.max_spikes_per_step if index else None
    if config.weight_bits is not None:
        codes, scale = _quantise(weight, events, config, name, spikes_per_step)
    currents = _currents(events, codes)
    if config.weight_bits is not None:
        _check_range(name, codes, currents, spikes_per_step)
    balanced = balance_threshold(
        currents,
        target,
        config.n_time_steps,
        model,
        name=name,
        scale=scale,
        readout=config.readout,
        tick=progress.tick,
    )
    layer = SpikingLayer(
        weight=codes,
        v_threshold=balanced.v_threshold,
        leak=config.mem_leak,
        reset=config.reset,
        gain=balanced.gain,
        v_init=model.v_init(balanced.v_threshold),
        table=balanced.table,
        max_spikes_per_step=config.max_spikes_per_step,
    )
    error = float(np.linalg.norm(codes * scale[:, None] - weight) / np.linalg.norm(weight))
    return layer, balanced, _layer_note(name, balanced, config, error)


def _quantise(
    weight: Array, events: Array, config: ConversionConfig, name: str, spikes_per_step: int | None
) -> tuple[Array, Array]:
    """Round weights to integers, on a coarser scale than the best where that keeps currents in range."""
    assert config.weight_bits is not None
    codes, scale = quantise_layer(weight, config.weight_bits, name, config.weight_scale)
    # No weight is clipped at this scale; a coarser one would waste codes.
    coarsest = np.abs(weight).max() / largest_code(config.weight_bits)
    several = spikes_per_step is not None and spikes_per_step > 1
    if several:
        coarsest *= WASTE_FOR_SEVERAL
    share = _share_of_range(codes, events, config, spikes_per_step)
    if (share * CURRENT_HEADROOM > 1).any():
        scale = np.minimum(scale * np.maximum(1.0, share * CURRENT_HEADROOM), coarsest)
        codes = codes_at(weight, scale[:, None], config.weight_bits)
    # Codes that were clipped shrink by less than their scale grows.
    while several and ((share := _share_of_range(codes, events, config, spikes_per_step)) >= 1).any():
        if not ((share >= 1) & (scale < coarsest)).any():
            break
        scale = np.minimum(scale * np.where(share >= 1, share * CURRENT_HEADROOM, 1.0), coarsest)
        codes = codes_at(weight, scale[:, None], config.weight_bits)
    return codes, scale


def _share_of_range(codes: Array, events: Array, config: ConversionConfig, spikes_per_step: int | None) -> Array:
    """Return what share of Lava's range the currents of each neuron take, or those of the layer if it has one scale."""
    if spikes_per_step is not None and spikes_per_step > 1:
        # What could come at most, rather than what came: as many spikes are rare on calibration data.
        largest = largest_currents(codes, spikes_per_step)
    else:
        largest = np.abs(_currents(events, codes)).max(axis=(0, 1)) * CURRENT_MARGIN
    if config.weight_scale == "layer":
        largest = np.full_like(largest, largest.max())
    share: Array = largest / CURRENT_LIMIT
    return share


def _input_code(network: AnalogNetwork, config: ConversionConfig) -> InputCode:
    scale = float(2**config.input_bits - 1) if config.input_coding == "constant" else FULL_RATE
    # A label stronger than a full pixel needs a rate above its own: scale everything so that it just fits.
    if config.input_coding != "constant":
        scale /= max(1.0, network.label_codes.strength)
    return InputCode(config.input_coding, scale, network.label_codes, network.image_shape, config.seed)


def _currents(events: Array, codes: Array) -> Array:
    """Weighted input of every presentation and step; single precision is exact for the integers that occur here."""
    flat = events.reshape(-1, events.shape[-1]).astype(np.float32)
    currents: Array = flat @ codes.T.astype(np.float32)
    return currents.reshape(*events.shape[:2], codes.shape[0])


def _check_range(name: str, codes: Array, currents: Array, spikes_per_step: int | None) -> None:
    """Refuse weights whose currents could wrap around in Lava; graded input sends no spikes (None)."""
    if spikes_per_step is not None:
        largest = float(largest_currents(codes, spikes_per_step).max())
        if largest >= CURRENT_LIMIT:
            raise RangeError(
                f"{name}: the layer before can give a neuron a current of {largest:.0f} in one step; Lava's currents "
                f"wrap around at {CURRENT_LIMIT}: use fewer --weight-bits or --max-spikes-per-step"
            )
        return
    largest = float(np.abs(currents).max())
    if largest >= CURRENT_LIMIT / CURRENT_MARGIN:
        raise RangeError(
            f"{name}: input currents reach {largest:.0f} on the calibration data; Lava's currents wrap around at "
            f"{CURRENT_LIMIT} and unseen images need room (limit {CURRENT_LIMIT / CURRENT_MARGIN:.0f}): use fewer "
            "--input-bits or --weight-bits"
        )


def _input_notes(code: InputCode, config: ConversionConfig) -> list[str]:
    if code.coding == "constant":
        exact = code.label_codes.strength * code.scale
        note = f"pixels are rounded to {config.input_bits} bits (integers 0..{code.scale:.0f}, the same at every step)"
        drift = f"; label amplitude {exact:.4g} is rounded to {code.label_amplitude:.0f}"
        return [note + (drift if exact != code.label_amplitude else "")]
    return [f"pixels become {code.coding} spikes with rate {code.scale:.4g} per step for a full pixel"]


def _layer_note(name: str, balanced: BalancedThreshold, config: ConversionConfig, error: float) -> str:
    bits = f"{config.weight_bits}-bit weights" if config.weight_bits else "real weights"
    rounding = f" with one scale per {config.weight_scale} (relative error {error:.3g})" if config.weight_bits else ""
    low, high = float(balanced.v_threshold.min()), float(balanced.v_threshold.max())
    threshold = f"threshold {low:g}" if low == high else f"thresholds {low:g} to {high:g}"
    leak = f", leak {config.mem_leak}/{DECAY_UNITY} per step" if config.mem_leak else ""
    several = f", up to {config.max_spikes_per_step} spikes in a step" if config.max_spikes_per_step > 1 else ""
    start = f", potential starts at {config.start:g} of the threshold" if config.start else ""
    voted = "" if balanced.error is None else f", mean error of the probability {balanced.error:.4f}"
    read = "counts" if config.readout == "counts" else "activity read from counts and last spikes"
    return (
        f"{name}: {bits}{rounding}, {threshold}, reset {config.reset}{several}{leak}{start}: mean cosine between "
        f"{read} and analog activity {balanced.cosine:.4f}{voted} on calibration data"
    )
