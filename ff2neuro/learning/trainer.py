"""The analog Forward-Forward trainer: all layers together, each by its own objective (arXiv 2212.13345, 2406.16479)."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ff2neuro.data import Dataset
from ff2neuro.errors import ConfigurationError, DatasetError, NetworkError
from ff2neuro.learning.adam import Adam
from ff2neuro.learning.arithmetic import arithmetic, arrays_of
from ff2neuro.learning.centering import fold_center, image_center
from ff2neuro.learning.chain import LayerChain
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.initial import initial_label_codes, initial_weights, split_training_images
from ff2neuro.learning.neutral_code import add_neutral_code
from ff2neuro.learning.objectives import Objective
from ff2neuro.learning.one_pass import fit_one_pass_head
from ff2neuro.learning.presentation import Presenter
from ff2neuro.learning.provenance import training_provenance
from ff2neuro.learning.state import TrainingState
from ff2neuro.networks import AnalogNetwork, GoodnessHead, LabelCodes, labels_beside_activity

__all__ = ["ForwardForwardTrainer", "train"]


class ForwardForwardTrainer:
    """Trains a network epoch by epoch.

    Parameters
    ----------
    dataset : Dataset
        Images and labels; only those for training are touched.
    config : TrainingConfig
        Hyperparameters.
    state : TrainingState, optional
        Where to go on from; by default training begins.
    data_file : str
        The user's own file that `dataset` came from, to note in the network; empty for a known data set.

    Raises
    ------
    ConfigurationError
        If the configuration does not suit the data set, or `state` belongs to others.
    DatasetError
        If the training labels are all of one class.

    Examples
    --------
    >>> from ff2neuro.data import load_dataset
    >>> trainer = ForwardForwardTrainer(load_dataset("digits"), TrainingConfig(layers=(20,), epochs=1))
    >>> metrics = trainer.run_epoch()
    >>> trainer.network().widths
    (20,)
    """

    def __init__(
        self,
        dataset: Dataset,
        config: TrainingConfig,
        state: TrainingState | None = None,
        data_file: str = "",
    ) -> None:
        if state is not None:
            state.require_same(config, dataset.name, dataset.checksum)
        if len(np.unique(dataset.y_train)) < 2:
            raise DatasetError(
                f"all training labels of {dataset.name} are {dataset.y_train[0]}; Forward-Forward training needs wrong "
                "labels to learn from, so give images of at least 2 classes"
            )
        _require_device(config.device)
        self._dataset, self._config = dataset, config
        self._data_file = data_file or (state.data_file if state else "")
        self._label_codes = initial_label_codes(config, dataset.n_classes)
        trained_on, self._judged_on = split_training_images(config, len(dataset.y_train))
        self._center = image_center(config, self._label_codes, dataset.x_train[trained_on])
        self._presenter = Presenter(dataset, trained_on, config)
        self.metrics: list[str] = list(state.metrics) if state else []
        self._best_weights = state.best_weights if state else ()
        weights = state.weights if state else initial_weights(config, self._label_codes, dataset, self._center)
        self._chain = LayerChain(
            _tensors(weights, config.device),
            torch.tensor(self._label_codes.values, device=config.device),
            Objective(config.probability, config.alpha, config.theta, config.loss, config.peer_normalization),
            normalize_input=config.normalize_input,
            normalize_halves=config.layer_normalization == "halves",
            labels_beside=_labels_beside(self._label_codes, config),
            center=None if self._center is None else torch.tensor(self._center, device=config.device),
        )
        self._adam = Adam(
            self._chain.weights,
            _tensors(state.first_moments, config.device) if state else (),
            _tensors(state.second_moments, config.device) if state else (),
            state.step if state else 0,
        )

    @property
    def epoch(self) -> int:
        """Number of epochs done."""
        return len(self.metrics)

    @property
    def best_epoch(self) -> int:
        """The first of the epochs with the highest accuracy; 0 before any."""
        accuracies = [json.loads(line)["accuracy"] for line in self.metrics]
        return 1 + int(np.argmax(accuracies)) if accuracies else 0

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or patience is at its end."""
        patience = self._config.patience
        return self.epoch >= self._config.epochs or bool(patience and self.epoch - self.best_epoch >= patience)

    def run_epoch(self) -> dict[str, Any]:
        """Train for one epoch.

        Returns
        -------
        dict
            The epoch's number; `loss`, `goodness_positive` and `goodness_negative` with one mean per layer; and
            `accuracy` on `accuracy_on`, which is held-out or training images.

        Raises
        ------
        NetworkError
            If a loss or a weight is no longer finite.
        """
        number = self.epoch + 1
        with arithmetic(self._config):
            means = self._run_batches(number)
        self._require_finite(means, number)
        record = self._record(number, means)
        self.metrics.append(json.dumps(record))
        if self._config.patience and self.best_epoch == number:
            self._best_weights = arrays_of(self._chain.weights)
        return record

    def _run_batches(self, number: int) -> Tensor:
        """Present all training images once, and return mean loss and goodness of every layer."""
        n_images, done = self._presenter.n_images, 0
        sums = torch.zeros(len(self._chain.weights), 3, dtype=torch.float64, device=self._config.device)
        for batch in self._presenter.epoch(number):
            update = self._chain.update(batch.images, batch.labels, batch.wrong_labels, batch.noise)
            self._adam.update(
                update.gradients, self._learning_rate((number - 1 + done / n_images) / self._config.epochs)
            )
            sums += torch.cat([update.losses[:, None], update.goodness], dim=1) * len(batch.labels)
            done += len(batch.labels)
        return sums.cpu() / n_images

    def _learning_rate(self, progress: float) -> float:
        """Return the step size for a share of all updates done."""
        factor = {"constant": 1.0, "linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2}
        return self._config.learning_rate * factor[self._config.schedule]

    def _require_finite(self, means: Tensor, number: int) -> None:
        for index, weight in enumerate(self._chain.weights):
            if not (torch.isfinite(means[index]).all() and torch.isfinite(weight).all()):
                raise NetworkError(
                    f"training diverged in epoch {number}: layer {index} holds NaN or infinite values at learning rate "
                    f"{self._config.learning_rate}; lower the learning rate"
                )

    def _record(self, number: int, means: Tensor) -> dict[str, Any]:
        held_out = self._config.validation_fraction > 0
        images, labels = self._dataset.x_train[self._judged_on], self._dataset.y_train[self._judged_on]
        columns = zip(("loss", "goodness_positive", "goodness_negative"), means.T.tolist(), strict=True)
        return {
            "epoch": number,
            **dict(columns),
            "accuracy": float((self._network(arrays_of(self._chain.weights)).predict(images) == labels).mean()),
            "accuracy_on": f"{len(images)} {'held-out' if held_out else 'training'} images",
        }

    def network(self) -> AnalogNetwork:
        """Return the network as it stands; with early stopping, as it was after its best epoch.

        Returns
        -------
        AnalogNetwork
            A copy, with its provenance, and with a one-pass head if the configuration asks for one.
        """
        network = self._network(self._best_weights or arrays_of(self._chain.weights))
        if not self._config.one_pass_updates:
            return network
        with arithmetic(self._config):
            network, code = add_neutral_code(network, self._config, self._center)
            return replace(network, one_pass=fit_one_pass_head(network, code, self._presenter, self._config))

    def _network(self, weights: tuple[npt.NDArray[np.float32], ...]) -> AnalogNetwork:
        config = self._config
        if self._center is not None:
            weights = (fold_center(weights[0], self._label_codes, self._center), *weights[1:])
        provenance = training_provenance(config, self._dataset, self._data_file, self.epoch)
        if config.patience:
            provenance["best_epoch"] = self.best_epoch
        halves, everywhere = config.layer_normalization == "halves", config.label_layers == "all"
        head = GoodnessHead(config.probability, config.alpha, config.theta, config.voters, config.normalize_input)
        return AnalogNetwork(
            weights=weights,
            label_codes=self._label_codes,
            head=replace(head, normalize_layers=not (halves or everywhere)),
            normalize_halves=halves,
            label_every_layer=everywhere,
            image_shape=self._dataset.image_shape,
            provenance=provenance,
        )

    def state(self) -> TrainingState:
        """Return all that is needed to go on from here.

        Returns
        -------
        TrainingState
            A copy.
        """
        return TrainingState(
            config=self._config,
            dataset_name=self._dataset.name,
            dataset_checksum=self._dataset.checksum,
            data_file=self._data_file,
            epoch=self.epoch,
            step=self._adam.step,
            weights=arrays_of(self._chain.weights),
            first_moments=arrays_of(self._adam.first_moments),
            second_moments=arrays_of(self._adam.second_moments),
            metrics=tuple(self.metrics),
            best_weights=self._best_weights,
        )


def train(dataset: Dataset, config: TrainingConfig) -> AnalogNetwork:
    """Train a network in memory; `ff2neuro.learning.train_in_directory` keeps files of it as well.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    config : TrainingConfig
        Hyperparameters.

    Returns
    -------
    AnalogNetwork
        The trained network.

    Raises
    ------
    ConfigurationError, DatasetError, NetworkError
        As `ForwardForwardTrainer`.
    """
    trainer = ForwardForwardTrainer(dataset, config)
    while not trainer.finished:
        trainer.run_epoch()
    return trainer.network()


def _tensors(arrays: Sequence[npt.NDArray[np.float32]], device: str) -> list[Tensor]:
    return [torch.tensor(array, device=device) for array in arrays]


def _labels_beside(codes: LabelCodes, config: TrainingConfig) -> Tensor | None:
    """Return the label codes as the layers after the first take them, if they do."""
    if config.label_layers == "first":
        return None
    return torch.tensor(labels_beside_activity(codes.values), device=config.device)


def _require_device(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            f"device is 'cuda', but this PyTorch ({torch.__version__}) finds no CUDA device; train with device 'cpu', "
            "or install a build of PyTorch for your GPU and its driver"
        )
