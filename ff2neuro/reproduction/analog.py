"""The paper's analog training, by automatic differentiation as published: the counterpart of Hebbian learning.

It differs from `ff2neuro.learning.trainer` in three ways. An image is presented once, with its true label or, by the
toss of a coin, with a wrong one. Weights begin as PyTorch's linear layer draws them. And the probability is clamped to
[1e-5, 1 - 1e-5] before the loss.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ff2neuro._version import __version__
from ff2neuro.data import Dataset
from ff2neuro.errors import NetworkError
from ff2neuro.learning.hebbian.config import share_of_epoch
from ff2neuro.networks import AnalogNetwork, GoodnessHead, random_label_codes
from ff2neuro.reproduction.analog_setting import AnalogSetting

__all__ = ["AnalogTraining"]

#: How far the probability stays from 0 and 1.
CLAMP = 1e-5
#: Smoothing of the symmetric probability.
EPSILON = 0.01


class AnalogTraining:
    """Training of one network.

    Parameters
    ----------
    setting : AnalogSetting
        Hyperparameters.
    data : Dataset
        Images and labels.
    """

    def __init__(self, setting: AnalogSetting, data: Dataset) -> None:
        self._setting, self._data = setting, data
        self._rng = np.random.default_rng(setting.seed)
        self._codes = random_label_codes(data.n_classes, setting.label_length, setting.label_density, self._rng)
        n_inputs = data.n_pixels + setting.label_length
        bound = 1 / np.sqrt(n_inputs)
        weight = self._rng.uniform(-bound, bound, (setting.n_neurons, n_inputs)).astype(np.float32)
        self._weight = torch.tensor(weight, requires_grad=True)
        self._adam = torch.optim.Adam([self._weight], lr=setting.learning_rate, fused=True)
        self._epoch = 0
        self._images, self._bits = torch.tensor(data.x_train), torch.tensor(self._codes.values)

    def run_epoch(self) -> None:
        """Present every training image once.

        Raises
        ------
        NetworkError
            If a weight is no longer finite.
        """
        self._epoch += 1
        share = share_of_epoch(self._setting.schedule, self._epoch, self._setting.epochs)
        self._adam.param_groups[0]["lr"] = self._setting.learning_rate * share
        data, n_images = self._data, len(self._data.y_train)
        order = self._rng.permutation(n_images)
        positive = self._rng.integers(0, 2, n_images)
        shift = (1 - positive) * self._rng.integers(1, data.n_classes, n_images)
        labels = torch.tensor((data.y_train[order] + shift) % data.n_classes)
        indices, targets = torch.tensor(order), torch.tensor(positive, dtype=torch.float32)
        for start in range(0, n_images, self._setting.batch_size):
            batch = slice(start, start + self._setting.batch_size)
            inputs = torch.cat([self._images[indices[batch]], self._bits[labels[batch]]], dim=1)
            self._step(inputs, targets[batch])
        if not torch.isfinite(self._weight).all():
            raise NetworkError("analog training diverged: weights are NaN or infinite; lower the learning rate")

    def _step(self, inputs: Tensor, targets: Tensor) -> None:
        probability = self._probability(torch.relu(inputs @ self._weight.T)).clamp(CLAMP, 1 - CLAMP)
        loss = torch.nn.functional.binary_cross_entropy(probability, targets)
        self._adam.zero_grad()
        torch.autograd.backward(loss)
        self._adam.step()

    def _probability(self, h: Tensor) -> Tensor:
        energies = h.square()
        if self._setting.probability == "sigmoid":
            return torch.sigmoid(energies.sum(dim=1) - self._setting.theta)
        half = energies.shape[1] // 2
        first, second = energies[:, :half].sum(dim=1), energies[:, half:].sum(dim=1)
        return (first + EPSILON) / (first + second + 2 * EPSILON)

    def network(self) -> AnalogNetwork:
        """Return the network as it stands.

        Returns
        -------
        AnalogNetwork
            A copy, with its provenance.
        """
        setting, data = self._setting, self._data
        smoothing = EPSILON if setting.probability == "symmetric" else 0.0
        provenance: dict[str, Any] = {
            "learning": "analog, as published",
            "dataset": data.name,
            "dataset_checksum": data.checksum,
            "seed": setting.seed,
            "ff2neuro_version": __version__,
            "torch_version": str(torch.__version__),
        }
        return AnalogNetwork(
            weights=(self._weight.detach().numpy(),),
            label_codes=self._codes,
            head=GoodnessHead(setting.probability, 1.0, setting.theta, (0,), smoothing=smoothing),
            image_shape=data.image_shape,
            provenance=provenance,
        )
