"""Downloading, against a server on this machine."""

import fcntl
import gzip
import hashlib
import os
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from ff2neuro.data import load_dataset, registry
from ff2neuro.data.download import cache_directory, fetch
from ff2neuro.errors import DatasetError, OutputError

RNG = np.random.default_rng(0)


def idx_gz(values: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(header + values.tobytes(), mtime=0)


CONTENT = {
    "train-images-idx3-ubyte.gz": idx_gz(RNG.integers(0, 256, (20, 9, 9), dtype=np.uint8)),
    "train-labels-idx1-ubyte.gz": idx_gz(np.arange(20, dtype=np.uint8) % 10),
    "t10k-images-idx3-ubyte.gz": idx_gz(RNG.integers(0, 256, (10, 9, 9), dtype=np.uint8)),
    "t10k-labels-idx1-ubyte.gz": idx_gz(np.arange(10, dtype=np.uint8)),
}
CHECKSUMS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}

#: The same in a process of its own: mirror and directory are its arguments.
FETCH = (
    "import sys; from pathlib import Path; from ff2neuro.data.download import fetch\n"
    f"fetch('mnist', {CHECKSUMS!r}, [sys.argv[1]], Path(sys.argv[2]))"
)


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT; the first part of the path says how well."""

    server: "Server"

    def do_GET(self) -> None:
        _, manner, name = self.path.split("/")
        self.server.requested.append(self.path)
        content = CONTENT[name]
        if manner == "absent":
            self.send_error(404)
            return
        if manner == "together":
            try:
                self.server.barrier.wait()
            except threading.BrokenBarrierError:
                return
        if manner == "altered":
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send_response(200)
        if manner == "labelled":
            self.send_header("Content-Encoding", "gzip" if "gzip" in self.headers["Accept-Encoding"] else "identity")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if manner == "cut" else content)

    def log_message(self, *args: object) -> None:
        """Keep stderr free for what the tests look at."""


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requested: list[str] = []
        self.barrier = threading.Barrier(2, timeout=30)

    def mirror(self, manner: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{manner}/"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def unreachable() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/"


def assert_whole(directory: Path) -> None:
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == CONTENT


def test_files_arrive_whole_and_readable_for_all(server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    paths = fetch("mnist", CHECKSUMS, [server.mirror("good")], tmp_path / "cache/mnist")
    assert paths == {name: tmp_path / "cache/mnist" / name for name in CONTENT}
    assert_whole(tmp_path / "cache/mnist")
    mask = os.umask(0)
    os.umask(mask)
    assert {path.stat().st_mode & 0o777 for path in paths.values()} == {0o666 & ~mask}
    out, err = capfd.readouterr()
    assert out == ""
    assert f"mnist: downloading {server.mirror('good')}train-labels-idx1-ubyte.gz" in err


def test_files_that_are_there_are_not_fetched_again(server: Server, tmp_path: Path):
    fetch("mnist", CHECKSUMS, [server.mirror("good")], tmp_path)
    server.requested.clear()
    fetch("mnist", CHECKSUMS, [server.mirror("good")], tmp_path)
    assert server.requested == []


def test_file_damaged_in_the_cache_is_fetched_again(server: Server, tmp_path: Path):
    fetch("mnist", CHECKSUMS, [server.mirror("good")], tmp_path)
    server.requested.clear()
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"half")
    fetch("mnist", CHECKSUMS, [server.mirror("good")], tmp_path)
    assert server.requested == ["/good/t10k-labels-idx1-ubyte.gz"]
    assert_whole(tmp_path)


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("cut", "the transfer broke off"),
        ("altered", "wrong checksum, [0-9]+ bytes came"),
        ("absent", "HTTP status 404"),
    ],
)
def test_faulty_mirror_gives_way_to_the_next_and_alone_leaves_nothing(server: Server, tmp_path: Path, manner, reason):
    faulty = server.mirror(manner)
    with pytest.raises(DatasetError, match=rf"{faulty}train-images-idx3-ubyte.gz \({reason}\).*FF2NEURO_DATA_DIR"):
        fetch("mnist", CHECKSUMS, [faulty], tmp_path)
    assert list(tmp_path.iterdir()) == []
    fetch("mnist", CHECKSUMS, [faulty, server.mirror("good")], tmp_path)
    assert_whole(tmp_path)


def test_unreachable_host_gives_way_to_the_next_and_alone_leaves_nothing(
    server: Server, tmp_path: Path, unreachable: str
):
    with pytest.raises(DatasetError, match=rf"tried {unreachable}\S+ \(the host cannot be reached\)"):
        fetch("mnist", CHECKSUMS, [unreachable], tmp_path)
    assert list(tmp_path.iterdir()) == []
    fetch("mnist", CHECKSUMS, [unreachable, server.mirror("good")], tmp_path)
    assert_whole(tmp_path)


def test_failure_of_all_mirrors_lists_each_and_says_what_to_do(server: Server, tmp_path: Path, unreachable: str):
    mirrors = [unreachable, server.mirror("cut"), server.mirror("absent")]
    with pytest.raises(DatasetError) as raised:
        fetch("kmnist", CHECKSUMS, mirrors, tmp_path)
    message = str(raised.value)
    assert all(mirror in message for mirror in mirrors)
    assert "put the files of kmnist into a directory kmnist/ and name its parent in FF2NEURO_DATA_DIR" in message


def test_mirror_that_does_not_answer_is_given_up(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ff2neuro.data.download.TIMEOUT", 0.2)
    with pytest.raises(DatasetError, match=r"no answer within 0\.2 s"):
        fetch("mnist", CHECKSUMS, [server.mirror("together")], tmp_path)
    server.barrier.abort()
    assert list(tmp_path.iterdir()) == []


def test_mirror_that_labels_the_files_as_compressed_transfers_is_read(server: Server, tmp_path: Path):
    fetch("mnist", CHECKSUMS, [server.mirror("labelled")], tmp_path)
    assert_whole(tmp_path)


def test_two_processes_at_once_both_succeed(server: Server, tmp_path: Path):
    command = [sys.executable, "-c", FETCH, server.mirror("together"), str(tmp_path / "mnist")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    # The server answers a file only when both have asked for it: they did overlap.
    assert len(server.requested) == 2 * len(CONTENT)
    assert_whole(tmp_path / "mnist")


def test_interrupt_leaves_nothing_half_written(server: Server, tmp_path: Path):
    command = [sys.executable, "-c", FETCH, server.mirror("together"), str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not server.requested and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    process.send_signal(2)
    process.communicate(timeout=30)
    server.barrier.abort()
    assert process.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_said_and_leaves_nothing(server: Server, tmp_path: Path):
    # A limit on the size of files stands in for the full disk: writing fails in the same place.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    command = [sys.executable, "-c", limit + FETCH, server.mirror("good"), str(tmp_path)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60)
    assert "OutputError" in done.stderr
    assert "train-images-idx3-ubyte.gz could not be written" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert len(server.requested) == 1


def test_cache_that_cannot_be_made_is_refused_before_anything_is_asked_for(server: Server, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cache directory .*file/mnist cannot be made: .*FF2NEURO_CACHE_DIR"):
        fetch("mnist", CHECKSUMS, [server.mirror("good")], tmp_path / "file/mnist")
    assert server.requested == []


def test_progress_bar_shows_on_a_terminal(server: Server, tmp_path: Path):
    main, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    try:
        command = [sys.executable, "-c", FETCH, server.mirror("good"), str(tmp_path)]
        subprocess.run(command, stderr=terminal, check=True, timeout=60)
        assert b"B/s]" in os.read(main, 65536)
    finally:
        os.close(terminal)
        os.close(main)
    assert_whole(tmp_path)


def test_cache_directory_is_the_users_unless_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("FF2NEURO_CACHE_DIR", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.delenv("FF2NEURO_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_directory() == tmp_path / "home/ff2neuro"


def test_named_dataset_is_downloaded_once_into_the_cache(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("FF2NEURO_DATA_DIR", raising=False)
    monkeypatch.setenv("FF2NEURO_CACHE_DIR", str(tmp_path))
    # Only the addresses are ours; the real mirrors cannot be asked in a test.
    source = registry._IdxSource("KMNIST", (server.mirror("cut"), server.mirror("good")), CHECKSUMS)
    monkeypatch.setitem(registry._SOURCES, "kmnist", source)
    first = load_dataset("kmnist")
    assert (first.x_train.shape, first.image_shape, first.y_test.tolist()) == ((20, 81), (9, 9), list(range(10)))
    server.requested.clear()
    assert load_dataset("kmnist").checksum == first.checksum
    assert load_dataset("kmnist", download=False).checksum == first.checksum
    assert server.requested == []
    assert_whole(tmp_path / "kmnist")


@pytest.mark.parametrize("name", sorted(registry._SOURCES))
def test_every_source_has_mirrors_and_checksums_of_its_own(name):
    source = registry._SOURCES[name]
    assert len(source.mirrors) >= 2
    assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in source.mirrors)
    checksums = [checksum for other in registry._SOURCES.values() for checksum in other.checksums.values()]
    assert len(set(checksums)) == 4 * len(registry._SOURCES)
    assert all(len(bytes.fromhex(checksum)) == 32 for checksum in checksums)
