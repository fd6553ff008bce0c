"""A chain of spiking layers as Lava processes, running in lockstep with whoever feeds it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.extractor import Extractor, PyLoihiExtractorModel
from lava.proc.io.injector import Injector
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIFReset
from lava.utils.weightutils import SignMode

from ff2neuro.hardware.lava_backend.worker.guard import Sentry
from ff2neuro.hardware.lava_backend.worker.processes.models import (
    ByteExtractorModel,
    ByteInjectorModel,
    LifModel,
    SoftResetLifModel,
)
from ff2neuro.hardware.lava_backend.worker.processes.process import LaneDense

__all__ = ["LayerSpec", "Network", "NetworkSpec"]

Array = npt.NDArray[Any]

#: Time steps between the input that is sent and the output that is awaited; hides the latency of the ports.
STEPS_IN_FLIGHT = 8
#: Messages that a port between two processes holds. Lava's default of 64 only costs shared memory here.
PORT_SIZE = 2
#: Lava adds the bias without the shift by 6 bits that input and threshold get.
BIAS_EXP = 6


@dataclass(frozen=True)
class LayerSpec:
    """A layer in integers.

    Attributes
    ----------
    weight : ndarray of int, shape (n_out, n_in)
        -128..127.
    vth, bias : ndarray of int, shape (n_out,)
        Threshold and constant input, in the units of the weights.
    v_init : ndarray of int, shape (n_out,)
        v at the start of every window, in units of 1/64.
    mem_leak, syn_leak : int
        Numerators of the decays n/4096 of v and u; 4096 for a u without memory.
    """

    weight: Array
    vth: Array
    bias: Array
    v_init: Array
    mem_leak: int
    syn_leak: int


@dataclass(frozen=True)
class NetworkSpec:
    """A network and how it is to be run.

    Attributes
    ----------
    layers : tuple of LayerSpec
        First to last.
    n_time_steps : int
        Length of a window: all neurons are reset between windows.
    lanes : int
        Number of presentations simulated side by side; 1 takes official processes only, and official models of them
        unless spikes subtract or neurons start elsewhere than at 0.
    reset : {"zero", "subtract"}
        What a spike does to v.
    max_spikes_per_step : int
        How many spikes a neuron can send in one step, as one message; more than 1 only if spikes subtract.
    """

    layers: tuple[LayerSpec, ...]
    n_time_steps: int
    lanes: int
    reset: str
    max_spikes_per_step: int = 1

    @property
    def n_inputs(self) -> int:
        """Number of input channels."""
        return int(self.layers[0].weight.shape[1])

    def shape(self, size: int) -> tuple[int, ...]:
        """Shape of a population of `size` neurons in every lane."""
        return (size,) if self.lanes == 1 else (self.lanes, size)


class Network:
    """A running Lava network.

    Parameters
    ----------
    spec : NetworkSpec
        What to build.
    ring : ndarray of int32, shape (n_inputs, n_steps), optional
        Input of all steps, for an official RingBuffer; without it, input is sent to an Injector step by step.
    """

    def __init__(self, spec: NetworkSpec, ring: Array | None = None) -> None:
        self._source = RingBuffer(data=ring) if ring is not None else _injector(spec)
        self._fed = ring is not None
        port = self._source.s_out if self._fed else self._source.out_port
        self.neurons: list[AbstractProcess] = []
        self._sinks: list[AbstractProcess] = []
        for index, layer in enumerate(spec.layers):
            graded = index == 0 or spec.max_spikes_per_step > 1
            connection, neurons = _connection(spec, layer, graded=graded), _neurons(spec, layer, index)
            sink = Extractor(shape=spec.shape(len(layer.vth)), buffer_size=STEPS_IN_FLIGHT)
            port.connect(connection.s_in)
            connection.a_out.connect(neurons.a_in)
            neurons.s_out.connect(sink.in_port)
            port = neurons.s_out
            self.neurons.append(neurons)
            self._sinks.append(sink)
        self._source.create_runtime(run_cfg=_run_config(spec), compile_config={"pypy_channel_size": PORT_SIZE})
        self._sentry = Sentry(_sentinels(self._source.runtime))

    def advance(self, n_steps: int, inputs: Callable[[int], Array]) -> Iterator[list[Array]]:
        """Run; to be iterated to the end.

        Parameters
        ----------
        n_steps : int
            Number of time steps.
        inputs : callable
            ``inputs(s)`` returns the input of step ``s`` (from 0), uint8; not called where a RingBuffer has it all.

        Yields
        ------
        list of ndarray
            Spikes of every layer in this time step.
        """
        self._source.run(RunSteps(num_steps=n_steps, blocking=False))
        sent = 0
        for step in range(n_steps):
            while not self._fed and sent < min(n_steps, step + STEPS_IN_FLIGHT):
                self._source.send(inputs(sent))
                sent += 1
            yield [sink.receive() for sink in self._sinks]
        self._source.wait()

    def states(self) -> list[tuple[Array, Array]]:
        """Return u and v of every layer, between two runs. Slow: Lava sends them value by value."""
        return [(neurons.u.get(), neurons.v.get()) for neurons in self.neurons]

    @property
    def segments(self) -> list[str]:
        """Names of the shared memory that the network's ports use."""
        memory = self._source.runtime._messaging_infrastructure.smm
        return [handle.name for handle in memory._shared_memory_handles]

    def stop(self) -> None:
        """End all processes of the network."""
        self._sentry.dismiss()
        self._source.stop()


