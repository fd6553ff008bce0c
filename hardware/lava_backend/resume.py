"""Finished chunks on disk, so that a run which was stopped goes on where it stopped.

A chunk is found again by what it was made of: the network and the input of the chunk, hashed. Nothing that has changed
since is ever used.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.files import write_bytes

__all__ = ["ChunkStore", "go_on"]

Arrays = Mapping[str, npt.NDArray[Any]]
Chunk = tuple[int, dict[str, npt.NDArray[Any]]]
Simulate = Callable[[Iterable[tuple[int, npt.NDArray[Any]]]], Iterator[Chunk]]


class ChunkStore:
    """Chunks of a run, in a hidden directory beside its recording.

    Parameters
    ----------
    recording : Path
        File that the run is to write.
    message, arrays
        Network as it is described to the worker.
    version : str
        Version of Lava.
    """

    def __init__(self, recording: Path, message: Mapping[str, Any], arrays: Arrays, version: str) -> None:
        self._directory = recording.with_name(f".{recording.name}.chunks")
        self._network = hashlib.sha256(json.dumps([message, version], sort_keys=True).encode())
        for array in arrays.values():
            _add(self._network, array)

    def key(self, windows: npt.NDArray[Any]) -> str:
        """Return the name of a chunk with this input."""
        digest = self._network.copy()
        _add(digest, windows)
        return digest.hexdigest()

    def load(self, key: str) -> dict[str, npt.NDArray[Any]] | None:
        """Return what all layers did in a chunk, or None if that is not known."""
        try:
            with np.load(self._directory / f"{key}.npz", allow_pickle=False) as stored:
                return {name: stored[name] for name in stored}
        except (OSError, ValueError, EOFError):
            return None

    def save(self, key: str, answer: Arrays) -> None:
        """Keep a finished chunk.

        Raises
        ------
        OutputError
            If the disk is full or cannot be written.
        """
        self._directory.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        np.savez(buffer, **answer)  # type: ignore[arg-type]
        write_bytes(self._directory / f"{key}.npz", buffer.getvalue())

    def clear(self) -> None:
        """Remove all chunks: the recording has them, or never will."""
        shutil.rmtree(self._directory, ignore_errors=True)


def go_on(
    store: ChunkStore | None, chunks: Iterable[tuple[int, npt.NDArray[Any]]], simulate: Simulate
) -> Iterator[Chunk]:
    """Simulate the chunks that are not in the store, and keep them there.

    Parameters
    ----------
    store : ChunkStore or None
        Finished chunks; without one, all are simulated.
    chunks : iterable of (int, ndarray)
        Identity and input of each.
    simulate : callable
        As `ff2neuro.hardware.lava_backend.pool.WorkerPool.map`.

    Yields
    ------
    identity : int
        In no particular order.
    answer : dict of str to ndarray
        What all layers did.
    """
    keys: dict[int, str] = {}
    known: list[Chunk] = []

    def missing() -> Iterator[tuple[int, npt.NDArray[Any]]]:
        for identity, windows in chunks:
            if store is not None:
                keys[identity] = store.key(windows)
                answer = store.load(keys[identity])
                if answer is not None:
                    known.append((identity, answer))
                    continue
            yield identity, windows

    for identity, answer in simulate(missing()):
        if store is not None:
            store.save(keys[identity], answer)
        yield identity, answer
        while known:
            yield known.pop()
    while known:
        yield known.pop()


def _add(digest: Any, array: npt.NDArray[Any]) -> None:
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
