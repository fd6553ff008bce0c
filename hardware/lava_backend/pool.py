"""Several workers with the same network, each with a chunk or two under way."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy.typing as npt

from ff2neuro.errors import BackendError
from ff2neuro.hardware.lava_backend.worker_process import START_LIMIT, WorkerProcess

__all__ = ["WorkerPool"]

Arrays = dict[str, npt.NDArray[Any]]

#: Chunks per worker that are sent ahead: one is simulated while the next is on its way.
IN_FLIGHT = 2


class WorkerPool:
    """Workers, started together and ended together.

    Parameters
    ----------
    python : str
        Interpreter that has Lava.
    n_workers : int
        Number of workers.
    time_limit : float, optional
        As for `WorkerProcess`.

    Raises
    ------
    BackendError
        If one does not start.
    """

    def __init__(self, python: str, n_workers: int, time_limit: float | None = None) -> None:
        self.workers: list[WorkerProcess] = []
        try:
            for _ in range(n_workers):
                self.workers.append(WorkerProcess(python, time_limit))
        except BaseException:
            self.kill()
            raise

    @property
    def version(self) -> str:
        """Version of Lava that the workers run."""
        return str(self.workers[0].hello["lava"])

    def build(self, message: Mapping[str, Any], arrays: Arrays) -> None:
        """Build the same network in every worker.

        Parameters
        ----------
        message, arrays
            The request ``build``.

        Raises
        ------
        BackendError
            If Lava fails.
        """
        for worker in self.workers:
            worker.send(message, arrays)
        for worker in self.workers:
            worker.receive(at_least=START_LIMIT)

    def map(self, chunks: Iterable[tuple[int, npt.NDArray[Any]]]) -> Iterator[tuple[int, Arrays]]:
        """Simulate chunks.

        Parameters
        ----------
        chunks : iterable of (int, ndarray)
            Identity and windows of each; taken as workers come free.

        Yields
        ------
        identity : int
            In the order of `chunks`.
        answer : dict of str to ndarray
            What all layers did.

        Raises
        ------
        BackendError
            If Lava fails.
        """
        under_way: deque[tuple[int, WorkerProcess]] = deque()
        for number, (identity, windows) in enumerate(chunks):
            worker = self.workers[number % len(self.workers)]
            if len(under_way) == IN_FLIGHT * len(self.workers):
                yield _answer(*under_way.popleft())
            worker.send({"op": "feed", "id": identity}, {"windows": windows})
            under_way.append((identity, worker))
        while under_way:
            yield _answer(*under_way.popleft())

    def stop(self) -> None:
        """End all workers in order."""
        for worker in self.workers:
            with suppress(BackendError):
                worker.stop()

    def kill(self) -> None:
        """End all workers at once."""
        for worker in self.workers:
            worker.kill()


def _answer(identity: int, worker: WorkerProcess) -> tuple[int, Arrays]:
    message, arrays = worker.receive()
    if message["op"] != "window" or message.get("id") != identity:
        worker.kill()
        raise BackendError(f"Lava's worker answered {message} when asked for chunk {identity}; run again")
    return identity, arrays
