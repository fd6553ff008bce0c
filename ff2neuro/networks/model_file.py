"""Model files: HDF5, no pickle, no time stamps; a stranger's file is safe to open."""

from pathlib import Path

from ff2neuro.errors import FileFormatError, NetworkError
from ff2neuro.files import Tree, hdf5_bytes, open_hdf5, read_tree, write_bytes
from ff2neuro.networks.analog import AnalogNetwork
from ff2neuro.networks.spiking import SpikingNetwork

__all__ = ["load_model", "load_network", "save_model"]

FORMAT = "ff2neuro-model"
FORMAT_VERSION = 1


def save_model(network: AnalogNetwork | SpikingNetwork, path: Path | str, estimator: Tree | None = None) -> None:
    """Write a network to a model file.

    Parameters
    ----------
    network : AnalogNetwork or SpikingNetwork
        What to write.
    path : Path or str
        Where; replaced if it exists.
    estimator : Tree, optional
        What a scikit-learn estimator keeps beside its network, in a group of its own.

    Raises
    ------
    OutputError
        If the file cannot be written; `path` is then as it was before.
    """
    kind = "analog" if isinstance(network, AnalogNetwork) else "spiking"
    header = {"format": FORMAT, "format_version": FORMAT_VERSION, "kind": kind}
    write_bytes(Path(path), hdf5_bytes({**header, "network": network.to_tree(), "estimator": estimator}))


def load_model(path: Path | str) -> AnalogNetwork:
    """Read an analog network from a model file.

    Parameters
    ----------
    path : Path or str
        A file that `save_model` wrote.

    Returns
    -------
    AnalogNetwork
        The network.

    Raises
    ------
    FileFormatError
        As `load_network`.
    NetworkError
        If what it holds is no valid network (NaN in a weight, say), or a spiking one.
    """
    network = load_network(path)
    if isinstance(network, SpikingNetwork):
        raise NetworkError(
            f"model file {path} holds a spiking network, trained by the Hebbian rule; this needs an analog one: train "
            "it with --learning analog"
        )
    return network


def load_network(path: Path | str) -> AnalogNetwork | SpikingNetwork:
    """Read a network of either kind from a model file.

    Parameters
    ----------
    path : Path or str
        A file that `save_model` wrote.

    Returns
    -------
    AnalogNetwork or SpikingNetwork
        The network.

    Raises
    ------
    FileFormatError
        If the file does not exist, is damaged, is no model file, or is of a newer format.
    NetworkError
        If what it holds is no valid network (NaN in a weight, say).
    """
    with open_hdf5(Path(path), "model file") as file:
        if file.attrs.get("format") != FORMAT:
            raise FileFormatError(f"{path} is not a model file of ff2neuro; train one with `ff2neuro train`")
        version = int(file.attrs["format_version"])
        if version > FORMAT_VERSION:
            raise FileFormatError(
                f"model file {path} has format {version}, this version reads up to {FORMAT_VERSION}; upgrade ff2neuro"
            )
        tree = read_tree(file["network"])
        spiking = file.attrs.get("kind") == "spiking"
        try:
            return SpikingNetwork.from_tree(tree) if spiking else AnalogNetwork.from_tree(tree)
        except NetworkError as error:
            raise NetworkError(f"model file {path}: {error}") from error
