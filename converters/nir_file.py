"""NIR files: NIR's own groups hold the graph, one further group, ``ff2neuro``, holds what the readout needs.

No reader of the graph needs that group. Files are written in memory, read back and compared, and only then put in
place; the same network gives the same bytes.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import nir
import numpy as np

from ff2neuro.converters.nir_graph import Dialect, linear_name, spikes_name, to_nir
from ff2neuro.errors import FF2NeuroError, FileFormatError, GraphError, NetworkError
from ff2neuro.files import Tree, open_hdf5, read_tree, write_bytes, write_tree
from ff2neuro.networks import SpikingNetwork
from ff2neuro.networks.spiking import require_known_readout

__all__ = ["NirFile", "read_network", "read_nir", "write_graph", "write_network"]

GROUP = "ff2neuro"


@dataclass(frozen=True, eq=False)
class NirFile:
    """What a NIR file holds.

    Attributes
    ----------
    graph : nir.NIRGraph
        The graph.
    network : SpikingNetwork or None
        The network that it was exported from, if ff2neuro wrote the file.
    dialect : str or None
        Dialect that it was exported in, likewise.
    nir_version : str
        Version of nir that wrote it.
    """

    graph: nir.NIRGraph
    network: SpikingNetwork | None
    dialect: str | None
    nir_version: str


def write_network(network: SpikingNetwork, path: Path | str, dialect: Dialect = "portable") -> nir.NIRGraph:
    """Export a network to a NIR file.

    Parameters
    ----------
    network : SpikingNetwork
        What to export; left untouched.
    path : Path or str
        Where; replaced if it exists.
    dialect : {"portable", "native"}
        See `ff2neuro.converters.nir_graph`.

    Returns
    -------
    nir.NIRGraph
        The graph as it was read back from the file.

    Raises
    ------
    NetworkError
        If the dialect cannot say what the network does.
    OutputError
        If the file cannot be written; `path` is then as it was before.
    FileFormatError
        If what was written does not read back as it was.
    """
    tree = {"format_version": network.readout_format, "dialect": dialect, **network.readout_tree()}
    return _write_checked(to_nir(network, dialect), path, tree)


def write_graph(graph: nir.NIRGraph, path: Path | str) -> nir.NIRGraph:
    """Write a graph that carries no readout to a NIR file.

    Parameters
    ----------
    graph : nir.NIRGraph
        The graph; left untouched.
    path : Path or str
        Where; replaced if it exists.

    Returns
    -------
    nir.NIRGraph
        The graph as it was read back from the file.

    Raises
    ------
    OutputError
        If the file cannot be written; `path` is then as it was before.
    FileFormatError
        If what was written does not read back as it was.
    """
    return _write_checked(graph, path, None)


def _write_checked(graph: nir.NIRGraph, path: Path | str, tree: Tree | None) -> nir.NIRGraph:
    """Write to memory, read back, compare, and only then put the file in place."""
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    if tree is not None:
        with h5py.File(buffer, "r+") as file:
            write_tree(file.create_group(GROUP), tree)
    with h5py.File(io.BytesIO(buffer.getvalue()), "r") as file:
        back = _parse(file, "the file just written", io.BytesIO(buffer.getvalue()))
    _require_same(graph, back.graph)
    write_bytes(Path(path), buffer.getvalue())
    return back.graph


def read_nir(path: Path | str) -> NirFile:
    """Read a NIR file, ours or another's.

    Parameters
    ----------
    path : Path or str
        The file.

    Returns
    -------
    NirFile
        Graph, and network if ff2neuro wrote the file.

    Raises
    ------
    FileFormatError
        If the file does not exist, is no HDF5, is damaged, is no NIR file, or is of a newer format.
    GraphError
        If NIR itself refuses the graph.
    """
    with open_hdf5(Path(path), "NIR file") as file:
        return _parse(file, f"NIR file {path}", Path(path))


def read_network(path: Path | str) -> tuple[nir.NIRGraph, SpikingNetwork]:
    """Read a NIR file that ff2neuro wrote.

    Parameters
    ----------
    path : Path or str
        The file.

    Returns
    -------
    graph : nir.NIRGraph
        The graph.
    network : SpikingNetwork
        The network that it was exported from.

    Raises
    ------
    FileFormatError
        As `read_nir`, or if the file lacks the ``ff2neuro`` group.
    GraphError
        If NIR itself refuses the graph.
    """
    content = read_nir(path)
    if content.network is None:
        raise FileFormatError(
            f"NIR file {path} has no {GROUP!r} group, so its spikes cannot be read out as classes; "
            "export it with `ff2neuro export`, or run it with `ff2neuro run --input`"
        )
    return content.graph, content.network


def _parse(file: h5py.File, what: str, source: Path | BinaryIO) -> NirFile:
    """Check versions, then let NIR read the graph."""
    if "version" not in file or "node" not in file:
        raise FileFormatError(f"{what} is HDF5, but no NIR file: it has no version or no node")
    version = file["version"].asstr()[()]
    _require_known_version(what, version)
    _require_known_nodes(what, file["node"])
    dialect, tree = None, None
    if GROUP in file:
        tree = read_tree(file[GROUP])
        require_known_readout(what, tree)
        dialect = str(tree["dialect"])
    with _nir_errors(what):
        graph = nir.read(source, type_check=False)
    network = _network(what, graph, tree) if tree else None
    return NirFile(graph, network, dialect, version)


def _require_known_version(what: str, version: str) -> None:
    """Refuse files of a NIR that may mean something else by the same names."""
    major, known = version.split(".")[0], nir.version.split(".")[0]
    if not major.isdecimal() or int(major) > int(known):
        raise FileFormatError(f"{what} was written by nir {version}, this program has nir {nir.version}; upgrade nir")


def _require_known_nodes(what: str, group: h5py.Group) -> None:
    """Refuse nodes that NIR does not know, by their names."""
    if "nodes" not in group:
        raise FileFormatError(f"{what} holds no graph of nodes")
    for name, node in group["nodes"].items():
        kind = node["type"].asstr()[()]
        if not hasattr(nir, kind):
            raise GraphError(f"{what}: node {name!r} is a {kind}, which nir {nir.version} does not know")


@contextmanager
def _nir_errors(what: str) -> Iterator[None]:
    """Say which file NIR refused: its own checks are bare assertions and the like."""
    try:
        yield
    except FF2NeuroError:
        raise
    except (AssertionError, TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        reason = str(error) or type(error).__name__
        raise GraphError(f"{what}: NIR refuses the graph: {reason}; export it anew") from error


def _network(what: str, graph: nir.NIRGraph, tree: dict[str, Any]) -> SpikingNetwork:
    """Rebuild the network from the graph's parameters and our group."""
    indices = range(len(tree["gains"]))
    try:
        weights = [graph.nodes[linear_name(index)].weight for index in indices]
        v_thresholds = [graph.nodes[spikes_name(index)].v_threshold for index in indices]
    except (KeyError, AttributeError) as error:
        raise FileFormatError(
            f"{what}: the {GROUP!r} group does not fit the graph (no {error}); export the network anew"
        ) from error
    try:
        return SpikingNetwork.from_readout_tree(tree, weights, v_thresholds)
    except NetworkError as error:
        raise NetworkError(f"{what}: {error}") from error


def _require_same(written: nir.NIRGraph, read: nir.NIRGraph) -> None:
    """Compare what was written with what reads back, field by field."""
    same = set(written.nodes) == set(read.nodes) and written.edges == [tuple(edge) for edge in read.edges]
    for name, node in written.nodes.items():
        if not same:
            break
        for field, value in node.to_dict().items():
            other = read.nodes[name].to_dict().get(field)
            same = same and (value == other if isinstance(value, (str, dict)) else np.array_equal(value, other))
    if not same:
        raise FileFormatError("the NIR file did not read back as it was written; report this with your nir version")
