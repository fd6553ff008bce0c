"""Which NIR readers run a graph, and which of them give the spikes that the graph describes.

What a reader does is written down as rules (`ff2neuro.hardware.reader_rules`), found by running the readers. The
conformance test runs them again and compares what each did with what is stated here.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import nir
import numpy as np

from ff2neuro.dynamics import DECAY_UNITY
from ff2neuro.errors import FF2NeuroError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.chain import Chain, read_chain
from ff2neuro.hardware.linear_nodes import LINEAR_NODES, linear_map
from ff2neuro.hardware.node_order import chain_order
from ff2neuro.hardware.reader_conditions import Place
from ff2neuro.hardware.reader_rules import READERS, RULES, Reader
from ff2neuro.inputs import InputSource

__all__ = ["Statement", "Status", "statement", "statements", "type_error"]

Status = Literal["same", "differs", "fails"]


@dataclass(frozen=True)
class Statement:
    """What a reader makes of a graph.

    Attributes
    ----------
    reader : Reader
        The program.
    status : {"same", "differs", "fails"}
        Whether it gives the spikes of NIR's equations (forward Euler, reset in the same step), gives others, or ends
        with an error.
    reasons : tuple of str
        Why not "same", each naming its node; a remark on precision where it is "same".
    """

    reader: Reader
    status: Status
    reasons: tuple[str, ...]


def statements(graph: nir.NIRGraph, config: RunConfig) -> list[Statement]:
    """Say what each reader makes of a graph.

    Parameters
    ----------
    graph : nir.NIRGraph
        A chain; left untouched.
    config : RunConfig
        What the graph does not say: the time step, and what no foreign reader does.

    Returns
    -------
    list of Statement
        One per reader, in the order of `READERS`.

    Raises
    ------
    GraphError
        If the graph makes no sense, or is of a kind that this package does not read either.
    RangeError
        If it is too large.
    """
    chain = read_chain(graph, config.dt, config.reset)
    places, unsaid = _places(graph, chain, config.dt), _unsaid(config)
    foreign = [_foreign(reader, chain, places, unsaid) for reader in READERS if reader.name != "lava"]
    return [_lava(graph, chain, config), *foreign]


def statement(name: str, graph: nir.NIRGraph, config: RunConfig) -> Statement:
    """Say what one reader makes of a graph.

    Parameters
    ----------
    name : str
        Name of the reader; one of `READERS`, not ``lava``.
    graph, config
        As for `statements`.

    Returns
    -------
    Statement
        What it does.

    Raises
    ------
    GraphError, RangeError
        As `statements`.
    """
    (reader,) = (each for each in READERS if each.name == name)
    chain = read_chain(graph, config.dt, config.reset)
    return _foreign(reader, chain, _places(graph, chain, config.dt), _unsaid(config))


def type_error(graph: nir.NIRGraph) -> str | None:
    """Say why NIR's own type check refuses a graph, which readers that take a path run into.

    Parameters
    ----------
    graph : nir.NIRGraph
        The graph; left untouched.

    Returns
    -------
    str or None
        NIR's message, or None if it accepts the graph.
    """
    copied = deepcopy(graph)
    try:
        copied.infer_types()
        copied.check_types()
    # NIR checks with assertions, conversions and comparisons that raise as they happen to.
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def _places(graph: nir.NIRGraph, chain: Chain, dt: float) -> list[Place]:
    """Nodes of the chain with what the rules ask of them."""
    layers = {layer.name: layer for layer in chain.layers}
    order = chain_order(graph)[1:-1]
    shape = chain.input_shape
    places = []
    for index, (name, node) in enumerate(order):
        after = linear_map(name, node, shape).shape if isinstance(node, LINEAR_NODES) else shape
        later = tuple(type(follower).__name__ for _, follower in order[index + 1 :])
        places.append(Place(name, node, shape, after, layers.get(name), later, dt))
        shape = after
    return places


def _unsaid(config: RunConfig) -> list[str]:
    """List what the network does and NIR cannot say, so that no foreign reader does it."""
    unsaid = []
    if config.reset == "subtract":
        unsaid.append("the network resets by subtraction, which NIR cannot say; this reader resets to a value")
    if config.max_spikes_per_step > 1:
        unsaid.append(
            f"the network's neurons send up to {config.max_spikes_per_step} spikes in a step, which NIR cannot say"
        )
    if any(np.any(potentials) for potentials in config.v_init.values()):
        unsaid.append("the network's neurons start at other potentials than 0, which NIR cannot say")
    return unsaid


def _foreign(reader: Reader, chain: Chain, places: Sequence[Place], unsaid: list[str]) -> Statement:
    """Find the rules of a reader that hold somewhere; an error outweighs other spikes."""
    reasons: dict[Status, list[str]] = {"fails": [], "differs": list(unsaid)}
    for place in places:
        for rule in RULES:
            if rule.reader == reader.name and type(place.node).__name__ in rule.nodes and rule.applies(place):
                reasons[rule.effect].append(f"node {place.name!r}: {rule.reason}")
    for status in ("fails", "differs"):
        if reasons[status]:
            return Statement(reader, status, tuple(reasons[status]))
    return Statement(reader, "same", _precision(chain))


def _precision(chain: Chain) -> tuple[str, ...]:
    """Say where single precision could decide, since all these readers compute in it."""
    for layer in chain.layers:
        on_grid = all(np.array_equal(values, np.round(values)) for values in (layer.weight, layer.bias))
        leaky = (layer.neurons.mem_decay != 1).any() or (layer.neurons.syn_decay != 0).any()
        if leaky or not on_grid:
            return ("up to rounding in single precision: a potential that close to a threshold may fall either way",)
    return ()


def _lava(graph: nir.NIRGraph, chain: Chain, config: RunConfig) -> Statement:
    """Say what this package's Lava backend makes of the graph, with integer input in Lava's range."""
    from ff2neuro.hardware.lava_backend.limits import lava_layers

    (reader,) = (each for each in READERS if each.name == "lava")
    nothing = InputSource.from_array(np.zeros((0, 1, 1, chain.n_inputs), dtype=np.int64))
    try:
        layers = lava_layers(graph, nothing, config)
    except FF2NeuroError as error:
        return Statement(reader, "fails", (str(error),))
    if config.reset == "subtract":
        return Statement(reader, "differs", (_SUBTRACTS_INTEGER,))
    leaky = [layer.name for layer in layers if layer.neurons.mem_leak or layer.neurons.syn_leak != DECAY_UNITY]
    if leaky:
        return Statement(reader, "differs", (f"node {leaky[0]!r}: {_TRUNCATED}",))
    return Statement(reader, "same", ())


_LIKE_FIXED = "the reference backend in fixed-point arithmetic does the same"
_TRUNCATED = f"Lava truncates what a leak leaves of u and v; {_LIKE_FIXED}"
_SUBTRACTS_INTEGER = f"a spike subtracts the whole number below v_threshold; {_LIKE_FIXED}"
