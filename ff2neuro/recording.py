"""What a machine did: spike counts or spikes of every layer, for every image and label hypothesis."""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from ff2neuro.errors import ConfigurationError, FileFormatError
from ff2neuro.files import SafeFile, atomic_path
from ff2neuro.inputs import DIGEST_BYTES, count_events, digest_events
from ff2neuro.recording_header import Kind, RecordingHeader, dataset_shapes, read_header, write_header

__all__ = ["Kind", "Recording", "RecordingHeader", "RecordingWriter"]

Array = npt.NDArray[Any]

LARGEST_BYTE = 255
#: Size of the pieces that HDF5 compresses and reads [byte].
HDF5_CHUNK_BYTES = 2**17

# HDF5 refuses to open two files of one name, even where neither is on a disk.
_memory_names = count()


class Recording:
    """Spikes of every layer, read from HDF5 as they are asked for.

    Parameters
    ----------
    file : h5py.File
        Open file, closed by `close`.
    header : RecordingHeader, optional
        What the file says of itself, where it is known; read from the file by default.

    Raises
    ------
    FileFormatError
        If the file is not a recording, or one of a newer format.
    """

    def __init__(self, file: h5py.File, header: RecordingHeader | None = None) -> None:
        self._file = file
        self.header = header or read_header(file)

    @classmethod
    def open(cls, path: Path | str) -> "Recording":
        """Open a recording on disk.

        Parameters
        ----------
        path : Path or str
            File written by a backend.

        Returns
        -------
        Recording
            To be closed, or used in a ``with`` block.

        Raises
        ------
        FileFormatError
            If the file does not exist, is damaged, is no recording, or is of a newer format.
        """
        path = Path(path)
        if not path.exists():
            raise FileFormatError(f"recording {path} does not exist; check the path")
        try:
            return cls(h5py.File(path, "r"))
        except FileFormatError:
            raise
        except (OSError, LookupError, ArithmeticError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError(f"recording {path} cannot be read: damaged, truncated or of another kind") from error

    @property
    def layer_names(self) -> list[str]:
        """Names of the recorded layers, in the order of the network."""
        return list(self.header.layers)

    def counts(self, layer: str, start: int = 0, stop: int | None = None, *, partial: bool = False) -> Array:
        """Read spike counts.

        Parameters
        ----------
        layer : str
            Name of the layer.
        start, stop : int, optional
            Range of images; all by default.
        partial : bool
            Whether presentations that were stopped early are welcome: their counts are those of `steps` steps only.

        Returns
        -------
        ndarray of int, shape (stop - start, n_hypotheses, n_neurons)
            Number of spikes of each neuron in each presentation.

        Raises
        ------
        ConfigurationError
            If the machine could stop presentations early and `partial` does not welcome them.
        """
        if self.header.early_exit and not partial:
            raise ConfigurationError(
                "this recording was made with an early exit: hypotheses that could not win have counts of fewer steps, "
                "which are no latents; run again without --early-exit"
            )
        data: Array = self._file[f"layers/{layer}/{self.header.kind}"][start:stop]
        return data.astype(np.uint16) if self.header.kind == "counts" else data.sum(axis=2, dtype=np.uint16)

    def spikes(
        self, layer: str, start: int = 0, stop: int | None = None
    ) -> npt.NDArray[np.bool_] | npt.NDArray[np.uint8]:
        """Read spikes bin by bin.

        Parameters
        ----------
        layer : str
            Name of the layer.
        start, stop : int, optional
            Range of images; all by default.

        Returns
        -------
        ndarray of bool, shape (stop - start, n_hypotheses, n_time_steps, n_neurons)
            Bin t answers input bin t; of uint8, numbers of spikes, where a neuron can send several in a step.

        Raises
        ------
        ConfigurationError
            If only counts were recorded.
        """
        if self.header.kind != "spikes":
            raise ConfigurationError("this recording holds spike counts, not spikes; run again with --record spikes")
        kind = np.uint8 if self.header.max_spikes_per_step > 1 else np.bool_
        return np.asarray(self._file[f"layers/{layer}/spikes"][start:stop], dtype=kind)

    def state(self, variable: Literal["u", "v"], layer: str, start: int = 0, stop: int | None = None) -> Array:
        """Read the synaptic current or the membrane potential after each step.

        Parameters
        ----------
        variable : {"u", "v"}
            Which.
        layer : str
            Name of the layer.
        start, stop : int, optional
            Range of images; all by default.

        Returns
        -------
        ndarray of shape (stop - start, n_hypotheses, n_time_steps, n_neurons)
            In the units of the machine's arithmetic (1/64 of a weight unit in fixed point).

        Raises
        ------
        ConfigurationError
            If the states were not recorded.
        """
        if not self.header.states:
            raise ConfigurationError("this recording holds no states; run again asking for them")
        data: Array = self._file[f"layers/{layer}/{variable}"][start:stop]
        return data

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """Number of steps that were simulated, of shape (n_images, n_hypotheses); T where nothing was left out."""
        if not self.header.early_exit:
            shape = (self.header.n_images, self.header.n_hypotheses)
            return np.full(shape, self.header.n_time_steps, dtype=np.int64)
        return np.asarray(self._file["steps"], dtype=np.int64)

    @property
    def input_digests(self) -> npt.NDArray[np.uint8] | None:
        """Digest of the events of every image, of shape (n_images, 16); None if the machine noted none."""
        return np.asarray(self._file["inputs/digests"]) if "inputs" in self._file else None

    @property
    def input_events(self) -> npt.NDArray[np.int64] | None:
        """Number of input events of every image, over all hypotheses and steps; None if the machine noted none."""
        return np.asarray(self._file["inputs/n_events"]) if "inputs" in self._file else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


class RecordingWriter:
    """Writes a recording a chunk of images at a time; the file appears when all is written.

    Parameters
    ----------
    header : RecordingHeader
        What will be written.
    path : Path or str, optional
        Where; by default in memory.

    Examples
    --------
    >>> header = RecordingHeader({"layer_0_spikes": 2}, 1, 1, 4, "counts", "reference", "0", "fixed", 1e-4)
    >>> with RecordingWriter(header) as writer:
    ...     writer.write(0, {"layer_0_spikes": np.ones((1, 1, 4, 2), dtype=bool)})
    >>> writer.finish().counts("layer_0_spikes").tolist()
    [[[4, 4]]]
    """

    def __init__(self, header: RecordingHeader, path: Path | str | None = None) -> None:
        self.header = header
        self._path = None if path is None else Path(path)
        self._stack = ExitStack()
        self._file: h5py.File | None = None
        self._disk: SafeFile | None = None
        self._digests = np.zeros((header.n_images, DIGEST_BYTES), dtype=np.uint8)
        self._n_events = np.zeros(header.n_images, dtype=np.int64)
        self._noted = np.zeros(header.n_images, dtype=bool)

    def __enter__(self) -> "RecordingWriter":
        if self._path is None:
            # Held by HDF5 in memory; `finish` hands the same open file on.
            name = f"recording-{next(_memory_names)}"
            self._file = h5py.File(name, "w", driver="core", backing_store=False)
        else:
            temporary = self._stack.enter_context(atomic_path(self._path))
            self._disk = SafeFile(temporary)
            self._stack.callback(self._close_disk)
            self._file = h5py.File(self._disk, "w")
        self._prepare(self._file)
        return self

    def _close_disk(self) -> None:
        """Close HDF5 before the file under it, and say what the disk could not take."""
        if self._file is not None:
            self._file.close()
        if self._disk is not None:
            self._disk.close()
            self._disk.check()

    def _prepare(self, file: h5py.File) -> None:
        write_header(file, self.header)
        for path, shape in dataset_shapes(self.header).items():
            group, _, name = path.rpartition("/")
            dtype = self._dtype(name)
            # What holds every step is large.
            options = _compressed(shape, dtype) if len(shape) == 4 else {}
            file.require_group(f"/{group}").create_dataset(name, shape, dtype, **options)

    def _dtype(self, dataset: str) -> npt.DTypeLike:
        if dataset in ("u", "v"):
            return np.int32 if self.header.arithmetic == "fixed" else np.float64
        # Two bytes are needed by long presentations only, and compressing counts would take longer than simulating.
        one_byte = dataset == "spikes" or (dataset == "counts" and self.header.largest_count <= LARGEST_BYTE)
        return np.uint8 if one_byte else np.uint16

    def write(
        self,
        start: int,
        spikes: Mapping[str, Array],
        states: Mapping[str, Sequence[Array]] | None = None,
        steps: Array | None = None,
    ) -> None:
        """Write a chunk of images.

        Parameters
        ----------
        start : int
            Index of the first image of the chunk.
        spikes : mapping of str to ndarray
            For every layer, spikes of shape (n, n_hypotheses, n_time_steps, n_neurons), or counts of shape
            (n, n_hypotheses, n_neurons) if the recording is one of counts.
        states : mapping of str to (u, v), optional
            For every layer two arrays of shape (n, n_hypotheses, n_time_steps, n_neurons).
        steps : ndarray of int, shape (n, n_hypotheses), optional
            How many steps were simulated; needed if the machine could stop early.
        """
        if self._file is None:
            raise RuntimeError("a RecordingWriter is used inside a `with` block")
        for name, data in spikes.items():
            summed = self.header.kind == "counts" and data.ndim == 4
            values = data.sum(axis=2, dtype=np.uint16) if summed else data
            dataset = self._file[f"layers/{name}/{self.header.kind}"]
            # HDF5 converts types many times slower.
            dataset[start : start + len(data)] = values.astype(dataset.dtype, copy=False)
        for name, (u, v) in (states or {}).items():
            self._file[f"layers/{name}/u"][start : start + len(u)] = u
            self._file[f"layers/{name}/v"][start : start + len(v)] = v
        if self.header.early_exit:
            self._file["steps"][start : start + len(np.asarray(steps))] = steps
        if self._disk is not None:
            self._disk.check()

    def write_inputs(self, start: int, events: Array) -> None:
        """Note what a chunk of images was given, so that recordings of other input can be told apart.

        Parameters
        ----------
        start : int
            Index of the first image of the chunk.
        events : ndarray of shape (n, n_hypotheses, n_time_steps or 1, n_inputs)
            Input events as `InputSource.chunks` gives them.
        """
        self.note_inputs(start, digest_events(events), count_events(events, self.header.n_time_steps))

    def note_inputs(self, start: int, digests: npt.NDArray[np.uint8], n_events: npt.NDArray[np.int64]) -> None:
        """Note what a chunk of images was given, for those who digest and count it themselves.

        Several threads may do so at a time.

        Parameters
        ----------
        start : int
            Index of the first image of the chunk.
        digests : ndarray of uint8, shape (n, DIGEST_BYTES)
            As `ff2neuro.inputs.digest_events`.
        n_events : ndarray of int, shape (n,)
            As `ff2neuro.inputs.count_events`.
        """
        stop = start + len(digests)
        self._digests[start:stop] = digests
        self._n_events[start:stop] = n_events
        self._noted[start:stop] = True

    def _write_noted_inputs(self) -> None:
        if self._file is not None and self._noted.size and self._noted.all():
            self._file["inputs/digests"] = self._digests
            self._file["inputs/n_events"] = self._n_events

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write_noted_inputs()
        if kind is not None and self._path is None and self._file is not None:
            self._file.close()
        self._stack.__exit__(kind, error, trace)

    def finish(self) -> Recording:
        """Return the recording that was written.

        Returns
        -------
        Recording
            Open for reading; to be called after the ``with`` block.
        """
        if self._path is not None:
            return Recording.open(self._path)
        if self._file is None:
            raise RuntimeError("a RecordingWriter is used inside a `with` block")
        return Recording(self._file, self.header)


def _compressed(shape: tuple[int, ...], dtype: npt.DTypeLike) -> dict[str, Any]:
    """How h5py is to store data of shape (n_images, ...): compressed, several small images in a piece."""
    if 0 in shape:
        # An empty data set can have no chunks.
        return {}
    bytes_per_image = math.prod(shape[1:]) * np.dtype(dtype).itemsize
    n_images = max(1, min(shape[0], HDF5_CHUNK_BYTES // bytes_per_image))
    return {"chunks": (n_images, *shape[1:]), "compression": "lzf"}
