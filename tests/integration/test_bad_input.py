"""Bad input on the command line: exit code 2, a sentence with object, value, limit and advice, nothing half-written."""

import gzip
import re
import shutil
import subprocess
import sys

import h5py
import nir
import numpy as np
import pytest


def assert_refused(outcome, message, code=2):
    assert outcome.code == code, outcome.err
    assert re.search(message, outcome.err), outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


@pytest.fixture
def run(digits_run, tmp_path):
    """A run directory that may be damaged."""
    shutil.copytree(digits_run, tmp_path / "run")
    return tmp_path / "run"


def own_data(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.random((40, 6)),
        "y_train": np.arange(40) % 4,
        "x_test": rng.random((12, 6)),
        "y_test": np.arange(12) % 4,
    }
    np.savez(path, **{**arrays, **changes})
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "mnits"], r"mnits.*mnist"),
        (["--layers", "0"], r"layer.*0"),
        (["--layers", "-5"], r"-5"),
        (["--layers", "ten"], r"ten"),
        (["--layers", "201"], r"201 neurons; .* make it 202"),
        (["--epochs", "0"], r"epochs.*0"),
        (["--epochs", "-1"], r"epochs.*-1"),
        (["--batch-size", "0"], r"batch.size.*0"),
        (["--learning-rate", "nan"], r"learning.rate.*nan"),
        (["--label-code", "random", "--label-length", "2"], r"10 classes found no distinct label codes of 2 bits"),
        (["--config", "no-such-preset"], r"no-such-preset"),
        (["--no-such-option"], r"no-such-option"),
    ],
)
def test_training_refuses(ff2neuro, tmp_path, arguments, message):
    assert_refused(ff2neuro("train", *arguments, "--out", tmp_path / "run"), message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.arange(40) % 4 + 1}, r"y_train|label"),
        ({"y_train": np.array(["cat", "dog"] * 20)}, r"label"),
        ({"x_train": np.full((40, 6), np.nan)}, r"x_train.*NaN"),
        ({"x_test": np.full((12, 6), np.inf)}, r"x_test.*(NaN|inf)"),
        ({"x_train": np.zeros((0, 6)), "y_train": np.zeros(0, dtype=int)}, r"x_train has shape \(0, 6\).*at least one"),
        ({"x_test": np.zeros((12, 7))}, r"x_test|pixels"),
        ({"y_test": np.full(12, 9)}, r"y_test.*9"),
    ],
)
def test_own_data_that_make_no_sense_are_refused(ff2neuro, tmp_path, changes, message):
    data = own_data(tmp_path / "own.npz", **changes)
    assert_refused(ff2neuro("train", "--data", data, "--out", tmp_path / "run"), message)
    assert list(tmp_path.iterdir()) == [data]


def test_missing_and_truncated_idx_files_are_named(ff2neuro, tmp_path):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    images = np.zeros((3, 28, 28), dtype=np.uint8).tobytes()
    header = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in (3, 28, 28))
    arguments = ("train", "--dataset", "mnist", "--data-dir", tmp_path / "data", "--out", tmp_path / "run")
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images[:-10]))
    assert_refused(ff2neuro(*arguments), r"train-labels-idx1-ubyte")
    labels = bytes([0, 0, 8, 1]) + (3).to_bytes(4, "big") + bytes(3)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    assert_refused(ff2neuro(*arguments), r"train-images-idx3-ubyte\.gz.*(truncated|2342|2352)")
    assert not (tmp_path / "run").exists()


def test_foreign_directories_are_not_overwritten(ff2neuro, tmp_path, run):
    assert_refused(ff2neuro("train", "--epochs", "1", "--out", run), r"holds .*--force")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "model.h5").write_text("precious")
    assert_refused(ff2neuro("train", "--epochs", "1", "--out", foreign, "--force"), r"would be overwritten")
    assert (foreign / "model.h5").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], r"time steps is 0"),
        (["--steps", "-4"], r"time steps is -4"),
        (["--weight-bits", "9"], r"weight bits are 9"),
        (["--weight-bits", "many"], r"'many'"),
        (["--input-bits", "0"], r"input bits are 0"),
        (["--calibration", "0"], r"--calibration is 0"),
        (["--reset", "subtract"], r"--dialect native"),
        (["--dt", "0"], r"dt is 0"),
        (["--target", "onnx"], r"onnx"),
        (["--dataset", "mnist", "--data", "x.npz"], r"exclude each other"),
    ],
)
def test_export_refuses(ff2neuro, run, tmp_path, arguments, message):
    assert_refused(ff2neuro("export", run, *arguments, "--out", tmp_path / "new.nir"), message)
    assert not (tmp_path / "new.nir").exists()


