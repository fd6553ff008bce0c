"""What a sweep varies: choices of the conversion, noise in the input, faults of neurons."""

import math
from dataclasses import dataclass, replace
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.converters.config import DEFAULT_START, ConversionConfig
from ff2neuro.converters.nir_graph import linear_name, spikes_name, to_nir
from ff2neuro.errors import ConfigurationError, NetworkError
from ff2neuro.networks import SpikingNetwork
from ff2neuro.validation.trained import TrainedNetwork

__all__ = [
    "CONVERSION_PARAMETERS",
    "DISTURBANCES",
    "SweepRequest",
    "conversion_of",
    "disturb_graph",
    "disturb_images",
    "require_sweepable",
    "vary",
]

Array = npt.NDArray[Any]

#: Parameters that need a conversion of their own for each value, and the choices that they are.
CONVERSION_PARAMETERS = {
    "steps": "n_time_steps",
    "weight_bits": "weight_bits",
    "input_coding": "input_coding",
    "input_bits": "input_bits",
    "max_spikes_per_step": "max_spikes_per_step",
}
#: Parameters that disturb the network as it was exported: standard deviation of noise on pixels, shares of neurons that
#: never spike, or always.
DISTURBANCES = ("noise", "dead_neurons", "stuck_neurons")
#: Choices of the conversion that learning in spiking neurons has made already.
FIXED_BY_HEBBIAN_TRAINING = ("steps", "input_coding", "input_bits", "max_spikes_per_step")

#: Largest bias that Lava's neurons hold.
LARGEST_BIAS = 4095


@dataclass(frozen=True)
class SweepRequest:
    """One parameter and the values that it is to take.

    Attributes
    ----------
    parameter : str
        One of `CONVERSION_PARAMETERS` or `DISTURBANCES`.
    values : tuple of int, float or str
        Values, in the order of the curve.
    """

    parameter: str
    values: tuple[float | str, ...]

    @classmethod
    def parse(cls, text: str) -> "SweepRequest":
        """Read a request such as ``steps=2,4,8``.

        Parameters
        ----------
        text : str
            Name, equals sign, values with commas between them.

        Returns
        -------
        SweepRequest
            The request.

        Raises
        ------
        ConfigurationError
            If there is no such parameter, or a value is out of its range.
        """
        parameter, _, listed = text.partition("=")
        known = (*CONVERSION_PARAMETERS, *DISTURBANCES)
        if parameter not in known:
            raise ConfigurationError(f"--sweep {text}: {parameter!r} cannot be swept; known are {', '.join(known)}")
        values = tuple(_value(parameter, value.strip()) for value in listed.split(","))
        for value in values:
            if parameter in CONVERSION_PARAMETERS:
                # Reset by subtraction allows what reset to zero does; what the network's own does not, its point says.
                vary(ConversionConfig(reset="subtract"), parameter, value)
            elif not 0 <= float(value) <= 1:
                raise ConfigurationError(f"--sweep {text}: {parameter} is {value}; it must lie between 0 and 1")
        return cls(parameter, values)


def _value(parameter: str, text: str) -> float | str:
    if parameter == "input_coding" or (parameter, text) == ("weight_bits", "none"):
        return text
    try:
        number = float(text)
        if parameter in DISTURBANCES:
            return number
        if number == int(number):
            return int(number)
    except (ValueError, OverflowError):
        pass
    kind = "a number" if parameter in DISTURBANCES else "a whole number"
    raise ConfigurationError(f"--sweep: {parameter} is {text!r}; it must be {kind}")


def vary(config: ConversionConfig, parameter: str, value: float | str) -> ConversionConfig:
    """Return a conversion with one other choice.

    Parameters
    ----------
    config : ConversionConfig
        The choices.
    parameter : str
        One of `CONVERSION_PARAMETERS`.
    value : int or str
        Its value; "none" for real weights.

    Returns
    -------
    ConversionConfig
        The choices with that one replaced.

    Raises
    ------
    ConfigurationError
        If the value is out of its range.
    """
    choice: dict[str, Any] = {CONVERSION_PARAMETERS[parameter]: None if value == "none" else value}
    return replace(config, **choice)


