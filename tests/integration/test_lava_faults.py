"""Everything that Lava does wrong ends in an error within seconds, with no process and no shared memory left.

SOAK=20 in the environment repeats every fault twenty times (`make soak`).
"""

import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest

from ff2neuro.errors import BackendError, BackendMissingError, OutputError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.lava_backend import worker_process
from ff2neuro.hardware.lava_backend.backend import LavaBackend
from ff2neuro.hardware.lava_backend.environment import LAVA
from ff2neuro.hardware.lava_backend.process_group import ProcessGroup
from ff2neuro.hardware.lava_backend.worker.protocol import encode
from ff2neuro.inputs import InputSource

pytestmark = [pytest.mark.lava, pytest.mark.usefixtures("lava")]

DT = 1e-4
T = 20
#: Seconds without a sign of life that these tests allow, and seconds in which everything has to be over.
TIME_LIMIT = 3.0
OVER = 15.0

repeated = pytest.mark.parametrize("repetition", range(int(os.environ.get("SOAK", "1"))))


def shared_memory():
    return {path.name for path in Path("/dev/shm").glob("psm_*")}


def abandoned(segments):
    """Those that no living process has mapped: other programs on this machine may use shared memory as well."""
    mapped = ""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            mapped += maps.read_text()
    return {name for name in segments & shared_memory() if name not in mapped}


