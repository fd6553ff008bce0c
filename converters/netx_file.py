"""netx files: lava-dl's HDF5 description of a network, for its own loader.

``layer/0`` is the input, ``layer/1`` and on are ``dense`` layers of ``CUBA`` neurons whose current has no memory
(``iDecay`` 4096). lava-dl 0.6.0 maps them to Lava's LIF in fixed point, with vth = ``vThMant`` and dv = ``vDecay``. One
further group, ``ff2neuro``, holds what the readout needs, as in a NIR file; netx does not look at it.

A file does not say how it is to be run: `loading_call` does.
"""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ff2neuro.converters.netx_weights import require_exact
from ff2neuro.dynamics import CURRENT_LIMIT, DECAY_UNITY
from ff2neuro.errors import FileFormatError, NetworkError, RangeError
from ff2neuro.files import Tree, hdf5_bytes, open_hdf5, read_tree, write_bytes
from ff2neuro.networks import SpikingLayer, SpikingNetwork
from ff2neuro.networks.spiking import require_known_readout
from ff2neuro.spike_numbers import largest_currents

__all__ = ["loading_call", "read_netx", "write_netx"]

GROUP = "ff2neuro"
#: 17-bit thresholds.
LARGEST_VTH = 2**17 - 1
#: Message bits with which netx's first Dense takes graded input; with 0 it takes every value for one spike.
GRADED_MESSAGE_BITS = 8


def write_netx(network: SpikingNetwork, path: Path | str) -> SpikingNetwork:
    """Export a network to a netx file.

    Parameters
    ----------
    network : SpikingNetwork
        What to export, of integers; left untouched.
    path : Path or str
        Where; replaced if it exists.

    Returns
    -------
    SpikingNetwork
        The network as it was read back from the file.

    Raises
    ------
    NetworkError
        If netx cannot say what the network does.
    RangeError
        If a weight, a threshold or a current is beyond what netx or Lava can hold.
    OutputError
        If the file cannot be written; `path` is then as it was before.
    FileFormatError
        If what was written does not read back as it was.
    """
    for index, layer in enumerate(network.layers):
        require_exact(index, layer.weight)
        _require_expressible(index, layer)
        if index > 0 or network.input_code.coding != "constant":
            _require_current_range(index, layer)
    # Rounded weights may be -0, which an integer cannot be; the checksums tell the two apart.
    network = replace(network, layers=tuple(replace(layer, weight=layer.weight + 0.0) for layer in network.layers))
    readout = {"format_version": network.readout_format, **network.readout_tree()}
    content = hdf5_bytes({"layer": _layers_tree(network), GROUP: readout})
    with h5py.File(io.BytesIO(content), "r") as file:
        back = _parse(file, "the file just written")
    if [layer.checksum for layer in back.layers] != [layer.checksum for layer in network.layers]:
        raise FileFormatError("the netx file did not read back as it was written; report this with your h5py version")
    write_bytes(Path(path), content)
    return back


def read_netx(path: Path | str) -> SpikingNetwork:
    """Read a netx file that ff2neuro wrote.

    Parameters
    ----------
    path : Path or str
        The file.

    Returns
    -------
    SpikingNetwork
        The network that it was exported from.

    Raises
    ------
    FileFormatError
        If the file does not exist, is no HDF5, is damaged, lacks the ``ff2neuro`` group, was changed so that the group
        no longer fits, or is of a newer format.
    """
    with open_hdf5(Path(path), "netx file") as file:
        return _parse(file, f"netx file {path}")


def loading_call(network: SpikingNetwork, path: Path | str) -> str:
    """Return the call that loads a netx file in lava-dl so that it does what the network does.

    Without ``reset_interval`` nothing is reset between presentations, with netx's default ``reset_offset`` the reset
    comes a step early, and without ``input_message_bits`` a graded input counts as one spike.

    Parameters
    ----------
    network : SpikingNetwork
        What was exported.
    path : Path or str
        The file.

    Returns
    -------
    str
        Python, with ``lava.lib.dl.netx`` imported as ``netx``.
    """
    graded = f", input_message_bits={GRADED_MESSAGE_BITS}" if network.input_code.coding == "constant" else ""
    return f"netx.hdf5.Network({str(path)!r}, reset_interval={network.n_time_steps}, reset_offset=1{graded})"


