"""What Hebbian learning hands on: a `SpikingNetwork` with leaky neurons and an output trace."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import DECAY_UNITY
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.networks import GoodnessHead, InputCode, LabelCodes, SpikingLayer, SpikingNetwork

__all__ = ["spiking_network"]

#: Weight beyond which training is said to have run away; the published stable settings stay below 10^4.
RUNAWAY = 1e6


def spiking_network(
    weights: Sequence[npt.NDArray[Any]],
    config: HebbianConfig,
    label_codes: LabelCodes,
    head: GoodnessHead,
    image_shape: tuple[int, ...],
    provenance: Mapping[str, str | int | float],
) -> SpikingNetwork:
    """Return trained weights as a network that can be saved, exported and run.

    Parameters
    ----------
    weights : sequence of ndarray of shape (n_in, n_neurons)
        W of every layer.
    config : HebbianConfig
        Configuration that they were trained with.
    label_codes : LabelCodes
        Codes of the classes.
    head : GoodnessHead
        How traces become scores.
    image_shape : tuple of int
        Shape of an image.
    provenance : mapping
        How the network came to be.

    Returns
    -------
    SpikingNetwork
        The leak is rounded to n/4096, the resolution of fixed-point machines; notes tell what was changed.

    Raises
    ------
    NetworkError
        If a weight is not finite.
    """
    leak = round((1 - config.membrane_decay) * DECAY_UNITY)
    notes = [
        f"membrane decay {config.membrane_decay:g} of training rounded to 1 - {leak}/{DECAY_UNITY} = "
        f"{1 - leak / DECAY_UNITY:.6f}"
    ]
    if config.noise > 0:
        effect = "it never had an effect, for all neurons may win" if config.top_k in (0, *config.layers) else "dropped"
        notes.append(f"membrane noise of standard deviation {config.noise:g} is not part of the network: {effect}")
    for index, weight in enumerate(weights):
        largest = float(np.abs(weight).max())
        if largest > RUNAWAY:
            notes.append(
                f"weights ran away: the largest of layer {index} is {largest:.3g}, where they began at about 1; lower "
                f"the learning rate, which was {config.learning_rate:g}"
            )
    layers = tuple(
        SpikingLayer(
            weight=np.ascontiguousarray(weight.T),
            v_threshold=np.full(weight.shape[1], config.threshold),
            leak=leak,
            winners=config.top_k if config.top_k < weight.shape[1] else 0,
        )
        for weight in weights
    )
    return SpikingNetwork(
        layers=layers,
        input_code=InputCode("bernoulli", config.input_strength, label_codes, image_shape, config.seed),
        head=head,
        n_time_steps=config.n_time_steps,
        trace=config.output_trace,
        notes=tuple(notes),
        provenance=provenance,
    )
