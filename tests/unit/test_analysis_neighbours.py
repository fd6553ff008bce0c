import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ff2neuro.analysis import nearest_neighbours, neighbour_overlap, separability


@pytest.fixture
def clusters():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], 12)
    return rng.normal(size=(36, 7)) + 1.2 * labels[:, None], labels


def test_neighbours_equal_a_sort_of_all_distances(clusters):
    latents, _ = clusters
    distances = cdist(latents, latents)
    np.fill_diagonal(distances, np.inf)
    expected = np.argsort(distances, axis=1)[:, :5]
    np.testing.assert_array_equal(np.sort(nearest_neighbours(latents), axis=1), np.sort(expected, axis=1))


def test_a_sample_is_never_its_own_neighbour_even_among_copies():
    neighbours = nearest_neighbours(np.ones((8, 3)))
    assert not (neighbours == np.arange(8)[:, None]).any()


def test_separability_equals_counting_by_hand(clusters):
    latents, labels = clusters
    distances = cdist(latents, latents)
    np.fill_diagonal(distances, np.inf)
    shares = [(labels[np.argsort(row)[:5]] == label).mean() for row, label in zip(distances, labels, strict=True)]
    assert separability(labels, nearest_neighbours(latents)) == pytest.approx(np.mean(shares), abs=1e-12)


def test_distant_clusters_are_fully_separable():
    labels = np.repeat([0, 1], 6)
    latents = labels[:, None] * 100.0 + np.arange(12)[:, None] % 6
    assert separability(labels, nearest_neighbours(latents)) == 1.0


def test_five_samples_are_too_few():
    assert nearest_neighbours(np.ones((5, 3))) is None
    assert separability(np.arange(5), None) is None


def test_six_samples_are_enough():
    assert nearest_neighbours(np.arange(6.0)[:, None]).shape == (6, 5)


def test_one_class_is_not_separable_from_anything():
    assert separability(np.zeros(8, dtype=int), nearest_neighbours(np.arange(8.0)[:, None])) is None


def test_overlap_counts_shared_neighbours():
    first = np.array([[1, 2], [0, 2], [0, 1]])
    second = np.array([[2, 1], [0, 3], [3, 4]])
    assert neighbour_overlap(first, second) == pytest.approx((1 + 0.5 + 0) / 3)


def test_overlap_with_what_was_not_computed_is_not_computed():
    assert neighbour_overlap(None, np.zeros((6, 5), dtype=int)) is None
