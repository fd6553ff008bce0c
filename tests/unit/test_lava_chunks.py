"""Spreading presentations over lanes, windows and chunks; no Lava is needed here."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ff2neuro.errors import ConfigurationError
from ff2neuro.hardware.lava_backend import memory
from ff2neuro.hardware.lava_backend.backend import DEFAULT_LANES, LavaBackend
from ff2neuro.hardware.lava_backend.chunks import CHUNK_BYTES, ChunkPlan
from ff2neuro.hardware.lava_backend.memory import fitting_lanes
from ff2neuro.inputs import InputSource
from ff2neuro.recording import RecordingHeader

sizes = st.integers(1, 7)


def source(n_images=100, n_hypotheses=10, n_time_steps=16, n_inputs=20, constant=True):
    return InputSource(n_images, n_hypotheses, n_time_steps, n_inputs, constant, True, lambda start, stop: None)


def header(inputs, n_neurons=30, kind="counts", states=False):
    return RecordingHeader(
        {"layer": n_neurons}, inputs.n_images, inputs.n_hypotheses, inputs.n_time_steps, kind, "lava", "0", "fixed",
        1e-4, states,
    )  # fmt: skip


@given(n_images=sizes, n_hypotheses=sizes, n_bins=sizes, n_inputs=sizes, lanes=sizes)
def test_presentations_undo_windows(n_images, n_hypotheses, n_bins, n_inputs, lanes):
    events = np.arange(n_images * n_hypotheses * n_bins * n_inputs) % 256
    events = events.reshape(n_images, n_hypotheses, n_bins, n_inputs)
    plan = ChunkPlan(lanes, n_images)
    windows = plan.windows(events)
    assert windows.shape == (-(-n_images * n_hypotheses // lanes), n_bins, lanes, n_inputs)
    assert windows.sum() == events.sum()
    # A layer that repeats its input, with the worker's own shape where there is one lane.
    answer = windows[:, :, 0] if lanes == 1 else windows
    np.testing.assert_array_equal(plan.presentations(answer, n_images, n_hypotheses, n_inputs), events)
    counts = answer.sum(axis=1)
    np.testing.assert_array_equal(plan.presentations(counts, n_images, n_hypotheses, n_inputs), events.sum(axis=2))


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("kind", ["counts", "spikes"])
@pytest.mark.parametrize("states", [True, False])
@pytest.mark.parametrize("lanes", [1, 100])
def test_chunks_are_bounded_in_bytes(constant, kind, states, lanes):
    inputs = source(n_images=10**6, n_inputs=1000, constant=constant)
    plan = ChunkPlan.of(inputs, header(inputs, 2000, kind, states), lanes)
    presentations = plan.n_images * inputs.n_hypotheses
    bins = 1 if constant else inputs.n_time_steps
    per_neuron = (2 if kind == "counts" else 16) + (8 * 16 if states else 0)
    assert presentations * max(1000 * bins, 2000 * per_neuron) <= CHUNK_BYTES
    assert presentations >= lanes


def test_default_lanes_are_taken_where_they_fit():
    inputs = source()
    assert fitting_lanes(None, DEFAULT_LANES, inputs, header(inputs), 1) == DEFAULT_LANES


def test_no_more_lanes_than_presentations():
    inputs = source(n_images=3, n_hypotheses=2)
    assert fitting_lanes(50, DEFAULT_LANES, inputs, header(inputs), 1) == 6
    assert fitting_lanes(None, DEFAULT_LANES, source(n_images=0), header(inputs), 1) == 1


def test_more_lanes_than_memory_holds_are_refused_saying_how_many_fit():
    inputs = source(n_images=10**12, n_hypotheses=1)
    with pytest.raises(
        ConfigurationError, match=r"1000000000000 lanes need \d+ MB .* at most (\d+) fit: ask for fewer"
    ):
        fitting_lanes(10**12, DEFAULT_LANES, inputs, header(inputs), 1)


def test_small_shared_memory_reduces_the_default(monkeypatch):
    """A container often has 64 MB of it."""
    inputs = source(n_images=10**6, n_inputs=100_000)
    monkeypatch.setattr(memory, "_free_shared_memory", lambda: 64 * 2**20)
    lanes = fitting_lanes(None, DEFAULT_LANES, inputs, header(inputs), 1)
    assert 10 < lanes < DEFAULT_LANES
    assert fitting_lanes(None, DEFAULT_LANES, inputs, header(inputs), 2) == pytest.approx(lanes / 2, abs=1)
    with pytest.raises(ConfigurationError, match=rf"at most {lanes} fit"):
        fitting_lanes(DEFAULT_LANES, DEFAULT_LANES, inputs, header(inputs), 1)


@pytest.mark.parametrize("lanes", [0, -1])
def test_no_lanes_are_refused(lanes):
    with pytest.raises(ConfigurationError, match=rf"the number of lanes is {lanes}; it must be at least 1"):
        LavaBackend(lanes=lanes)


def test_no_workers_are_refused():
    with pytest.raises(ConfigurationError, match="the number of workers is 0; it must be at least 1"):
        LavaBackend(workers=0)
