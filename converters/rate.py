"""Conversion to rate-coded integrate-and-fire neurons."""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from ff2neuro._version import __version__
from ff2neuro.coding import encode
from ff2neuro.converters.calibration import BalancedThreshold, balance_threshold
from ff2neuro.converters.quantisation import largest_code, quantise
from ff2neuro.dynamics import CURRENT_LIMIT, Reset
from ff2neuro.errors import ConfigurationError, DatasetError, RangeError
from ff2neuro.networks import AnalogNetwork, InputCode, InputCoding, SpikingLayer, SpikingNetwork

__all__ = ["ConversionConfig", "convert"]

Array = npt.NDArray[Any]

#: Share of Lava's current range that calibration data may use: unseen images need room.
CURRENT_MARGIN = 1.5
#: Spike rate of a full pixel under regular and Bernoulli coding.
FULL_RATE = 1.0


@dataclass(frozen=True)
class ConversionConfig:
    """Choices of a conversion.

    Attributes
    ----------
    n_time_steps : int
        Number of time steps T of a presentation.
    weight_bits : int or None
        Width of an integer weight, sign included; None keeps real weights, which fixed-point machines refuse.
    reset : {"zero", "subtract"}
        What a spike does to the membrane potential.
    input_coding : {"constant", "regular", "bernoulli"}
        How images become events.
    input_bits : int
        Width of a graded input under constant coding: integers 0 .. 2^bits - 1.
    dt : float
        Length of a time step [s].
    seed : int
        Seed of Bernoulli coding.

    Raises
    ------
    ConfigurationError
        If a value is out of its range.
    """

    n_time_steps: int = 32
    weight_bits: int | None = 8
    reset: Reset = "zero"
    input_coding: InputCoding = "constant"
    input_bits: int = 4
    dt: float = 1e-4
    seed: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.n_time_steps <= 65535:
            raise ConfigurationError(f"the number of time steps is {self.n_time_steps}; it must lie in 1..65535")
        if self.weight_bits is not None:
            largest_code(self.weight_bits)
        if not 1 <= self.input_bits <= 8:
            raise ConfigurationError(f"input bits are {self.input_bits}; graded input holds 1 to 8")
        if self.reset not in get_args(Reset):
            raise ConfigurationError(f"unknown reset {self.reset!r}; known are {', '.join(get_args(Reset))}")
        if self.input_coding not in get_args(InputCoding):
            known = ", ".join(get_args(InputCoding))
            raise ConfigurationError(f"unknown input coding {self.input_coding!r}; known are {known}")
        if not 0 < self.dt < float("inf"):
            raise ConfigurationError(f"dt is {self.dt} s; it must be positive and finite")


def convert(network: AnalogNetwork, calibration: Array, config: ConversionConfig | None = None) -> SpikingNetwork:
    """Convert an analog network to integrate-and-fire neurons, layer by layer.

    Each layer's weights are quantised with one scale, and its threshold is chosen by how well the spike counts, made
    from the spikes of the converted layers before it, keep the direction of the analog activity. Scales and thresholds
    change nothing but the layer's gain, since layers without bias are homogeneous.

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
    network.check_images(calibration)
    if len(calibration) == 0:
        raise DatasetError("there are no calibration images; give at least one")
    code = _input_code(network, config)
    source = encode(code, calibration, config.n_time_steps)
    events = source.read(0, source.n_images)
    events = events.reshape(-1, *events.shape[2:])
    layers, notes = [], _input_notes(code, config)
    for index, (weight, activity) in enumerate(zip(network.weights, network.latents(calibration), strict=True)):
        name = f"layer {index}"
        codes, _ = quantise(weight, config.weight_bits, name) if config.weight_bits else (weight, 1.0)
        currents = _currents(events, codes)
        if config.weight_bits:
            _check_range(name, codes, currents, hidden=index > 0)
        target = activity.reshape(-1, activity.shape[-1])
        balanced = balance_threshold(
            currents, target, config.n_time_steps, config.reset, integer=bool(config.weight_bits), name=name
        )
        layers.append(
            SpikingLayer(
                weight=np.asarray(codes, np.float64),
                v_threshold=np.array(balanced.v_threshold),
                reset=config.reset,
                gain=balanced.gain,
            )
        )
        notes.append(_layer_note(name, balanced, config))
        events = balanced.spikes
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
            "converter": "if",
            "converter_version": __version__,
        },
    )


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


def _check_range(name: str, codes: Array, currents: Array, *, hidden: bool) -> None:
    """Refuse weights whose currents could wrap around in Lava."""
    if hidden:
        largest = float(np.abs(codes).sum(axis=1).max())
        if largest >= CURRENT_LIMIT:
            raise RangeError(
                f"{name}: the absolute weights of a neuron sum to {largest:.0f}; Lava's currents wrap around at "
                f"{CURRENT_LIMIT}: use fewer --weight-bits"
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


def _layer_note(name: str, balanced: BalancedThreshold, config: ConversionConfig) -> str:
    bits = f"{config.weight_bits}-bit weights" if config.weight_bits else "real weights"
    return (
        f"{name}: {bits}, threshold {balanced.v_threshold:g}, reset {config.reset}: mean cosine between counts and "
        f"analog activity {balanced.cosine:.4f} on calibration data"
    )
