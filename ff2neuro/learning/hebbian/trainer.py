"""The Hebbian Forward-Forward trainer: presentations in, modulated Hebbian updates, a spiking network out."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ff2neuro._version import __version__
from ff2neuro.data import Dataset
from ff2neuro.errors import DatasetError, NetworkError
from ff2neuro.learning.hebbian.batched import train_batched
from ff2neuro.learning.hebbian.compiled import threads
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.evaluation import evaluate
from ff2neuro.learning.hebbian.events import Events, draw_events, events_of_words
from ff2neuro.learning.hebbian.network import spiking_network
from ff2neuro.learning.hebbian.online import train_online
from ff2neuro.learning.hebbian.state import HebbianState
from ff2neuro.learning.hebbian.stepping import constants_of
from ff2neuro.networks import GoodnessHead, LabelCodes, SpikingNetwork, layer_probabilities, random_label_codes

__all__ = ["HebbianTrainer"]

Array = npt.NDArray[Any]

#: Streams of chance that must not share their numbers.
_WEIGHTS, _CODES, _EPOCH, _JUDGES = range(4)
#: Presentations whose events are drawn at once.
CHUNK = 1000
#: Training images that judge an epoch.
JUDGED_TRAINING_IMAGES = 1000


class HebbianTrainer:
    """Trains a network epoch by epoch.

    Parameters
    ----------
    dataset : Dataset
        Images and labels; only those for training are touched.
    config : HebbianConfig
        Hyperparameters.
    state : HebbianState, optional
        Where to go on from; by default training begins.
    data_file : str
        The user's own file that `dataset` came from; empty for a known data set.

    Raises
    ------
    ConfigurationError
        If `state` belongs to another configuration or data set, or no distinct label codes are found.
    DatasetError
        If the training labels are all of one class.

    Examples
    --------
    >>> from ff2neuro.data import load_dataset
    >>> trainer = HebbianTrainer(load_dataset("digits"), HebbianConfig(layers=(20,), epochs=1))
    >>> trainer.run_epoch()["epoch"]
    1
    """

    def __init__(
        self, dataset: Dataset, config: HebbianConfig, state: HebbianState | None = None, data_file: str = ""
    ) -> None:
        if len(np.unique(dataset.y_train)) < 2:
            raise DatasetError(
                f"all training labels of {dataset.name} are {dataset.y_train[0]}; wrong labels must be of another class"
            )
        if state is not None:
            state.require_same(config, dataset.name, dataset.checksum)
        self.config = config
        self._dataset = dataset
        self._label_codes = random_label_codes(
            dataset.n_classes, config.label_length, config.label_density, np.random.default_rng([config.seed, _CODES])
        )
        # Training works in place: what the caller holds must stay as it is.
        self._state = _copy(state) if state else _initial_state(dataset, config, data_file)
        self.metrics = list(self._state.metrics)
        threads(config.threads)

    @property
    def epoch(self) -> int:
        """Number of epochs done."""
        return len(self.metrics)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.config.epochs

    @property
    def weights(self) -> tuple[Array, ...]:
        """Weights of every layer as they stand, each of shape (n_in, n_neurons)."""
        return self._state.weights

    @property
    def label_codes(self) -> LabelCodes:
        """Codes of the classes."""
        return self._label_codes

    @property
    def head(self) -> GoodnessHead:
        """How output traces become scores: all layers vote."""
        config = self.config
        return GoodnessHead(
            config.probability,
            config.alpha,
            config.theta,
            tuple(range(len(config.layers))),
            normalize_layers=False,
            smoothing=config.epsilon if config.probability == "symmetric" else 0.0,
        )

    def run_epoch(self) -> dict[str, Any]:
        """Train for one epoch.

        Returns
        -------
        dict
            The epoch's number; `separation`, the share of presentations whose probability was on the right side of
            one half, and `largest_weight`, with one value per layer; and `accuracy` on `accuracy_on`.

        Raises
        ------
        NetworkError
            If a weight is no longer finite.
        """
        number = self.epoch + 1
        separation = self.learn_epoch(number)
        largest = [float(np.abs(weight).max()) for weight in self.weights]
        self._require_finite(largest, number)
        record = {
            "epoch": number,
            "separation": separation,
            "largest_weight": largest,
            **self._judge(number),
        }
        self.metrics.append(json.dumps(record))
        return record

    def learn_epoch(self, number: int) -> list[float]:
        """Present every training image once, without the checks and figures of `run_epoch`.

        Parameters
        ----------
        number : int
            Number of the epoch, which decides its chance.

        Returns
        -------
        list of float
            For each layer, the share of presentations whose probability was on the right side of one half.
        """
        right, total = np.zeros(len(self.config.layers)), 0
        for events, negative, rng in self._presentations(number):
            traces = self._learn(events, negative, rng, number)
            positive = np.stack(layer_probabilities(self.head, traces, np.ones(len(negative)))) > 0.5
            right += (positive == (negative == 0)).sum(axis=1)
            total += len(negative)
        separation: list[float] = (right / total).tolist()
        return separation

    def _presentations(self, number: int) -> Iterator[tuple[Events, Array, np.random.Generator]]:
        """Yield the epoch's presentations in chunks of whole batches: events, polarity and a source of noise."""
        config, data = self.config, self._dataset
        rng = np.random.default_rng([config.seed, _EPOCH, number])
        order = rng.permutation(len(data.y_train))
        negative = rng.integers(0, 2, len(order))
        labels = (data.y_train[order] + negative * rng.integers(1, data.n_classes, len(order))) % data.n_classes
        size = config.batch_size * max(1, CHUNK // config.batch_size)
        for start in range(0, len(order), size):
            chunk = slice(start, start + size)
            rates = np.concatenate([data.x_train[order[chunk]], self._label_codes.codes[labels[chunk]]], axis=1)
            rates *= np.float32(config.input_strength)
            key = int(rng.integers(0, 2**64, dtype=np.uint64))
            yield draw_events(rates, config.n_time_steps, key), negative[chunk], rng

    def _learn(self, events: Events, negative: Array, rng: np.random.Generator, number: int) -> list[Array]:
        """Let every layer learn from a chunk of an epoch, and return their output traces."""
        config = self.config
        traces = []
        for index, weight in enumerate(self._state.weights):
            noise = self._noise(index, len(negative), rng)
            output = np.empty((len(negative), weight.shape[1]), np.uint64)
            trace = np.empty(output.shape)
            learn = train_online if config.batch_size == 1 else train_batched
            eligibility, v = self._state.eligibilities[index], self._state.potentials[index]
            words = (events.starts, events.channels, events.words)
            constants = constants_of(config, index)._replace(learning_rate=config.learning_rate_of(number))
            learn(weight, eligibility, v, *words, negative, noise, constants, output, trace)
            traces.append(trace)
            if index + 1 < len(self._state.weights):
                events = events_of_words(output, config.n_time_steps)
        return traces

    def _noise(self, index: int, n_presentations: int, rng: np.random.Generator) -> Array:
        """Noise of one layer, shared by a batch; none where all neurons win, for it would change nothing."""
        config, n_neurons = self.config, self.config.layers[index]
        n_batches = -(-n_presentations // config.batch_size)
        if config.noise == 0 or config.winners(index) == n_neurons:
            n_batches = 0
        shape = (n_batches, config.n_time_steps + config.rest_steps, n_neurons)
        return config.noise * rng.standard_normal(shape)

    def _require_finite(self, largest: list[float], number: int) -> None:
        for index, value in enumerate(largest):
            if not np.isfinite(value):
                raise NetworkError(
                    f"training diverged in epoch {number}: weights of layer {index} are NaN or infinite at learning "
                    f"rate {self.config.learning_rate_of(number)}; lower the learning rate"
                )

    def _judge(self, number: int) -> dict[str, Any]:
        rng = np.random.default_rng([self.config.seed, _JUDGES])
        judges = rng.permutation(len(self._dataset.y_train))[:JUDGED_TRAINING_IMAGES]
        scores = self.scores(self._dataset.x_train[judges], seed=number)
        accuracy = float((scores.argmax(axis=1) == self._dataset.y_train[judges]).mean())
        return {"accuracy": accuracy, "accuracy_on": f"{len(judges)} training images"}

    def scores(self, images: Array, seed: int = 0) -> npt.NDArray[np.float64]:
        """Return the score of every class for images, by label sweep.

        Parameters
        ----------
        images : ndarray of shape (n_images, n_pixels)
            Pixels in [0, 1].
        seed : int
            Source of the input spikes, besides the configuration's seed.

        Returns
        -------
        ndarray of shape (n_images, n_classes)
            Sum of all layers' probabilities.
        """
        return evaluate(self.weights, self.config, self._label_codes, self.head, images, seed).scores

    def network(self) -> SpikingNetwork:
        """Return the network as it stands.

        Returns
        -------
        SpikingNetwork
            A copy, with its provenance.

        Raises
        ------
        NetworkError
            If a weight is not finite.
        """
        provenance: dict[str, str | int | float] = {
            "learning": "hebbian",
            "dataset": self._dataset.name,
            "dataset_checksum": self._dataset.checksum,
            **({"data_file": self._state.data_file} if self._state.data_file else {}),
            "epochs_done": self.epoch,
            "seed": self.config.seed,
            "ff2neuro_version": __version__,
            "numba_version": numba.__version__,
            "numpy_version": np.__version__,
            **{f"config.{name}": _plain(value) for name, value in self.config.to_mapping().items() if name != "seed"},
        }
        shape = self._dataset.image_shape
        return spiking_network(self.weights, self.config, self._label_codes, self.head, shape, provenance)

    def state(self) -> HebbianState:
        """Return all that is needed to go on from here.

        Returns
        -------
        HebbianState
            A copy.
        """
        return _copy(replace(self._state, metrics=tuple(self.metrics)))


def _plain(value: Any) -> str | int | float:
    plain: str | int | float = ",".join(str(item) for item in value) if isinstance(value, list) else value
    return plain


def _copy(state: HebbianState) -> HebbianState:
    groups = (state.weights, state.eligibilities, state.potentials)
    weights, eligibilities, potentials = (tuple(array.copy() for array in group) for group in groups)
    return replace(state, weights=weights, eligibilities=eligibilities, potentials=potentials)


def _initial_state(dataset: Dataset, config: HebbianConfig, data_file: str) -> HebbianState:
    """Begin with standard normal weights, no eligibility, resting potentials."""
    rng = np.random.default_rng([config.seed, _WEIGHTS])
    n_in = dataset.n_pixels + config.label_length
    weights = []
    for width in config.layers:
        weights.append(rng.standard_normal((n_in, width)))
        n_in = width
    return HebbianState(
        config=config,
        dataset_name=dataset.name,
        dataset_checksum=dataset.checksum,
        data_file=data_file,
        weights=tuple(weights),
        eligibilities=tuple(np.zeros_like(weight) for weight in weights),
        potentials=tuple(np.zeros((config.batch_size, width)) for width in config.layers),
        metrics=(),
    )
