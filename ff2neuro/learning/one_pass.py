"""The one-pass head: a linear map per voting layer, fitted by softmax regression on what the layers do.

The layers stay as they are and every map sees its own layer alone, so that this is local learning, too (arXiv
2212.13345, section 3.3, where the maps share one softmax).
"""

from itertools import count, islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ff2neuro.learning.adam import Adam
from ff2neuro.learning.chain import unit_halves
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.presentation import Presenter
from ff2neuro.networks import AnalogNetwork, OnePassHead

__all__ = ["fit_one_pass_head", "softmax_gradient"]

#: First step size; it falls to zero along a line.
LEARNING_RATE = 0.1


def fit_one_pass_head(
    network: AnalogNetwork, code: npt.NDArray[np.float32], presenter: Presenter, config: TrainingConfig
) -> OnePassHead:
    """Fit the head of a trained network.

    Parameters
    ----------
    network : AnalogNetwork
        Network, which stays as it is.
    code : ndarray of shape (code_length,)
        Neutral label code, in the units of `LabelCodes.codes`.
    presenter : Presenter
        What presented the images that it was trained on.
    config : TrainingConfig
        Its hyperparameters; `one_pass_updates` is the number of batches to learn from.

    Returns
    -------
    OnePassHead
        The head.
    """
    weights = [torch.tensor(weight, device=config.device) for weight in network.weights]
    neutral = torch.tensor(code * np.float32(network.label_codes.strength), device=config.device)
    voters = network.head.voting_layers
    maps = [torch.zeros(network.n_classes, network.widths[layer], device=config.device) for layer in voters]
    adam = Adam(maps)
    # Epochs beyond those of training, so that nothing is presented twice in the same way.
    batches = (batch for epoch in count(config.epochs + 1) for batch in presenter.epoch(epoch))
    for update, batch in enumerate(islice(batches, config.one_pass_updates)):
        directions = _directions(network, weights, batch.images, neutral)
        gradients = [
            softmax_gradient(head, directions[layer], batch.labels) for head, layer in zip(maps, voters, strict=True)
        ]
        adam.update(gradients, LEARNING_RATE * (1 - update / config.one_pass_updates))
    return OnePassHead(code, tuple(head.cpu().numpy() for head in maps), voters)


def softmax_gradient(head: Tensor, directions: Tensor, labels: Tensor) -> Tensor:
    """Return the derivative of the softmax cross-entropy by a linear map.

    Parameters
    ----------
    head : Tensor of shape (n_classes, n_neurons)
        The map.
    directions : Tensor of shape (batch_size, n_neurons)
        Activity of its layer, at unit length.
    labels : Tensor of int64, shape (batch_size,)
        True classes.

    Returns
    -------
    Tensor of shape (n_classes, n_neurons)
        Derivative of the mean over the batch.
    """
    error = torch.softmax(torch.mm(directions, head.T), dim=1)
    error[torch.arange(len(labels), device=labels.device), labels] -= 1
    return torch.mm(error.T, directions).div_(len(labels))


def _directions(network: AnalogNetwork, weights: list[Tensor], images: Tensor, neutral: Tensor) -> list[Tensor]:
    """Return every layer's activity under the neutral label code, at unit length."""
    n_pixels = images.shape[1]
    h = torch.mm(images, weights[0][:, :n_pixels].T).add_(torch.mv(weights[0][:, n_pixels:], neutral)).relu_()
    directions = [torch.nn.functional.normalize(h)]
    for weight in weights[1:]:
        u = unit_halves(directions[-1]) if network.normalize_halves else directions[-1]
        if network.label_every_layer:
            u = torch.cat([u, torch.nn.functional.normalize(neutral, dim=0).expand(len(u), -1)], dim=1)
        directions.append(torch.nn.functional.normalize(torch.mm(u, weight.T).relu_()))
    return directions
