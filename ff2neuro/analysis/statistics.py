"""What chance alone could do to an accuracy and to the difference of two."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CONFIDENCE", "Interval", "accuracy_interval", "drop_interval", "mcnemar_p_value"]

Array = npt.NDArray[Any]
Interval = tuple[float, float]

#: Confidence level of every interval.
CONFIDENCE = 0.95
N_RESAMPLES = 10_000


def accuracy_interval(n_correct: int, n_samples: int) -> Interval | None:
    """Return Wilson's score interval of an accuracy (E. B. Wilson, JASA 22:209, 1927).

    Parameters
    ----------
    n_correct, n_samples : int
        How many of how many.

    Returns
    -------
    tuple of float, or None
        Limits between 0 and 1 at `CONFIDENCE`; None without samples.
    """
    from scipy.stats import binomtest

    if n_samples < 1:
        return None
    interval = binomtest(n_correct, n_samples).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar_p_value(first_correct: Array, second_correct: Array) -> float | None:
    """Return the p-value of McNemar's exact test of whether two classifiers are equally often right.

    Parameters
    ----------
    first_correct, second_correct : ndarray of bool, shape (n_samples,)
        Which samples each classifier gets right.

    Returns
    -------
    float or None
        Two-sided; 1 if they are right on the same samples; None without samples.
    """
    from scipy.stats import binomtest

    if len(first_correct) == 0:
        return None
    only_first = int((first_correct & ~second_correct).sum())
    n_discordant = int((first_correct != second_correct).sum())
    return float(binomtest(only_first, n_discordant).pvalue) if n_discordant else 1.0


def drop_interval(first_correct: Array, second_correct: Array, seed: int = 0) -> Interval | None:
    """Return the percentile bootstrap interval of the first accuracy minus the second, resampling samples in pairs.

    Parameters
    ----------
    first_correct, second_correct : ndarray of bool, shape (n_samples,)
        Which samples each classifier gets right.
    seed : int
        Source of chance.

    Returns
    -------
    tuple of float, or None
        Limits between -1 and 1 at `CONFIDENCE`; None for fewer than two samples.
    """
    n_samples = len(first_correct)
    if n_samples < 2:
        return None
    gained, lost = (~first_correct & second_correct).mean(), (first_correct & ~second_correct).mean()
    # Resampling n pairs that fall into three kinds is one multinomial draw.
    draws = np.random.default_rng(seed).multinomial(n_samples, [gained, lost, 1 - gained - lost], N_RESAMPLES)
    drops = (draws[:, 1] - draws[:, 0]) / n_samples
    low, high = np.quantile(drops, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
