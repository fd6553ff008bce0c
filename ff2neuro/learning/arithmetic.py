"""What training computes with, threads and precision, and what it hands out, arrays."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ff2neuro.learning.config import TrainingConfig

__all__ = ["arithmetic", "arrays_of"]


@contextmanager
def arithmetic(config: TrainingConfig) -> Iterator[None]:
    """Compute with the threads and the precision of a configuration, and leave the process as it was.

    Parameters
    ----------
    config : TrainingConfig
        Its `threads` and `matmul_precision` count.
    """
    n_threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(config.threads or n_threads)
    torch.set_float32_matmul_precision(config.matmul_precision)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
        torch.set_float32_matmul_precision(precision)


def arrays_of(tensors: Sequence[Tensor]) -> tuple[npt.NDArray[np.float32], ...]:
    """Copy tensors of any device.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of float32.

    Returns
    -------
    tuple of ndarray of float32
        Later changes of the tensors do not reach them.
    """
    return tuple(tensor.cpu().numpy().copy() for tensor in tensors)
