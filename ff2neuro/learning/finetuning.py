"""Rate-aware fine-tuning: Forward-Forward learning continued on the spike counts that a converted network really has.

Every layer minimises the loss that it was trained with, by its own weights alone. Its activity is its true response:
integer weights, thresholds, reset and number of time steps of the conversion, driven by the spikes that the layer
before it really sends (see `ff2neuro.learning.finetuning_layer`). Images that it does not learn from judge the epochs,
and the best one is kept; the conversion itself counts as one.
"""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ff2neuro.data import Dataset
from ff2neuro.errors import ConfigurationError, DatasetError, NetworkError
from ff2neuro.learning.adam import Adam
from ff2neuro.learning.arithmetic import arithmetic, arrays_of
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.finetuning_chain import SpikingChain
from ff2neuro.learning.finetuning_judge import Judge
from ff2neuro.learning.finetuning_layer import TunedLayer
from ff2neuro.learning.initial import split_training_images
from ff2neuro.learning.objectives import Objective
from ff2neuro.learning.presentation import Presenter
from ff2neuro.learning.state import TrainingState
from ff2neuro.networks import AnalogNetwork, SpikingNetwork

__all__ = ["FineTuner", "fine_tune"]

#: Stream of chance that draws the images that judge.
_JUDGED = 4
#: At most one training image of so many is held out.
MOST_HELD_OUT = 5


class FineTuner:
    """Fine-tunes a converted network epoch by epoch.

    Parameters
    ----------
    network : AnalogNetwork
        The model, which stays as it is.
    spiking : SpikingNetwork
        What it was converted to, which stays as it is.
    dataset : Dataset
        Images and labels; only those for training are touched.
    config : TrainingConfig
        Hyperparameters, as `ff2neuro.learning.finetuning_config.tuning_config` gives them.
    n_held_out : int
        Training images that judge the epochs, a fifth of all at most; those that the model's training held out if it
        held out any.
    state : TrainingState, optional
        Where to go on from; by default fine-tuning begins.

    Raises
    ------
    ConfigurationError
        If `spiking` was not made from `network`, or is read by the times of spikes or sends several in a step; if no
        image is held out, or `state` belongs to others.
    DatasetError
        If the images are not of the network's size, or the labels not of its classes.
    """

    def __init__(
        self,
        network: AnalogNetwork,
        spiking: SpikingNetwork,
        dataset: Dataset,
        config: TrainingConfig,
        *,
        n_held_out: int = 2000,
        state: TrainingState | None = None,
    ) -> None:
        _require_suitable(network, spiking, dataset)
        trained_on, judged_on = _divide(network, config, len(dataset.y_train), n_held_out)
        self._network, self._spiking, self._dataset, self._config = network, spiking, dataset, config
        self._presenter = Presenter(dataset, trained_on, config)
        self._judge = Judge(network, spiking, dataset.x_train[judged_on], dataset.y_train[judged_on], config)
        self._layers = [
            TunedLayer.of(layer, model, spiking.n_time_steps)
            for layer, model in zip(spiking.layers, network.weights, strict=True)
        ]
        objective = Objective(config.probability, config.alpha, config.theta, config.loss, config.peer_normalization)
        self._chain = SpikingChain(spiking, self._layers, objective)
        self._adam = Adam([layer.shadow for layer in self._layers])
        self._records: list[dict[str, Any]] = []
        self._best: tuple[npt.NDArray[np.float32], ...] = ()
        if state is None:
            with arithmetic(config):
                self._record({"epoch": 0, "conversion": self._identity()})
        else:
            self._go_on_from(state)

    @property
    def epoch(self) -> int:
        """Number of epochs done."""
        return len(self._records) - 1

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self._config.epochs

    @property
    def n_epochs(self) -> int:
        """Number of epochs that are to be done."""
        return self._config.epochs

    @property
    def n_images(self) -> int:
        """Number of images that an epoch presents."""
        return self._presenter.n_images

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest loss whose accuracy is not below the conversion's, which is number 0."""
        return max(range(len(self._records)), key=self._rank)

    @property
    def records(self) -> tuple[dict[str, Any], ...]:
        """Figures on the held-out images before the first epoch and after each one."""
        return tuple(self._records)

    def run_epoch(self, tick: Callable[[int], None] | None = None) -> dict[str, Any]:
        """Fine-tune for one epoch.

        Parameters
        ----------
        tick : callable, optional
            Called after each batch with its number of images.

        Returns
        -------
        dict
            The epoch's number and its figures on the held-out images (see `Judge`).

        Raises
        ------
        NetworkError
            If a weight is no longer finite.
        """
        number, done = self.epoch + 1, 0
        with arithmetic(self._config):
            for batch in self._presenter.epoch(number):
                update = self._chain.update(batch.images, batch.labels, batch.wrong_labels, batch.noise)
                progress = (number - 1 + done / self.n_images) / self._config.epochs
                self._adam.update(update.gradients, self._config.learning_rate * (1 - progress))
                for layer in self._layers:
                    layer.refresh()
                done += len(batch.labels)
                if tick is not None:
                    tick(len(batch.labels))
            self._require_finite(number)
            return self._record({"epoch": number})

    def network(self) -> SpikingNetwork:
        """Return the best network so far.

        Returns
        -------
        SpikingNetwork
            The conversion with the weights of the best epoch, and a note on what that changed; with the weights that
            it had if no epoch was better.
        """
        layers, provenance = self._spiking.layers, dict(self._spiking.provenance)
        if self.best_epoch:
            # Adding 0 makes a negative zero, to which a small weight rounds, a positive one.
            layers = tuple(
                replace(layer, weight=best.astype(np.float64) + 0.0)
                for layer, best in zip(layers, self._best, strict=True)
            )
            provenance |= {
                "fine_tuned_checksums": " ".join(layer.checksum for layer in layers),
                "fine_tuned_epochs": self.best_epoch,
                "fine_tuning_epochs": self.epoch,
                "fine_tuning_learning_rate": self._config.learning_rate,
                "fine_tuning_seed": self._config.seed,
            }
        notes = (*self._spiking.notes, self._judge.note(self._records, self.best_epoch))
        return replace(self._spiking, layers=layers, notes=notes, provenance=provenance)

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
            data_file="",
            epoch=self.epoch,
            step=self._adam.step,
            weights=arrays_of([layer.shadow for layer in self._layers]),
            first_moments=arrays_of(self._adam.first_moments),
            second_moments=arrays_of(self._adam.second_moments),
            metrics=tuple(json.dumps(record) for record in self._records),
            best_weights=self._best,
        )

    def _go_on_from(self, state: TrainingState) -> None:
        """Take over a state, if it is one of fine-tuning this very conversion."""
        state.require_same(self._config, self._dataset.name, self._dataset.checksum)
        self._records = [json.loads(line) for line in state.metrics]
        if not self._records or self._records[0].get("conversion") != self._identity():
            raise ConfigurationError(
                "fine-tuning cannot be resumed: the network was converted differently then; begin anew"
            )
        self._best = state.best_weights
        for layer, shadow in zip(self._layers, state.weights, strict=True):
            layer.shadow.copy_(torch.tensor(shadow))
            layer.refresh()
        first, second = (
            [torch.tensor(array) for array in group] for group in (state.first_moments, state.second_moments)
        )
        self._adam = Adam([layer.shadow for layer in self._layers], first, second, state.step)

    def _record(self, record: dict[str, Any]) -> dict[str, Any]:
        record |= self._judge.figures(self._chain)
        self._records.append(record)
        if record["epoch"] and self.best_epoch == record["epoch"]:
            self._best = arrays_of([layer.weight for layer in self._layers])
        return record

    def _rank(self, epoch: int) -> tuple[bool, float]:
        before, record = self._records[0], self._records[epoch]
        # One standard error: accuracy on so few images tells less than the loss does.
        error = math.sqrt(before["accuracy"] * (1 - before["accuracy"]) / self._judge.n_images)
        accurate = record["accuracy"] >= before["accuracy"] - error
        # The conversion was found to be in range on its calibration data, whatever it needs here.
        in_range = record["range_used"] <= max(1.0, before["range_used"])
        return accurate and in_range, -sum(record["loss"])

    def _identity(self) -> str:
        """Say which conversion this is, and on which images it is judged."""
        return f"{self._network.checksum} {self._spiking.checksum} {self._judge.checksum}"

    def _require_finite(self, number: int) -> None:
        for index, layer in enumerate(self._layers):
            if not torch.isfinite(layer.shadow).all():
                raise NetworkError(
                    f"fine-tuning diverged in epoch {number}: layer {index} holds NaN or infinite weights at learning "
                    f"rate {self._config.learning_rate}; lower the learning rate"
                )


