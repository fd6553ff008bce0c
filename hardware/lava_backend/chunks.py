"""Cutting a run into chunks of windows, and putting the answers back in the order of images and hypotheses."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.inputs import InputSource
from ff2neuro.recording import RecordingHeader

__all__ = ["ChunkPlan"]

Array = npt.NDArray[Any]

#: Bytes of input or output of a chunk that should not be exceeded; two chunks per worker are under way at once.
CHUNK_BYTES = 2**25
#: Time steps of a chunk: enough to make what a chunk costs beside them negligible, few enough to lose little.
CHUNK_STEPS = 200
#: The same where every chunk starts a network of its own.
OFFICIAL_CHUNK_STEPS = 10_000


@dataclass(frozen=True)
class ChunkPlan:
    """How presentations are spread over lanes and windows.

    Attributes
    ----------
    lanes : int
        Presentations simulated side by side.
    n_images : int
        Images in a chunk; the last one may have fewer.
    """

    lanes: int
    n_images: int

    @classmethod
    def of(cls, inputs: InputSource, header: RecordingHeader, lanes: int) -> "ChunkPlan":
        """Choose the size of chunks.

        Parameters
        ----------
        inputs : InputSource
            Input events.
        header : RecordingHeader
            What will be recorded.
        lanes : int
            Number of lanes.

        Returns
        -------
        ChunkPlan
            The plan.
        """
        steps = OFFICIAL_CHUNK_STEPS if lanes == 1 else CHUNK_STEPS
        windows = max(1, steps // inputs.n_time_steps)
        n_bins = 1 if inputs.constant else inputs.n_time_steps
        n_neurons = sum(header.layers.values())
        per_neuron = 2 if header.kind == "counts" else inputs.n_time_steps
        per_neuron += 8 * inputs.n_time_steps if header.states else 0
        # Lava's own source holds four bytes for every bin, repeated or not.
        per_input = n_bins if lanes > 1 else 4 * inputs.n_time_steps
        largest = max(inputs.n_inputs * per_input, n_neurons * per_neuron)
        windows = max(1, min(windows, CHUNK_BYTES // (largest * lanes)))
        return cls(lanes, max(1, windows * lanes // max(1, inputs.n_hypotheses)))

    def windows(self, events: Array) -> Array:
        """Arrange the events of a chunk as the worker wants them.

        Parameters
        ----------
        events : ndarray of shape (n_images, n_hypotheses, n_bins, n_inputs)
            Input events 0..255.

        Returns
        -------
        ndarray of uint8, shape (n_windows, n_bins, lanes, n_inputs)
            The last window is filled up with silence.
        """
        presentations = events.reshape(-1, *events.shape[2:])
        n_windows = -(-len(presentations) // self.lanes)
        filled = np.zeros((n_windows * self.lanes, *presentations.shape[1:]), dtype=np.uint8)
        filled[: len(presentations)] = presentations
        return filled.reshape(n_windows, self.lanes, *filled.shape[1:]).swapaxes(1, 2)

    def presentations(self, answer: Array, n_images: int, n_hypotheses: int, n_neurons: int) -> Array:
        """Undo `windows` for one layer of an answer.

        Parameters
        ----------
        answer : ndarray of shape (n_windows, [n_time_steps,] [lanes,] n_neurons)
            As the worker gives it: without the axis of lanes if there is one lane.
        n_images, n_hypotheses, n_neurons : int
            Sizes of the chunk.

        Returns
        -------
        ndarray of shape (n_images, n_hypotheses, [n_time_steps,] n_neurons)
            Filling removed.
        """
        n_presentations = n_images * n_hypotheses
        n_steps = answer.size // (len(answer) * self.lanes * n_neurons)
        by_lane = answer.reshape(len(answer), n_steps, self.lanes, n_neurons).swapaxes(1, 2)
        stepwise = answer.ndim - (self.lanes > 1) == 3
        shape = (n_steps, n_neurons) if stepwise else (n_neurons,)
        flat = by_lane.reshape(-1, *shape)[:n_presentations]
        return flat.reshape(n_images, n_hypotheses, *shape)
