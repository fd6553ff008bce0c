import json

import numpy as np
import pytest

from ff2neuro.errors import ConfigurationError
from ff2neuro.recording import RecordingHeader, RecordingWriter
from ff2neuro.validation import compare_recordings

SHAPE = (6, 2, 9)
SIZES = {"first": 5, "second": 3}


@pytest.fixture
def spikes(rng):
    return [rng.random((*SHAPE, size)) < 0.3 for size in SIZES.values()]


def record(layers, kind="spikes", names=tuple(SIZES), backend="a"):
    n_images, n_hypotheses, n_steps = layers[0].shape[:3]
    sizes = {name: layer.shape[3] for name, layer in zip(names, layers, strict=True)}
    header = RecordingHeader(sizes, n_images, n_hypotheses, n_steps, kind, backend, "1", "fixed", 1e-4)
    with RecordingWriter(header) as writer:
        writer.write(0, dict(zip(names, layers, strict=True)))
    return writer.finish()


def flipped(layers, *places):
    changed = [layer.copy() for layer in layers]
    for layer, *place in places:
        changed[layer][tuple(place)] ^= True
    return changed


def test_equal_recordings_do_not_differ(spikes):
    comparison = compare_recordings(record(spikes), record(spikes, names=("u", "v"), backend="b"))
    assert comparison.n_differing == 0
    assert comparison.first is None
    assert comparison.lag is None
    assert comparison.n_compared == 6 * 2 * 9 * 8
    assert comparison.backends == ("a 1 (fixed)", "b 1 (fixed)")


def test_first_difference_is_the_earliest_step_of_the_first_presentation(spikes):
    changed = flipped(spikes, (0, 3, 1, 5, 4), (1, 3, 1, 4, 2), (0, 4, 0, 0, 0))
    comparison = compare_recordings(record(spikes), record(changed))
    first = comparison.first
    assert (first.image, first.hypothesis, first.step, first.layer, first.neuron) == (3, 1, 4, "second", 2)
    assert (first.first, first.second) == (int(spikes[1][3, 1, 4, 2]), int(changed[1][3, 1, 4, 2]))
    assert comparison.n_differing == 3
    assert comparison.layers[0].differing_neurons == (0, 4)
    assert comparison.layers[1].n_differing_neurons == 1


def test_at_the_same_step_the_lower_layer_comes_first(spikes):
    first = compare_recordings(record(spikes), record(flipped(spikes, (1, 2, 0, 6, 0), (0, 2, 0, 6, 3)))).first
    assert (first.layer, first.neuron) == ("first", 3)


def test_small_chunks_find_the_same(spikes, monkeypatch):
    recordings = record(spikes), record(flipped(spikes, (1, 4, 0, 2, 1), (0, 5, 1, 8, 3)))
    whole = compare_recordings(*recordings)
    monkeypatch.setattr("ff2neuro.validation.spikes.BINS_PER_CHUNK", 1)
    assert compare_recordings(*recordings) == whole


def test_counts_are_compared_where_one_side_has_no_spikes(spikes):
    changed = flipped(spikes, (0, 2, 1, 3, 0), (0, 2, 1, 4, 0))
    changed[0][2, 1, [3, 4], 0] = spikes[0][2, 1, [3, 4], 0] = False
    changed[0][2, 1, [3, 4], 0] = True
    comparison = compare_recordings(record(spikes), record(changed, kind="counts"))
    assert comparison.kind == "counts"
    assert comparison.first.step is None
    assert comparison.first.second - comparison.first.first == 2
    assert comparison.layers[0].max_count_distance == 2
    assert comparison.layers[0].mean_count_distance == pytest.approx(2 / (6 * 2 * 5))


def test_moved_spike_differs_in_bins_but_not_in_counts(spikes):
    spikes[0][1, 0, [4, 5], 2] = True, False
    changed = flipped(spikes, (0, 1, 0, 4, 2), (0, 1, 0, 5, 2))
    comparison = compare_recordings(record(spikes), record(changed))
    assert comparison.n_differing == 2
    assert comparison.layers[0].mean_count_distance == 0


@pytest.mark.parametrize("lag", [1, -1])
def test_machine_that_is_a_step_off_is_recognised(spikes, lag):
    late = [np.roll(layer, lag, axis=2) for layer in spikes]
    assert compare_recordings(record(spikes), record(late)).lag == lag


def test_other_differences_are_no_lag(spikes):
    late = flipped([np.roll(layer, 1, axis=2) for layer in spikes], (0, 5, 1, 8, 0))
    assert compare_recordings(record(spikes), record(late)).lag is None


def test_only_the_first_images_are_compared_on_request(spikes):
    comparison = compare_recordings(record(spikes), record(flipped(spikes, (0, 4, 0, 0, 0))), n_images=4)
    assert comparison.n_images == 4
    assert comparison.first is None


def test_document_is_json(spikes):
    document = compare_recordings(record(spikes), record(flipped(spikes, (0, 4, 0, 0, 0)))).to_json()
    assert json.loads(json.dumps(document))["first"]["image"] == 4


@pytest.mark.parametrize(
    ("cut", "what"),
    [
        ((slice(5),), "images: 6 .* and 5"),
        ((slice(None), slice(1)), "label hypotheses: 2 .* and 1"),
        ((slice(None), slice(None), slice(8)), "time steps: 9 .* and 8"),
        ((..., slice(2)), r"layer sizes: \[5, 3\] .* and \[2, 2\]"),
    ],
)
def test_recordings_of_different_things_are_refused(spikes, cut, what):
    with pytest.raises(ConfigurationError, match=rf"the recordings differ in {what}"):
        compare_recordings(record(spikes), record([layer[cut] for layer in spikes]))


@pytest.mark.parametrize("n_images", [0, 7])
def test_more_images_than_recorded_are_refused(spikes, n_images):
    with pytest.raises(ConfigurationError, match=rf"{n_images} images are to be compared; the recordings allow 1..6"):
        compare_recordings(record(spikes), record(spikes), n_images)
