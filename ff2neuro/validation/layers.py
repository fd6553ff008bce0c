"""Agreement of one layer's latents, gathered a chunk of images at a time."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.analysis import (
    CosineMean,
    HoyerMean,
    LinearCKA,
    PairedMoments,
    nearest_neighbours,
    neighbour_overlap,
    representational_similarity,
    separability,
)
from ff2neuro.analysis.sparsity import PAPER_SMOOTHING
from ff2neuro.validation.goodness import GoodnessFigures, Quartiles
from ff2neuro.validation.subsamples import (
    MAX_NEIGHBOUR_IMAGES,
    MAX_NEUTRAL_IMAGES,
    MAX_RANKED_IMAGES,
    aligned_hypotheses,
    spread,
)

__all__ = ["LayerAgreement", "LayerFigures"]

Array = npt.NDArray[Any]

#: Share of presentations with a spike at every time step from which a neuron counts as saturated.
SATURATED_SHARE = 0.01

_SIDES = ("analog", "spiking")
#: Hoyer indices by what follows ``hoyer_`` in `LayerFigures`, with their smoothing.
_HOYER = tuple(
    (f"{side}{label}", 0.0 if label == "_plain" else PAPER_SMOOTHING)
    for side in _SIDES
    for label in ("", "_plain", "_predicted", "_neutral")
)


@dataclass(frozen=True)
class LayerFigures:
    """What was found in one layer. None means: not computed, because there was too little to compute it from.

    Where there are many images, some figures are those of some of them: see `ff2neuro.validation.subsamples`.

    Attributes
    ----------
    name : str
        Name of the layer's neuron node.
    n_neurons : int
        Number of neurons.
    cosine, cosine_shuffled : float or None
        Mean cosine between analog and spiking latents of the same presentation, and, as the baseline that any two
        latents of the layer reach, between those of different images.
    cka, pearson : float or None
        Linear centred kernel alignment; Pearson correlation over all neurons and presentations.
    rsa : float or None
        Spearman correlation of the distances between images under the true label.
    activity_bias, activity_rms_error : float or None
        Mean and root mean square of spiking minus analog activity, as shares of the analog root mean square.
    gain_ratio : float or None
        Activity that a spike stands for on these images, by least squares, over what the file says it does.
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
    hoyer_analog_neutral, hoyer_spiking_neutral, separability_analog_neutral, separability_spiking_neutral :
        float or None
        The same under the neutral label, the mean of all label codes.
    neighbour_overlap : float or None
        Share of the five nearest neighbours that both sides have in common, under the true label.
    goodness_rank_correlation : float or None
        Mean over images of the Spearman correlation between both sides' probabilities of the hypotheses, by this layer
        alone.
    margin_quartiles_analog, margin_quartiles_spiking : tuple of float, or None
        Quartiles of this layer's probability of the true class minus the highest of the others.
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
    gain_ratio: float | None
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
    hoyer_analog_neutral: float | None
    hoyer_spiking_neutral: float | None
    separability_analog_neutral: float | None
    separability_spiking_neutral: float | None
    neighbour_overlap: float | None
    goodness_rank_correlation: float | None
    margin_quartiles_analog: Quartiles | None
    margin_quartiles_spiking: Quartiles | None

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return asdict(self)


