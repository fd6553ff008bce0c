"""The worker's side of the protocol: requests in, answers out, until told to exit or left alone."""

import os
import platform
import queue
import sys
import threading
import time
import traceback
from importlib.metadata import version
from typing import Any, BinaryIO

import numpy as np

from ff2neuro.hardware.lava_backend.worker.death_signal import end_forks_with_this
from ff2neuro.hardware.lava_backend.worker.protocol import PREFIX, PROTOCOL_VERSION, Frame, decode, encode, parse_prefix

__all__ = ["main"]

#: Seconds between two signs of life.
HEARTBEAT_INTERVAL = 0.5


def main() -> None:
    """Serve requests on standard input with answers on standard output."""
    requests, answers = _take_channels()
    channel = _Answers(answers)
    try:
        # Lava chooses how processes are started, and fails if anybody has touched multiprocessing before.
        from ff2neuro.hardware.lava_backend.worker.guard import end_group, report_exceptions
    except ImportError as error:
        channel.send({"op": "error", "kind": "import", "text": str(error)})
        channel.finish()
        return
    end_forks_with_this()
    report_exceptions()
    channel.send(
        {
            "op": "hello",
            "protocol": PROTOCOL_VERSION,
            "lava": version("lava-nc"),
            "python": platform.python_version(),
        }
    )
    inbox: queue.Queue[Frame] = queue.Queue(maxsize=2)
    threading.Thread(target=_receive, args=(requests, inbox, end_group), daemon=True).start()
    try:
        _serve(inbox, channel)
    except BaseException:
        channel.send({"op": "error", "kind": "exception", "text": traceback.format_exc()})
        channel.finish()
        # Lava hangs at exit after an error.
        end_group()


class _Answers:
    """Writes frames, and a sign of life now and then, while the simulation goes on."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._last = time.monotonic()
        # Never long: the other side sends no more chunks than it takes answers.
        self._outbox: queue.SimpleQueue[list[memoryview] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        for buffers in iter(self._outbox.get, None):
            for buffer in buffers:
                self._stream.write(buffer)
            self._stream.flush()

    def send(self, message: dict[str, Any], arrays: dict[str, Any] | None = None) -> None:
        self._outbox.put(encode(message, arrays))
        self._last = time.monotonic()

    def finish(self) -> None:
        """Wait until all has been written."""
        self._outbox.put(None)
        self._thread.join()

    def started(self, segments: list[str]) -> None:
        """Name the shared memory that somebody has to remove if this program cannot."""
        self.send({"op": "started", "segments": segments})

    def heartbeat(self) -> None:
        """Send a sign of life, unless there was one a moment ago."""
        if time.monotonic() - self._last > HEARTBEAT_INTERVAL:
            self.send({"op": "progress"})


def _take_channels() -> tuple[BinaryIO, BinaryIO]:
    """Keep the two pipes for frames and give everybody else, Lava included, the log and no input."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout.flush()
    os.dup2(2, 1)
    return requests, answers


def _receive(stream: BinaryIO, inbox: "queue.Queue[Frame]", end_group: Any) -> None:
    """Read requests; end everything when the other side is gone."""
    try:
        while True:
            n_header, n_body = parse_prefix(_read_exactly(stream, PREFIX.size))
            inbox.put(decode(_read_exactly(stream, n_header), _read_exactly(stream, n_body)))
    except BaseException:
        traceback.print_exc()
    end_group()


def _read_exactly(stream: BinaryIO, n_bytes: int) -> bytes:
    content = stream.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError("the main program has closed its end")
    return content


def _serve(inbox: "queue.Queue[Frame]", channel: _Answers) -> None:
    """Answer requests until one says exit."""
    from ff2neuro.hardware.lava_backend.worker.simulation import Simulation

    simulation: Simulation | None = None
    while True:
        try:
            # With nothing more to feed, what is under way has to be pushed out.
            message, arrays = inbox.get(block=simulation is None or not simulation.pending)
        except queue.Empty:
            message, arrays = {"op": "flush"}, {}
        if message["op"] in ("build", "exit") and simulation is not None:
            simulation.stop()
            simulation = None
        if message["op"] == "exit":
            return
        if message["op"] == "build":
            simulation = Simulation(_network_spec(message, arrays), message["record"], message["states"], channel)
            channel.send({"op": "built"})
        elif simulation is not None:
            feeding = message["op"] == "feed"
            answers = simulation.feed(message["id"], arrays["windows"]) if feeding else simulation.flush()
            for identity, answer in answers:
                channel.send({"op": "window", "id": identity}, answer)


def _network_spec(message: dict[str, Any], arrays: dict[str, Any]) -> Any:
    from ff2neuro.hardware.lava_backend.worker.network import LayerSpec, NetworkSpec

    layers = tuple(
        LayerSpec(
            weight=arrays[f"weight_{index}"].astype(np.int32),
            vth=arrays[f"vth_{index}"],
            bias=arrays[f"bias_{index}"],
            v_init=arrays[f"v_init_{index}"],
            mem_leak=int(layer["mem_leak"]),
            syn_leak=int(layer["syn_leak"]),
        )
        for index, layer in enumerate(message["layers"])
    )
    return NetworkSpec(
        layers,
        n_time_steps=int(message["n_time_steps"]),
        lanes=int(message["lanes"]),
        reset=str(message["reset"]),
        max_spikes_per_step=int(message["max_spikes_per_step"]),
    )
