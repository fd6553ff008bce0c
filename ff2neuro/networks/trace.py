r"""Output traces: what a readout keeps of the spikes of a presentation.

With spikes s of one step, the published traces (arXiv 2406.16479) are

======== ============================================================ ==============================
name     equation                                                     after T steps
======== ============================================================ ==============================
relu     :math:`z \leftarrow z + s / f`                               spike count over f
li       :math:`z \leftarrow \lambda z + (1 - \lambda) s`             late spikes count for more
hard-li  :math:`z \leftarrow \lambda z`, then 1 where s               age of the last spike alone
======== ============================================================ ==============================
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import NetworkError
from ff2neuro.files import Tree

__all__ = ["Trace", "TraceKind"]

TraceKind = Literal["li", "relu", "hard-li"]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Trace:
    """One of the output traces.

    Attributes
    ----------
    kind : {"li", "relu", "hard-li"}
        Which equation.
    decay : float
        Factor that is left of z after a step, in (0, 1); unused by "relu".
    factor : float
        Spikes that make a trace of 1; used by "relu" alone.

    Raises
    ------
    NetworkError
        If a value is beyond its limits.

    Examples
    --------
    >>> Trace("relu", factor=10.0).final(np.ones((5, 1))).tolist()
    [0.5]
    """

    kind: TraceKind
    decay: float = 0.85
    factor: float = 10.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(TraceKind):
            raise NetworkError(f"unknown output trace {self.kind!r}; known are {', '.join(get_args(TraceKind))}")
        if not 0 < self.decay < 1:
            raise NetworkError(f"decay of the output trace is {self.decay}; it must lie between 0 and 1")
        if not (np.isfinite(self.factor) and self.factor > 0):
            raise NetworkError(f"factor of the output trace is {self.factor}; it must be positive and finite")

    @property
    def needs_bins(self) -> bool:
        """Whether spike counts are not enough and the spikes of every step are needed."""
        return self.kind != "relu"

    def step(self, z: Array, spikes: Array) -> Array:
        """Return the trace after one more step.

        Parameters
        ----------
        z : ndarray of shape (..., n_neurons)
            Trace before it.
        spikes : ndarray of shape (..., n_neurons)
            Zeros and ones.

        Returns
        -------
        ndarray of shape (..., n_neurons)
            Trace after it.
        """
        if self.kind == "relu":
            after: Array = z + spikes / self.factor
        elif self.kind == "li":
            after = self.decay * z + (1 - self.decay) * spikes
        else:
            after = np.where(spikes, 1.0, self.decay * z)
        return after

    def final(self, spikes: Array) -> npt.NDArray[np.float64]:
        """Return the trace at the end of presentations.

        Parameters
        ----------
        spikes : ndarray of shape (..., n_time_steps, n_neurons)
            Spikes of every step; z begins at 0.

        Returns
        -------
        ndarray of shape (..., n_neurons)
            Trace z after the last step.
        """
        z = np.zeros(spikes.shape[:-2] + spikes.shape[-1:])
        for t in range(spikes.shape[-2]):
            z = self.step(z, spikes[..., t, :])
        return z

    def of_counts(self, counts: Array) -> npt.NDArray[np.float64]:
        """Return the trace at the end of presentations of which only spike counts are known.

        Parameters
        ----------
        counts : ndarray of shape (..., n_neurons)
            Number of spikes.

        Returns
        -------
        ndarray of shape (..., n_neurons)
            Trace z after the last step.

        Raises
        ------
        NetworkError
            If this trace depends on when the spikes came.
        """
        if self.needs_bins:
            raise NetworkError(
                f"the output trace {self.kind!r} needs the spikes of every step, and only counts were recorded; "
                "record spikes"
            )
        trace: npt.NDArray[np.float64] = counts / self.factor
        return trace

    def to_tree(self) -> Tree:
        """Return what a file holds of this trace."""
        return {"kind": self.kind, "decay": float(self.decay), "factor": float(self.factor)}

    @classmethod
    def from_tree(cls, tree: Tree) -> "Trace":
        """Build a trace from what a file holds."""
        return cls(kind=tree["kind"], decay=float(tree["decay"]), factor=float(tree["factor"]))