class LayerAgreement:
    """Gathers the figures of one layer.

    Parameters
    ----------
    name : str
        Name of the layer.
    n_images, n_neurons : int
        Sizes.
    largest_count : int
        Count of a neuron that sends as many spikes as it can at every step: it is saturated.
    """

    def __init__(self, name: str, n_images: int, n_neurons: int, largest_count: int) -> None:
        self._name, self._largest_count, self._n_images = name, largest_count, n_images
        self._moments, self._shuffled, self._cka = PairedMoments(), CosineMean(), LinearCKA()
        self._n_presentations = 0
        self._active = np.zeros((2, n_neurons), dtype=bool)
        self._full = np.zeros(n_neurons, dtype=np.int64)
        self._hoyer = {key: HoyerMean(smoothing) for key, smoothing in _HOYER}
        # Latents under one hypothesis of some images: what neighbours and rank correlations need.
        self._kept = spread(n_images, MAX_NEIGHBOUR_IMAGES)
        shape = (2, len(self._kept), n_neurons)
        self._true, self._predicted = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._neutral: Array | None = None

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
        stop, rows = start + len(labels), np.arange(len(labels))
        self._moments.update(analog, spiking)
        chosen = aligned_hypotheses(start, stop, self._n_images, analog.shape[1])
        self._cka.update(*(side[rows[:, None], chosen].reshape(-1, side.shape[2]) for side in (analog, spiking)))
        self._active |= np.stack([side.max(axis=(0, 1)) > 0 for side in (analog, spiking)])
        self._full += (counts == self._largest_count).sum(axis=(0, 1))
        self._n_presentations += analog.shape[0] * analog.shape[1]
        first, last = np.searchsorted(self._kept, (start, stop))
        inside = self._kept[first:last] - start
        for side, latents in enumerate((analog, spiking)):
            true, predicted = latents[rows, labels], latents[rows, predictions[side]]
            self._hoyer[f"{_SIDES[side]}"].update(true)
            self._hoyer[f"{_SIDES[side]}_plain"].update(true)
            self._hoyer[f"{_SIDES[side]}_predicted"].update(predicted)
            self._true[side, first:last] = true[inside]
            self._predicted[side, first:last] = predicted[inside]

    def update_shuffled(self, analog: Array, spiking: Array) -> None:
        """Add a chunk of pairs of latents that belong to different images, of shape (n, n_hypotheses, n_neurons)."""
        self._shuffled.update(analog, spiking)

    def set_neutral(self, analog: Array, spiking: Array) -> None:
        """Give the latents of some images under the neutral label, of shape (n, n_neurons)."""
        self._neutral = np.stack([analog, spiking])
        for side, latents in zip(_SIDES, self._neutral, strict=True):
            self._hoyer[f"{side}_neutral"].update(latents)

    def figures(self, labels: Array, goodness: GoodnessFigures) -> LayerFigures:
        """Return the figures over all that was added.

        Parameters
        ----------
        labels : ndarray of shape (n_images,)
            True classes of all images.
        goodness : GoodnessFigures
            What the layer's goodness says of the classes.

        Returns
        -------
        LayerFigures
            The figures.
        """
        near = [nearest_neighbours(side) for side in self._true]
        return LayerFigures(
            name=self._name,
            n_neurons=len(self._full),
            cosine=self._moments.cosine(),
            cosine_shuffled=self._shuffled.result(),
            cka=self._cka.result(),
            pearson=self._moments.pearson(),
            rsa=representational_similarity(*self._true[:, spread(len(self._kept), MAX_RANKED_IMAGES)]),
            activity_bias=self._moments.bias(),
            activity_rms_error=self._moments.rms_error(),
            gain_ratio=self._moments.gain(),
            n_silent_analog=int((~self._active[0]).sum()),
            n_silent_spiking=int((~self._active[1]).sum()),
            n_saturated=int((self._full > SATURATED_SHARE * self._n_presentations).sum()),
            **{f"hoyer_{key}": mean.result() for key, mean in self._hoyer.items()},
            **self._separabilities(labels, near),
            neighbour_overlap=neighbour_overlap(near[0], near[1]),
            goodness_rank_correlation=goodness.rank_correlation,
            margin_quartiles_analog=goodness.margin_quartiles[0],
            margin_quartiles_spiking=goodness.margin_quartiles[1],
        )

    def _separabilities(self, labels: Array, near: list[Any]) -> dict[str, float | None]:
        """Separability of both sides under the true, the predicted and the neutral label."""
        kept = labels[self._kept]
        found: dict[str, float | None] = {}
        for side, name in enumerate(_SIDES):
            found[f"separability_{name}"] = separability(kept, near[side])
            predicted = nearest_neighbours(self._predicted[side])
            found[f"separability_{name}_predicted"] = separability(kept, predicted)
            found[f"separability_{name}_neutral"] = None
            if self._neutral is not None:
                presented = labels[spread(len(labels), MAX_NEUTRAL_IMAGES)]
                neutral = nearest_neighbours(self._neutral[side])
                found[f"separability_{name}_neutral"] = separability(presented, neutral)
        return found
