"""A chain of spiking layers that learn locally, each on the spikes that the layer before it really sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ff2neuro.coding import encode
from ff2neuro.learning.chain import draw_hard_labels, inverse_lengths
from ff2neuro.learning.finetuning_layer import TunedLayer
from ff2neuro.learning.objectives import Objective
from ff2neuro.networks import SpikingNetwork

__all__ = ["SpikingChain", "SpikingUpdate"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class SpikingUpdate:
    """Gradients of all layers on one batch.

    Attributes
    ----------
    gradients : list of Tensor of shape (n_out, n_in)
        Surrogate derivative of each layer's own loss by its own real weights.
    losses : Tensor of shape (n_layers,)
        Loss of every layer.
    """

    gradients: list[Tensor]
    losses: Tensor


@dataclass(frozen=True)
class _Input:
    """Events of a batch, and what they are in the first layer.

    Attributes
    ----------
    events : Tensor of shape (n_images, n_hypotheses, n_time_steps or 1, n_inputs)
        Input events.
    energy : Tensor of shape (n_images, n_classes)
        Squared length of image and label code of each class, in the units of pixels.
    """

    events: Tensor
    energy: Tensor


class SpikingChain:
    """The layers of a converted network, and the local update of each.

    Parameters
    ----------
    network : SpikingNetwork
        The conversion: its neurons, input code and head.
    layers : sequence of TunedLayer
        One for each of its layers, first to last.
    objective : Objective
        What every layer minimises.
    """

    def __init__(self, network: SpikingNetwork, layers: Sequence[TunedLayer], objective: Objective) -> None:
        self.layers = list(layers)
        self._code, self._head, self._objective = network.input_code, network.head, objective
        self._n_time_steps = network.n_time_steps
        self._code_energy = torch.tensor(network.input_code.label_codes.values).square().sum(dim=1)

    def update(
        self, images: Tensor, labels: Tensor, wrong_labels: Tensor, noise: Tensor | None = None
    ) -> SpikingUpdate:
        """Return every layer's local gradient on one batch.

        Parameters
        ----------
        images : Tensor of shape (batch_size, n_pixels)
            Pixels in [0, 1].
        labels, wrong_labels : Tensor of int64, shape (batch_size,)
            Classes of the positive and of the negative presentations.
        noise : Tensor of shape (batch_size, n_classes), optional
            Draws hard negatives as `ff2neuro.learning.chain.LayerChain` does, in place of `wrong_labels`.

        Returns
        -------
        SpikingUpdate
            Gradients and losses.
        """
        given = self._present(images)
        image_part = self._image_part(given)
        if noise is not None:
            wrong_labels = self._hard_labels(given, image_part, labels, noise)
        presented = torch.stack([labels, wrong_labels])
        rows = torch.arange(len(labels))
        events = given.events[rows, presented].flatten(0, 1)
        lengths = self._input_lengths(given)[rows, presented].flatten()
        currents = self._label_part(events) + image_part.repeat(2, 1, 1)
        gradients, losses = [], []
        for index, layer in enumerate(self.layers):
            if index:
                currents = _product(events, layer.weight)
            repeats = self._n_time_steps if currents.shape[1] == 1 else 1
            spikes = layer.spikes(currents)
            h = spikes.sum(dim=1) * layer.layer.gain
            local = self._objective.local_gradient(h * lengths[:, None])
            drive, summed = currents.sum(dim=1) * repeats, events.sum(dim=1) * repeats
            gradients.append(layer.weight_gradient(local.gradient * lengths[:, None], drive, summed))
            losses.append(local.loss)
            events, lengths = spikes, inverse_lengths(h.square().sum(dim=1))
        return SpikingUpdate(gradients, torch.stack(losses))

    def counts(self, images: Tensor, codes: Array | None = None) -> tuple[list[Tensor], float]:
        """Present images under all label hypotheses.

        Parameters
        ----------
        images : Tensor of shape (n_images, n_pixels)
            Pixels in [0, 1].
        codes : ndarray of shape (n_hypotheses, code_length), optional
            Label codes, 0 to 1; by default those of all classes.

        Returns
        -------
        counts : list of Tensor of shape (n_images, n_hypotheses, n_neurons)
            Spike counts of every layer.
        largest : float
            Largest magnitude of a current of the first layer.
        """
        given = self._present(images, codes)
        currents = self._first_currents(given, self._image_part(given)).flatten(0, 1)
        largest, counts = float(currents.abs().max()), []
        for index, layer in enumerate(self.layers):
            spikes = layer.spikes(currents)
            counts.append(spikes.sum(dim=1).view(*given.events.shape[:2], -1))
            if index + 1 < len(self.layers):
                currents = _product(spikes, self.layers[index + 1].weight)
        return counts, largest

    def _present(self, images: Tensor, codes: Array | None = None) -> _Input:
        source = encode(self._code, images.numpy(), self._n_time_steps, codes)
        events = torch.from_numpy(source.read(0, len(images)).astype(np.float32))
        return _Input(events, images.square().sum(dim=1)[:, None] + self._code_energy)

    def _input_lengths(self, given: _Input) -> Tensor:
        """Return by what the first layer's activity is multiplied: 1 where the trainer left its input as it was."""
        return given.energy.rsqrt() if self._head.normalize_input else torch.ones_like(given.energy)

    def _image_part(self, given: _Input) -> Tensor:
        """Return what an image adds to the first layer's currents, the same under all hypotheses."""
        n_pixels = self._code.n_pixels
        return _product(given.events[:, 0, :, :n_pixels], self.layers[0].weight[:, :n_pixels])

    def _label_part(self, events: Tensor) -> Tensor:
        """Return what the label codes in events of shape (n, n_time_steps or 1, n_inputs) add to them."""
        n_pixels = self._code.n_pixels
        return _product(events[:, :, n_pixels:], self.layers[0].weight[:, n_pixels:])

    def _first_currents(self, given: _Input, image_part: Tensor) -> Tensor:
        """Return the first layer's currents: shape (n_images, n_hypotheses, n_time_steps or 1, n_neurons)."""
        label_part = self._label_part(given.events.flatten(0, 1))
        return label_part.view(*given.events.shape[:3], -1) + image_part[:, None]

    def _hard_labels(self, given: _Input, image_part: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
        """Draw wrong labels, the likelier the more positive the first layer takes them for."""
        first = self.layers[0]
        h = first.counts(self._first_currents(given, image_part).flatten(0, 1)) * first.layer.gain
        z = self._objective.logits(h * self._input_lengths(given).flatten()[:, None]).view_as(noise)
        return draw_hard_labels(z, labels, noise)


def _product(events: Tensor, weight: Tensor) -> Tensor:
    """Weighted input of every presentation and step; single precision is exact for the integers that occur here."""
    flat = torch.mm(events.reshape(-1, events.shape[-1]), weight.T)
    return flat.view(*events.shape[:2], -1)
