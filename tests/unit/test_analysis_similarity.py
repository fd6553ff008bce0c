import numpy as np
import pytest
from scipy.spatial.distance import cosine, pdist
from scipy.stats import pearsonr, spearmanr

from ff2neuro.analysis import (
    CosineMean,
    LinearCKA,
    PearsonCorrelation,
    cosine_similarity,
    representational_similarity,
)


@pytest.fixture
def latents():
    rng = np.random.default_rng(5)
    first = np.maximum(rng.normal(1.0, 2.0, size=(60, 9)), 0)
    return first, np.maximum(first + rng.normal(0.0, 0.7, size=(60, 9)), 0)


def in_chunks(accumulator, first, second, sizes=(1, 20, 39)):
    start = 0
    for size in sizes:
        accumulator.update(first[start : start + size], second[start : start + size])
        start += size
    assert start == len(first)
    return accumulator.result()


def linear_cka_of_kernels(first, second):
    """The kernel form: HSIC of the two centred Gram matrices."""
    n = len(first)
    centring = np.eye(n) - 1 / n
    kernels = [centring @ side @ side.T @ centring for side in (first, second)]
    hsic = np.trace(kernels[0] @ kernels[1])
    return hsic / np.sqrt(np.trace(kernels[0] @ kernels[0]) * np.trace(kernels[1] @ kernels[1]))


def test_mean_cosine_equals_scipy(latents):
    expected = np.mean([1 - cosine(a, b) for a, b in zip(*latents, strict=True)])
    assert in_chunks(CosineMean(), *latents) == pytest.approx(expected, abs=1e-9)


def test_silent_latent_counts_zero():
    first, second = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 2.0], [2.0, 2.0]])
    np.testing.assert_allclose(cosine_similarity(first, second), [0.0, 1.0], atol=1e-12)


def test_cosine_of_single_precision_latents_keeps_six_digits(latents):
    single = [side.astype(np.float32) for side in latents]
    assert in_chunks(CosineMean(), *single) == pytest.approx(in_chunks(CosineMean(), *latents), abs=1e-6)


def test_pearson_in_chunks_equals_scipy(latents):
    expected = pearsonr(latents[0].ravel(), latents[1].ravel()).statistic
    assert in_chunks(PearsonCorrelation(), *latents) == pytest.approx(expected, abs=1e-9)


def test_pearson_survives_a_large_offset(latents):
    first, second = (side + 1e7 for side in latents)
    assert in_chunks(PearsonCorrelation(), first, second) == pytest.approx(
        in_chunks(PearsonCorrelation(), *latents), abs=1e-6
    )


def test_cka_in_chunks_equals_the_kernel_form(latents):
    assert in_chunks(LinearCKA(), *latents) == pytest.approx(linear_cka_of_kernels(*latents), abs=1e-6)


def test_cka_takes_sides_of_different_width(latents):
    first, second = latents[0], latents[1][:, :4]
    assert in_chunks(LinearCKA(), first, second) == pytest.approx(linear_cka_of_kernels(first, second), abs=1e-6)


def test_cka_ignores_rotation_and_scale(latents):
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 9)))[0]
    assert in_chunks(LinearCKA(), latents[0], 3.0 * latents[0] @ rotation) == pytest.approx(1.0, abs=1e-6)


def test_cka_survives_a_large_offset(latents):
    assert in_chunks(LinearCKA(), latents[0] + 1e4, latents[1]) == pytest.approx(
        linear_cka_of_kernels(*latents), abs=1e-5
    )


@pytest.mark.parametrize("accumulator", [CosineMean, PearsonCorrelation, LinearCKA])
def test_nothing_added_is_not_computed(accumulator):
    empty = accumulator()
    empty.update(np.zeros((0, 4)), np.zeros((0, 4)))
    assert empty.result() is None


@pytest.mark.parametrize("accumulator", [PearsonCorrelation, LinearCKA])
def test_a_side_that_does_not_vary_is_not_computed(accumulator, latents):
    constant = accumulator()
    constant.update(latents[0], np.zeros_like(latents[0]))
    assert constant.result() is None


def test_representational_similarity_equals_scipy(latents):
    expected = spearmanr(pdist(latents[0]), pdist(latents[1])).statistic
    assert representational_similarity(*latents) == pytest.approx(expected, abs=1e-9)


def test_two_samples_have_one_distance_and_no_rank_correlation(latents):
    assert representational_similarity(latents[0][:2], latents[1][:2]) is None


def test_equal_distances_have_no_rank_correlation(latents):
    assert representational_similarity(np.zeros((5, 3)), latents[1][:5]) is None
