"""Input sources from plain arrays."""

import numpy as np
import pytest

from ff2neuro.errors import ConfigurationError
from ff2neuro.inputs import InputSource, count_events, digest_events


def test_array_is_copied_and_described(rng):
    events = rng.integers(0, 2, (3, 1, 5, 4))
    source = InputSource.from_array(events)
    events[:] = 7
    assert (source.n_images, source.n_hypotheses, source.n_time_steps, source.n_inputs) == (3, 1, 5, 4)
    assert source.integer
    assert not source.constant
    assert source.read(0, 3).max() == 1


def test_one_step_is_repeated():
    source = InputSource.from_array(np.full((1, 1, 1, 2), 0.5), n_time_steps=8)
    assert source.constant
    assert not source.integer
    assert source.n_time_steps == 8


@pytest.mark.parametrize(
    ("events", "steps", "message"),
    [
        (np.zeros((2, 3)), None, "2 axes; they need 4"),
        (np.full((1, 1, 1, 1), np.nan), None, "NaN or infinite"),
        (np.zeros((1, 1, 3, 1)), 5, "3 time steps, asked for are 5"),
    ],
)
def test_ill_formed_events_are_refused(events, steps, message):
    with pytest.raises(ConfigurationError, match=message):
        InputSource.from_array(events, steps)


def test_digest_depends_on_values_only(rng):
    events = rng.integers(0, 200, (3, 2, 4, 5))
    expected = digest_events(events.astype(np.uint8))
    for other in (events, events.astype(np.float32), np.asfortranarray(events)):
        np.testing.assert_array_equal(digest_events(other), expected)
    once = events[:, :, :1]
    np.testing.assert_array_equal(digest_events(once), digest_events(np.repeat(once, 4, axis=2)))


@pytest.mark.parametrize("change", [lambda e: e + 1, lambda e: -e - 1.0, lambda e: e + 0.5, lambda e: e * 1000])
def test_digest_tells_other_values_apart(rng, change):
    events = rng.integers(0, 200, (3, 2, 4, 5))
    assert (digest_events(change(events)) != digest_events(events)).any(axis=1).all()


def test_events_are_counted_over_steps():
    events = np.array([[[[0, 2, 1]], [[0, 0, 3]]]])
    assert count_events(events, 7).tolist() == [21]
    assert count_events(np.repeat(events, 7, axis=2), 7).tolist() == [21]