def _require_expressible(index: int, layer: SpikingLayer) -> None:
    """Refuse neurons that netx has no words for."""
    if layer.winners:
        raise NetworkError(
            f"in layer {index} only {layer.winners} of {layer.n_neurons} neurons may spike in a step (top_k), "
            "which netx cannot say: train with --top-k 0 to export"
        )
    if layer.reset != "zero":
        raise NetworkError(
            f"layer {index} is reset by {layer.reset}ion, which netx cannot say: export with --reset zero"
        )
    if np.any(layer.v_init):
        raise NetworkError(
            f"layer {index} starts at potentials up to {np.max(layer.v_init):g}, which netx cannot say: convert with "
            "--initial-potential 0"
        )
    low, high = layer.v_threshold.min(), layer.v_threshold.max()
    if low < high:
        raise NetworkError(
            f"layer {index} has thresholds from {low:g} to {high:g}; netx holds one per layer: convert with "
            "--weight-scale layer"
        )
    if low % 1 != 0.5:
        raise NetworkError(
            f"layer {index} has a threshold of {low:g}; one of integers is k + 1/2: export with --weight-bits 8"
        )
    if low - 0.5 > LARGEST_VTH:
        raise RangeError(
            f"layer {index} has a threshold of {low:g}; netx's vThMant holds up to {LARGEST_VTH}: export with fewer "
            "--weight-bits or fewer --input-bits"
        )


def _require_current_range(index: int, layer: SpikingLayer) -> None:
    """Refuse weights whose sum over spikes could overflow Lava's current; graded input was checked on images."""
    currents = largest_currents(layer.weight)
    if currents.max() >= CURRENT_LIMIT:
        raise RangeError(
            f"layer {index}: spikes can give neuron {int(currents.argmax())} a current of {currents.max():.0f} in one "
            f"step; Lava's currents wrap around at {CURRENT_LIMIT}: export with fewer --weight-bits"
        )


def _layers_tree(network: SpikingNetwork) -> Tree:
    """Return netx's own group; scalars are arrays without axes, because netx reads data sets and no attributes."""
    tree: dict[str, Any] = {
        "0": {"type": np.array([b"input"], dtype="S10"), "shape": np.array([network.input_code.n_inputs])}
    }
    for index, layer in enumerate(network.layers):
        n_out, n_in = layer.weight.shape
        tree[str(index + 1)] = {
            "type": np.array([b"dense"], dtype="S10"),
            "shape": np.array([n_out]),
            "inFeatures": np.array(n_in),
            "outFeatures": np.array(n_out),
            "weight": layer.weight.astype(np.int32),
            "neuron": {
                "type": np.array(b"CUBA"),
                "iDecay": np.array(DECAY_UNITY),
                "vDecay": np.array(layer.leak),
                "vThMant": np.array(int(layer.v_threshold[0] - 0.5)),
                "refDelay": np.array(1),
                "gradedSpike": np.array(False),
            },
        }
    return tree


def _parse(file: h5py.File, what: str) -> SpikingNetwork:
    """Rebuild the network from netx's group and ours."""
    if "layer" not in file or GROUP not in file:
        raise FileFormatError(
            f"{what} is HDF5, but lacks the group 'layer' of a netx file or {GROUP!r} of this program; "
            "export it with `ff2neuro export --target netx`"
        )
    tree = read_tree(file[GROUP])
    require_known_readout(what, tree)
    groups = [file[f"layer/{index + 1}"] for index in range(len(tree["gains"]))]
    leaks = [int(group["neuron/vDecay"][()]) for group in groups]
    if leaks != tree["leaks"].tolist() or len(file["layer"]) != len(groups) + 1:
        raise FileFormatError(f"{what}: the {GROUP!r} group does not fit the layers; export the network anew")
    weights = [group["weight"][()].astype(np.float64) for group in groups]
    v_thresholds = [np.full(len(group["weight"]), int(group["neuron/vThMant"][()]) + 0.5) for group in groups]
    return SpikingNetwork.from_readout_tree(tree, weights, v_thresholds)
