"""XyloSim behind the backend contract: small networks of leaky neurons in the arithmetic of SynSense's Xylo."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.errors import GraphError, RangeError
from ff2neuro.hardware.backend import Backend, RunConfig
from ff2neuro.hardware.beyond_nir import require_rest
from ff2neuro.hardware.chain import Chain, ChainLayer, read_chain
from ff2neuro.hardware.own_environment import OwnEnvironment
from ff2neuro.hardware.reference_backend.backend import check_input_size
from ff2neuro.hardware.script_worker import ask, record_chunks
from ff2neuro.hardware.targets.target import load_target
from ff2neuro.inputs import InputSource
from ff2neuro.recording import Recording, RecordingHeader

__all__ = ["XYLOSIM", "XylosimBackend"]

Array = npt.NDArray[Any]

XYLOSIM = OwnEnvironment(
    backend="xylosim",
    distribution="xylosim",
    version="0.1.3",
    requirements=Path(__file__).with_name("requirements.txt"),
    check="import xylosim.v2",
    size="about 100 MB",
)
WORKER = Path(__file__).with_name("worker.py")
PRESENTATIONS_PER_CHUNK = 200
#: The chip whose sizes are kept to.
CHIP = "xylo-audio-2"
WEIGHT_RANGE, THRESHOLD_RANGE, INPUT_RANGE = (-128, 127), (1, 32767), (0, 15)
#: Decays are shifts by so many bits.
DASH_RANGE = (1, 15)
#: 16-bit currents and potentials, which saturate beyond.
STATE_RANGE = (-32768, 32767)
#: Spikes that a neuron of Xylo can send in one step.
MOST_SPIKES = 31
#: How far a decay or gain computed from time constants may lie from its exact value.
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class XyloLayer:
    """A layer in Xylo's integers.

    Attributes
    ----------
    name : str
        Name of the neuron node.
    weight : ndarray of int, shape (n_out, n_in)
        -128..127.
    threshold : ndarray of int, shape (n_out,)
        A neuron spikes where v reaches it, and it is subtracted.
    dash_mem, dash_syn : int
        v and the synaptic current lose 2^-dash of themselves per step, and at least 1.
    """

    name: str
    weight: Array
    threshold: Array
    dash_mem: int
    dash_syn: int


class XylosimBackend(Backend):
    """Runs integer graphs of CubaLIF neurons that reset by subtraction on xylosim 0.1.3 (Xylo Audio 2).

    A layer is honoured where tau_mem = 2^m dt and tau_syn = 2^s dt with m and s in 1..15, r dt / tau_mem = 1 and
    w_in dt / tau_syn = 1 - 2^-s, for Xylo's current decays after its input has come. Rounding is Xylo's own: v and the
    current lose at least 1 per step, and a threshold of k + 1/2 is k + 1, in what is subtracted as well.
    """

    name = "xylosim"
    sends_several = True

    @property
    def version(self) -> str:
        """Version of xylosim, or "missing"."""
        return XYLOSIM.status().version or "missing"

    def run(
        self, graph: nir.NIRGraph, inputs: InputSource, config: RunConfig | None = None, out: Path | None = None
    ) -> Recording:
        """Run every presentation through the graph; see `Backend.run`."""
        config = config or RunConfig()
        layers = _layers(graph, inputs, config)
        python = XYLOSIM.find_interpreter()
        sizes = {layer.name: len(layer.weight) for layer in layers}
        header = self.recording_header(sizes, inputs, config, "fixed")

        def simulate(events: Array) -> dict[str, Array]:
            _check_currents(layers, events, config.max_spikes_per_step)
            return _simulate(python, layers, events, header, config.time_limit)

        images = max(1, PRESENTATIONS_PER_CHUNK // max(1, inputs.n_hypotheses))
        return record_chunks(header, inputs, out, images, simulate)


def _layers(graph: nir.NIRGraph, inputs: InputSource, config: RunConfig) -> tuple[XyloLayer, ...]:
    """Translate the graph into Xylo's integers, or say why it cannot be honoured."""
    require_rest(config, "xylosim")
    chain = read_chain(graph, config.dt, config.reset)
    check_input_size(chain, inputs)
    if config.reset != "subtract" or config.states:
        raise GraphError("Xylo resets by subtraction, and its potentials are not recorded; use the reference backend")
    if not inputs.integer:
        raise GraphError("the input events are not integers, which is all that Xylo takes; round them")
    _require_size(chain)
    return tuple(_layer(layer) for layer in chain.layers)


def _require_size(chain: Chain) -> None:
    """Refuse a network that is larger than the chip."""
    chip = load_target(CHIP)
    fan_out = max((int(np.count_nonzero(layer.weight, axis=0).max()) for layer in chain.layers[1:]), default=0)
    for what, value, limit in (
        ("input channels", chain.n_inputs, chip.input_channels),
        ("neurons", sum(chain.layer_sizes.values()), chip.cores[0].neurons),
        ("targets of one neuron", fan_out, chip.fan_out),
    ):
        if limit is not None and value > limit:
            raise GraphError(f"the graph has {value} {what}; {chip.title} has {limit}: use a smaller network")


