"""Models of our own for the CPU, in Lava's fixed-point arithmetic: of `LaneDense` and of official processes."""

from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.io.extractor import Extractor, PyLoihiExtractorModel
from lava.proc.io.injector import Injector, PyLoihiInjectorModel
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.utils.weightutils import SignMode, clip_weights, truncate_weights

from ff2neuro.hardware.lava_backend.worker.processes.process import LaneDense

__all__ = ["ByteExtractorModel", "ByteInjectorModel", "LaneDenseModel", "LifModel", "SoftResetLifModel"]

#: Sums of integers below this are exact in single precision.
EXACT_SINGLE = 2**24


@implements(proc=LaneDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class LaneDenseModel(PyLoihiProcessModel):
    """Integer matrix product by floating-point BLAS, in single precision where that is exact."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    weights: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32)

    _transposed: dict[Any, npt.NDArray[Any]] | None = None
    _last: npt.NDArray[np.uint8] | None = None

    def _prepare(self) -> dict[Any, npt.NDArray[Any]]:
        # The official weight functions first, so that a weight beyond their range is cut here as it is there.
        clipped = clip_weights(self.weights, SignMode.MIXED, num_bits=8)
        weights = truncate_weights(clipped, SignMode.MIXED, 8) >> 1
        self._largest_sum = int(np.abs(weights).sum(axis=1).max(initial=0))
        self._a_buff = np.zeros((self.proc_params["lanes"], len(weights)), dtype=np.int32)
        return {kind: np.ascontiguousarray(weights.T, dtype=kind) for kind in (np.float32, np.float64)}

    def run_spk(self) -> None:
        """Send the sums of the step before, then compute those of this step."""
        if self._transposed is None:
            self._transposed = self._prepare()
        self.a_out.send(self._a_buff)
        s_in = self.s_in.recv()
        # Constant input arrives again at every step of a presentation.
        if self._last is not None and np.array_equal(s_in, self._last):
            return
        exact_in_single = self._largest_sum * int(s_in.max(initial=0)) < EXACT_SINGLE
        kind = np.float32 if exact_in_single else np.float64
        self._a_buff = (s_in.astype(kind) @ self._transposed[kind]).astype(np.int32)
        self._last = s_in


class LifModel(PyLifResetModelBitAcc):
    """The official model of LIFReset, but the regular reset sets v to what the process started with, not to 0."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._v_init = proc_params["v"]

    def subthr_dynamics(self, activation_in: npt.NDArray[np.int32]) -> None:
        """Advance u and v; in the step of the regular reset, which has just set both to 0, from the start."""
        if self.time_step % self.reset_interval == self.reset_offset:
            self.v[:] = self._v_init
        super().subthr_dynamics(activation_in)


class SoftResetLifModel(LifModel):
    """As `LifModel`, and a spike subtracts the threshold from v instead of setting v to 0.

    A neuron that can send several spikes in a step sends their number in one message.
    """

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._most = proc_params["max_spikes_per_step"]

    def spiking_activation(self) -> npt.NDArray[Any]:
        """Return how often v exceeds the threshold, up to the most; with 1 as the most, the official answer."""
        answer: npt.NDArray[Any] = super().spiking_activation()
        if self._most > 1:
            # The largest m for which v > m threshold, in integers.
            answer = np.clip((self.v - 1) // self.effective_vth, 0, self._most)
        return answer

    def reset_voltage(self, spike_vector: npt.NDArray[Any]) -> None:
        """Subtract the threshold from v for every spike."""
        self.v -= spike_vector * self.effective_vth


@implements(proc=Injector, protocol=LoihiProtocol)
@requires(CPU)
class ByteInjectorModel(PyLoihiInjectorModel):
    """The official model with bytes instead of doubles on its ports: input events are integers 0..255."""

    in_port: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.uint8)
    out_port: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.uint8)


@implements(proc=Extractor, protocol=LoihiProtocol)
@requires(CPU)
class ByteExtractorModel(PyLoihiExtractorModel):
    """The official model with bytes instead of doubles on its way out: spikes are 0 or 1, or up to 255 in a step."""

    in_port: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    out_port: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.uint8)