def test_export_keeps_files_that_are_there(ff2neuro, run, tmp_path):
    there = tmp_path / "there.nir"
    there.write_text("precious")
    assert_refused(ff2neuro("export", run, "--out", there), r"exists already.*--force")
    assert there.read_text() == "precious"


def test_validate_needs_an_export(ff2neuro, run):
    (run / "network.nir").unlink()
    assert_refused(ff2neuro("validate", run), r"network\.nir does not exist; export the run first: ff2neuro export")


def test_export_needs_a_run(ff2neuro, tmp_path):
    assert_refused(ff2neuro("export", tmp_path / "none"), r"does not exist; train a network first")


def damage_weight(file):
    file["network/weights/0"][3, 4] = np.nan


def newer_format(file):
    file.attrs["format_version"] = 7


@pytest.mark.parametrize(
    ("damage", "message"),
    [(damage_weight, r"weight of layer 0 holds 1 values"), (newer_format, r"format 7.*upgrade ff2neuro")],
)
def test_damaged_models_are_refused_by_every_command(ff2neuro, run, damage, message):
    with h5py.File(run / "model.h5", "r+") as file:
        damage(file)
    for command in (["export", run], ["inspect", run], ["validate", run]):
        assert_refused(ff2neuro(*command), message)


def test_images_of_another_size_are_refused(ff2neuro, run, tmp_path):
    data = own_data(tmp_path / "own.npz")
    for command in (["export", run, "--data", data], ["validate", run, "--data", data]):
        assert_refused(ff2neuro(*command), r"6 pixels.*64")
    outcome = ff2neuro("run", run / "network.nir", "--data", data, "--out", tmp_path / "r.h5")
    assert_refused(outcome, r"6 pixels.*64")
    assert not (tmp_path / "r.h5").exists()


def cycle(file):
    edges = file["node/edges"][()].tolist()
    del file["node/edges"]
    file["node/edges"] = np.array([*edges, [b"layer_1_spikes", b"layer_0_linear"]], dtype="S16")


def unsupported(file):
    node = file["node/nodes/layer_0_spikes"]
    for key in list(node):
        del node[key]
    node["type"], node["threshold"] = "Threshold", np.ones(60)


def zero_tau(file):
    file["node/nodes/layer_0_spikes/tau_mem"][...] = 0


def wrong_bias(file):
    node = file["node/nodes/layer_0_linear"]
    del node["type"]
    node["type"], node["bias"] = "Affine", np.zeros(7)


def newer_nir(file):
    del file["version"]
    file["version"] = "9.0"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cycle, r"2 successors|cycle"),
        (unsupported, r"'layer_0_spikes'|does not fit the graph"),
        (zero_tau, r"'layer_0_spikes': tau_mem is 0.0 s"),
        (wrong_bias, r"bias has shape \(7,\)"),
        (newer_nir, r"nir 9\.0.*upgrade nir"),
    ],
)
def test_nir_files_that_cannot_be_honoured_are_refused(ff2neuro, run, tmp_path, damage, message):
    with h5py.File(run / "network.nir", "r+") as file:
        damage(file)
    assert_refused(ff2neuro("run", run / "network.nir", "--out", tmp_path / "r.h5"), message)
    assert_refused(ff2neuro("inspect", run / "network.nir"), message)
    assert not (tmp_path / "r.h5").exists()


