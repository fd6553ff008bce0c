"""What thresholds are balanced on: images under label hypotheses, and what the analog network makes of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode
from ff2neuro.converters.config import ConversionConfig
from ff2neuro.converters.target import Target, Vote, layer_probability, rule_of
from ff2neuro.networks import AnalogNetwork, GoodnessHead, InputCode

__all__ = ["Presentations", "present"]

Array = npt.NDArray[Any]

#: Presentations that thresholds are balanced on.
MAX_PRESENTATIONS = 1000
#: Currents of one layer that are held in memory, which leaves fewer presentations where there are many steps; and how
#: many presentations there are at least.
MAX_CURRENTS = 2**26
MIN_PRESENTATIONS = 20
#: Images among which those are looked for that the network is least sure of.
MAX_IMAGES = 1000


@dataclass(frozen=True, eq=False)
class Presentations:
    """Calibration data as the layers see them.

    Attributes
    ----------
    events : ndarray of shape (n_presentations, n_time_steps or 1, n_inputs)
        Input events.
    activity : list of ndarray of shape (n_presentations, n_neurons)
        What each layer of the analog network makes of them.
    energy : ndarray of shape (n_presentations,)
        Squared length of the input, pixels and label code.
    head : GoodnessHead
        How activity becomes a score.
    ordinary : ndarray of bool, shape (n_presentations,)
        Which ones are not there because the network is least sure of them.
    """

    events: Array
    activity: list[Array]
    energy: Array
    head: GoodnessHead
    ordinary: Array

    def target(self, layer: int, before: Array | None, config: ConversionConfig) -> Target:
        """Return what the spikes of a layer have to describe.

        Parameters
        ----------
        layer : int
            Index of the layer.
        before : ndarray of shape (n_presentations, n_neurons) or None
            Activity that the spikes of the layer before stand for; None for the first layer.
        config : ConversionConfig
            Choices of the conversion.

        Returns
        -------
        Target
            With a vote if the layer votes.
        """
        own = self.activity[layer]
        rule = rule_of(config, last=layer == len(self.activity) - 1)
        if layer not in self.head.voting_layers:
            return Target(own, ordinary=self.ordinary, rule=rule)
        analog, spiking = (
            None if activity is None else np.linalg.norm(activity.astype(np.float64), axis=1)
            for activity in (self.activity[layer - 1] if layer else None, before)
        )
        probability = layer_probability(self.head, own, self.energy, analog)
        return Target(own, Vote(self.head, probability, self.energy, spiking), self.ordinary, rule)


def present(network: AnalogNetwork, code: InputCode, images: Array, config: ConversionConfig) -> Presentations:
    """Choose presentations and encode them.

    One half are ordinary: images evenly spaced among those given, all hypotheses equally often. The other half are
    the images that the network is least sure of, under the hypotheses that it finds most likely, because spikes can
    change a prediction only there.

    Parameters
    ----------
    network : AnalogNetwork
        What is converted.
    code : InputCode
        How images become events.
    images : ndarray of shape (n_images, n_pixels)
        Calibration images.
    config : ConversionConfig
        Choices.

    Returns
    -------
    Presentations
        As many as thresholds need and memory holds.
    """
    room = MAX_CURRENTS // (config.n_time_steps * max(network.widths))
    n_presentations = min(MAX_PRESENTATIONS, max(MIN_PRESENTATIONS, room))
    images = images[np.linspace(0, len(images) - 1, min(len(images), MAX_IMAGES)).astype(int)]
    chosen, hypotheses, ordinary = _choose(network.scores(images), n_presentations)
    source = encode(code, images, config.n_time_steps)
    # One image at a time: each is encoded under all hypotheses.
    events = np.stack(
        [source.read(image, image + 1)[0, hypothesis] for image, hypothesis in zip(chosen, hypotheses, strict=True)]
    )
    used, places = np.unique(chosen, return_inverse=True)
    activity = [latent[places, hypotheses] for latent in network.latents(images[used])]
    pixels, labels = images[chosen].astype(np.float64), network.label_codes.values[hypotheses].astype(np.float64)
    energy = (pixels**2).sum(axis=1) + (labels**2).sum(axis=1)
    return Presentations(events, activity, energy, network.head, ordinary)


def _choose(scores: Array, n_presentations: int) -> tuple[Array, Array, Array]:
    """Return the images and hypotheses of all presentations, in the order of the images, and which are ordinary."""
    n_images, n_classes = scores.shape
    n_ordinary = min(n_images, max(1, n_presentations // 2))
    per_image = max(1, min(n_classes, n_presentations // 2 // n_ordinary))
    ordinary = np.linspace(0, n_images - 1, n_ordinary).astype(int)
    cycled = (np.arange(n_ordinary)[:, None] * per_image + np.arange(per_image)) % n_classes
    per_unsure = min(n_classes, max(2, n_classes // 2))
    ranked = np.argsort(-scores, axis=1, kind="stable")
    best = np.take_along_axis(scores, ranked[:, :2], axis=1)
    margin = best[:, 0] - best[:, -1]
    unsure = np.argsort(margin, kind="stable")[: max(1, n_presentations // 2 // per_unsure)]
    images = np.concatenate([np.repeat(ordinary, per_image), np.repeat(unsure, per_unsure)])
    hypotheses = np.concatenate([cycled.ravel(), ranked[unsure, :per_unsure].ravel()])
    is_ordinary = np.arange(len(images)) < cycled.size
    order = np.argsort(images, kind="stable")
    return images[order], hypotheses[order], is_ordinary[order]