def _layer(layer: ChainLayer) -> XyloLayer:
    neurons, name = layer.neurons, layer.name
    if not layer.spiking or layer.bias.any() or neurons.v_reset.any() or neurons.leak.any():
        raise GraphError(f"node {name!r}: Xylo takes spiking neurons without bias, v_leak and v_reset only")
    threshold = neurons.v_threshold + 0.5
    for what, values, (low, high) in (
        ("weights", layer.weight, WEIGHT_RANGE),
        ("thresholds, plus 1/2,", threshold, THRESHOLD_RANGE),
    ):
        if (values != np.round(values)).any():
            raise GraphError(
                f"node {name!r}: {what} are not integers; quantise the graph: ff2neuro export FILE.nir --weight-bits 8"
            )
        if values.min() < low or values.max() > high:
            raise RangeError(
                f"node {name!r}: {what} reach from {values.min():.0f} to {values.max():.0f}; Xylo takes {low} to {high}"
            )
    dash_mem, dash_syn = (
        _dash(name, what, decay) for what, decay in (("tau_mem", neurons.mem_decay), ("tau_syn", neurons.syn_decay))
    )
    if np.abs(neurons.mem_gain * neurons.syn_gain - (1 - 0.5**dash_syn)).max() > TOLERANCE:
        raise GraphError(
            f"node {name!r}: the gain of the input is {float((neurons.mem_gain * neurons.syn_gain)[0]):g}; on Xylo it "
            f"is 1 - dt/tau_syn = {1 - 0.5**dash_syn:g}: set r = tau_mem / dt and w_in = tau_syn / dt - 1"
        )
    return XyloLayer(name, layer.weight.astype(np.int64), threshold.astype(np.int64), dash_mem, dash_syn)


def _dash(name: str, what: str, decay: Array) -> int:
    """Return the number of bits whose shift is a decay."""
    lost = 1 - np.asarray(decay, dtype=np.float64)
    dash = int(np.round(-np.log2(np.maximum(lost[0], 2.0**-40))))
    if not DASH_RANGE[0] <= dash <= DASH_RANGE[1] or np.abs(lost - 0.5**dash).max() > TOLERANCE:
        raise GraphError(
            f"node {name!r}: per step {lost.max():g} is lost with {what}; Xylo loses 1/2, 1/4, ... or 1/32768, the "
            f"same in a whole layer: choose {what} = 2, 4, ... or 32768 dt"
        )
    return dash


def _check_currents(layers: tuple[XyloLayer, ...], events: Array, most: int) -> None:
    """Refuse what could saturate a current on the way, where the order of synapses would show."""
    low, high = int(events.min(initial=0)), int(events.max(initial=0))
    if low < INPUT_RANGE[0] or high > INPUT_RANGE[1]:
        raise RangeError(
            f"input events reach from {low} to {high}; Xylo takes {INPUT_RANGE[0]} to {INPUT_RANGE[1]}: scale them"
        )
    for index, layer in enumerate(layers):
        largest = int(np.abs(layer.weight).sum(axis=1).max()) * (high if index == 0 else min(most, MOST_SPIKES))
        if largest * 2**layer.dash_syn > STATE_RANGE[1]:
            raise RangeError(
                f"node {layer.name!r}: a synaptic current could reach {largest * 2**layer.dash_syn}; Xylo's hold "
                f"{STATE_RANGE[1]}: use smaller weights or events, or a shorter tau_syn"
            )


def _simulate(
    python: str, layers: tuple[XyloLayer, ...], events: Array, header: RecordingHeader, time_limit: float | None
) -> dict[str, Array]:
    """Run a chunk of images in a process of its own."""
    n_images, n_hypotheses, _, n_inputs = events.shape
    steps = np.broadcast_to(events, (n_images, n_hypotheses, header.n_time_steps, n_inputs))
    request: dict[str, Array] = {
        "events": steps.reshape(-1, header.n_time_steps, n_inputs).astype(np.int64),
        "n_layers": np.array(len(layers)),
        "dash_mem": np.array([layer.dash_mem for layer in layers]),
        "dash_syn": np.array([layer.dash_syn for layer in layers]),
    }
    for index, layer in enumerate(layers):
        request |= {f"weight_{index}": layer.weight, f"threshold_{index}": layer.threshold}
    answer = ask(XYLOSIM, python, WORKER, request, time_limit)
    spikes = {}
    for index, layer in enumerate(layers):
        fired = answer[f"spikes_{index}"]
        _check_answer(layer, fired, answer[f"v_{index}"], header.max_spikes_per_step)
        spikes[layer.name] = fired.reshape(n_images, n_hypotheses, header.n_time_steps, -1)
    return spikes


def _check_answer(layer: XyloLayer, fired: Array, v: Array, most: int) -> None:
    """Refuse more spikes in a step than the network sends, or as many as Xylo at most, and saturated potentials."""
    largest = int(fired.max(initial=0))
    if largest > most or (largest == MOST_SPIKES and most > MOST_SPIKES):
        raise RangeError(
            f"node {layer.name!r}: a neuron spikes {largest} times in one step, as Xylo's may up to {MOST_SPIKES} "
            f"times; the network's sends {most}: use larger thresholds or smaller weights"
        )
    before = v + fired * layer.threshold
    if before.max(initial=0) >= STATE_RANGE[1] or v.min(initial=0) <= STATE_RANGE[0]:
        raise RangeError(
            f"node {layer.name!r}: a membrane potential reaches {before.max():.0f} or {v.min():.0f}, where Xylo's "
            "saturate: use smaller weights, or fewer steps"
        )