def test_unsupported_node_is_named_without_our_group_too(ff2neuro, tmp_path):
    nodes = {
        "input": nir.Input({"input": np.array([2])}),
        "wait": nir.Delay(np.ones(2)),
        "output": nir.Output({"output": np.array([2])}),
    }
    nir.write(tmp_path / "delay.nir", nir.NIRGraph(nodes, [("input", "wait"), ("wait", "output")]))
    assert_refused(ff2neuro("inspect", tmp_path / "delay.nir"), r"'wait' is a Delay, which is not supported")


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all", None])
def test_files_that_are_not_nir_are_refused(ff2neuro, run, tmp_path, content):
    path = run / "network.nir"
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    assert_refused(ff2neuro("run", path, "--out", tmp_path / "r.h5"), r"cannot be read as HDF5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "0"], r"--samples is 0"),
        (["--samples", "361"], r"--samples is 361; there are 360"),
        (["--backend", "loihi3"], r"unknown backend 'loihi3'"),
        (["--input", "none.npy"], r"none\.npy does not exist"),
        (["--dt", "-1"], r"dt is -1"),
    ],
)
def test_run_refuses(ff2neuro, run, tmp_path, arguments, message):
    assert_refused(ff2neuro("run", run / "network.nir", *arguments, "--out", tmp_path / "r.h5"), message)
    assert not (tmp_path / "r.h5").exists()


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (np.zeros((2, 3)), r"must be numbers of shape"),
        (np.full((1, 4, 164), np.nan), r"NaN or infinite"),
        (np.zeros((1, 4, 9)), r"9 channels, the graph takes 164"),
        (np.array([[["a"]]]), r"must be numbers"),
    ],
)
def test_input_events_that_do_not_fit_are_refused(ff2neuro, run, tmp_path, events, message):
    np.save(tmp_path / "events.npy", events)
    arguments = ("--input", tmp_path / "events.npy", "--out", tmp_path / "r.h5")
    assert_refused(ff2neuro("run", run / "network.nir", *arguments), message)
    assert not (tmp_path / "r.h5").exists()


def test_input_beyond_the_range_of_lava_is_refused(ff2neuro, run, tmp_path):
    np.save(tmp_path / "events.npy", np.full((1, 4, 164), 100_000))
    arguments = ("--input", tmp_path / "events.npy", "--out", tmp_path / "r.h5")
    assert_refused(ff2neuro("run", run / "network.nir", *arguments), r"wrap around at 131072")
    assert not (tmp_path / "r.h5").exists()


def test_pickled_events_are_never_opened(ff2neuro, run, tmp_path):
    np.save(tmp_path / "events.npy", np.array([object()], dtype=object), allow_pickle=True)
    outcome = ff2neuro("run", run / "network.nir", "--input", tmp_path / "events.npy", "--out", tmp_path / "r.h5")
    assert_refused(outcome, r"cannot be read as \.npy")


def test_missing_lava_names_the_command_that_installs_it(ff2neuro, run, tmp_path, monkeypatch):
    monkeypatch.setenv("FF2NEURO_LAVA_ENV", str(tmp_path / "nothing"))
    monkeypatch.delenv("FF2NEURO_LAVA_PYTHON", raising=False)
    outcome = ff2neuro("run", run / "network.nir", "--backend", "lava", "--out", tmp_path / "r.h5")
    assert_refused(outcome, r"ff2neuro backends install lava", code=3)
    assert not (tmp_path / "r.h5").exists()


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from ff2neuro.cli.main import main
main(sys.argv[1:])
"""


def on_full_disk(*arguments):
    """Run the command line where no file can grow beyond 20 kB."""
    command = [sys.executable, "-c", FULL_DISK, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("command", ["train", "export", "run"])
def test_full_disk_leaves_nothing_half_written(command, run, tmp_path):
    out = tmp_path / "out"
    done = {
        "train": lambda: on_full_disk("train", "--epochs", "1", "--out", out),
        "export": lambda: on_full_disk("export", run, "--out", out),
        "run": lambda: on_full_disk("run", run / "network.nir", "--record", "spikes", "--out", out),
    }[command]()
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(r"out.*could not be written.*free some space", done.stderr), done.stderr
    leftovers = [path.name for path in tmp_path.rglob("*") if ".part" in path.name or path.name == "model.h5"]
    assert leftovers == ["model.h5"], leftovers
    assert command == "train" or not out.exists()
