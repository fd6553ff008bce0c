"""What a verdict compares with: the trained network before anything was rounded, on the images that are judged."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

from ff2neuro.networks import AnalogNetwork, LabelCodes, SpikingNetwork
from ff2neuro.validation.subsamples import MAX_NEUTRAL_IMAGES, spread

__all__ = ["AnalogModel", "TrainedModel", "TrainedNetwork", "as_model", "label_codes", "widths"]

Array = npt.NDArray[Any]
TrainedNetwork: TypeAlias = AnalogNetwork | SpikingNetwork


class TrainedModel(Protocol):
    """A trained network with the images that are judged."""

    @property
    def network(self) -> TrainedNetwork:
        """What was trained."""

    def latents(self, indices: Array) -> list[Array]:
        """Return the activity of every layer under every label hypothesis.

        Parameters
        ----------
        indices : ndarray of int, shape (n,)
            Which images.

        Returns
        -------
        list of ndarray of shape (n, n_classes, n_neurons)
            One array per layer.
        """

    def neutral_latents(self) -> list[Array]:
        """Return the activity of every layer, of shape (n_chosen, n_neurons), in `neutral_source`'s presentations."""


@dataclass(frozen=True, eq=False)
class AnalogModel:
    """An analog network with the images that are judged.

    Attributes
    ----------
    network : AnalogNetwork
        What was trained.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].
    """

    network: AnalogNetwork
    images: Array

    def latents(self, indices: Array) -> list[Array]:
        """Compute the activity of every layer; see `TrainedModel`."""
        return self.network.latents(self.images[indices])

    def neutral_latents(self) -> list[Array]:
        """Compute the activity under the mean of all label codes, unrounded; see `TrainedModel`."""
        codes = self.network.label_codes.values.mean(axis=0, keepdims=True)
        chosen = self.images[spread(len(self.images), MAX_NEUTRAL_IMAGES)]
        return [latent[:, 0] for latent in self.network.latents(chosen, codes)]


def label_codes(network: TrainedNetwork) -> LabelCodes:
    """Return the label codes of a network of either kind."""
    return network.label_codes if isinstance(network, AnalogNetwork) else network.input_code.label_codes


def widths(network: TrainedNetwork) -> tuple[int, ...]:
    """Return the number of neurons of each layer of a network of either kind."""
    return network.widths if isinstance(network, AnalogNetwork) else tuple(layer.n_neurons for layer in network.layers)


def as_model(trained: AnalogNetwork | TrainedModel, images: Array) -> TrainedModel:
    """Return a trained network with its images, where that is all that is needed.

    Parameters
    ----------
    trained : AnalogNetwork or TrainedModel
        The network; a `TrainedModel` is returned as it is.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].

    Returns
    -------
    TrainedModel
        The network on these images.
    """
    return AnalogModel(trained, images) if isinstance(trained, AnalogNetwork) else trained
