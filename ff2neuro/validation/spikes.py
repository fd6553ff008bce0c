"""Spike-for-spike comparison of two recordings of the same graph and input."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import ConfigurationError
from ff2neuro.recording import Kind, Recording
from ff2neuro.validation.matching import same_inputs

__all__ = ["FirstDifference", "LayerDifference", "SpikeComparison", "compare_recordings"]

Array = npt.NDArray[Any]

#: Bins that are in memory at once.
BINS_PER_CHUNK = 2**25
#: Differing neurons that a layer lists by number.
MAX_LISTED_NEURONS = 20


@dataclass(frozen=True)
class FirstDifference:
    """Where two recordings part: the first presentation that differs, in it the earliest step, in it the first layer.

    Attributes
    ----------
    image, hypothesis : int
        The presentation.
    step : int or None
        The time step, counted from 0; None where only counts were recorded.
    layer : str
        The layer's name in the first recording.
    neuron : int
        The neuron.
    first, second : int
        What the two recordings hold there: spikes in a step, or counts.
    """

    image: int
    hypothesis: int
    step: int | None
    layer: str
    neuron: int
    first: int
    second: int

    def __str__(self) -> str:
        where = "" if self.step is None else f" at step {self.step}"
        what = "spikes" if self.step is not None else "spikes in all"
        return (
            f"{self.layer} neuron {self.neuron}{where}, image {self.image} under label {self.hypothesis}: "
            f"{self.first} against {self.second} {what}"
        )


@dataclass(frozen=True)
class LayerDifference:
    """How far one layer differs.

    Attributes
    ----------
    name : str
        The layer's name in the first recording.
    n_compared, n_differing : int
        Bins, or counts where only those were recorded.
    n_differing_neurons : int
        Neurons that differ anywhere.
    differing_neurons : tuple of int
        The first twenty of them.
    mean_count_distance : float
        Mean absolute difference of spike counts per neuron and presentation.
    max_count_distance : int
        The largest.
    """

    name: str
    n_compared: int
    n_differing: int
    n_differing_neurons: int
    differing_neurons: tuple[int, ...]
    mean_count_distance: float
    max_count_distance: int


@dataclass(frozen=True)
class SpikeComparison:
    """What a comparison found.

    Attributes
    ----------
    backends : tuple of two str
        The machines.
    kind : {"counts", "spikes"}
        What was compared: single spikes if both recordings hold them.
    n_images : int
        Number of images compared.
    layers : tuple of LayerDifference
        First layer to last.
    first : FirstDifference or None
        None if nothing differs.
    lag : int or None
        Number of steps by which the whole second recording is late against the first (negative: early), if that
        explains every difference.
    """

    backends: tuple[str, str]
    kind: Kind
    n_images: int
    layers: tuple[LayerDifference, ...]
    first: FirstDifference | None
    lag: int | None

    @property
    def n_differing(self) -> int:
        """Number of differing bins or counts, over all layers."""
        return sum(layer.n_differing for layer in self.layers)

    @property
    def n_compared(self) -> int:
        """Number of compared bins or counts, over all layers."""
        return sum(layer.n_compared for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison by name."""
        return {**asdict(self), "n_compared": self.n_compared, "n_differing": self.n_differing}


def compare_recordings(first: Recording, second: Recording, n_images: int | None = None) -> SpikeComparison:
    """Compare two recordings bin by bin, or count by count if one of them holds counts only.

    Parameters
    ----------
    first, second : Recording
        Recordings of one graph and input; layers are matched by their order.
    n_images : int, optional
        How many images to compare, from the first; by default all.

    Returns
    -------
    SpikeComparison
        Where and how far they differ.

    Raises
    ------
    ConfigurationError
        If they differ in input, images, label hypotheses, time steps or layers; the message says in which.
    """
    _require_comparable(first, second, n_images)
    n_images = first.header.n_images if n_images is None else n_images
    kind: Kind = "spikes" if first.header.kind == second.header.kind == "spikes" else "counts"
    n_steps = first.header.n_time_steps
    tallies = [_Tally(name, n_neurons) for name, n_neurons in first.header.layers.items()]
    lags = _Lags() if kind == "spikes" else None
    difference = None
    for start, stop in _chunks(first, n_images, kind):
        differing = []
        for tally, names in zip(tallies, zip(first.layer_names, second.layer_names, strict=True), strict=True):
            pair = [_bins(side, name, start, stop, kind) for side, name in zip((first, second), names, strict=True)]
            differing.append(tally.add(*pair))
            if lags is not None:
                lags.add(*pair)
        if difference is None:
            difference = _first_difference(start, stop, differing, (first, second), kind)
    lag = lags.result(n_steps) if lags is not None and difference is not None else None
    layers = tuple(tally.result() for tally in tallies)
    return SpikeComparison((_title(first), _title(second)), kind, n_images, layers, difference, lag)


