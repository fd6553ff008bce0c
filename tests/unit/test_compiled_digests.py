"""Digests in compiled code are those that recordings have always held."""

import numpy as np
import pytest

from ff2neuro.hardware.reference_backend.digests import digest_and_count
from ff2neuro.inputs import count_events, digest_events


def assert_same(events, n_time_steps=24):
    digests, n_events = digest_and_count(events, n_time_steps)
    np.testing.assert_array_equal(digests, digest_events(events))
    np.testing.assert_array_equal(n_events, count_events(events, n_time_steps))


@pytest.mark.parametrize("n_channels", [1, 7, 8, 93, 94, 95, 96, 97, 98, 99, 884])
@pytest.mark.parametrize("largest", [0, 1, 15, 255])
def test_any_length_and_any_values_give_the_same_digests(rng, n_channels, largest):
    """Messages that end just before, at and after the end of a block among them."""
    assert_same(rng.integers(0, largest + 1, (3, 1, 1, n_channels)).astype(np.uint8))


@pytest.mark.parametrize("n_images", [1, 7, 8, 9, 20])
def test_any_number_of_images_gives_the_same_digests(rng, n_images):
    assert_same(rng.integers(0, 2, (n_images, 3, 24, 33)).astype(np.uint8))


def test_images_of_every_kind_side_by_side_give_the_same_digests(rng):
    events = rng.integers(0, 16, (12, 2, 5, 33)).astype(np.uint8)
    events[::3] = events[::3] > 12
    events[4] = events[4, :, :1]
    events[6] = events[6, :, :1]
    events[7] = 0
    assert_same(events, 5)


@pytest.mark.parametrize("dtype", [np.int64, np.float64, bool])
def test_other_types_give_the_same_digests(rng, dtype):
    assert_same(rng.integers(0, 2, (3, 2, 5, 9)).astype(dtype), 5)


@pytest.mark.parametrize("shape", [(0, 2, 1, 9), (3, 2, 1, 0)])
def test_nothing_gives_the_same_digests(shape):
    assert_same(np.zeros(shape, dtype=np.uint8))


def test_arrays_with_gaps_give_the_same_digests(rng):
    assert_same(rng.integers(0, 9, (6, 4, 1, 33)).astype(np.uint8)[::2, 1:3])
