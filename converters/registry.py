"""The converters that have a name."""

from dataclasses import replace
from typing import Any, Protocol, cast, get_args

import numpy.typing as npt

from ff2neuro.converters.config import ConversionConfig, Neuron
from ff2neuro.converters.rate import convert
from ff2neuro.errors import ConfigurationError
from ff2neuro.networks import AnalogNetwork, SpikingNetwork

__all__ = ["Converter", "available_converters", "get_converter"]


class Converter(Protocol):
    """What every converter is: an analog network and calibration images in, a spiking network out."""

    def __call__(
        self, network: AnalogNetwork, calibration: npt.NDArray[Any], config: ConversionConfig | None = None
    ) -> SpikingNetwork:
        """Convert; see `ff2neuro.converters.rate.convert`."""


def available_converters() -> list[str]:
    """Return the names of all converters: those of the neurons that they convert to."""
    return list(get_args(Neuron))


def get_converter(name: str) -> Converter:
    """Return a converter by name.

    Parameters
    ----------
    name : str
        One of `available_converters`.

    Returns
    -------
    Converter
        Takes the neuron from its name, whatever the configuration says of it.

    Raises
    ------
    ConfigurationError
        If there is no converter of that name.
    """
    if name not in available_converters():
        raise ConfigurationError(f"unknown converter {name!r}; known are {', '.join(available_converters())}")
    neuron = cast(Neuron, name)

    def converter(
        network: AnalogNetwork, calibration: npt.NDArray[Any], config: ConversionConfig | None = None
    ) -> SpikingNetwork:
        return convert(network, calibration, replace(config or ConversionConfig(), neuron=neuron))

    return converter
