"""A chain of bias-free ReLU layers that learn locally: activity forwards, nothing backwards.

The first layer's input is an image and a label code. An image is presented twice, with its true label and with a wrong
one, and both presentations share the product of image and weights, forwards and in the update.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ff2neuro.learning.objectives import Objective

__all__ = ["ChainUpdate", "LayerChain", "draw_hard_labels", "inverse_lengths", "unit_halves"]


@dataclass(frozen=True)
class ChainUpdate:
    """Gradients of all layers on one batch, and the figures to report.

    Attributes
    ----------
    gradients : list of Tensor of shape (n_out, n_in)
        Derivative of each layer's own loss by its own weights.
    losses : Tensor of shape (n_layers,)
        Loss of every layer.
    goodness : Tensor of shape (n_layers, 2)
        Mean goodness of every layer over positive and over negative presentations.
    """

    gradients: list[Tensor]
    losses: Tensor
    goodness: Tensor


class LayerChain:
    """Weights of all layers, and the local update of each.

    Parameters
    ----------
    weights : sequence of Tensor of shape (n_out, n_in)
        One matrix per layer, first to last; used in place, so that an optimizer's steps show.
    codes : Tensor of shape (n_classes, code_length)
        Label codes as they stand in the input.
    objective : Objective
        What every layer minimises.
    normalize_input : bool
        Whether the first layer's input, too, is scaled to unit length.
    normalize_halves : bool
        Whether each half of a layer is scaled by itself before the next layer takes it.
    labels_beside : Tensor of shape (n_classes, code_length), optional
        Label codes as the layers after the first take them; by default those take none.
    center : Tensor of shape (n_pixels,), optional
        Image that is subtracted from every image before the first layer's weights are applied; its length counts as it
        was. By default none is.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        codes: Tensor,
        objective: Objective,
        *,
        normalize_input: bool = False,
        normalize_halves: bool = False,
        labels_beside: Tensor | None = None,
        center: Tensor | None = None,
    ) -> None:
        self.weights = list(weights)
        self._codes = codes
        self._code_energies = codes.square().sum(dim=1)
        self._objective = objective
        self._normalize_input = normalize_input
        self._normalize_halves = normalize_halves
        self._labels_beside = labels_beside
        self._center = center
        self._n_pixels = self.weights[0].shape[1] - codes.shape[1]

    def hard_labels(self, images: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
        """Draw a wrong label for every image, the likelier the more positive the first layer takes it for.

        Parameters
        ----------
        images : Tensor of shape (batch_size, n_pixels)
            Pixels in [0, 1].
        labels : Tensor of int64, shape (batch_size,)
            True classes, which are never drawn.
        noise : Tensor of shape (batch_size, n_classes)
            Standard Gumbel numbers, which turn the greatest sum into a draw from the softmax of the logits.

        Returns
        -------
        Tensor of int64, shape (batch_size,)
            Wrong labels.
        """
        energies = self._image_energies(images)
        return self._draw_hard_labels(self._image_part(self._centered(images)), energies, labels, noise)

    def update(self, images: Tensor, labels: Tensor, wrong_labels: Tensor, noise: Tensor | None = None) -> ChainUpdate:
        """Return every layer's local gradient on one batch.

        Parameters
        ----------
        images : Tensor of shape (batch_size, n_pixels)
            Pixels in [0, 1].
        labels, wrong_labels : Tensor of int64, shape (batch_size,)
            Classes of the positive and of the negative presentations.
        noise : Tensor of shape (batch_size, n_classes), optional
            Draws hard negatives, as for `hard_labels`, in place of `wrong_labels`.

        Returns
        -------
        ChainUpdate
            Gradients and figures.
        """
        energies, images = self._image_energies(images), self._centered(images)
        image_part = self._image_part(images)
        if noise is not None:
            wrong_labels = self._draw_hard_labels(image_part, energies, labels, noise)
        presented = torch.cat([labels, wrong_labels])
        scale = None if energies is None else (energies.repeat(2) + self._code_energies[presented]).rsqrt()[:, None]
        h = self._label_part()[presented]
        h.view(2, *image_part.shape).add_(image_part)
        h = (h if scale is None else h.mul_(scale)).relu_()
        local = self._objective.local_gradient(h)
        gradients = [self._first_gradient(images, presented, scale, local.gradient)]
        losses, goodness = [local.loss], [_means(local.goodness)]
        for weight in self.weights[1:]:
            u = self._next_input(h, local.goodness, presented)
            h = torch.mm(u, weight.T).relu_()
            local = self._objective.local_gradient(h)
            gradients.append(torch.mm(local.gradient.T, u))
            losses.append(local.loss)
            goodness.append(_means(local.goodness))
        return ChainUpdate(gradients, torch.stack(losses), torch.stack(goodness))

    def _next_input(self, h: Tensor, goodness: Tensor, presented: Tensor) -> Tensor:
        """Return what the layer after one with activity `h` takes."""
        u = unit_halves(h) if self._normalize_halves else _unit_length(h, goodness)
        return u if self._labels_beside is None else torch.cat([u, self._labels_beside[presented]], dim=1)

    def _centered(self, images: Tensor) -> Tensor:
        return images if self._center is None else images - self._center

    def _image_part(self, images: Tensor) -> Tensor:
        """Return what an image adds to the first layer's currents, the same under every label."""
        return torch.mm(images, self.weights[0][:, : self._n_pixels].T)

    def _label_part(self) -> Tensor:
        """Return what each label code adds to the first layer's currents."""
        return torch.mm(self._codes, self.weights[0][:, self._n_pixels :].T)

    def _image_energies(self, images: Tensor) -> Tensor | None:
        """Return the squared length of every image, or None where the input stays as it is."""
        return images.square().sum(dim=1) if self._normalize_input else None

    def _draw_hard_labels(self, image_part: Tensor, energies: Tensor | None, labels: Tensor, noise: Tensor) -> Tensor:
        h = (image_part[:, None, :] + self._label_part()).relu_()
        if energies is not None:
            h.mul_((energies[:, None] + self._code_energies).rsqrt()[:, :, None])
        z = self._objective.logits(h.view(-1, h.shape[2])).view(len(labels), -1)
        return draw_hard_labels(z, labels, noise)

    def _first_gradient(self, images: Tensor, labels: Tensor, scale: Tensor | None, gradient: Tensor) -> Tensor:
        if scale is not None:
            gradient = gradient * scale
        # The label's part is summed per class first: there are far fewer classes than presentations.
        membership = gradient.new_zeros(len(labels), len(self._codes)).scatter_(1, labels[:, None], 1.0)
        result = torch.empty_like(self.weights[0])
        result[:, : self._n_pixels] = torch.mm(gradient.view(2, len(images), -1).sum(dim=0).T, images)
        result[:, self._n_pixels :] = torch.mm(torch.mm(gradient.T, membership), self._codes)
        return result


def unit_halves(h: Tensor) -> Tensor:
    """Scale both halves of every presentation's activity to one length, so that the whole is of unit length.

    Parameters
    ----------
    h : Tensor of shape (n, n_neurons)
        Activity.

    Returns
    -------
    Tensor of shape (n, n_neurons)
        Scaled activity; a silent half stays silent.
    """
    halves = h.view(len(h), 2, -1)
    energy = halves.square().sum(dim=2, keepdim=True)
    return (halves * torch.where(energy > 0, 2 * energy, torch.inf).rsqrt()).view_as(h)


def _unit_length(h: Tensor, goodness: Tensor) -> Tensor:
    """Scale every presentation's activity to unit length; a silent one stays silent."""
    return h * inverse_lengths(goodness)[:, None]


def inverse_lengths(energies: Tensor) -> Tensor:
    """Return by what activity is multiplied to be of unit length.

    Parameters
    ----------
    energies : Tensor of shape (n,)
        Squared lengths.

    Returns
    -------
    Tensor of shape (n,)
        Factors; 0 for a silent presentation, which stays silent.
    """
    return torch.where(energies > 0, energies, torch.inf).rsqrt()


def draw_hard_labels(logits: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
    """Draw wrong labels, the likelier the more positive a layer takes them for (arXiv 2212.13345, section 3.3).

    Parameters
    ----------
    logits : Tensor of shape (batch_size, n_classes)
        Logits of the first layer under every label.
    labels : Tensor of int64, shape (batch_size,)
        True classes.
    noise : Tensor of shape (batch_size, n_classes)
        Standard Gumbel numbers, which turn the greatest sum into a draw from the softmax of the logits.

    Returns
    -------
    Tensor of int64, shape (batch_size,)
        Wrong labels.
    """
    return (logits + noise).scatter_(1, labels[:, None], -torch.inf).argmax(dim=1)


def _means(goodness: Tensor) -> Tensor:
    return goodness.view(2, -1).mean(dim=1)
