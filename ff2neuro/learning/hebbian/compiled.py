"""Numba, with types that a checker can follow; compiled code is kept beside the source, or in a user's cache."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled", "compiled_parallel", "parallel_range", "threads"]

F = TypeVar("F", bound=Callable[..., Any])

#: No fast-math: results must not depend on how wide a machine's vectors are.
compiled = cast(Callable[[F], F], numba.njit(cache=True, nogil=True, error_model="numpy"))
compiled_parallel = cast(Callable[[F], F], numba.njit(cache=True, nogil=True, error_model="numpy", parallel=True))
parallel_range = numba.prange


def threads(n_threads: int) -> int:
    """Set the number of threads of this process's compiled loops.

    Parameters
    ----------
    n_threads : int
        How many; 0 for all that there are, and never more.

    Returns
    -------
    int
        How many there are now.
    """
    limit = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    chosen = min(n_threads or limit, limit)
    numba.set_num_threads(chosen)
    return chosen
