"""Label sweep by events: the image's spikes are drawn and weighted once, its hypotheses run side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import DatasetError
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.events import Events, draw_events, events_of_words
from ff2neuro.learning.hebbian.stepping import constants_of
from ff2neuro.learning.hebbian.sweep import respond, respond_in_turn
from ff2neuro.networks import GoodnessHead, LabelCodes, SpikingNetwork, layer_probabilities

__all__ = [
    "Evaluation",
    "Responses",
    "evaluate",
    "evaluate_network",
    "respond_to_events",
    "responses",
    "responses_in_turn",
]

Array = npt.NDArray[Any]

#: Images whose presentations are in memory at once.
CHUNK = 500
#: Streams of chance that must not share their numbers.
_EVALUATION, _IN_TURN = 101, 102


@dataclass(frozen=True, eq=False)
class Responses:
    """What every layer did with a chunk of presentations.

    Attributes
    ----------
    words : list of ndarray of uint64, shape (n_images, n_hypotheses, n_neurons)
        Spikes of every layer; bit t is step t.
    traces : list of ndarray of float64, shape (n_images, n_hypotheses, n_neurons)
        Output traces at the end.
    """

    words: list[npt.NDArray[np.uint64]]
    traces: list[npt.NDArray[np.float64]]

    @property
    def counts(self) -> list[npt.NDArray[np.uint8]]:
        """Spike counts of every layer, each of the shape of `traces`."""
        return [np.bitwise_count(words) for words in self.words]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of images.

    Attributes
    ----------
    scores : ndarray of shape (n_images, n_classes)
        Sum of the voting layers' probabilities.
    """

    scores: npt.NDArray[np.float64]

    def accuracy(self, labels: Array) -> float:
        """Return the share of images whose highest score is that of their label (shape (n_images,))."""
        return float((self.scores.argmax(axis=1) == labels).mean())


def respond_to_events(
    weights: Sequence[Array],
    config: HebbianConfig,
    shared: Events,
    own: Events,
    n_hypotheses: int,
    rng: np.random.Generator | None = None,
) -> Responses:
    """Run presentations of given events from rest, without learning.

    Parameters
    ----------
    weights : sequence of ndarray of float64, shape (n_in, n_neurons)
        One matrix per layer.
    config : HebbianConfig
        Constants.
    shared : Events
        Events of each image that all its hypotheses have in common.
    own : Events
        Further events of each presentation, hypotheses of an image one after the other.
    n_hypotheses : int
        Hypotheses per image.
    rng : numpy.random.Generator, optional
        Source of the noise in the comparison of winners; none by default.

    Returns
    -------
    Responses
        Spikes and traces.
    """
    n_images = shared.n_presentations
    silence = Events(0, config.n_time_steps, np.zeros(n_images + 1, np.int64), shared.channels[:0], shared.words[:0])
    words, traces = [], []
    for index, weight in enumerate(weights):
        shape = (n_images, n_hypotheses, weight.shape[1])
        output, trace = np.empty(shape, np.uint64), np.empty(shape)
        noisy = rng is not None and config.noise > 0 and config.winners(index) < weight.shape[1]
        noise_shape = (n_images if noisy else 0, config.n_time_steps, weight.shape[1])
        noise = config.noise * rng.standard_normal(noise_shape) if rng is not None else np.empty(noise_shape)
        parts = [(part.starts, part.channels, part.words) for part in (shared, own)]
        respond(weight, parts[0], parts[1], noise, constants_of(config, index), output, trace)
        if index + 1 < len(weights):
            shared, own = silence, events_of_words(output.reshape(-1, weight.shape[1]), config.n_time_steps)
        words.append(output)
        traces.append(trace)
    return Responses(words, traces)


