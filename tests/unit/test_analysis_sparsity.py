import numpy as np
import pytest

from ff2neuro.analysis import hoyer_index, mean_hoyer_index


def test_one_active_neuron_is_perfectly_sparse():
    assert hoyer_index(np.array([0.0, 0.0, 3.0, 0.0]), smoothing=0.0) == pytest.approx(1.0, abs=1e-12)


def test_equal_activity_is_not_sparse_at_all():
    assert hoyer_index(np.full(9, 0.7), smoothing=0.0) == pytest.approx(0.0, abs=1e-12)


def test_index_of_three_four_by_hand():
    # |h|_1 = 7, |h|_2 = 5, n = 4: (2 - 7/5) / (2 - 1)
    assert hoyer_index(np.array([3.0, 0.0, 4.0, 0.0]), smoothing=0.0) == pytest.approx(0.6, abs=1e-12)


def test_smoothing_adds_to_both_norms():
    expected = (2 - 7.001 / 5.001) / (2 - 1)
    assert hoyer_index(np.array([3.0, 0.0, 4.0, 0.0])) == pytest.approx(expected, abs=1e-12)


def test_silent_latent_has_a_smoothed_index_only():
    silent = np.zeros(4)
    assert hoyer_index(silent) == pytest.approx(1.0)
    assert np.isnan(hoyer_index(silent, smoothing=0.0))


def test_index_keeps_the_leading_axes():
    latents = np.random.default_rng(0).random((2, 3, 5))
    index = hoyer_index(latents)
    assert index.shape == (2, 3)
    assert index[1, 2] == pytest.approx(float(hoyer_index(latents[1, 2])), abs=1e-12)


def test_integer_counts_do_not_overflow():
    counts = np.full(16, 60000, dtype=np.uint16)
    assert hoyer_index(counts, smoothing=0.0) == pytest.approx(0.0, abs=1e-12)


def test_mean_leaves_out_latents_without_an_index():
    latents = np.array([[3.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert mean_hoyer_index(latents, smoothing=0.0) == pytest.approx(0.6)


@pytest.mark.parametrize("latents", [np.ones((3, 1)), np.zeros((0, 4)), np.zeros((2, 4))])
def test_mean_of_nothing_is_not_computed(latents):
    assert mean_hoyer_index(latents, smoothing=0.0) is None
