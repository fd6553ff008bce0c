"""Options of ``ff2neuro export`` that say how a network is converted, and what they lead to."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ff2neuro.cli.options import data_of, load_data, load_training_images
from ff2neuro.errors import ConfigurationError

if TYPE_CHECKING:
    from ff2neuro.converters.choice import HeldOut
    from ff2neuro.converters.config import ConversionConfig
    from ff2neuro.networks import AnalogNetwork, SpikingNetwork

__all__ = ["AUTO", "conversion_options", "convert_network", "number_of_bits"]

F = TypeVar("F", bound=Callable[..., Any])

#: Value of an option that is to be chosen by measurement.
AUTO = "auto"
#: What choices start from: the widest weights and many steps cost least.
MOST_BITS, MANY_STEPS = 8, 32


def conversion_options(function: F) -> F:
    """Add the options that say how a network is converted (see `convert_network`)."""
    for option in reversed(
        (
            click.option(
                "--neuron",
                type=click.Choice(["if", "lif"]),
                default="if",
                show_default=True,
                help="Neuron model: without or with leak.",
            ),
            click.option("--leak", type=int, help="Leak n/4096 per step of a lif [default: tau is 4 presentations]."),
            click.option(
                "--reset",
                type=click.Choice(["zero", "subtract"]),
                default="zero",
                show_default=True,
                help="What a spike does to the membrane potential; NIR can say only zero.",
            ),
            click.option(
                "--initial-potential",
                type=float,
                help="Potential at the start, as a fraction of the threshold; other than 0 only in the native dialect "
                "[default: 0; with --reset subtract 0.5, which rounds counts to nearest].",
            ),
            click.option(
                "--steps",
                "n_time_steps",
                default=str(MANY_STEPS),
                show_default=True,
                help="Time steps per presentation, or auto.",
            ),
            click.option(
                "--weight-bits",
                default=str(MOST_BITS),
                show_default=True,
                help="Width of an integer weight (2 to 8), auto, or none.",
            ),
            click.option(
                "--weight-scale",
                type=click.Choice(["layer", "neuron"]),
                default="layer",
                show_default=True,
                help="What shares one quantisation step; per neuron only in the native dialect.",
            ),
            click.option(
                "--readout",
                type=click.Choice(["counts", "times"]),
                default="counts",
                show_default=True,
                help="What spikes are read by: their number, or also the time of the last one, which needs recordings "
                "of spikes and with --reset subtract comes nearer to the model.",
            ),
            click.option(
                "--max-spikes-per-step",
                type=int,
                default=1,
                show_default=True,
                help="How many spikes a neuron can send in one step, up to 255; more than 1 only with --reset subtract "
                "in the native dialect.",
            ),
            click.option(
                "--tolerance",
                type=float,
                default=0.5,
                show_default=True,
                help="Accuracy that auto may lose, two standard errors included, in percentage points.",
            ),
            click.option(
                "--held-out",
                "n_held_out",
                type=int,
                default=2000,
                show_default=True,
                help="Training images that judge auto (none of --calibration) and --fine-tune.",
            ),
        )
    ):
        function = option(function)
    return function


def number_of_bits(text: str) -> int | None:
    """Return the width of a weight that an option names; None for real weights.

    Parameters
    ----------
    text : str
        Value of ``--weight-bits``.

    Returns
    -------
    int or None
        The width.

    Raises
    ------
    ConfigurationError
        If the text is neither a number nor "none".
    """
    if text == "none":
        return None
    if not text.isdecimal():
        raise ConfigurationError(f"--weight-bits is {text!r}; it must be a number from 2 to 8, auto, or none")
    return int(text)


def convert_network(analog: "AnalogNetwork", options: dict[str, Any]) -> "tuple[ConversionConfig, SpikingNetwork]":
    """Convert a network as the options say.

    Parameters
    ----------
    analog : AnalogNetwork
        What to convert.
    options : dict
        Values of `conversion_options`, `data_options` and those of ``export`` about the input.

    Returns
    -------
    config : ConversionConfig
        The choices, with those that were to be made by measurement.
    network : SpikingNetwork
        The conversion.

    Raises
    ------
    ConfigurationError
        If a choice makes no sense, or nothing meets the tolerance.
    DatasetError
        If the data cannot be had.
    """
    from ff2neuro.converters.choice import CANDIDATE_BITS, CANDIDATE_STEPS, choose
    from ff2neuro.converters.rate import convert

    steps = CANDIDATE_STEPS if options["n_time_steps"] == AUTO else ()
    bits = CANDIDATE_BITS if options["weight_bits"] == AUTO else ()
    config = _config(options)
    calibration = load_training_images(analog, options, options["n_calibration"])
    if not (steps or bits):
        return config, convert(analog, calibration, config)
    tolerance = options["tolerance"]
    held_out = _held_out(analog, options)
    return choose(analog, calibration, held_out, config, tolerance_pp=tolerance, steps=steps, weight_bits=bits)


def _config(options: dict[str, Any]) -> "ConversionConfig":
    """Choices of the options; those to be measured start from the most."""
    from ff2neuro.converters.config import ConversionConfig

    steps, bits = options["n_time_steps"], options["weight_bits"]
    return ConversionConfig(
        n_time_steps=MANY_STEPS if steps == AUTO else _number_of_steps(steps),
        weight_bits=MOST_BITS if bits == AUTO else number_of_bits(bits),
        reset=options["reset"],
        input_coding=options["input_coding"],
        input_bits=options["input_bits"],
        dt=options["dt"],
        seed=options["seed"],
        neuron=options["neuron"],
        leak=options["leak"],
        weight_scale=options["weight_scale"],
        initial_potential=options["initial_potential"],
        readout=options["readout"],
        max_spikes_per_step=options["max_spikes_per_step"],
    )


def _number_of_steps(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigurationError(f"--steps is {text!r}; it must be a number from 1, or auto") from None


def _held_out(analog: "AnalogNetwork", options: dict[str, Any]) -> "HeldOut":
    """Draw the images that follow those of the calibration in the same random order."""
    import numpy as np

    from ff2neuro.converters.choice import HeldOut

    first, n_images = options["n_calibration"], options["n_held_out"]
    if n_images < 1:
        raise ConfigurationError(f"--held-out is {n_images}; at least one image is needed")
    dataset = load_data(options["dataset"], options["data_file"], options["data_dir"], data_of(analog.provenance))
    images, labels = dataset.split("train")
    order = np.random.default_rng(options["seed"]).permutation(len(images))[first : first + n_images]
    if len(order) == 0:
        raise ConfigurationError(
            f"--calibration {first} takes all {len(images)} training images; leave some to judge auto on"
        )
    return HeldOut(images[order], labels[order])
