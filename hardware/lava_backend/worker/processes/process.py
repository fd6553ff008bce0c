"""What Lava lacks: a Dense that many independent lanes share."""

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

__all__ = ["LaneDense"]


class LaneDense(AbstractProcess):
    """Dense connections shared by independent lanes: one matrix product for all of them.

    Each lane behaves as an official ``Dense(weights=weights, weight_exp=-1, num_weight_bits=8,
    sign_mode=SignMode.MIXED)`` with graded input, one time step of delay included.

    Parameters
    ----------
    weights : ndarray of int, shape (n_out, n_in)
        Even integers, -256..254.
    lanes : int
        Number of lanes.
    """

    def __init__(self, *, weights: npt.NDArray[np.integer], lanes: int) -> None:
        super().__init__(weights=weights, lanes=lanes)
        n_out, n_in = weights.shape
        self.s_in = InPort(shape=(lanes, n_in))
        self.a_out = OutPort(shape=(lanes, n_out))
        self.weights = Var(shape=weights.shape, init=weights)
