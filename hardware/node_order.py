"""The nodes of a NIR graph in the order in which a chain passes them; nested graphs are opened."""

from typing import Any

import nir

from ff2neuro.errors import GraphError

__all__ = ["chain_order"]

Edges = list[tuple[str, str]]

#: What a name of a node inside a nested graph is joined with.
SEPARATOR = "."


def chain_order(graph: nir.NIRGraph) -> list[tuple[str, Any]]:
    """Order the nodes of a graph from its input to its output.

    Parameters
    ----------
    graph : nir.NIRGraph
        One input, one output, and between them one path; nested graphs must be of that form as well.

    Returns
    -------
    list of (str, nir.NIRNode)
        Name and node, the graph's own Input first and its Output last. A node of a nested graph has that graph's name
        and a dot before its own; Input and Output nodes of nested graphs are left out.

    Raises
    ------
    GraphError
        If the graph has a cycle, a branch, an edge to nowhere, or not one input and one output; the message names the
        node.
    """
    order: list[tuple[str, Any]] = []
    for name in _path(graph):
        node = graph.nodes[name]
        order += _nested(name, node) if isinstance(node, nir.NIRGraph) else [(name, node)]
    return order


def _nested(name: str, graph: nir.NIRGraph) -> list[tuple[str, Any]]:
    """Nodes of a nested graph between its input and its output, under their full names."""
    try:
        inner = chain_order(graph)
    except GraphError as error:
        raise GraphError(f"in nested graph {name!r}: {error}") from None
    return [(f"{name}{SEPARATOR}{child}", node) for child, node in inner[1:-1]]


def _path(graph: nir.NIRGraph) -> list[str]:
    """Names of the nodes from the input to the output."""
    inputs = [name for name, node in graph.nodes.items() if isinstance(node, nir.Input)]
    outputs = [name for name, node in graph.nodes.items() if isinstance(node, nir.Output)]
    if len(inputs) != 1 or len(outputs) != 1:
        raise GraphError(f"the graph has {len(inputs)} inputs and {len(outputs)} outputs; a chain has one of each")
    following = _successors(graph)
    path = [inputs[0]]
    while path[-1] != outputs[0]:
        targets = following[path[-1]]
        if len(targets) != 1:
            raise GraphError(f"node {path[-1]!r} has {len(targets)} successors; in a chain every node has one")
        if targets[0] in path:
            raise GraphError(f"the graph has a cycle through node {targets[0]!r}; only chains are supported")
        path.append(targets[0])
    beside = sorted(set(graph.nodes) - set(path))
    if beside:
        raise GraphError(f"node {beside[0]!r} is in a cycle or branch beside the chain; only chains are supported")
    return path


def _successors(graph: nir.NIRGraph) -> dict[str, list[str]]:
    """Successors of every node. Some exporters write an edge twice, which says nothing new."""
    following: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for source, target in graph.edges:
        if source not in following or target not in following:
            raise GraphError(f"edge {source!r} -> {target!r} names a node that does not exist")
        if target not in following[source]:
            following[source].append(target)
    return following
