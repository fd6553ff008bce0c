"""Paired moments against scipy and NumPy."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from ff2neuro.analysis import CosineMean, PairedMoments


@pytest.fixture
def pair(rng):
    first = np.maximum(rng.normal(size=(12, 3, 50)), 0).astype(np.float32)
    return first, (first * 1.3 + rng.normal(0, 0.2, first.shape)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 5, 12])
def test_figures_equal_those_over_all_at_once(pair, size):
    first, second = pair
    moments = PairedMoments()
    for start in range(0, 12, size):
        moments.update(first[start : start + size], second[start : start + size])
    a, s = (side.astype(np.float64).ravel() for side in pair)
    cosine = CosineMean()
    cosine.update(first, second)
    rms = np.sqrt((a**2).mean())
    assert moments.pearson() == pytest.approx(pearsonr(a, s).statistic, abs=1e-6)
    assert moments.cosine() == pytest.approx(cosine.result(), abs=1e-6)
    assert moments.bias() == pytest.approx((s - a).mean() / rms, abs=1e-6)
    assert moments.rms_error() == pytest.approx(np.sqrt(((s - a) ** 2).mean()) / rms, abs=1e-6)
    assert moments.gain() == pytest.approx(np.linalg.lstsq(s[:, None], a, rcond=None)[0][0], abs=1e-6)


def test_equal_sides_have_no_error(pair):
    moments = PairedMoments()
    moments.update(pair[0], pair[0])
    assert moments.rms_error() == 0
    assert moments.bias() == 0
    assert moments.gain() == 1


def test_silent_sides_are_not_computed(pair):
    moments = PairedMoments()
    assert moments.cosine() is None
    moments.update(np.zeros((4, 5)), np.zeros((4, 5)))
    assert moments.cosine() == 0
    assert (moments.pearson(), moments.bias(), moments.rms_error(), moments.gain()) == (None, None, None, None)