class _Tally:
    """Gathers the differences of one layer."""

    def __init__(self, name: str, n_neurons: int) -> None:
        self._name = name
        self._n_compared = self._n_differing = self._n_counts = self._distance = self._largest = 0
        self._neurons = np.zeros(n_neurons, dtype=bool)

    def add(self, first: Array, second: Array) -> Array:
        """Add a chunk of shape (image, hypothesis, step, neuron); return where it differs."""
        differing: Array = first != second
        self._n_compared += differing.size
        self._n_differing += int(differing.sum())
        self._neurons |= differing.any(axis=(0, 1, 2))
        distance = np.abs(first.sum(axis=2, dtype=np.int64) - second.sum(axis=2, dtype=np.int64))
        self._n_counts += distance.size
        self._distance += int(distance.sum())
        self._largest = max(self._largest, int(distance.max(initial=0)))
        return differing

    def result(self) -> LayerDifference:
        neurons = np.flatnonzero(self._neurons)
        return LayerDifference(
            name=self._name,
            n_compared=self._n_compared,
            n_differing=self._n_differing,
            n_differing_neurons=len(neurons),
            differing_neurons=tuple(int(neuron) for neuron in neurons[:MAX_LISTED_NEURONS]),
            mean_count_distance=self._distance / self._n_counts if self._n_counts else 0.0,
            max_count_distance=self._largest,
        )


class _Lags:
    """Finds out whether one recording is the other, a step late or early."""

    def __init__(self) -> None:
        self._holds = {1: True, -1: True}

    def add(self, first: Array, second: Array) -> None:
        late = bool((first[:, :, :-1] == second[:, :, 1:]).all())
        early = bool((first[:, :, 1:] == second[:, :, :-1]).all())
        self._holds = {1: self._holds[1] and late, -1: self._holds[-1] and early}

    def result(self, n_time_steps: int) -> int | None:
        held = [lag for lag, holds in self._holds.items() if holds]
        return held[0] if held and n_time_steps > 1 else None


def _bins(recording: Recording, name: str, start: int, stop: int, kind: Kind) -> Array:
    """Read a chunk with an axis of time steps, of length 1 for counts."""
    if kind == "spikes":
        return recording.spikes(name, start, stop)
    return recording.counts(name, start, stop)[:, :, None]


def _chunks(recording: Recording, n_images: int, kind: Kind) -> Iterator[tuple[int, int]]:
    header = recording.header
    bins = header.n_hypotheses * max(header.layers.values()) * (header.n_time_steps if kind == "spikes" else 1)
    size = max(1, BINS_PER_CHUNK // max(1, bins))
    for start in range(0, n_images, size):
        yield start, min(start + size, n_images)


def _first_difference(
    start: int, stop: int, differing: list[Array], recordings: tuple[Recording, Recording], kind: Kind
) -> FirstDifference | None:
    """Find the earliest difference of a chunk: by presentation, then by step, then by layer."""
    # Axes (image, hypothesis, step, layer): the order of its entries is the order that is wanted.
    anywhere = np.stack([layer.any(axis=3) for layer in differing], axis=3)
    if not anywhere.any():
        return None
    where = np.unravel_index(int(anywhere.argmax()), anywhere.shape)
    image, hypothesis, step, layer = (int(index) for index in where)
    neuron = int(differing[layer][image, hypothesis, step].argmax())
    values = [
        int(_bins(side, side.layer_names[layer], start, stop, kind)[image, hypothesis, step, neuron])
        for side in recordings
    ]
    return FirstDifference(
        image=start + image,
        hypothesis=hypothesis,
        step=step if kind == "spikes" else None,
        layer=recordings[0].layer_names[layer],
        neuron=neuron,
        first=values[0],
        second=values[1],
    )


def _title(recording: Recording) -> str:
    header = recording.header
    return f"{header.backend} {header.backend_version} ({header.arithmetic})"


def _require_comparable(first: Recording, second: Recording, n_images: int | None) -> None:
    """Refuse recordings that cannot be of the same graph and input."""
    headers = first.header, second.header
    for what, values in (
        ("images", [header.n_images for header in headers] if n_images is None else [0, 0]),
        ("label hypotheses", [header.n_hypotheses for header in headers]),
        ("time steps", [header.n_time_steps for header in headers]),
        ("layer sizes", [list(header.layers.values()) for header in headers]),
    ):
        if values[0] != values[1]:
            raise ConfigurationError(
                f"the recordings differ in {what}: {values[0]} ({_title(first)}) and {values[1]} ({_title(second)}); "
                "compare recordings of the same file and input"
            )
    digests = [side.input_digests for side in (first, second)]
    if n_images is None and digests[0] is not None and digests[1] is not None:
        difference = same_inputs(digests[0], digests[1])
        if difference:
            raise ConfigurationError(
                f"the recordings of {_title(first)} and {_title(second)} are not of the same input: {difference}; "
                "compare recordings of the same file and input"
            )
    fewest = min(header.n_images for header in headers)
    if n_images is not None and not 1 <= n_images <= fewest:
        raise ConfigurationError(f"{n_images} images are to be compared; the recordings allow 1..{fewest}")
