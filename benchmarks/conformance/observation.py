"""What a reader really did with a graph, beside the float reference."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.conformance.cases import Case, events_for
from benchmarks.conformance.readers import run_reader
from ff2neuro.errors import GraphError, RangeError
from ff2neuro.hardware.backend import Backend, RunConfig
from ff2neuro.hardware.portability import Status
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.inputs import InputSource

__all__ = ["Observation", "compare", "observe", "observe_backend", "recorded_spikes", "reference_spikes"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Observation:
    """How a reader's spikes compare with the reference's, in all layers and bins."""

    status: Status
    n_different: int = 0
    n_bins: int = 0
    error: str = ""


def observe(case: Case, reader: str, events: Array | None = None) -> Observation:
    """Run a reader on the graph as it comes back from a file, on the case's own events unless others are given."""
    events = events_for(case.graph) if events is None else events
    expected = reference_spikes(case, events=events)
    try:
        found = run_reader(reader, case.stored(), events, case.dt)
    # Readers end with whatever PyTorch, NumPy or an assertion of theirs raises.
    except Exception as error:
        return Observation("fails", error=f"{type(error).__name__}: {error}")
    return compare(expected, found)


def observe_backend(case: Case, backend: Backend, expected: dict[str, Array] | None = None) -> Observation:
    """Run a backend of this package likewise, and compare with the float reference unless told otherwise."""
    try:
        found = recorded_spikes(backend, case, events_for(case.graph), case.config)
    except (GraphError, RangeError) as error:
        return Observation("fails", error=str(error))
    return compare(reference_spikes(case) if expected is None else expected, found)


def reference_spikes(case: Case, arithmetic: str = "float", events: Array | None = None) -> dict[str, Array]:
    """Spikes of every layer by the reference backend, shape (n_presentations, n_time_steps, n_neurons)."""
    # Leaky integrators answer with states, which only the reference records.
    config = replace(case.config, states=arithmetic == "float")
    events = events_for(case.graph) if events is None else events
    return recorded_spikes(ReferenceBackend(arithmetic), case, events, config)


def recorded_spikes(backend: Backend, case: Case, events: Array, config: RunConfig) -> dict[str, Array]:
    """Spikes of every layer by a backend of this package, shape (n_presentations, n_time_steps, n_neurons)."""
    inputs = InputSource.from_array(events.astype(np.int64).reshape(len(events), 1, events.shape[1], -1))
    with backend.run(case.stored(), inputs, config) as recording:
        return {name: recording.spikes(name)[:, 0] for name in recording.layer_names}


def compare(expected: dict[str, Array], found: dict[str, Array]) -> Observation:
    """Compare the spikes of every layer, bin by bin; what is missing or of another shape differs in every bin."""
    n_bins = sum(spikes.size for spikes in expected.values())
    different = 0
    for name, spikes in expected.items():
        same_shape = name in found and found[name].shape == spikes.shape
        different += int((found[name] != spikes).sum()) if same_shape else spikes.size
    return Observation("differs" if different else "same", different, n_bins)
