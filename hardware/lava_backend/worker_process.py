"""The worker as the main program sees it: started, spoken to, and ended for certain."""

import os
import select
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ff2neuro.errors import BackendError
from ff2neuro.hardware.lava_backend.environment import LAVA
from ff2neuro.hardware.lava_backend.process_group import ProcessGroup
from ff2neuro.hardware.lava_backend.worker.protocol import (
    PREFIX,
    PROTOCOL_VERSION,
    Frame,
    ProtocolError,
    decode,
    encode,
    parse_prefix,
)

__all__ = ["DEFAULT_TIME_LIMIT", "START_LIMIT", "WorkerProcess"]

SCRIPT = Path(__file__).parent / "worker" / "__main__.py"
#: Seconds without a sign of life after which Lava is given up.
DEFAULT_TIME_LIMIT = 60.0
#: Seconds for the interpreter to start and import Lava, and for Lava to start a network: long where a machine is busy.
START_LIMIT = 60.0
#: Seconds between two looks at whether the worker is still there.
POLL_INTERVAL = 0.2
#: Seconds for a clean stop.
EXIT_LIMIT = 5.0
#: Characters that Linux takes for the path of a socket, and those of the names that multiprocessing adds.
SOCKET_PATH_LIMIT, SOCKET_NAME_LENGTH = 107, len("/pymp-01234567/listener-01234567")
#: Lines of Lava's own words in an error.
LOG_LINES = 40


