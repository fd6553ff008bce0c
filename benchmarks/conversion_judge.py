"""What benchmarks/conversion.py judges conversions by: the analog network, on some images after others."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.converters.target import mean_cosine
from ff2neuro.networks import AnalogNetwork, layer_probabilities, predict_from_scores

__all__ = ["Candidate", "Found", "Judge", "Sent", "Tested"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Sent:
    """What the layers of one conversion send, each of shape (n_presentations, n_neurons), on any scale."""

    program: str
    setting: str
    n_time_steps: int
    layers: list[Array]
    spikes_per_step: float


class Judge:
    """The analog network on one set of images."""

    def __init__(self, network: AnalogNetwork, images: Array, labels: Array) -> None:
        self.network, self.images, self.labels = network, images, labels
        latents = network.latents(images)
        self.latents = [_flat(latent) for latent in latents]
        codes = network.label_codes.values.astype(np.float64)
        self._energy = (images.astype(np.float64) ** 2).sum(axis=1)[:, None] + (codes**2).sum(axis=1)
        self._probabilities = np.stack(layer_probabilities(network.head, latents, self._energy))
        self.predictions, _ = predict_from_scores(np.sum(self._probabilities, axis=0))

    def gains(self, sent: Sent) -> list[float]:
        """Return the gain that a readout needs for every layer: fitted for everybody in the same way."""
        pairs = zip((layer.astype(np.float64) for layer in sent.layers), self.latents, strict=True)
        return [float((layer * latent).sum() / max((layer**2).sum(), 1e-12)) for layer, latent in pairs]

    def probabilities(self, sent: Sent, gains: list[float]) -> Array:
        """Return what every voting layer makes of what was sent: shape (n_voting, n_images, n_classes)."""
        shape = (len(self.images), self.network.n_classes, -1)
        activity = [(layer * gain).reshape(shape) for layer, gain in zip(sent.layers, gains, strict=True)]
        return np.stack(layer_probabilities(self.network.head, activity, self._energy))

    def error(self, probabilities: Array) -> float:
        """Return the mean absolute error of probabilities."""
        return float(np.abs(probabilities - self._probabilities).mean())

    @staticmethod
    def presented_under_all(network: AnalogNetwork, images: Array) -> Array:
        """Return images under all hypotheses as real input: shape (n_presentations, n_inputs)."""
        codes = network.label_codes.values.astype(np.float32)
        pixels = np.repeat(images.astype(np.float32), len(codes), axis=0)
        return np.concatenate([pixels, np.tile(codes, (len(images), 1))], axis=1)


def _flat(latent: Array) -> Array:
    return latent.reshape(-1, latent.shape[-1])


@dataclass(frozen=True, eq=False)
class Candidate:
    """One conversion, with what it showed on the images to choose on."""

    program: str
    setting: str
    n_time_steps: int
    choice_error: float
    gains: list[float]


class Found:
    """What one conversion makes of the test images, added up over blocks of them."""

    def __init__(self, candidate: Candidate, n_layers: int) -> None:
        self.candidate = candidate
        self.program, self.n_time_steps = candidate.program, candidate.n_time_steps
        self._predictions: list[Array] = []
        self._cosines, self._spikes = np.zeros(n_layers), 0.0

    def add(self, test: Judge, sent: Sent) -> None:
        """Judge what was sent for one block."""
        probabilities = test.probabilities(sent, self.candidate.gains)
        self._predictions.append(predict_from_scores(np.sum(probabilities, axis=0))[0])
        pairs = zip(sent.layers, test.latents, strict=True)
        self._cosines += len(test.images) * np.array([mean_cosine(*pair) for pair in pairs])
        self._spikes += len(test.images) * sent.spikes_per_step

    @property
    def predictions(self) -> Array:
        """Classes of all images."""
        return np.concatenate(self._predictions)

    @property
    def cosine(self) -> tuple[float, ...]:
        """Mean cosine with the analog latents, of every layer."""
        return tuple((self._cosines / len(self.predictions)).tolist())

    @property
    def spikes_per_step(self) -> float:
        """Spikes per neuron and step."""
        return self._spikes / len(self.predictions)


class Tested:
    """Labels of the test images, and what the analog network makes of them."""

    def __init__(self) -> None:
        self._labels: list[Array] = []
        self._predictions: list[Array] = []

    def add(self, test: Judge) -> None:
        """Add a block."""
        self._labels.append(test.labels)
        self._predictions.append(test.predictions)

    @property
    def labels(self) -> Array:
        """True classes."""
        return np.concatenate(self._labels)

    @property
    def predictions(self) -> Array:
        """Classes that the analog network gives."""
        return np.concatenate(self._predictions)

    @property
    def right(self) -> Array:
        """Where it is right."""
        return self.predictions == self.labels
