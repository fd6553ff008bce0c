"""A backend spread over processes or a cluster: each shard of images is a run of its own, on a machine of its own.

The shards are independent, since every presentation starts from rest and every event is made before it is sent; so
the recording is the same whatever their number, size or order. Finished shards are kept until the whole recording is
written: a run that was interrupted goes on where it stopped.
"""

import hashlib
import io
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from ff2neuro.errors import BackendError, BackendMissingError, ConfigurationError
from ff2neuro.files import write_bytes
from ff2neuro.hardware.backend import Backend, RunConfig, get_backend
from ff2neuro.inputs import InputSource
from ff2neuro.progress import progress_bar
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter

__all__ = ["ShardedBackend"]

Array = npt.NDArray[Any]

#: Images in a shard: enough that starting a machine costs little beside the run.
IMAGES_PER_SHARD = 200
#: Shards that are under way for each worker: one at work, one waiting.
IN_FLIGHT = 2


@dataclass(frozen=True, eq=False)
class _Shard:
    """What a worker is sent.

    Attributes
    ----------
    backend : str
        Name of the machine.
    version : str
        Its version: what another one did is not used.
    settings : dict of str to int
        Its settings.
    graph : bytes
        A NIR file.
    source : dict
        Fields of the input source but the last.
    events : ndarray
        What that source reads.
    config : RunConfig
        What the graph does not say.
    """

    backend: str
    version: str
    settings: dict[str, int]
    graph: bytes
    source: dict[str, Any]
    events: Array
    config: RunConfig

    @property
    def key(self) -> str:
        """Name under which the outcome is kept: a hash of all that it depends on."""
        fields = asdict(replace(self.config, v_init={}))
        parts = self.backend, self.version, *(sorted(part.items()) for part in (self.settings, self.source, fields))
        digest = hashlib.sha256(repr(parts).encode())
        digest.update(self.graph)
        for array in (self.events, *(self.config.v_init[name] for name in sorted(self.config.v_init))):
            digest.update(repr((array.dtype.str, array.shape)).encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


class ShardedBackend(Backend):
    """Runs another backend on shards of the images, over a Dask cluster.

    Parameters
    ----------
    name : str
        The backend; it must be there wherever a worker is.
    processes : int, optional
        Number of processes of this computer; by default one for each core.
    scheduler : str, optional
        Address of a running Dask scheduler, whose workers are used instead.
    shard_images : int
        Images in a shard.
    settings : mapping of str to int, optional
        Settings of the backend, as `get_backend` takes them.
    store : Path, optional
        Directory that keeps finished shards until a run is through; by default a hidden one beside the recording.

    Raises
    ------
    ConfigurationError
        If a number is below 1, both processes and a scheduler are given, or there is no such backend.
    BackendMissingError
        If dask.distributed is not installed.
    """

    def __init__(
        self,
        name: str,
        processes: int | None = None,
        scheduler: str | None = None,
        shard_images: int = IMAGES_PER_SHARD,
        settings: Mapping[str, int] | None = None,
        store: Path | None = None,
    ) -> None:
        for what, number in (("processes", processes), ("images in a shard", shard_images)):
            if number is not None and number < 1:
                raise ConfigurationError(f"the number of {what} is {number}; it must be at least 1")
        if processes is not None and scheduler is not None:
            raise ConfigurationError(
                f"{processes} processes and the scheduler {scheduler} exclude each other; give one"
            )
        _dask()
        self._settings = dict(settings or {})
        self._machine = get_backend(name, **self._settings)
        self.name = name
        self._processes, self._scheduler, self._shard_images = processes, scheduler, shard_images
        self._store = store
        self._stack: ExitStack | None = None
        self._client: Any = None

    @property
    def version(self) -> str:
        """Version of the machine."""
        return self._machine.version

    def __enter__(self) -> "ShardedBackend":
        """Start the cluster, or connect to one, for several runs."""
        dask = _dask()
        with ExitStack() as stack:
            if self._scheduler is None:
                cluster = dask.LocalCluster(n_workers=self._processes, threads_per_worker=1, dashboard_address=None)
                self._client = stack.enter_context(dask.Client(stack.enter_context(cluster)))
            else:
                try:
                    self._client = stack.enter_context(dask.Client(self._scheduler, timeout=10))
                except (OSError, ValueError) as error:
                    raise BackendError(
                        f"no Dask scheduler answers at {self._scheduler}: {error}; start one, or use --processes"
                    ) from error
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stack, self._stack, self._client = self._stack, None, None
        if stack is not None:
            stack.close()

    def run(
        self, graph: nir.NIRGraph, inputs: InputSource, config: RunConfig | None = None, out: Path | None = None
    ) -> Recording:
        """Run every presentation through the graph; see `Backend.run`.

        Finished shards are kept, beside `out` if nowhere else, until all are: the same run, started again, goes on.

        Raises
        ------
        BackendError
            If a worker is lost, again and again.
        ConfigurationError
            If an early exit is asked for.
        """
        if config is not None and config.early_exit is not None:
            raise ConfigurationError("an early exit does not run in shards; leave --processes and --scheduler out")
        if self._client is None:
            with self:
                return self.run(graph, inputs, config, out)
        if inputs.n_images == 0:
            return self._machine.run(graph, inputs, config, out)
        store = self._store or (None if out is None else out.with_name(f".{out.name}.shards"))
        shards = self._shards(graph, inputs, config or RunConfig())
        with ExitStack() as stack:
            bar = stack.enter_context(progress_bar(f"{self.name} in shards", inputs.n_images, "images"))
            writer: RecordingWriter | None = None
            for start, events, outcome in self._outcomes(shards, store):
                if writer is None:
                    header = replace(_header(outcome), n_images=inputs.n_images)
                    writer = stack.enter_context(RecordingWriter(header, out))
                writer.write_inputs(start, events)
                _write(writer, start, outcome)
                bar.advance(len(events))
        assert writer is not None
        if store is not None:
            shutil.rmtree(store, ignore_errors=True)
        return writer.finish()

    def _shards(self, graph: nir.NIRGraph, inputs: InputSource, config: RunConfig) -> Iterator[tuple[int, _Shard]]:
        content = io.BytesIO()
        nir.write(content, graph)
        for start, events in inputs.chunks(self._shard_images):
            source = {
                "n_images": len(events),
                "n_hypotheses": inputs.n_hypotheses,
                "n_time_steps": inputs.n_time_steps,
                "n_inputs": inputs.n_inputs,
                "constant": inputs.constant,
                # Of the whole input: all shards use the same arithmetic.
                "integer": inputs.integer,
            }
            yield start, _Shard(self.name, self.version, self._settings, content.getvalue(), source, events, config)

    def _outcomes(
        self, shards: Iterator[tuple[int, _Shard]], store: Path | None
    ) -> Iterator[tuple[int, Array, dict[str, Array]]]:
        """Run shards and yield what came out, in their order: the same file whatever worker is done first."""
        most = IN_FLIGHT * max(1, len(self._client.scheduler_info()["workers"]))
        under_way: deque[tuple[int, _Shard, Any]] = deque()
        for start, shard in shards:
            known = None if store is None else _load(store / f"{shard.key}.npz")
            future = known if known is not None else self._client.submit(_run_shard, shard, pure=False)
            under_way.append((start, shard, future))
            if len(under_way) == most:
                yield _finished(*under_way.popleft(), store)
        while under_way:
            yield _finished(*under_way.popleft(), store)


def _dask() -> Any:
    """Import dask.distributed, which carries no types."""
    try:
        return import_module("distributed")
    except ImportError as error:
        raise BackendMissingError(
            "shards need dask.distributed, which is not installed; install it: pip install 'ff2neuro[cluster]'"
        ) from error


def _finished(start: int, shard: _Shard, future: Any, store: Path | None) -> tuple[int, Array, dict[str, Array]]:
    """Wait for a shard and keep what came out."""
    if isinstance(future, dict):
        return start, shard.events, future
    try:
        outcome: dict[str, Array] = future.result()
    except _dask().KilledWorker as error:
        raise BackendError(
            f"workers were lost over the images from {start} on: {error}; give them more memory, or run again: "
            "finished shards are kept"
        ) from error
    if store is not None:
        store.mkdir(exist_ok=True)
        content = io.BytesIO()
        np.savez(content, **outcome)  # type: ignore[arg-type]
        write_bytes(store / f"{shard.key}.npz", content.getvalue())
    return start, shard.events, outcome


def _load(path: Path) -> dict[str, Array] | None:
    """Return what is kept of a shard; None if nothing is, or not all of it."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored}
    except (OSError, ValueError, EOFError):
        return None


def _run_shard(shard: _Shard) -> dict[str, Array]:
    """Run a shard on a worker."""
    graph = nir.read(io.BytesIO(shard.graph), type_check=False)
    source = InputSource(**shard.source, read=lambda start, stop: shard.events[start:stop])
    with get_backend(shard.backend, **shard.settings) as machine, machine.run(graph, source, shard.config) as recording:
        header = recording.header
        outcome: dict[str, Array] = {"header": np.array(_header_fields(header), dtype=np.str_)}
        for index, name in enumerate(header.layers):
            kept = recording.spikes(name) if header.kind == "spikes" else recording.counts(name)
            outcome[f"spikes_{index}"] = kept
            if header.states:
                outcome[f"u_{index}"], outcome[f"v_{index}"] = recording.state("u", name), recording.state("v", name)
    return outcome


def _header_fields(header: RecordingHeader) -> list[str]:
    layers = [part for name, size in header.layers.items() for part in (name, str(size))]
    sizes = [str(size) for size in (header.n_images, header.n_hypotheses, header.n_time_steps)]
    sizes.append(str(header.max_spikes_per_step))
    machine = [header.kind, header.backend, header.backend_version, header.arithmetic]
    return [*sizes, *machine, repr(header.dt), str(int(header.states)), *layers]


def _header(outcome: dict[str, Array]) -> RecordingHeader:
    fields = [str(field) for field in outcome["header"]]
    sizes, machine, rest, layers = fields[:4], fields[4:8], fields[8:10], fields[10:]
    return RecordingHeader(
        layers={name: int(size) for name, size in zip(layers[::2], layers[1::2], strict=True)},
        n_images=int(sizes[0]),
        n_hypotheses=int(sizes[1]),
        n_time_steps=int(sizes[2]),
        kind="spikes" if machine[0] == "spikes" else "counts",
        backend=machine[1],
        backend_version=machine[2],
        arithmetic=machine[3],
        dt=float(rest[0]),
        states=rest[1] == "1",
        max_spikes_per_step=int(sizes[3]),
    )


def _write(writer: RecordingWriter, start: int, outcome: dict[str, Array]) -> None:
    names = list(writer.header.layers)
    spikes = {name: outcome[f"spikes_{index}"] for index, name in enumerate(names)}
    states = {
        name: (outcome[f"u_{index}"], outcome[f"v_{index}"]) for index, name in enumerate(names) if writer.header.states
    }
    writer.write(start, spikes, states)
