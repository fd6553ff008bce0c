"""What a recording says of itself, and how that is written into its file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import h5py
import numpy as np

from ff2neuro.errors import FileFormatError
from ff2neuro.inputs import DIGEST_BYTES
from ff2neuro.spike_numbers import MOST_SPIKES_PER_STEP, require_spikes_per_step

__all__ = ["Kind", "RecordingHeader", "dataset_shapes", "read_header", "write_header"]

Kind = Literal["counts", "spikes"]

FORMAT = "ff2neuro-recording"
#: Formats: what all versions of this package can read, with an early exit, and with several spikes in a step.
FORMAT_VERSION_WHOLE, FORMAT_VERSION_EARLY_EXIT, FORMAT_VERSION = 1, 2, 3


@dataclass(frozen=True)
class RecordingHeader:
    """What every reader of a recording must know.

    Attributes
    ----------
    layers : mapping of str to int
        Number of neurons of every recorded layer, in the order of the network, by the name of its neuron node.
    n_images, n_hypotheses, n_time_steps : int
        Sizes of the axes.
    kind : {"counts", "spikes"}
        Whether spikes are summed over time.
    backend, backend_version : str
        The machine.
    arithmetic : {"fixed", "float"}
        Which of the two arithmetics of `ff2neuro.dynamics` the machine used.
    dt : float
        Length of a time step [s].
    states : bool
        Whether u and v of every step are there as well.
    early_exit : bool
        Whether presentations may have been stopped before the last step.
    max_spikes_per_step : int
        How many spikes a neuron could send in one step.

    Raises
    ------
    ConfigurationError
        If a neuron cannot send so many spikes, or counts could exceed what a recording holds.
    """

    layers: Mapping[str, int]
    n_images: int
    n_hypotheses: int
    n_time_steps: int
    kind: Kind
    backend: str
    backend_version: str
    arithmetic: str
    dt: float
    states: bool = False
    early_exit: bool = False
    max_spikes_per_step: int = 1

    def __post_init__(self) -> None:
        # A recording does not say how neurons were reset; several spikes in a step need this.
        require_spikes_per_step(self.max_spikes_per_step, "subtract", self.n_time_steps)

    @property
    def largest_count(self) -> int:
        """Number of spikes of a neuron that sends as many as it can at every step."""
        return self.n_time_steps * self.max_spikes_per_step

    @property
    def format_version(self) -> int:
        """Format that the file needs: older versions would read something else."""
        if self.max_spikes_per_step > 1:
            return FORMAT_VERSION
        return FORMAT_VERSION_EARLY_EXIT if self.early_exit else FORMAT_VERSION_WHOLE


def read_header(file: h5py.File) -> RecordingHeader:
    """Read what a recording says of itself.

    Parameters
    ----------
    file : h5py.File
        Open file.

    Returns
    -------
    RecordingHeader
        The header.

    Raises
    ------
    FileFormatError
        If the file is not a recording, one of a newer format, or one whose parts do not fit each other.
    """
    if file.attrs.get("format") != FORMAT:
        raise FileFormatError(f"{file.filename} is not a recording of ff2neuro; make one with `ff2neuro run`")
    version = int(file.attrs["format_version"])
    if version > FORMAT_VERSION:
        raise FileFormatError(
            f"{file.filename} has recording format {version}, this version reads up to {FORMAT_VERSION}; "
            "upgrade ff2neuro"
        )
    names = [str(name) for name in file.attrs["layers"]]
    kind: Kind = "spikes" if file.attrs["kind"] == "spikes" else "counts"
    first = file[f"layers/{names[0]}/{kind}"]
    header = RecordingHeader(
        layers={name: int(file[f"layers/{name}/{kind}"].shape[-1]) for name in names},
        n_images=int(first.shape[0]),
        n_hypotheses=int(first.shape[1]),
        n_time_steps=int(file.attrs["n_time_steps"]),
        kind=kind,
        backend=str(file.attrs["backend"]),
        backend_version=str(file.attrs["backend_version"]),
        arithmetic=str(file.attrs["arithmetic"]),
        dt=float(file.attrs["dt"]),
        states=bool(file.attrs["states"]),
        early_exit="steps" in file,
        max_spikes_per_step=_spikes_per_step(file, version),
    )
    _check_shapes(file, header)
    return header


def dataset_shapes(header: RecordingHeader) -> dict[str, tuple[int, ...]]:
    """Return which data sets a recording holds beside its inputs.

    Parameters
    ----------
    header : RecordingHeader
        What the recording says of itself.

    Returns
    -------
    dict of str to tuple of int
        Their shapes, by their paths in the file.
    """
    presentations = (header.n_images, header.n_hypotheses)
    shapes: dict[str, tuple[int, ...]] = {"steps": presentations} if header.early_exit else {}
    for name, n_neurons in header.layers.items():
        in_every_step = (*presentations, header.n_time_steps, n_neurons)
        spikes = in_every_step if header.kind == "spikes" else (*presentations, n_neurons)
        shapes[f"layers/{name}/{header.kind}"] = spikes
        if header.states:
            shapes |= {f"layers/{name}/{variable}": in_every_step for variable in ("u", "v")}
    return shapes


def _spikes_per_step(file: h5py.File, version: int) -> int:
    """How many spikes a neuron could send in one step, which recordings of the newest format say, and no others."""
    told = file.attrs.get("max_spikes_per_step")
    if version != FORMAT_VERSION and told is None:
        return 1
    if version == FORMAT_VERSION and isinstance(told, np.integer) and 1 < told <= MOST_SPIKES_PER_STEP:
        return int(told)
    raise FileFormatError(
        f"recording {file.filename} is damaged: it has format {version} and max_spikes_per_step {told}; make it again "
        "with `ff2neuro run`"
    )


def _check_shapes(file: h5py.File, header: RecordingHeader) -> None:
    """Refuse a file whose data sets are not of the sizes that it states."""
    expected = dataset_shapes(header)
    if "inputs" in file:
        expected |= {"inputs/digests": (header.n_images, DIGEST_BYTES), "inputs/n_events": (header.n_images,)}
    for path, shape in expected.items():
        found = getattr(file[path], "shape", None)
        if found != shape:
            raise FileFormatError(
                f"recording {file.filename} is damaged: {path} has shape {found}, and its header asks for {shape}; "
                "make it again with `ff2neuro run`"
            )


def write_header(file: h5py.File, header: RecordingHeader) -> None:
    """Write what a recording says of itself.

    Parameters
    ----------
    file : h5py.File
        File open for writing.
    header : RecordingHeader
        The header.
    """
    file.attrs.update(
        format=FORMAT,
        format_version=header.format_version,
        layers=list(header.layers),
        kind=header.kind,
        n_time_steps=header.n_time_steps,
        backend=header.backend,
        backend_version=header.backend_version,
        arithmetic=header.arithmetic,
        dt=header.dt,
        states=header.states,
    )
    if header.max_spikes_per_step > 1:
        file.attrs["max_spikes_per_step"] = header.max_spikes_per_step