def require_sweepable(request: SweepRequest, trained: TrainedNetwork, spiking: SpikingNetwork) -> None:
    """Refuse to vary what a network's training fixed.

    Parameters
    ----------
    request : SweepRequest
        What is to be varied.
    trained, spiking : AnalogNetwork or SpikingNetwork, SpikingNetwork
        The model, and its conversion.

    Raises
    ------
    ConfigurationError
        If the network learned in spiking neurons, and with them the parameter was chosen; or if it was fine-tuned with
        the value that it has.
    """
    if spiking.fine_tuned_checksums is not None and request.parameter in CONVERSION_PARAMETERS:
        raise ConfigurationError(
            f"--sweep {request.parameter} converts the model anew, which says nothing of a network that was fine-tuned "
            f"after its conversion; sweep {', '.join(DISTURBANCES)}, or a file exported without --fine-tune"
        )
    if isinstance(trained, SpikingNetwork) and request.parameter in FIXED_BY_HEBBIAN_TRAINING:
        raise ConfigurationError(
            f"--sweep {request.parameter} is fixed by the Hebbian training of this network; sweep weight_bits, "
            f"{', '.join(DISTURBANCES)}"
        )


def conversion_of(network: SpikingNetwork) -> ConversionConfig:
    """Return the choices by which a network was converted, as far as they can be seen from it.

    Parameters
    ----------
    network : SpikingNetwork
        A network made by `ff2neuro.converters.rate.convert`.

    Returns
    -------
    ConversionConfig
        The choices.
    """
    first, code = network.layers[0], network.input_code
    # Rounded down to the arithmetic's grid when it was converted.
    start = round(float(np.median(first.v_init / first.v_threshold)), 2)
    integral = all((layer.weight == np.round(layer.weight)).all() for layer in network.layers)
    largest = max(float(np.abs(layer.weight).max()) for layer in network.layers)
    config = ConversionConfig(
        n_time_steps=network.n_time_steps,
        weight_bits=int(np.clip(math.ceil(math.log2(largest + 1)) + 1, 2, 8)) if integral else None,
        reset=network.reset,
        input_coding=code.coding,
        input_bits=round(math.log2(code.scale + 1)) if code.coding == "constant" else ConversionConfig.input_bits,
        dt=network.dt,
        seed=code.seed,
        neuron="lif" if first.leak else "if",
        weight_scale="neuron" if any(np.ptp(layer.v_threshold) > 0 for layer in network.layers) else "layer",
        initial_potential=None if start == DEFAULT_START[network.reset] else start,
        readout="counts" if first.table is None else "times",
        max_spikes_per_step=network.max_spikes_per_step,
    )
    # A leak that goes with the number of steps goes on doing so.
    return config if config.mem_leak == first.leak else replace(config, leak=first.leak)


def disturb_images(images: Array, request: SweepRequest, value: float, seed: int) -> Array:
    """Add noise to images.

    Parameters
    ----------
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1]; left untouched.
    request : SweepRequest
        What is varied; other parameters than noise leave the images as they are.
    value : float
        Standard deviation of the noise.
    seed : int
        Source of chance.

    Returns
    -------
    ndarray of shape (n_images, n_pixels)
        Pixels, clipped to [0, 1].
    """
    if request.parameter != "noise":
        return images
    noise = np.random.default_rng(seed).normal(0, value, images.shape)
    return np.clip(images + noise, 0, 1).astype(np.float32)


def disturb_graph(network: SpikingNetwork, request: SweepRequest, value: float, seed: int) -> nir.NIRGraph:
    """Write a network as NIR with a share of the neurons of each layer broken.

    Parameters
    ----------
    network : SpikingNetwork
        What to write; left untouched.
    request : SweepRequest
        What is varied; noise and choices of the conversion break no neuron.
    value : float
        Share of the neurons.
    seed : int
        Source of chance: broken neurons stay broken as the share grows.

    Returns
    -------
    nir.NIRGraph
        In the portable dialect if that can say it. Broken neurons have no input; stuck ones a bias that makes them
        spike at every step, and a threshold of their own if theirs is beyond any bias.
    """
    try:
        graph = to_nir(network, "portable")
    except NetworkError:
        graph = to_nir(network, "native")
    if request.parameter not in {"dead_neurons", "stuck_neurons"}:
        return graph
    rng = np.random.default_rng(seed)
    for index, layer in enumerate(network.layers):
        broken = rng.permutation(layer.n_neurons)[: round(value * layer.n_neurons)]
        weight, bias = np.array(layer.weight), np.zeros(layer.n_neurons)
        weight[broken] = 0
        stuck = request.parameter == "stuck_neurons"
        if np.max(layer.v_threshold) >= LARGEST_BIAS:
            # Where several spikes in a step each subtract the whole threshold below, that is at least 1.
            least = 0.5 if layer.max_spikes_per_step == 1 else 1.5
            graph.nodes[spikes_name(index)].v_threshold[broken] = least if stuck else layer.v_threshold[broken]
            bias[broken] = np.ceil(least)
        else:
            bias[broken] = np.ceil(layer.v_threshold[broken])
        graph.nodes[linear_name(index)] = nir.Affine(weight, bias) if stuck else nir.Linear(weight)
    return graph
