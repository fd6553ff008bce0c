"""Agreement of one layer's latents, gathered a chunk of images at a time."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.analysis import (
    CosineMean,
    LinearCKA,
    PearsonCorrelation,
    mean_hoyer_index,
    nearest_neighbours,
    neighbour_overlap,
    representational_similarity,
    separability,
)

__all__ = ["LayerAgreement", "LayerFigures"]

Array = npt.NDArray[Any]

#: Samples on which distances between all pairs are ranked: their number grows with the square.
MAX_RANKED_SAMPLES = 500
#: Share of presentations with a spike at every time step from which a neuron counts as saturated.
SATURATED_SHARE = 0.01


@dataclass(frozen=True)
class LayerFigures:
    """What was found in one layer. None means: not computed, because there was too little to compute it from.

    Attributes
    ----------
    name : str
        Name of the layer's neuron node.
    n_neurons : int
        Number of neurons.
    cosine, cosine_shuffled : float or None
        Mean cosine between analog and spiking latents of the same presentation, and, as the baseline that any two
        latents of the layer reach, between those of different images (of the first 2000).
    cka, pearson : float or None
        Linear centred kernel alignment; Pearson correlation over all neurons and presentations.
    rsa : float or None
        Spearman correlation of the distances between images under the true label.
    activity_bias, activity_rms_error : float or None
        Mean and root mean square of spiking minus analog activity, as shares of the analog root mean square.
    n_silent_analog, n_silent_spiking : int
        Neurons that were silent in every presentation.
    n_saturated : int
        Neurons that spiked at every time step in more than one presentation in a hundred.
    hoyer_analog, hoyer_spiking : float or None
        Hoyer index under the true label, with the constants of arXiv 2406.16479.
    hoyer_analog_plain, hoyer_spiking_plain : float or None
        The same in Hoyer's own definition, without silent latents.
    separability_analog, separability_spiking : float or None
        Share of the five nearest neighbours with the same class, under the true label.
    hoyer_analog_predicted, hoyer_spiking_predicted, separability_analog_predicted, separability_spiking_predicted :
        float or None
        The same under the label that each network predicts.
    neighbour_overlap : float or None
        Share of the five nearest neighbours that both sides have in common, under the true label.
    """

    name: str
    n_neurons: int
    cosine: float | None
    cosine_shuffled: float | None
    cka: float | None
    pearson: float | None
    rsa: float | None
    activity_bias: float | None
    activity_rms_error: float | None
    n_silent_analog: int
    n_silent_spiking: int
    n_saturated: int
    hoyer_analog: float | None
    hoyer_spiking: float | None
    hoyer_analog_plain: float | None
    hoyer_spiking_plain: float | None
    hoyer_analog_predicted: float | None
    hoyer_spiking_predicted: float | None
    separability_analog: float | None
    separability_spiking: float | None
    separability_analog_predicted: float | None
    separability_spiking_predicted: float | None
    neighbour_overlap: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return asdict(self)


class LayerAgreement:
    """Gathers the figures of one layer.

    Parameters
    ----------
    name : str
        Name of the layer.
    n_samples, n_neurons : int
        Sizes.
    n_time_steps : int
        Number of time steps of a presentation: the count of a saturated neuron.
    """

    def __init__(self, name: str, n_samples: int, n_neurons: int, n_time_steps: int) -> None:
        self._name, self._n_time_steps = name, n_time_steps
        self._cosine, self._cosine_shuffled = CosineMean(), CosineMean()
        self._cka, self._pearson = LinearCKA(), PearsonCorrelation()
        self._n_presentations = 0
        self._error, self._error_square, self._square = 0.0, 0.0, 0.0
        self._active = np.zeros((2, n_neurons), dtype=bool)
        self._full = np.zeros(n_neurons, dtype=np.int64)
        # Only one hypothesis per image and side is kept: what neighbours and rank correlations need.
        self._true = np.zeros((2, n_samples, n_neurons), dtype=np.float32)
        self._predicted = np.zeros((2, n_samples, n_neurons), dtype=np.float32)

    def update(
        self, start: int, analog: Array, spiking: Array, counts: Array, labels: Array, predictions: tuple[Array, Array]
    ) -> None:
        """Add a chunk of images.

        Parameters
        ----------
        start : int
            Index of the first image of the chunk.
        analog, spiking : ndarray of shape (n, n_hypotheses, n_neurons)
            Latents on a common scale.
        counts : ndarray of shape (n, n_hypotheses, n_neurons)
            Spike counts.
        labels : ndarray of shape (n,)
            True classes.
        predictions : tuple of two ndarray of shape (n,)
            Classes that the analog and the spiking network predict.
        """
        self._cosine.update(analog, spiking)
        self._pearson.update(analog, spiking)
        flat = (analog.reshape(-1, analog.shape[-1]), spiking.reshape(-1, spiking.shape[-1]))
        self._cka.update(*flat)
        error = spiking.astype(np.float64) - analog
        self._error += float(error.sum())
        self._error_square += float(np.einsum("ijk,ijk->", error, error))
        self._square += float(np.einsum("ijk,ijk->", analog, analog, dtype=np.float64))
        self._active |= np.stack([(side > 0).any(axis=0) for side in flat])
        self._full += (counts == self._n_time_steps).sum(axis=(0, 1))
        self._n_presentations += len(flat[0])
        rows = np.arange(len(labels))
        for side, latents in enumerate((analog, spiking)):
            self._true[side, start : start + len(labels)] = latents[rows, labels]
            self._predicted[side, start : start + len(labels)] = latents[rows, predictions[side]]

    def update_shuffled(self, analog: Array, spiking: Array) -> None:
        """Add a chunk of pairs of latents that belong to different images, of shape (n, n_hypotheses, n_neurons)."""
        self._cosine_shuffled.update(analog, spiking)

    def figures(self, labels: Array) -> LayerFigures:
        """Return the figures over all that was added.

        Parameters
        ----------
        labels : ndarray of shape (n_samples,)
            True classes of all images.

        Returns
        -------
        LayerFigures
            The figures.
        """
        near = [nearest_neighbours(side) for side in self._true]
        near_predicted = [nearest_neighbours(side) for side in self._predicted]
        scale = float(np.sqrt(self._square))
        n_entries = self._n_presentations * len(self._full)
        return LayerFigures(
            name=self._name,
            n_neurons=len(self._full),
            cosine=self._cosine.result(),
            cosine_shuffled=self._cosine_shuffled.result(),
            cka=self._cka.result(),
            pearson=self._pearson.result(),
            rsa=representational_similarity(*self._true[:, :MAX_RANKED_SAMPLES]),
            activity_bias=self._error / (scale * np.sqrt(n_entries)) if scale else None,
            activity_rms_error=np.sqrt(self._error_square) / scale if scale else None,
            n_silent_analog=int((~self._active[0]).sum()),
            n_silent_spiking=int((~self._active[1]).sum()),
            n_saturated=int((self._full > SATURATED_SHARE * self._n_presentations).sum()),
            hoyer_analog=mean_hoyer_index(self._true[0]),
            hoyer_spiking=mean_hoyer_index(self._true[1]),
            hoyer_analog_plain=mean_hoyer_index(self._true[0], smoothing=0.0),
            hoyer_spiking_plain=mean_hoyer_index(self._true[1], smoothing=0.0),
            hoyer_analog_predicted=mean_hoyer_index(self._predicted[0]),
            hoyer_spiking_predicted=mean_hoyer_index(self._predicted[1]),
            separability_analog=separability(labels, near[0]),
            separability_spiking=separability(labels, near[1]),
            separability_analog_predicted=separability(labels, near_predicted[0]),
            separability_spiking_predicted=separability(labels, near_predicted[1]),
            neighbour_overlap=neighbour_overlap(near[0], near[1]),
        )