def fine_tune(
    network: AnalogNetwork, spiking: SpikingNetwork, dataset: Dataset, config: TrainingConfig, n_held_out: int = 2000
) -> SpikingNetwork:
    """Fine-tune a converted network in memory.

    Parameters
    ----------
    network, spiking, dataset, config, n_held_out
        As for `FineTuner`.

    Returns
    -------
    SpikingNetwork
        As `FineTuner.network` gives it.

    Raises
    ------
    ConfigurationError, DatasetError, NetworkError
        As `FineTuner`.
    """
    tuner = FineTuner(network, spiking, dataset, config, n_held_out=n_held_out)
    while not tuner.finished:
        tuner.run_epoch()
    return tuner.network()


def _require_suitable(network: AnalogNetwork, spiking: SpikingNetwork, dataset: Dataset) -> None:
    """Refuse networks that do not belong together, and data that neither can take."""
    if spiking.provenance.get("model_checksum") != network.checksum:
        raise ConfigurationError(
            "the spiking network was not converted from this model, so there is nothing to compare it with; convert "
            "the model again"
        )
    if spiking.needs_bins or spiking.max_spikes_per_step > 1:
        sent = "the times of spikes" if spiking.needs_bins else "several spikes in a step"
        raise ConfigurationError(
            f"fine-tuning knows the response of neurons that send one spike in a step and are read by counts; this "
            f"network has {sent}: convert it without"
        )
    network.check_images(dataset.x_train)
    if dataset.n_classes != network.n_classes:
        raise DatasetError(
            f"{dataset.name} has {dataset.n_classes} classes, the network {network.n_classes}; use the data set that "
            "it was trained on"
        )


def _divide(
    network: AnalogNetwork, config: TrainingConfig, n_images: int, n_held_out: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return indices of the images to learn from, and of those that judge."""
    if n_held_out < 1:
        raise ConfigurationError(f"{n_held_out} training images are to judge fine-tuning; hold out at least one")
    if config.validation_fraction:
        # What the model has not seen either is the better judge.
        trained_with = config.replace(seed=int(network.provenance.get("seed", config.seed)))
        trained_on, held_out = split_training_images(trained_with, n_images)
        return trained_on, held_out[:n_held_out]
    n_held_out = min(n_held_out, n_images // MOST_HELD_OUT)
    order = np.random.default_rng([config.seed, _JUDGED]).permutation(n_images)
    return np.sort(order[n_held_out:]), order[:n_held_out]
