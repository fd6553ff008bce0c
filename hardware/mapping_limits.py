"""Limits of a machine that no placement can get around: weights, fan-in, fan-out, inputs and outputs."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ff2neuro.hardware.chain import Chain
from ff2neuro.hardware.targets import Target

__all__ = ["layer_problems", "network_problems", "weight_bits"]

Array = npt.NDArray[Any]


def weight_bits(weight: Array) -> int | None:
    """Return the width of the signed integers that hold all weights.

    Parameters
    ----------
    weight : ndarray
        Weights of a layer.

    Returns
    -------
    int or None
        Width in two's complement [bit]; None if the weights are not integers.
    """
    if not np.array_equal(weight, np.round(weight)):
        return None
    low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
    return 1 + max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0)


def layer_problems(name: str, chain: Chain, pattern: sparse.csr_array, bits: int | None, target: Target) -> list[str]:
    """Say which limits a layer breaks wherever it is placed.

    Parameters
    ----------
    name : str
        Name of the layer.
    chain : Chain
        The network.
    pattern : sparse array of shape (n_neurons, n_inputs)
        Where its weights are not 0.
    bits : int or None
        As `weight_bits` returns it.
    target : Target
        The machine.

    Returns
    -------
    list of str
        One sentence per limit, with what there is, what is allowed and the difference.
    """
    weight = next(layer.weight for layer in chain.layers if layer.name == name)
    problems = []
    if target.weight_bits is not None and bits is None:
        problems.append(f"{name}: the weights are not integers, which is all that {target.title} takes")
    if target.weight_bits is not None and (bits or 0) > target.weight_bits:
        problems.append(f"{name}: weights take {bits} bits, {target.weight_bits} are possible")
    if target.weights_per_neuron is not None:
        most = max(len(np.unique(row[row != 0])) for row in weight)
        problems += _above(f"{name}: a neuron has", most, "different weights", target.weights_per_neuron)
    sources = int(np.diff(pattern.indptr).max(initial=0))
    problems += _above(f"{name}: a neuron has", sources, "sources", target.fan_in)
    problems += _above(f"{name}: there are", pattern.shape[0], "neurons in the layer", target.layer_neurons)
    most_spikes = next(layer.neurons.max_spikes_per_step for layer in chain.layers if layer.name == name)
    problems += _above(f"{name}: a neuron sends up to", most_spikes, "spikes in a step", target.spikes_per_step)
    # The machine's input channels have a fan-out of their own kind.
    if name != chain.layers[0].name:
        receivers = int(np.diff(pattern.tocsc().indptr).max(initial=0))
        problems += _above(f"{name}: a neuron before it sends to", receivers, "of its neurons", target.fan_out)
    return problems


def network_problems(chain: Chain, target: Target) -> list[str]:
    """Say which limits the network as a whole breaks.

    Parameters
    ----------
    chain : Chain
        The network.
    target : Target
        The machine.

    Returns
    -------
    list of str
        As `layer_problems`.
    """
    last = chain.layers[-1]
    problems = _above("the network has", chain.n_inputs, "input channels", target.input_channels)
    problems += _above(f"{last.name}: the last layer has", last.n_neurons, "neurons", target.output_neurons)
    if target.placement == "joint":
        hidden = chain.layers[:-1] if target.output_neurons is not None else chain.layers
        total = sum(layer.n_neurons for layer in hidden)
        problems += _above("all hidden layers together have", total, "neurons", target.cores[0].neurons)
    return problems


def _above(subject: str, number: int, unit: str, limit: int | None) -> list[str]:
    if limit is None or number <= limit:
        return []
    return [f"{subject} {number} {unit}, {limit} are possible: {number - limit} too many"]
