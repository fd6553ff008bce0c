"""The spiking network: what the converter makes, the exporter writes and the readout needs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.dynamics import Reset
from ff2neuro.errors import ConfigurationError, DatasetError, FileFormatError, NetworkError
from ff2neuro.files import Tree
from ff2neuro.networks.activity_table import ActivityTable
from ff2neuro.networks.goodness import GoodnessHead
from ff2neuro.networks.input_code import InputCode
from ff2neuro.networks.one_pass import OnePassHead
from ff2neuro.networks.spiking_layer import SpikingLayer
from ff2neuro.networks.trace import Trace
from ff2neuro.spike_numbers import require_spikes_per_step

__all__ = ["SpikingNetwork", "require_known_readout"]

Array = npt.NDArray[Any]

#: Formats of a readout in a file: what all versions read, with tables of activity, and with several spikes in a step.
READOUT_FORMAT_COUNTS, READOUT_FORMAT_TABLES, READOUT_FORMAT = 1, 2, 3


@dataclass(frozen=True, eq=False)
class SpikingNetwork:
    """A chain of spiking layers, with all that the readout must know.

    Attributes
    ----------
    layers : tuple of SpikingLayer
        First to last.
    input_code : InputCode
        How images and hypotheses become input events.
    head : GoodnessHead
        How activity becomes scores.
    n_time_steps : int
        Number of time steps T of a presentation.
    dt : float
        Length of a time step [s].
    notes : tuple of str
        Every approximation that was made, with its measured size.
    provenance : mapping
        How the network came to be. Strings and numbers only.
    trace : Trace or None
        Output trace on which the goodness is built; None for what the layers' gains or tables say of their spikes.
    one_pass : OnePassHead or None
        What classifies an image in one pass; None if only the label sweep can.
    checksums : tuple of str, or None
        What `SpikingLayer.checksum` was for each layer when the file that this was read from was written: a layer that
        has another one now was changed since. None for a network that was read from no NIR file.

    Raises
    ------
    NetworkError
        If layers do not fit each other or the input, or there are fewer than one time step.
    """

    layers: tuple[SpikingLayer, ...]
    input_code: InputCode
    head: GoodnessHead
    n_time_steps: int
    dt: float = 1e-4
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str | int | float] = field(default_factory=dict)
    trace: Trace | None = None
    checksums: tuple[str, ...] | None = None
    one_pass: OnePassHead | None = None

    def __post_init__(self) -> None:
        if not self.layers:
            raise NetworkError("the network has no layers; it needs at least one")
        if self.n_time_steps < 1:
            raise NetworkError(f"the number of time steps is {self.n_time_steps}; it must be at least 1")
        if not (np.isfinite(self.dt) and self.dt > 0):
            raise NetworkError(f"dt is {self.dt} s; it must be positive and finite")
        n_in = self.input_code.n_inputs
        for index, layer in enumerate(self.layers):
            if layer.weight.shape[1] != n_in:
                raise NetworkError(f"layer {index} takes {layer.weight.shape[1]} inputs, but is given {n_in}")
            n_in = layer.n_neurons
            if layer.table is not None and (self.trace is not None or layer.table.n_time_steps != self.n_time_steps):
                read = f"for {layer.table.n_time_steps} time steps" if self.trace is None else "beside an output trace"
                raise NetworkError(f"layer {index} has a table of activity {read}; export the network again")
        self._check_spikes_per_step()
        if max(self.head.voting_layers) >= len(self.layers):
            raise NetworkError(f"layer {max(self.head.voting_layers)} is to vote; there are {len(self.layers)} layers")
        if self.one_pass is not None:
            codes = self.input_code.label_codes
            self.one_pass.check_fits([layer.n_neurons for layer in self.layers], codes.n_classes, codes.length)

    def _check_spikes_per_step(self) -> None:
        most = {layer.max_spikes_per_step for layer in self.layers}
        if len(most) > 1:
            raise NetworkError(
                f"neurons of different layers send up to {sorted(most)} spikes in a step; take one number"
            )
        try:
            require_spikes_per_step(self.max_spikes_per_step, self.reset, self.n_time_steps)
        except ConfigurationError as error:
            raise NetworkError(str(error)) from error
        if self.max_spikes_per_step > 1 and self.trace is not None:
            raise NetworkError("an output trace takes neurons that send one spike in a step")

    @property
    def needs_bins(self) -> bool:
        """Whether spike counts are not enough to read the network out, and the spikes of every step are needed."""
        return self._has_tables if self.trace is None else self.trace.needs_bins

    @property
    def _has_tables(self) -> bool:
        return any(layer.table is not None for layer in self.layers)

    @property
    def readout(self) -> str:
        """What the network is read out by, in words."""
        if self.trace is not None:
            return f"the output trace {self.trace.kind!r}"
        return "the times of spikes" if self.needs_bins else "spike counts"

    @property
    def readout_format(self) -> int:
        """Version of the format that a file needs: older versions would run or read something else."""
        if self.max_spikes_per_step > 1:
            return READOUT_FORMAT
        return READOUT_FORMAT_TABLES if self._has_tables else READOUT_FORMAT_COUNTS

    @property
    def reset(self) -> Reset:
        """Reset rule of the layers, which all share one."""
        return self.layers[0].reset

    @property
    def max_spikes_per_step(self) -> int:
        """How many spikes a neuron can send in one step, in all layers alike."""
        return self.layers[0].max_spikes_per_step

    @property
    def checksum(self) -> str:
        """SHA-256 over all that decides what the network computes; tells what a quantised network was made of."""
        code = self.input_code
        sizes = self.n_time_steps, code.image_shape, [layer.winners for layer in self.layers]
        coding = code.coding, float(code.scale), code.seed, float(code.label_codes.strength)
        digest = hashlib.sha256(repr((sizes, coding, self.head, self.trace)).encode())
        digest.update(np.ascontiguousarray(code.label_codes.codes).tobytes())
        for layer in self.layers:
            digest.update(layer.checksum.encode())
        return digest.hexdigest()

    @property
    def fine_tuned_checksums(self) -> tuple[str, ...] | None:
        """What `SpikingLayer.checksum` of each layer was after fine-tuning, which moves weights; None without it."""
        found = self.provenance.get("fine_tuned_checksums")
        return tuple(str(found).split()) if found else None

    def check_images(self, images: Array) -> None:
        """Refuse images that this network cannot take.

        Parameters
        ----------
        images : ndarray of shape (n_images, n_pixels)
            Pixels in [0, 1].

        Raises
        ------
        DatasetError
            If their number of pixels is not the network's.
        """
        if images.ndim != 2 or images.shape[1] != self.input_code.n_pixels:
            raise DatasetError(
                f"images have {images.shape[-1]} pixels each, the network takes {self.input_code.n_pixels}; use the "
                "data set that it was trained on"
            )

    def _v_init_tree(self) -> Tree | None:
        """Return the initial potentials of the layers that have any, by index; None if none has."""
        given = {str(index): layer.v_init for index, layer in enumerate(self.layers) if np.any(layer.v_init)}
        return given or None

    def _tables_tree(self) -> Tree | None:
        """Return the tables of the layers that have any, by index; None if none has."""
        given = {str(i): layer.table.activity for i, layer in enumerate(self.layers) if layer.table is not None}
        return given or None

    def readout_tree(self) -> Tree:
        """Return all but weights and thresholds: what the ``ff2neuro`` group of a NIR file holds."""
        return {
            "input_code": self.input_code.to_tree(),
            "head": self.head.to_tree(),
            "gains": np.array([layer.gain for layer in self.layers]),
            "leaks": np.array([layer.leak for layer in self.layers], dtype=np.int64),
            "v_init": self._v_init_tree(),
            "activity_tables": self._tables_tree(),
            "reset": self.reset,
            "max_spikes_per_step": self.max_spikes_per_step if self.max_spikes_per_step > 1 else None,
            "n_time_steps": int(self.n_time_steps),
            "dt": float(self.dt),
            "trace": self.trace.to_tree() if self.trace is not None else None,
            "one_pass": self.one_pass.to_tree() if self.one_pass is not None else None,
            "checksums": [layer.checksum for layer in self.layers],
            "notes": list(self.notes),
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_readout_tree(cls, tree: Tree, weights: list[Array], v_thresholds: list[Array]) -> "SpikingNetwork":
        """Build a network from a NIR file's ``ff2neuro`` group and the parameters of its nodes."""
        v_init, most = tree.get("v_init") or {}, tree.get("max_spikes_per_step")
        tables = _tables(tree, len(weights))
        layers = tuple(
            SpikingLayer(
                weight,
                v_threshold,
                leak=int(leak),
                reset=tree["reset"],
                gain=float(gain),
                v_init=v_init.get(str(index), 0.0),
                table=tables[index],
                max_spikes_per_step=1 if most is None else most,
            )
            for index, (weight, v_threshold, leak, gain) in enumerate(
                zip(weights, v_thresholds, tree["leaks"], tree["gains"], strict=True)
            )
        )
        network = cls(
            layers=layers,
            input_code=InputCode.from_tree(tree["input_code"]),
            head=GoodnessHead.from_tree(tree["head"]),
            n_time_steps=int(tree["n_time_steps"]),
            dt=float(tree["dt"]),
            trace=Trace.from_tree(tree["trace"]) if tree.get("trace") is not None else None,
            notes=tuple(tree.get("notes", ())),
            provenance=tree.get("provenance", {}),
            checksums=tuple(tree["checksums"]) if tree.get("checksums") is not None else None,
            one_pass=OnePassHead.from_tree(tree["one_pass"]) if tree.get("one_pass") is not None else None,
        )
        _require_format(tree, network)
        return network

    def to_tree(self) -> Tree:
        """Return what a model file holds of this network."""
        return {
            "weights": {str(index): layer.weight for index, layer in enumerate(self.layers)},
            "v_thresholds": {str(index): layer.v_threshold for index, layer in enumerate(self.layers)},
            "winners": np.array([layer.winners for layer in self.layers], dtype=np.int64),
            "readout": self.readout_tree(),
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> "SpikingNetwork":
        """Build a network from what a model file holds."""
        indices = [str(index) for index in range(len(tree["weights"]))]
        weights, v_thresholds = ([tree[name][index] for index in indices] for name in ("weights", "v_thresholds"))
        network = cls.from_readout_tree(tree["readout"], weights, v_thresholds)
        layers = [
            replace(layer, winners=int(winners)) for layer, winners in zip(network.layers, tree["winners"], strict=True)
        ]
        # The checksums are those of an export; what is made of a model is another network.
        return replace(network, layers=tuple(layers), checksums=None)


def require_known_readout(what: str, tree: Tree) -> None:
    """Refuse the readout of a file that a newer version wrote.

    Parameters
    ----------
    what : str
        The file, for the message.
    tree : Mapping
        What its ``ff2neuro`` group holds.

    Raises
    ------
    FileFormatError
        If its format is newer than this version knows.
    """
    if int(tree["format_version"]) > READOUT_FORMAT:
        raise FileFormatError(
            f"{what} has format {tree['format_version']} of ff2neuro, this version reads up to {READOUT_FORMAT}; "
            "upgrade ff2neuro"
        )


def _require_format(tree: Tree, network: SpikingNetwork) -> None:
    """Refuse a readout whose format is not the one that its parts need."""
    version = tree.get("format_version")
    if version is not None and int(version) != network.readout_format:
        raise NetworkError(
            f"the readout has format {version}, and what it holds is of format {network.readout_format}; export the "
            "network again"
        )


def _tables(tree: Tree, n_layers: int) -> list[ActivityTable | None]:
    """Read the tables of activity: of every layer or of none."""
    given = tree.get("activity_tables")
    if given is None:
        return [None] * n_layers
    names = [str(index) for index in range(n_layers)]
    if not isinstance(given, dict) or sorted(given) != sorted(names):
        raise NetworkError(f"tables of activity are there for other layers than {', '.join(names)}; export again")
    return [ActivityTable(given[name]) for name in names]