class WorkerProcess:
    """A worker, from start to end.

    Parameters
    ----------
    python : str
        Interpreter that has Lava.
    time_limit : float, optional
        Seconds without a sign of life after which the worker is given up and ended.
    script : Path, optional
        Program of the worker, ours by default.

    Raises
    ------
    BackendError
        If the worker does not start, or speaks another version of the protocol.
    """

    def __init__(self, python: str, time_limit: float | None = None, script: Path | None = None) -> None:
        self.set_time_limit(START_LIMIT)
        self._directory = tempfile.TemporaryDirectory(prefix="ff2neuro-lava-")
        self._log = Path(self._directory.name) / "log"
        try:
            self._process = self._spawn(python, script or SCRIPT)
        except OSError as error:
            self._directory.cleanup()
            raise BackendError(f"Lava's interpreter {python} cannot be started: {error}; install it again") from error
        self._group = ProcessGroup(self._process.pid)
        self._buffer = bytearray()
        self._ended = False
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self._requests, self._answers):
            os.set_blocking(pipe, False)
        try:
            self.hello = self._shake_hands()
        except BaseException:
            self.kill()
            raise
        self.set_time_limit(time_limit)

    def set_time_limit(self, time_limit: float | None) -> None:
        """Change the number of seconds without a sign of life after which the worker is given up."""
        self.time_limit = DEFAULT_TIME_LIMIT if time_limit is None else time_limit

    def _spawn(self, python: str, script: Path) -> "subprocess.Popen[bytes]":
        # One thread for BLAS: Lava runs a process per layer, and threads that wait by spinning would starve them.
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # The worker is killed with the thread that starts it, so that must not be one that ends before the program.
        lasting = threading.current_thread() is threading.main_thread()
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [python, str(script), *([str(os.getpid())] if lasting else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                # Lava leaves a log file where it stands.
                cwd=self._directory.name,
                env={**LAVA.variables(), **threads, "PYTHONUNBUFFERED": "1", "TMPDIR": self._socket_directory()},
                # Ctrl-C is for us alone; we end the worker in order.
                start_new_session=True,
            )

    def _socket_directory(self) -> str:
        """Where Lava's sockets lie: our directory, which goes whatever becomes of the worker, if its name is short."""
        fits = len(self._directory.name) + SOCKET_NAME_LENGTH <= SOCKET_PATH_LIMIT
        return self._directory.name if fits else "/tmp"

    def _shake_hands(self) -> dict[str, Any]:
        hello, _ = self.receive()
        if hello["op"] != "hello" or hello.get("protocol") != PROTOCOL_VERSION:
            raise BackendError(
                f"Lava's worker speaks protocol {hello.get('protocol')}, this version of ff2neuro speaks "
                f"{PROTOCOL_VERSION}; install ff2neuro again so that both parts are of one version"
            )
        return hello

    @property
    def pid(self) -> int:
        """Identity of the worker's main process, and of its process group."""
        return self._process.pid

    def send(self, message: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]] | None = None) -> None:
        """Send a request.

        Parameters
        ----------
        message, arrays
            As for `ff2neuro.hardware.lava_backend.worker.protocol.encode`.

        Raises
        ------
        BackendError
            If the worker dies or takes no byte within the time limit.
        """
        since = time.monotonic()
        for buffer in encode(message, arrays):
            sent = 0
            while sent < len(buffer):
                self._wait(since, self.time_limit, writing=True)
                sent += self._write(buffer[sent : sent + select.PIPE_BUF * 16])
                since = time.monotonic()

    def receive(self, at_least: float = 0.0) -> Frame:
        """Wait for the next answer; signs of life prolong the wait.

        Parameters
        ----------
        at_least : float
            Seconds to allow even where the time limit is shorter.

        Returns
        -------
        message : dict
            What the worker said.
        arrays : dict of str to ndarray
            What came with it.

        Raises
        ------
        BackendError
            If Lava raised, the worker died, or gave no sign of life within the time limit; with Lava's own words.
        """
        limit = max(self.time_limit, at_least)
        since = time.monotonic()
        while True:
            frame = self._next_frame()
            if frame is None:
                self._wait(since, limit, writing=False)
                self._read()
                continue
            since = time.monotonic()
            if frame[0]["op"] == "error":
                self._fail_with(str(frame[0].get("text", "")).strip())
            if not self._note(frame[0]):
                return frame

    def _note(self, message: Mapping[str, Any]) -> bool:
        """Take in what is no answer; return whether it was that."""
        if message["op"] == "started":
            self._group.claim(map(str, message.get("segments", ())))
        return message["op"] in ("started", "progress")

    def _next_frame(self) -> Frame | None:
        """Take a whole frame off the buffer, if there is one; end a worker that sends anything else."""
        try:
            return self._parse()
        except ProtocolError as error:
            self._buffer.clear()
            self.kill()
            raise BackendError(f"Lava's worker sent a corrupt answer ({error}); run again") from error

    def _parse(self) -> Frame | None:
        if len(self._buffer) < PREFIX.size:
            return None
        n_header, n_body = parse_prefix(bytes(self._buffer[: PREFIX.size]))
        end = PREFIX.size + n_header + n_body
        if len(self._buffer) < end:
            return None
        header = bytes(self._buffer[PREFIX.size : PREFIX.size + n_header])
        frame = decode(header, bytes(self._buffer[PREFIX.size + n_header : end]))
        del self._buffer[:end]
        return frame

    def _wait(self, since: float, limit: float, *, writing: bool) -> None:
        """Wait until a pipe is ready, the worker is lost, or more than `limit` seconds have gone."""
        while True:
            lost = self._process.poll() is not None
            ready_to_read, ready_to_write, _ = select.select(
                [self._answers], [self._requests] if writing else [], [], 0 if lost else POLL_INTERVAL
            )
            # What is said before the end is heard first.
            if ready_to_write or (ready_to_read and not writing):
                return
            if ready_to_read:
                self._read()
            if lost:
                self._fail_with(self._log_tail())
            if time.monotonic() - since > limit:
                self._fail_hung(limit)

    def _write(self, piece: memoryview) -> int:
        try:
            return os.write(self._requests, piece)
        except BlockingIOError:
            return 0
        except OSError:
            self._fail_with(self._log_tail())
            raise

    def _read(self) -> None:
        try:
            content = os.read(self._answers, 2**20)
        except BlockingIOError:
            return
        if not content:
            # Every process of the worker holds the other end: all of them are gone, or about to be.
            self._fail_with(self._log_tail())
        self._buffer += content

    def _log_tail(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        # Python's resource tracker announces what it is about to clean up.
        said = [line for line in lines if "resource_tracker" not in line and "warnings.warn" not in line]
        return "\n".join(said[-LOG_LINES:])

    def _fail_with(self, words: str) -> None:
        self.kill()
        code = self._process.returncode
        reason = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        raise BackendError(f"Lava's worker ended ({reason}); run again. Lava's own words:\n{words or '(none)'}")

    def _fail_hung(self, limit: float) -> None:
        words = self._log_tail()
        self.kill()
        raise BackendError(
            f"Lava gave no sign of life for {limit:g} s and was ended; run again, or allow more time with a "
            f"larger time limit. Lava's own words:\n{words or '(none)'}"
        )

    def _hear_last_words(self) -> None:
        """Take note of shared memory that the worker named and nobody has heard of yet."""
        with suppress(OSError):
            while content := os.read(self._answers, 2**20):
                self._buffer += content
        with suppress(ProtocolError):
            while frame := self._parse():
                self._note(frame[0])

    def stop(self) -> None:
        """End the worker in order, or by force if that takes too long."""
        if self._ended:
            return
        try:
            self.send({"op": "exit"})
            self._process.wait(EXIT_LIMIT)
        except (BackendError, subprocess.TimeoutExpired):
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """End the worker and every process that it started, and remove what they leave in shared memory."""
        if self._ended:
            return
        self._ended = True
        try:
            self._group.end()
            self._process.wait(EXIT_LIMIT)
            self._hear_last_words()
            self._group.remove_shared_memory()
        finally:
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._directory.cleanup()
