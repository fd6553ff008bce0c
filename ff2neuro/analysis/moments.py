r"""Figures of paired activities that need nothing but their first and second moments.

With a and s the activities of the two sides, each presentation adds :math:`\sum a, \sum s, \sum a^2, \sum s^2` and
:math:`\sum a s`, from which its cosine follows, and in sum over all presentations the Pearson correlation, the mean and
the root mean square of s - a, and the gain g that minimises :math:`\sum (a - g s)^2`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PairedMoments"]

Array = npt.NDArray[Any]


class PairedMoments:
    """Gathers moments of two activities a chunk at a time."""

    def __init__(self) -> None:
        self._n_entries = self._n_presentations = 0
        self._cosine = 0.0
        # Sums of a, s, a^2, s^2 and a s.
        self._sums = np.zeros(5)

    def update(self, first: Array, second: Array) -> None:
        """Add a chunk: two arrays of shape (..., n_neurons).

        Parameters
        ----------
        first, second : ndarray of shape (..., n_neurons)
            Activity of the two sides on the same scale.
        """
        # Sums over the neurons of a presentation in the arrays' own precision, everything after in double precision.
        rows = [side.sum(axis=-1).astype(np.float64) for side in (first, second)]
        for a, s in ((first, first), (second, second), (first, second)):
            rows.append(np.einsum("...i,...i->...", a, s).astype(np.float64))
        norms = np.sqrt(rows[2] * rows[3])
        self._cosine += float(np.divide(rows[4], norms, out=np.zeros_like(norms), where=norms > 0).sum())
        self._sums += [float(row.sum()) for row in rows]
        self._n_presentations += norms.size
        self._n_entries += first.size

    def cosine(self) -> float | None:
        """Return the mean cosine per presentation, 0 where one side is silent; None if nothing was added."""
        return self._cosine / self._n_presentations if self._n_presentations else None

    def pearson(self) -> float | None:
        """Return the correlation over all entries; None if one side does not vary."""
        a, s, aa, ss, product = self._sums
        n = self._n_entries
        spread = (n * aa - a * a) * (n * ss - s * s)
        return float(np.clip((n * product - a * s) / np.sqrt(spread), -1, 1)) if spread > 0 else None

    def bias(self) -> float | None:
        """Return the mean of second minus first as a share of the first's root mean square; None if that is 0."""
        a, s, aa, _, _ = self._sums
        return float((s - a) / np.sqrt(self._n_entries * aa)) if aa > 0 else None

    def rms_error(self) -> float | None:
        """Return the root mean square of second minus first as a share of the first's; None if that is 0."""
        _, _, aa, ss, product = self._sums
        return float(np.sqrt(max(0.0, aa + ss - 2 * product) / aa)) if aa > 0 else None

    def gain(self) -> float | None:
        """Return the factor on the second that brings it nearest to the first; None if the second is silent."""
        *_, ss, product = self._sums
        return float(product / ss) if ss > 0 else None
