"""Input sources from plain arrays."""

import numpy as np
import pytest

from ff2neuro.errors import ConfigurationError
from ff2neuro.inputs import InputSource


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