@pytest.fixture(autouse=True)
def nothing_left():
    before = shared_memory()
    yield
    deadline = time.monotonic() + 5
    while (left := abandoned(shared_memory() - before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == set()


@pytest.fixture
def graph():
    nodes = {"input": nir.Input({"input": np.array([6])})}
    for index, n_in in enumerate((6, 5)):
        ones = np.ones(5)
        nodes[f"layer_{index}_linear"] = nir.Linear(np.full((5, n_in), 10.0))
        nodes[f"layer_{index}_spikes"] = nir.CubaLIF(
            tau_syn=DT * ones, tau_mem=2.0**30 * DT * ones, r=2.0**30 * ones, v_leak=0 * ones,
            v_threshold=25.5 * ones, v_reset=0 * ones, w_in=ones,
        )  # fmt: skip
    nodes["output"] = nir.Output({"output": np.array([5])})
    return nir.NIRGraph(nodes, list(pairwise(nodes)))


def inputs_with(sabotage, at=3, n_images=400):
    """Input of eight chunks or more; `sabotage` is called once, when number `at` is asked for and two are under way."""
    asked = []

    def read(start, stop):
        asked.append(start)
        if len(asked) == at:
            sabotage()
        # Enough for a spike at every step, and different in every chunk.
        return np.full((stop - start, 1, 1, 6), 1 + start // 50, dtype=np.uint8)

    return InputSource(n_images, 1, T, 6, constant=True, integer=True, read=read)


def processes_of(machine):
    (worker,) = machine._pool.workers
    return worker.pid, ProcessGroup(worker.pid)


def fail(machine, graph, sabotage, match):
    """Run with a sabotage, expect an error in time and no process left."""
    groups = []

    def act():
        pid, group = processes_of(machine)
        groups.append(group)
        sabotage(pid, group.members())

    start = time.monotonic()
    # So many images that the run cannot end well before the loss is seen.
    with pytest.raises(BackendError, match=match):
        machine.run(graph, inputs_with(act, n_images=10_000), RunConfig(time_limit=TIME_LIMIT))
    assert time.monotonic() - start < OVER
    assert groups
    assert groups[0].members() == []


@pytest.fixture(params=[1, 5], ids=["official", "lanes"])
def machine(request, monkeypatch):
    monkeypatch.setattr("ff2neuro.hardware.lava_backend.chunks.OFFICIAL_CHUNK_STEPS", 200)
    with LavaBackend(lanes=request.param) as backend:
        yield backend


def kill_worker(pid, members):
    os.kill(pid, signal.SIGKILL)


def kill_child(pid, members):
    os.kill(max(members), signal.SIGKILL)


def is_tracker(pid):
    return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()


def kill_manager(pid, members):
    """The shared-memory manager is the first process that Lava forks."""
    os.kill(min(member for member in members if member != pid and not is_tracker(member)), signal.SIGKILL)


def kill_tracker_and_worker(pid, members):
    """Without Python's resource tracker nobody but us removes the shared memory."""
    for member in members:
        if is_tracker(member) or member == pid:
            os.kill(member, signal.SIGKILL)


def stop_worker(pid, members):
    os.kill(pid, signal.SIGSTOP)


def stop_child(pid, members):
    os.kill(max(members), signal.SIGSTOP)


@repeated
@pytest.mark.parametrize(
    ("sabotage", "match"),
    [
        (kill_worker, r"Lava's worker ended \(signal 9\); run again"),
        (stop_worker, "Lava gave no sign of life for 3 s and was ended; run again, or allow more time"),
    ],
)
def test_lost_worker_is_an_error(machine, graph, sabotage, match, repetition):
    fail(machine, graph, sabotage, match)


@repeated
@pytest.mark.parametrize(
    ("sabotage", "match"),
    [
        (kill_child, r"Lava process (\w+ \(Process_\d+\)|runtime service) ended in the middle of a run"),
        (kill_manager, r"Lava process shared-memory manager ended in the middle of a run"),
        (kill_tracker_and_worker, r"ended \(signal 9\)"),
        (stop_child, "no sign of life for 3 s"),
    ],
)
def test_lost_lava_process_is_an_error(graph, sabotage, match, repetition):
    with LavaBackend(lanes=5) as machine:
        fail(machine, graph, sabotage, match)


@pytest.fixture
def stopped_run(graph, tmp_path):
    """A run on disk whose worker was killed after some chunks were finished; its recording and its machine."""
    path = tmp_path / "recording.h5"
    with LavaBackend(lanes=5) as machine:
        inputs = inputs_with(lambda: os.kill(processes_of(machine)[0], signal.SIGKILL), at=6)
        with pytest.raises(BackendError, match="signal 9"):
            machine.run(graph, inputs, RunConfig(time_limit=TIME_LIMIT), path)
        assert not path.exists()
        yield path, machine


def test_stopped_run_goes_on_with_the_chunks_that_it_has(stopped_run, graph):
    path, machine = stopped_run
    (directory,) = path.parent.iterdir()
    finished = sorted(directory.iterdir())
    assert len(finished) >= 3
    # What is found there is taken as it is: a mark left in a chunk shows in the recording.
    with np.load(finished[0]) as chunk:
        marked = {**chunk, "spikes_0": chunk["spikes_0"] + 100}
    np.savez(finished[0], **marked)
    with machine.run(graph, inputs_with(lambda: None), RunConfig(), path) as recording:
        counts = recording.counts("layer_0_spikes")
    assert (counts == T + 100).all(axis=(1, 2)).sum() == 50
    assert (counts[(counts < 100).all(axis=(1, 2))] == T).all()
    assert list(path.parent.iterdir()) == [path]


def test_stopped_run_does_not_go_on_with_chunks_of_another_network(stopped_run, graph):
    path, machine = stopped_run
    graph.nodes["layer_0_linear"].weight[:] = -1.0
    with machine.run(graph, inputs_with(lambda: None), RunConfig(), path) as recording:
        assert not recording.counts("layer_0_spikes").any()
    assert list(path.parent.iterdir()) == [path]


@repeated
def test_full_disk_is_an_error_and_ends_lava(graph, tmp_path, repetition):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    groups = []

    def fill():
        groups.append(processes_of(machine)[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))

    with LavaBackend(lanes=5) as machine:
        try:
            with pytest.raises(OutputError, match="could not be written: File too large; free some space"):
                machine.run(graph, inputs_with(fill), RunConfig(), tmp_path / "recording.h5")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert groups[0].members() == []
    assert not (tmp_path / "recording.h5").exists()


def test_machine_runs_again_after_an_error(graph):
    with LavaBackend(lanes=5) as machine:
        fail(machine, graph, kill_worker, "signal 9")
        recording = machine.run(graph, inputs_with(lambda: None))
        assert (recording.counts("layer_0_spikes") == T).all()


FAULTY_WORKER = """
import runpy
loader = runpy.run_path({script!r}, run_name="loader")
loader["_load"]()

def main():
    from ff2neuro.hardware.lava_backend.worker import service
    serve = service._serve

    def serve_badly(inbox, channel):
        {imports}
        run = {model}.run_spk

        def run_spk(self):
            if self.time_step == 300:
                {fault}
            run(self)

        {model}.run_spk = run_spk
        serve(inbox, channel)

    service._serve = serve_badly
    service.main()

main()
"""

MODELS = {
    "first": ("from lava.proc.io.injector import PyLoihiInjectorModel as model", "model"),
    "connection": (
        "from ff2neuro.hardware.lava_backend.worker.processes.models import LaneDenseModel as model",
        "model",
    ),
    "neurons": ("from lava.proc.lif.models import PyLifResetModelBitAcc as model", "model"),
    "last": ("from lava.proc.io.extractor import PyLoihiExtractorModel as model", "model"),
}


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """Return a function that puts a fault into one of Lava's own process models: everything else is the real thing."""

    def install(where, fault):
        imports, model = MODELS[where]
        script = tmp_path / "faulty.py"
        script.write_text(
            FAULTY_WORKER.format(script=str(worker_process.SCRIPT), imports=imports, model=model, fault=fault)
        )
        monkeypatch.setattr(worker_process, "SCRIPT", script)

    return install


@repeated
@pytest.mark.parametrize("where", MODELS)
def test_exception_inside_lava_is_reported_in_its_own_words(faulty, graph, where, repetition):
    faulty(where, "raise ArithmeticError('a fault of Lava')")
    with LavaBackend(lanes=5) as machine:
        fail(machine, graph, lambda pid, members: None, r"(?s)Lava's own words:.*ArithmeticError: a fault of Lava")


@repeated
@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ("import sys; sys.exit(3)", r"(?s)Lava's own words:.*SystemExit: 3"),
        ("import os; os._exit(3)", r"Lava process .* ended in the middle of a run"),
        ("while True: pass", "no sign of life for 3 s"),
        ("return", "no sign of life for 3 s"),
    ],
    ids=["sys.exit", "sudden-end", "endless-loop", "forgotten-message"],
)
def test_other_faults_inside_lava_end_too(faulty, graph, fault, match, repetition):
    faulty("neurons", fault)
    with LavaBackend(lanes=5) as machine:
        fail(machine, graph, lambda pid, members: None, match)


SCRIPTED_WORKER = """
import sys, time
sys.stdout.buffer.write({answer!r})
sys.stdout.flush()
sys.stdin.buffer.read()
"""


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (b"Segmentation fault, core dumped", "sent a corrupt answer .*; run again"),
        (b"FF2L\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00{]", "a header that cannot be read"),
        (
            b"".join(encode({"op": "hello", "protocol": 99})),
            "speaks protocol 99, this version of ff2neuro speaks 2; install ff2neuro again",
        ),
        (b"", "Lava gave no sign of life"),
    ],
    ids=["noise", "bad-header", "other-protocol", "silence"],
)
def test_worker_that_does_not_speak_the_protocol_is_refused(tmp_path, monkeypatch, answer, match):
    monkeypatch.setattr(worker_process, "START_LIMIT", 1.0)
    script = tmp_path / "worker.py"
    script.write_text(SCRIPTED_WORKER.format(answer=answer))
    with pytest.raises(BackendError, match=match):
        worker_process.WorkerProcess(sys.executable, script=script)


