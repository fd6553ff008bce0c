import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from ff2neuro.analysis.statistics import accuracy_interval, drop_interval, mcnemar_p_value


def test_interval_equals_wilsons_formula():
    k, n, z = 87, 100, norm.ppf(0.975)
    centre = (k / n + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(k / n * (1 - k / n) / n + z**2 / (4 * n**2))
    assert accuracy_interval(k, n) == pytest.approx((centre - half, centre + half), abs=1e-9)


def test_interval_of_a_perfect_classifier_is_not_a_point():
    low, high = accuracy_interval(20, 20)
    assert 0.8 < low < 0.9
    assert high == pytest.approx(1.0)


def test_no_samples_no_interval():
    assert accuracy_interval(0, 0) is None


def discordant(only_first, only_second, both=10):
    first = np.array([True] * only_first + [False] * only_second + [True] * both)
    second = np.array([False] * only_first + [True] * only_second + [True] * both)
    return first, second


@pytest.mark.parametrize(("only_first", "only_second"), [(1, 9), (9, 1), (3, 12), (6, 6)])
def test_mcnemar_equals_twice_the_binomial_tail(only_first, only_second):
    n = only_first + only_second
    expected = min(1.0, 2 * binom.cdf(min(only_first, only_second), n, 0.5))
    assert mcnemar_p_value(*discordant(only_first, only_second)) == pytest.approx(expected, abs=1e-9)


def test_classifiers_right_on_the_same_samples_do_not_differ():
    assert mcnemar_p_value(*discordant(0, 0)) == 1.0


def test_mcnemar_needs_samples():
    assert mcnemar_p_value(np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)) is None


def test_bootstrap_interval_agrees_with_resampling_pairs():
    first, second = discordant(9, 3, both=188)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(first), size=(10_000, len(first)))
    drops = (first[rows].astype(float) - second[rows]).mean(axis=1)
    # Both are estimates from 10 000 resamples of a grid of 1/200.
    assert drop_interval(first, second) == pytest.approx(np.quantile(drops, [0.025, 0.975]), abs=0.0051)


def test_bootstrap_interval_is_the_same_every_time():
    assert drop_interval(*discordant(5, 2)) == drop_interval(*discordant(5, 2))


def test_no_discordant_pairs_no_width():
    assert drop_interval(*discordant(0, 0)) == (0.0, 0.0)


def test_one_sample_cannot_be_resampled():
    assert drop_interval(np.array([True]), np.array([False])) is None
