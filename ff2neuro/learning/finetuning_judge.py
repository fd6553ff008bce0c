"""What judges an epoch of fine-tuning: images that it does not learn from."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ff2neuro.coding import input_energy, one_pass_scores, scores
from ff2neuro.dynamics import CURRENT_LIMIT
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.finetuning_chain import SpikingChain
from ff2neuro.learning.objectives import Objective
from ff2neuro.networks import AnalogNetwork, SpikingNetwork, predict_from_scores

__all__ = ["Judge"]

Array = npt.NDArray[Any]

#: Images that are simulated at once.
CHUNK = 50
#: Share of Lava's current range that judged images may use, as for calibration data: unseen images need room.
CURRENT_MARGIN = 1.5


class Judge:
    """Held-out images, and what the model makes of them.

    Parameters
    ----------
    network, spiking : AnalogNetwork, SpikingNetwork
        The model and its conversion.
    images, labels : ndarray of shape (n_images, n_pixels), (n_images,)
        Training images that nothing is learnt from.
    config : TrainingConfig
        Hyperparameters of fine-tuning.
    """

    def __init__(
        self, network: AnalogNetwork, spiking: SpikingNetwork, images: Array, labels: Array, config: TrainingConfig
    ) -> None:
        self._network, self._spiking, self._images, self._labels = network, spiking, images, labels
        self._objective = Objective(config.probability, config.alpha, config.theta, config.loss)
        # The same wrong labels for every epoch: each image is judged against the next class.
        self._wrong = (labels + 1) % network.n_classes
        self._predictions = network.predict(images)
        self._integer = all(bool((layer.weight == np.round(layer.weight)).all()) for layer in spiking.layers)

    @property
    def n_images(self) -> int:
        """Number of held-out images."""
        return len(self._images)

    @property
    def model_accuracy(self) -> float:
        """Accuracy of the model."""
        return float((self._predictions == self._labels).mean())

    @property
    def checksum(self) -> str:
        """SHA-256 of the images."""
        return hashlib.sha256(np.ascontiguousarray(self._images).tobytes()).hexdigest()

    def figures(self, chain: SpikingChain) -> dict[str, Any]:
        """Judge a network as it stands.

        Parameters
        ----------
        chain : SpikingChain
            The network.

        Returns
        -------
        dict
            `accuracy` by label sweep; `agreement`, the share of the model's predictions; `loss` and `cosine`, for each
            layer its local loss, and the mean cosine between counts and the model's activity under all hypotheses;
            `range_used`, the share of Lava's range that currents may take, with room for images unseen; and
            `one_pass_accuracy`, if there is a head for that.
        """
        n_layers = len(chain.layers)
        sums, predictions, in_one_pass, largest = np.zeros((2, n_layers)), [], [], 0.0
        for start in range(0, self.n_images, CHUNK):
            images = self._images[start : start + CHUNK]
            presented = torch.from_numpy(np.ascontiguousarray(images))
            tensors, current = chain.counts(presented)
            counts = [tensor.numpy() for tensor in tensors]
            energy = input_energy(self._spiking.input_code, images)
            predictions.append(predict_from_scores(scores(self._spiking, counts, energy))[0])
            sums[0] += len(images) * np.array(self._losses(start, tensors, energy))
            sums[1] += [
                _cosines(ours, theirs).sum() / self._network.n_classes
                for ours, theirs in zip(counts, self._network.latents(images), strict=True)
            ]
            in_one_pass.append(self._in_one_pass(chain, presented))
            largest = max(largest, current)
        predicted = np.concatenate(predictions)
        loss, cosine = (sums / self.n_images).tolist()
        return {
            "accuracy": self._accuracy(predictions),
            "agreement": float((predicted == self._predictions).mean()),
            "loss": loss,
            "cosine": cosine,
            "range_used": self._range_used(chain, largest) if self._integer else 0.0,
            **({"one_pass_accuracy": self._accuracy(in_one_pass)} if self._spiking.one_pass else {}),
        }

    def note(self, records: Sequence[dict[str, Any]], best_epoch: int) -> str:
        """Say what fine-tuning changed.

        Parameters
        ----------
        records : sequence of dict
            What `figures` gave before the first epoch and after each one.
        best_epoch : int
            Which of them is kept.

        Returns
        -------
        str
            A note for the converted network.
        """
        before, best, n_epochs = records[0], records[best_epoch], len(records) - 1
        judged = f"{self.n_images} training images that it did not learn from"
        model = f"the model: {self.model_accuracy:.2%}"
        if not best_epoch:
            return (
                f"fine-tuning on the neurons' own spike counts changed nothing: none of {n_epochs} epochs was better "
                f"than the conversion, {before['accuracy']:.2%} on {judged} ({model})"
            )
        losses, cosines = (
            ", ".join(f"{a:{form}} -> {b:{form}}" for a, b in zip(before[name], best[name], strict=True))
            for name, form in (("loss", ".4g"), ("cosine", ".4f"))
        )
        return (
            f"weights fine-tuned on the neurons' own spike counts for {best_epoch} of {n_epochs} epochs; on {judged}: "
            f"accuracy {before['accuracy']:.2%} -> {best['accuracy']:.2%} ({model}), same predictions as the model "
            f"{before['agreement']:.2%} -> {best['agreement']:.2%}, loss per layer {losses}, mean cosine of counts and "
            f"the model's activity {cosines}{self._one_pass_note(before, best)}"
        )

    def _one_pass_note(self, before: dict[str, Any], best: dict[str, Any]) -> str:
        if self._spiking.one_pass is None:
            return ""
        name = "one_pass_accuracy"
        return f", accuracy in one pass by the head as it was {before[name]:.2%} -> {best[name]:.2%}"

    def _in_one_pass(self, chain: SpikingChain, images: Tensor) -> npt.NDArray[np.int64]:
        """Classify images in one pass; nothing without a head for that."""
        if self._spiking.one_pass is None:
            return np.zeros(0, dtype=np.int64)
        counts, _ = chain.counts(images, self._spiking.one_pass.code[None])
        return predict_from_scores(one_pass_scores(self._spiking, [count.numpy() for count in counts]))[0]

    def _accuracy(self, predictions: Sequence[npt.NDArray[np.int64]]) -> float:
        return float((np.concatenate(predictions) == self._labels).mean())

    def _losses(self, start: int, counts: list[Tensor], energy: Array) -> list[float]:
        """Return the local loss of every layer on the true labels and on wrong ones."""
        stop = start + counts[0].shape[0]
        labels = np.stack([self._labels[start:stop], self._wrong[start:stop]])
        rows = np.arange(stop - start)
        squares = torch.from_numpy(energy[rows, labels].astype(np.float32).ravel())
        squares = squares if self._spiking.head.normalize_input else torch.ones_like(squares)
        losses = []
        for layer, count in zip(self._spiking.layers, counts, strict=True):
            h = count[rows, labels].flatten(0, 1) * layer.gain
            lengths = torch.where(squares > 0, squares, torch.inf).rsqrt()[:, None]
            losses.append(float(self._objective.local_gradient(h * lengths).loss))
            squares = h.square().sum(dim=1)
        return losses

    def _range_used(self, chain: SpikingChain, largest: float) -> float:
        """Return the larger share of the first layer's largest current and of the hidden layers' sums of weights."""
        hidden = max((float(layer.weight.abs().sum(dim=1).max()) for layer in chain.layers[1:]), default=0.0)
        return max(largest * CURRENT_MARGIN, hidden) / CURRENT_LIMIT


def _cosines(a: Array, b: Array) -> Array:
    """Cosine over the last axis; a silent vector counts 0."""
    products = np.einsum("...i,...i->...", a, b)
    lengths = np.sqrt(np.einsum("...i,...i->...", a, a) * np.einsum("...i,...i->...", b, b))
    cosines: Array = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return cosines