def test_worker_that_ends_at_once_is_an_error_with_its_words(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text("raise ImportError('no module named lava')")
    with pytest.raises(BackendError, match=r"(?s)ended \(exit code 1\).*ImportError: no module named lava"):
        worker_process.WorkerProcess(sys.executable, script=script)


def test_interpreter_without_lava_is_refused(monkeypatch, graph):
    monkeypatch.setenv(LAVA.python_variable, sys.executable)
    with pytest.raises(BackendMissingError, match=r"without lava-nc; install lava-nc 0\.10\.0 there, name another"):
        LavaBackend().run(graph, inputs_with(lambda: None))


LONG_RUN = """
import signal, sys
from ff2neuro.cli.main import main
# A shell that starts tests in the background makes them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# So few lanes, for a run of minutes.
main(["run", sys.argv[1], "--backend", "lava", "--lanes", "2", "--input", sys.argv[2], "--out", sys.argv[3]])
"""


@pytest.fixture
def temporary():
    """A directory for temporary files with a name that is short enough for sockets."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture
def long_run(tmp_path, temporary, graph):
    """A run on the command line that takes minutes, with Lava at work."""
    nir.write(str(tmp_path / "graph.nir"), graph)
    np.save(tmp_path / "events.npy", np.ones((40_000, 1, T, 6), dtype=np.uint8))
    arguments = [str(tmp_path / name) for name in ("graph.nir", "events.npy", "recording.h5")]
    before = set(descendants(os.getpid()))
    process = subprocess.Popen(
        [sys.executable, "-c", LONG_RUN, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    deadline = time.monotonic() + 60
    # The worker, Lava's manager, the tracker, a runtime service and six processes of the network.
    while len(set(descendants(process.pid))) < 9 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    yield process, sorted(set(descendants(process.pid)) - before)
    if process.poll() is None:
        process.kill()
    process.communicate()


def descendants(pid):
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    parents[int(entry.name)] = int(fields[1])
    found, front = [], [pid]
    while front:
        front = [child for child, parent in parents.items() if parent in front]
        found += front
    return found


def alive(pids):
    living = []
    for pid in pids:
        with suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                living.append(pid)
    return living


@repeated
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, None)],
    ids=["int", "kill", "term"],
)
def test_end_of_the_main_program_ends_lava(long_run, tmp_path, temporary, number, code, repetition):
    process, lava_processes = long_run
    process.send_signal(number)
    start = time.monotonic()
    _, err = process.communicate(timeout=OVER)
    while alive(lava_processes) and time.monotonic() - start < OVER:
        time.sleep(0.05)
    assert alive(lava_processes) == []
    assert code is None or process.returncode == code
    assert not (tmp_path / "recording.h5").exists()
    # Nobody is left to tidy up after a kill.
    assert number == signal.SIGKILL or not list(temporary.iterdir())
    assert "Traceback" not in err
    assert not re.search(r"resource_tracker", err)


def is_worker(pid):
    return b"lava_backend/worker/__main__.py" in Path(f"/proc/{pid}/cmdline").read_bytes()


def at_work(pid):
    """Whether a process has waited for others already, and so is past the very first thing after its fork."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1]) >= 3


@repeated
@pytest.mark.parametrize("who", ["worker", "child", "all"])
def test_end_of_the_main_program_ends_lava_even_where_it_is_stopped(long_run, who, repetition):
    """A stopped process does not see its pipe close. The tracker, which must remove the shared memory, goes on."""
    process, lava_processes = long_run
    working = [pid for pid in lava_processes if not is_tracker(pid)]
    deadline = time.monotonic() + 30
    # What Lava starts for a moment only has ended by then.
    while not all(map(at_work, working := alive(working))) and time.monotonic() < deadline:
        time.sleep(0.05)
    (worker,) = (pid for pid in working if pid == os.getsid(pid))
    assert is_worker(worker)
    for pid in {"worker": [worker], "child": [max(working)], "all": working}[who]:
        os.kill(pid, signal.SIGSTOP)
    process.kill()
    process.communicate(timeout=OVER)
    start = time.monotonic()
    while alive(lava_processes) and time.monotonic() - start < OVER:
        time.sleep(0.05)
    left = alive(lava_processes)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def test_worker_that_a_thread_started_outlives_the_thread(graph):
    """The signal that a parent's end sends comes at the end of the very thread that started the process."""
    with LavaBackend(lanes=5) as machine:
        thread = threading.Thread(target=machine.run, args=(graph, inputs_with(lambda: None)))
        thread.start()
        thread.join()
        (worker,) = machine._pool.workers
        recording = machine.run(graph, inputs_with(lambda: None))
        assert machine._pool.workers == [worker]
    assert (recording.counts("layer_0_spikes") == T).all()


def test_temporary_directory_with_a_long_name_is_no_hindrance(tmp_path, monkeypatch, graph):
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with LavaBackend(lanes=5) as machine, machine.run(graph, inputs_with(lambda: None)) as recording:
        assert recording.counts("layer_0_spikes").any()