def responses(
    weights: Sequence[Array],
    config: HebbianConfig,
    label_codes: LabelCodes,
    images: Array,
    seed: int,
    codes_of: Array | None = None,
) -> Iterator[tuple[slice, Responses]]:
    """Run images under label hypotheses, a chunk at a time.

    Parameters
    ----------
    weights, config
        As for `respond_to_events`.
    label_codes : LabelCodes
        Codes of the classes.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].
    seed : int
        Source of the input spikes, besides the configuration's seed.
    codes_of : ndarray of shape (n_images, n_hypotheses, code_length), optional
        Codes to present each image with; by default those of all classes.

    Yields
    ------
    images : slice
        Which images.
    responses : Responses
        What the layers did.

    Raises
    ------
    DatasetError
        If the images do not have the network's number of pixels.
    """
    n_pixels = weights[0].shape[0] - label_codes.length
    if images.ndim != 2 or images.shape[1] != n_pixels:
        raise DatasetError(
            f"images have {images.shape[-1]} pixels each, the network takes {n_pixels}; use the data set that it was "
            "trained on"
        )
    rng = np.random.default_rng([config.seed, _EVALUATION, seed])
    strength = np.float32(config.input_strength)
    for start in range(0, len(images), CHUNK):
        chunk = slice(start, min(start + CHUNK, len(images)))
        n_images = chunk.stop - start
        codes = np.broadcast_to(label_codes.codes, (n_images, *label_codes.codes.shape))
        codes = codes if codes_of is None else codes_of[chunk]
        keys = [int(key) for key in rng.integers(0, 2**64, 2, dtype=np.uint64)]
        shared = draw_events(images[chunk] * strength, config.n_time_steps, keys[0])
        own = draw_events(codes.reshape(-1, codes.shape[-1]) * strength, config.n_time_steps, keys[1])
        own = Events(n_pixels + label_codes.length, own.n_time_steps, own.starts, own.channels + n_pixels, own.words)
        yield chunk, respond_to_events(weights, config, shared, own, codes.shape[1], rng)


def responses_in_turn(
    weights: Sequence[Array], config: HebbianConfig, inputs: Array, seed: int = 0
) -> Iterator[tuple[slice, Responses]]:
    """Run presentations one after the other with potentials carried over, as the published code takes its latents.

    Nothing is reset between two presentations of the same place in a batch but the output traces, and there is no rest.
    There is no noise in the comparison of winners.

    Parameters
    ----------
    weights, config, seed
        As for `responses`.
    inputs : ndarray of shape (n_presentations, n_channels)
        Pixels and label codes, in [0, 1].

    Yields
    ------
    presentations : slice
        Which presentations.
    responses : Responses
        What the layers did, with one hypothesis.
    """
    rng = np.random.default_rng([config.seed, _IN_TURN, seed])
    potentials = [np.zeros((config.batch_size, weight.shape[1])) for weight in weights]
    size = config.batch_size * max(1, CHUNK // config.batch_size)
    for start in range(0, len(inputs), size):
        chunk = slice(start, min(start + size, len(inputs)))
        key = int(rng.integers(0, 2**64, dtype=np.uint64))
        events = draw_events(inputs[chunk] * np.float32(config.input_strength), config.n_time_steps, key)
        words, traces = [], []
        for index, (weight, v) in enumerate(zip(weights, potentials, strict=True)):
            output, trace = (np.empty((events.n_presentations, weight.shape[1]), kind) for kind in ("u8", "f8"))
            parts = (events.starts, events.channels, events.words)
            respond_in_turn(weight, *parts, v, constants_of(config, index), output, trace)
            words.append(output[:, None])
            traces.append(trace[:, None])
            if index + 1 < len(weights):
                events = events_of_words(output, config.n_time_steps)
        yield chunk, Responses(words, traces)


def evaluate(
    weights: Sequence[Array],
    config: HebbianConfig,
    label_codes: LabelCodes,
    head: GoodnessHead,
    images: Array,
    seed: int = 0,
) -> Evaluation:
    """Score images under every label hypothesis.

    Parameters
    ----------
    weights, config, label_codes, images, seed
        As for `responses`.
    head : GoodnessHead
        How traces become scores.

    Returns
    -------
    Evaluation
        The scores.
    """
    scores = np.zeros((len(images), label_codes.n_classes))
    for chunk, response in responses(weights, config, label_codes, images, seed):
        energy = np.ones(response.traces[0].shape[:2])
        scores[chunk] = np.sum(layer_probabilities(head, response.traces, energy), axis=0)
    return Evaluation(scores)


def evaluate_network(network: SpikingNetwork, config: HebbianConfig, images: Array, seed: int = 0) -> Evaluation:
    """Score images with a trained network, in the arithmetic that it was trained in.

    Parameters
    ----------
    network : SpikingNetwork
        What `HebbianTrainer.network` gave.
    config : HebbianConfig
        Configuration that it was trained with.
    images, seed
        As for `responses`.

    Returns
    -------
    Evaluation
        The scores.
    """
    weights = [np.ascontiguousarray(layer.weight.T) for layer in network.layers]
    return evaluate(weights, config, network.input_code.label_codes, network.head, images, seed)