def _injector(spec: NetworkSpec) -> AbstractProcess:
    return Injector(shape=spec.shape(spec.n_inputs), buffer_size=STEPS_IN_FLIGHT)


def _connection(spec: NetworkSpec, layer: LayerSpec, *, graded: bool) -> AbstractProcess:
    # Signed 8-bit weights of Lava are even; the exponent of -1 halves the sum again, exactly.
    weights = 2 * layer.weight.astype(np.int32)
    if spec.lanes > 1:
        return LaneDense(weights=weights, lanes=spec.lanes)
    # Without the sign mode Lava would derive it from the matrix and change the range and rounding of the weights.
    return Dense(
        weights=weights,
        weight_exp=-1,
        num_weight_bits=8,
        num_message_bits=8 if graded else 0,
        sign_mode=SignMode.MIXED,
    )


def _neurons(spec: NetworkSpec, layer: LayerSpec, index: int) -> AbstractProcess:
    shape = spec.shape(len(layer.vth))
    neurons = LIFReset(
        shape=shape,
        v=np.broadcast_to(layer.v_init.astype(np.int32), shape).copy(),
        vth=layer.vth.astype(np.int32),
        bias_mant=np.broadcast_to(layer.bias.astype(np.int32), shape).copy(),
        bias_exp=BIAS_EXP,
        du=layer.syn_leak - 1,
        dv=layer.mem_leak,
        reset_interval=spec.n_time_steps,
        # Step 1 is the first input; every Dense on the way delays it by a step.
        reset_offset=2 + index,
    )
    # Not Lava's: `SoftResetLifModel` reads it.
    neurons.proc_params["max_spikes_per_step"] = spec.max_spikes_per_step
    return neurons


def _run_config(spec: NetworkSpec) -> Loihi2SimCfg:
    extractor = PyLoihiExtractorModel if spec.lanes == 1 else ByteExtractorModel
    # Named, because Injector and Extractor have two models each and no tags to choose by.
    models = {Injector: ByteInjectorModel, Extractor: extractor}
    if spec.reset == "subtract":
        models[LIFReset] = SoftResetLifModel
    elif any(layer.v_init.any() for layer in spec.layers):
        models[LIFReset] = LifModel
    return Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models)


def _sentinels(runtime: Any) -> dict[int, str]:
    """Operating-system processes of a network, by their sentinels."""
    infrastructure = runtime._messaging_infrastructure
    names = [f"{type(process).__name__} ({process.name})" for process in runtime._executable.proc_builders]
    actors = infrastructure.actors
    names += ["runtime service"] * (len(actors) - len(names))
    sentinels = {actor.sentinel: name for actor, name in zip(actors, names, strict=True)}
    return {**sentinels, infrastructure.smm._manager._process.sentinel: "shared-memory manager"}
