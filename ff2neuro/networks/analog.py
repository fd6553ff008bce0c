"""The analog Forward-Forward network: bias-free ReLU layers and a goodness head."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import DatasetError, NetworkError
from ff2neuro.files import Tree, readonly
from ff2neuro.networks.goodness import GoodnessHead, layer_probabilities, predict_from_scores
from ff2neuro.networks.labels import LabelCodes, labels_beside_activity
from ff2neuro.networks.one_pass import OnePassHead, unit_length

__all__ = ["AnalogNetwork"]

Array = npt.NDArray[Any]

#: Presentations (images times hypotheses) that inference holds in memory at once.
PRESENTATIONS_PER_CHUNK = 8192


@dataclass(frozen=True, eq=False)
class AnalogNetwork:
    """A trained network, built by the trainer or by hand from plain arrays.

    The input of the first layer is the image's pixels in [0, 1] followed by the label code.

    Attributes
    ----------
    weights : tuple of ndarray of shape (n_out, n_in)
        One matrix per layer; the first takes ``n_pixels + label_codes.length`` inputs.
    label_codes : LabelCodes
        Code of every class.
    head : GoodnessHead
        How activity becomes a score.
    image_shape : tuple of int
        Shape of an image.
    provenance : mapping
        How the network came to be: configuration, seed, versions. Strings and numbers only.
    one_pass : OnePassHead or None
        What classifies an image in one pass; None if only the label sweep can.
    normalize_halves : bool
        Whether each half of a layer is scaled by itself before the next layer takes it. Such a network is not
        homogeneous, so that it cannot be converted to spikes.
    label_every_layer : bool
        Whether every layer, not the first alone, takes the label code: beside the activity of the layer before, both at
        unit length (arXiv 2604.13081). Such a network cannot be converted to spikes either.

    Raises
    ------
    NetworkError
        If shapes do not fit, a weight is NaN or infinite, a layer of odd width is to be cut in halves, or the head
        would normalise what `label_every_layer` has normalised already.

    Examples
    --------
    >>> from ff2neuro.networks import AnalogNetwork, GoodnessHead, one_hot_label_codes
    >>> head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=(0,))
    >>> weight = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    >>> network = AnalogNetwork((weight,), one_hot_label_codes(2), head, image_shape=(2,))
    >>> network.predict(np.array([[1.0, 0.0]], dtype=np.float32)).tolist()
    [1]
    """

    weights: tuple[npt.NDArray[np.float32], ...]
    label_codes: LabelCodes
    head: GoodnessHead
    image_shape: tuple[int, ...]
    provenance: Mapping[str, str | int | float] = field(default_factory=dict)
    one_pass: OnePassHead | None = None
    normalize_halves: bool = False
    label_every_layer: bool = False

    def __post_init__(self) -> None:
        weights = tuple(readonly(weight, np.float32) for weight in self.weights)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "image_shape", tuple(int(size) for size in self.image_shape))
        if not weights:
            raise NetworkError("the network has no layers; it needs at least one weight matrix")
        n_in = self.n_inputs
        for index, weight in enumerate(weights):
            _check_weight(index, weight, n_in, halves=self.head.probability == "symmetric")
            n_in = weight.shape[0] + (self.label_codes.length if self.label_every_layer else 0)
        if max(self.head.voting_layers) >= len(weights):
            raise NetworkError(f"layer {max(self.head.voting_layers)} is to vote, but there are {len(weights)} layers")
        if self.label_every_layer and self.head.normalize_layers:
            raise NetworkError(
                "every layer takes the label code, so its input is of fixed length, but the head would divide by that "
                "of the activity; set the head's normalize_layers to False"
            )
        if self.one_pass is not None:
            self.one_pass.check_fits(self.widths, self.n_classes, self.label_codes.length)

    @property
    def n_pixels(self) -> int:
        """Number of pixels of an image."""
        return int(np.prod(self.image_shape))

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the first layer: pixels and label code."""
        return self.n_pixels + self.label_codes.length

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.label_codes.n_classes

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of neurons of each layer."""
        return tuple(int(weight.shape[0]) for weight in self.weights)

    @property
    def checksum(self) -> str:
        """SHA-256 over all that decides what the network computes; tells whose conversion a spiking network is."""
        digest = hashlib.sha256(repr((self.head, self.image_shape, float(self.label_codes.strength))).encode())
        one_pass = () if self.one_pass is None else (self.one_pass.code, *self.one_pass.weights)
        if self.normalize_halves:
            digest.update(b"halves")
        if self.label_every_layer:
            digest.update(b"label_every_layer")
        for array in (self.label_codes.codes, *self.weights, *one_pass):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def check_images(self, images: Array) -> None:
        """Refuse images that this network cannot take.

        Parameters
        ----------
        images : ndarray of shape (n_images, n_pixels)
            Pixels in [0, 1].

        Raises
        ------
        DatasetError
            If their number of pixels is not the model's.
        """
        if images.ndim != 2 or images.shape[1] != self.n_pixels:
            shape = "x".join(str(size) for size in self.image_shape)
            raise DatasetError(
                f"images have {images.shape[-1]} pixels each; this network was trained on {shape} = {self.n_pixels}; "
                "use the data set that it was trained on"
            )

    def require_convertible(self) -> None:
        """Refuse to be converted to spikes where that cannot be right.

        Raises
        ------
        NetworkError
            If the network is not homogeneous; the message names the hyperparameter.
        """
        if self.normalize_halves and len(self.weights) > 1:
            raise NetworkError(
                "the network scales each half of a layer by itself (layer_normalization 'halves'), which no spiking "
                "network does and no readout can make up for; train it with layer_normalization 'layer'"
            )
        if self.label_every_layer and len(self.weights) > 1:
            raise NetworkError(
                "every layer of the network takes the label code (label_layers 'all'), so that activity must be scaled "
                "to unit length beside it, which no spiking network does; train it with label_layers 'first'"
            )

    def latents(self, images: Array, codes: Array | None = None) -> list[Array]:
        """Return the activity of every layer; without length normalisation between layers if readouts make up for it.

        Parameters
        ----------
        images : ndarray of shape (n_images, n_pixels)
            Pixels in [0, 1].
        codes : ndarray of shape (n_codes, code_length), optional
            Label codes as they stand in the input; by default those of all classes.

        Returns
        -------
        list of ndarray of shape (n_images, n_codes, n_neurons)
            Activity h_l = ReLU(W_l h_(l-1)) of every layer for every image under every label hypothesis.
        """
        self.check_images(images)
        codes = self.label_codes.values if codes is None else codes
        first = self.weights[0]
        # The image's part of the first layer is the same under all hypotheses.
        image_part = images.astype(np.float32, copy=False) @ first[:, : self.n_pixels].T
        label_part = codes.astype(np.float32, copy=False) @ first[:, self.n_pixels :].T
        latents = [np.maximum(image_part[:, None, :] + label_part[None, :, :], 0)]
        for weight in self.weights[1:]:
            # One product over all presentations: NumPy would make one for each image, many times slower.
            flat = latents[-1].reshape(-1, latents[-1].shape[2])
            currents = self._scaled(flat) @ weight[:, : flat.shape[1]].T
            currents = currents.reshape(*latents[-1].shape[:2], len(weight))
            if self.label_every_layer:
                beside = labels_beside_activity(codes)
                currents += beside @ weight[:, flat.shape[1] :].T
            latents.append(np.maximum(currents, 0))
        return latents

    def _scaled(self, activity: Array) -> Array:
        """Scale activity as the next layer takes it, which is not at all where the readout can make up for that."""
        if self.normalize_halves:
            return _unit_halves(activity)
        return unit_length(activity).astype(np.float32) if self.label_every_layer else activity

    def scores(self, images: Array) -> npt.NDArray[np.float64]:
        """Return the score of every class: the sum of the voting layers' probabilities.

        Parameters
        ----------
        images : ndarray of shape (n_images, n_pixels)
            Pixels in [0, 1].

        Returns
        -------
        ndarray of shape (n_images, n_classes)
            Scores, between 0 and the number of voting layers.
        """
        self.check_images(images)
        chunks = [self.scores_of_latents(chunk, self.latents(chunk)) for chunk in self._chunks(images)]
        return np.concatenate(chunks) if chunks else np.zeros((0, self.n_classes))

    def scores_of_latents(self, images: Array, latents: list[Array]) -> npt.NDArray[np.float64]:
        """Return the scores for latents that `latents` gave for the same images and all classes."""
        energy = (images.astype(np.float64) ** 2).sum(axis=1)[:, None] + (self.label_codes.values**2).sum(axis=1)
        total: npt.NDArray[np.float64] = np.sum(layer_probabilities(self.head, latents, energy), axis=0)
        return total

    def predict(self, images: Array) -> npt.NDArray[np.int64]:
        """Classify images by label sweep.

        Parameters
        ----------
        images : ndarray of shape (n_images, n_pixels)
            Pixels in [0, 1].

        Returns
        -------
        ndarray of int, shape (n_images,)
            The class with the highest score, the lowest one where several tie.
        """
        return predict_from_scores(self.scores(images))[0]

    def one_pass_scores(self, images: Array) -> npt.NDArray[np.float64]:
        """Return the score of every class from one presentation of each image, under the neutral label code.

        Parameters
        ----------
        images : ndarray of shape (n_images, n_pixels)
            Pixels in [0, 1].

        Returns
        -------
        ndarray of shape (n_images, n_classes)
            Scores, on the scale of logits.

        Raises
        ------
        NetworkError
            If the network has no one-pass head.
        """
        self.check_images(images)
        if self.one_pass is None:
            raise NetworkError(
                "the network has no one-pass head; train it with one_pass_updates above 0, or classify by label sweep"
            )
        code = self.one_pass.code[None] * np.float32(self.label_codes.strength)
        chunks = [
            self.one_pass.scores([latent[:, 0] for latent in self.latents(chunk, code)])
            for chunk in self._chunks(images)
        ]
        return np.concatenate(chunks) if chunks else np.zeros((0, self.n_classes))

    def predict_one_pass(self, images: Array) -> npt.NDArray[np.int64]:
        """Classify images in one pass.

        Parameters
        ----------
        images : ndarray of shape (n_images, n_pixels)
            Pixels in [0, 1].

        Returns
        -------
        ndarray of int, shape (n_images,)
            The class with the highest score, the lowest one where several tie.

        Raises
        ------
        NetworkError
            As `one_pass_scores`.
        """
        return predict_from_scores(self.one_pass_scores(images))[0]

    def _chunks(self, images: Array) -> Iterator[Array]:
        size = max(1, PRESENTATIONS_PER_CHUNK // self.n_classes)
        for start in range(0, len(images), size):
            yield images[start : start + size]

    def to_tree(self) -> Tree:
        """Return what a file holds of this network."""
        return {
            "weights": {str(index): weight for index, weight in enumerate(self.weights)},
            "label_codes": self.label_codes.to_tree(),
            "head": self.head.to_tree(),
            "image_shape": np.asarray(self.image_shape, dtype=np.int64),
            "normalize_halves": bool(self.normalize_halves),
            "label_every_layer": bool(self.label_every_layer),
            "provenance": dict(self.provenance),
            "one_pass": self.one_pass.to_tree() if self.one_pass is not None else None,
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> "AnalogNetwork":
        """Build a network from what a file holds."""
        return cls(
            weights=tuple(tree["weights"][str(index)] for index in range(len(tree["weights"]))),
            label_codes=LabelCodes.from_tree(tree["label_codes"]),
            head=GoodnessHead.from_tree(tree["head"]),
            image_shape=tuple(tree["image_shape"]),
            normalize_halves=bool(tree.get("normalize_halves", False)),
            label_every_layer=bool(tree.get("label_every_layer", False)),
            provenance=tree.get("provenance", {}),
            one_pass=OnePassHead.from_tree(tree["one_pass"]) if tree.get("one_pass") is not None else None,
        )


def _unit_halves(activity: Array) -> Array:
    """Scale both halves to one length, so that the whole is of unit length; a silent half stays silent."""
    halves = activity.reshape(len(activity), 2, -1)
    energy = np.square(halves).sum(axis=2, keepdims=True)
    scaled: Array = halves / np.sqrt(np.where(energy > 0, 2 * energy, 1))
    return scaled.reshape(activity.shape)


def _check_weight(index: int, weight: Array, n_in: int, *, halves: bool) -> None:
    """Refuse a weight matrix that does not fit its place."""
    if weight.ndim != 2 or weight.shape[1] != n_in:
        raise NetworkError(f"weight of layer {index} has shape {weight.shape}; it must be (n_neurons, {n_in})")
    if weight.shape[0] < 1:
        raise NetworkError(f"layer {index} has no neurons; it needs at least one")
    if halves and weight.shape[0] % 2:
        raise NetworkError(
            f"layer {index} has {weight.shape[0]} neurons; the symmetric probability cuts a layer in halves, "
            "so the width must be even"
        )
    if not np.isfinite(weight).all():
        count = int((~np.isfinite(weight)).sum())
        raise NetworkError(f"weight of layer {index} holds {count} values that are NaN or infinite; train it again")
