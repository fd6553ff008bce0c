"""What NIR readers do with graphs that they read differently, or not at all: one row per finding.

Each row was found by running the reader of the version named here and is checked again by the conformance test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ff2neuro.hardware import reader_conditions as when
from ff2neuro.hardware.reader_conditions import Place

__all__ = ["READERS", "RULES", "Reader", "Rule"]


@dataclass(frozen=True)
class Reader:
    """A program that reads NIR.

    Attributes
    ----------
    name : str
        Short name.
    version : str
        Version of the package that the rules were found with.
    call : str
        How to read a graph with it; ``DT`` stands for the time step in seconds.
    """

    name: str
    version: str
    call: str


@dataclass(frozen=True)
class Rule:
    """One finding.

    Attributes
    ----------
    reader : str
        Name of the reader.
    effect : {"fails", "differs"}
        Whether it ends with an error or gives other spikes.
    nodes : tuple of str
        Types of the nodes that it is about.
    applies : callable
        Whether a place of such a node is affected.
    reason : str
        For the user.
    """

    reader: str
    effect: Literal["fails", "differs"]
    nodes: tuple[str, ...]
    applies: Callable[[Place], bool]
    reason: str


READERS = (
    Reader("lava", "0.10.0", "ff2neuro run FILE.nir --backend lava --dt DT"),
    Reader("snntorch", "1.0.0", "snntorch.import_nir.import_from_nir(graph)  # dt is always 1e-4"),
    Reader("norse", "1.1.0", "norse.torch.utils.import_nir.from_nir(graph, dt=DT)  # its default is 1e-3"),
    Reader("spikingjelly", "2.0.0", "spikingjelly.activation_based.nir_exchange.import_from_nir(graph, dt=DT)"),
    Reader("sinabs", "3.1.3", "sinabs.from_nir(graph, batch_size=N)"),
    Reader("spyx", "1.0.0", "spyx.nir.from_nir(graph, events, dt=DT)  # events of shape (step, batch, ...)"),
)

_CONVOLUTIONS = ("Conv1d", "Conv2d")
_READOUTS = ("LI", "CubaLI")
_LEAKY = ("LIF", "CubaLIF")
_SPIKING = ("IF", *_LEAKY)
_WEIGHTS = ("Linear", "Affine", *_CONVOLUTIONS)
_POOLS = ("SumPool2d", "AvgPool2d")

_BATCH_COUNTED = "start_dim and end_dim are taken to count a batch axis in front, so start_dim must be 1"
_BATCH_NOT_COUNTED = "start_dim and end_dim are taken not to count a batch axis, so start_dim must be 0"
_DROPPED = "the reader drops this node without a word"
_CHANNELS_LAST = "images are taken with their channels last, unlike NIR's"
_EARLIER_POTENTIAL = "a spike is decided by the potential before this step's input, and subtracts the threshold"
_EVEN = "parameters must be the same for all neurons"
_GAIN = "w_in / tau_syn must be the same for all neurons"
_GREATER_EQUAL = "a spike is fired at v >= v_threshold, not above it, and whole inputs can meet this threshold exactly"
_GROUPS = "the channels of one group are taken for those of the input, which PyTorch refuses"
_LEAKY_IF = "read as a leaky neuron (beta 0.9) that resets by subtraction"
_NO_V_RESET = "it pins nir <= 1.0.4, which cannot read the v_reset that nir >= 1.0.6 writes"
_MISSING = "the reader does not know this node"
_NO_PADDING = "padding is ignored"
_RESET_TO_ZERO = "v_reset is ignored, neurons reset to 0"
_SHORT_TAU = "time constants must be at least dt, and 1e-4 in single precision is below it"
_V_LEAK_FIRST = "v starts at v_leak, not at 0"
_V_LEAK_TWICE = "v starts at v_leak, and the synaptic current leaks to it as well"

RULES = (
    Rule("snntorch", "fails", ("Scale", *_READOUTS), when.always, _MISSING),
    Rule("snntorch", "fails", ("Flatten",), when.leaves_axes_behind_batch, _BATCH_COUNTED),
    Rule("snntorch", "fails", _CONVOLUTIONS, when.groups_do_not_divide, _GROUPS),
    Rule("snntorch", "fails", ("SumPool2d",), when.padded_before_weights, f"{_NO_PADDING}, so sizes do not fit"),
    Rule("snntorch", "differs", ("SumPool2d",), when.padded, _NO_PADDING),
    Rule("snntorch", "fails", ("IF",), when.other_than("r", 1), "r must be 1"),
    Rule("snntorch", "fails", ("IF",), when.followed, "these neurons hand on a pair, which the next node cannot take"),
    Rule("snntorch", "differs", ("IF",), when.always, _LEAKY_IF),
    Rule("snntorch", "fails", _SPIKING, when.uneven("v_threshold"), "v_threshold must be the same for all neurons"),
    Rule("snntorch", "fails", _LEAKY, when.other_than("v_leak", 0), "v_leak must be 0"),
    Rule("snntorch", "fails", ("CubaLIF",), when.r_for_other_dt, "r must be tau_mem / 1e-4 s"),
    Rule("snntorch", "fails", ("CubaLIF",), when.uneven_gain, _GAIN),
    Rule("snntorch", "differs", ("LIF",), when.uneven_gain, "r / tau of one neuron is taken for all"),
    Rule("snntorch", "differs", _LEAKY, when.other_dt, "the time step is taken to be 1e-4 s"),
    Rule("snntorch", "differs", _LEAKY, when.other_than("v_reset", 0), _RESET_TO_ZERO),
    Rule("norse", "fails", ("Flatten",), when.leaves_axes_behind_batch, _BATCH_COUNTED),
    Rule("norse", "fails", ("Conv2d",), when.groups_do_not_divide, _GROUPS),
    Rule("norse", "fails", ("Conv1d", "AvgPool2d"), when.changes_shape, f"{_DROPPED}, so sizes do not fit"),
    Rule("norse", "differs", ("Conv1d", "AvgPool2d"), when.keeps_shape, _DROPPED),
    Rule("norse", "fails", ("SumPool2d",), when.padded, f"{_NO_PADDING}, so sizes do not fit"),
    Rule("norse", "differs", ("Scale",), when.other_than("scale", 1), _DROPPED),
    Rule("norse", "differs", _READOUTS, when.always, _DROPPED),
    Rule("norse", "differs", ("IF",), when.r_is_not(per_step=True), "r and dt are ignored; write r = 1 / dt"),
    Rule("norse", "differs", ("LIF",), when.r_is_not(one=True), "r is ignored; write r = 1, or a CubaLIF"),
    Rule("norse", "differs", ("LIF",), when.other_than("v_leak", 0), _V_LEAK_FIRST),
    Rule("norse", "differs", ("CubaLIF",), when.other_than("v_leak", 0), _V_LEAK_TWICE),
    Rule("norse", "differs", _SPIKING, when.other_than("v_reset", 0), _RESET_TO_ZERO),
    Rule("spikingjelly", "fails", ("Scale", *_READOUTS), when.always, _MISSING),
    Rule("spikingjelly", "fails", ("Flatten",), when.leaves_axes_without_batch, _BATCH_NOT_COUNTED),
    Rule("spikingjelly", "fails", _CONVOLUTIONS, when.grouped, "grouped convolutions are refused"),
    Rule("spikingjelly", "fails", _WEIGHTS, when.integer_weights, "weights of an integer type are refused"),
    Rule("spikingjelly", "fails", ("SumPool2d",), when.padded_before_weights, f"{_NO_PADDING}, so sizes do not fit"),
    Rule("spikingjelly", "differs", ("SumPool2d",), when.padded, _NO_PADDING),
    Rule("spikingjelly", "fails", _SPIKING, when.uneven("r", "v_threshold", "v_reset"), _EVEN),
    Rule("spikingjelly", "fails", ("LIF",), when.uneven("tau", "v_leak"), _EVEN),
    Rule("spikingjelly", "fails", ("CubaLIF",), when.uneven("tau_syn", "tau_mem", "v_leak", "w_in"), _EVEN),
    Rule("spikingjelly", "fails", ("IF",), when.r_is_not(per_step=True), "r must be 1 / dt"),
    Rule("spikingjelly", "fails", ("LIF",), when.r_is_not(one=True, per_step=True), "r must be 1 or tau / dt"),
    Rule("spikingjelly", "fails", ("LIF",), when.tau_at_most_dt, "tau must be longer than dt"),
    Rule("spikingjelly", "fails", ("LIF",), when.leak_is_not_reset, "v_leak must equal v_reset"),
    Rule("spikingjelly", "fails", ("CubaLIF",), when.r_is_not(per_step=True), "r must be tau_mem / dt"),
    Rule("spikingjelly", "fails", ("CubaLIF",), when.w_in_is_not_per_step, "w_in must be tau_syn / dt"),
    Rule("spikingjelly", "fails", ("CubaLIF",), when.other_than("v_leak", 0), "v_leak must be 0"),
    Rule("spikingjelly", "fails", ("CubaLIF",), when.tau_below_dt, _SHORT_TAU),
    Rule("spikingjelly", "differs", _SPIKING, when.other_than("v_reset", 0), "v starts at v_reset, not at 0"),
    Rule("spikingjelly", "differs", _SPIKING, when.meets_threshold, _GREATER_EQUAL),
    Rule("sinabs", "fails", _SPIKING, when.always, _NO_V_RESET),
    Rule("spyx", "fails", _READOUTS, when.always, _MISSING),
    Rule("spyx", "fails", (*_CONVOLUTIONS, *_POOLS), when.always, _CHANNELS_LAST),
    Rule("spyx", "differs", _SPIKING, when.always, _EARLIER_POTENTIAL),
)
