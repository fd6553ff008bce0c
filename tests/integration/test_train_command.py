"""``ff2neuro train`` as a user runs it: in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ff2neuro.networks import load_model

COMMAND = (sys.executable, "-m", "ff2neuro", "train")
#: Long enough to be cut short, in epochs rather than in seconds.
LONG = ("--layers", "40,20", "--epochs", "60", "--batch-size", "100", "--negatives", "hard")


def run_train(directory, *options):
    return subprocess.run([*COMMAND, *options], cwd=directory, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("finished")
    return directory, run_train(directory, "--json")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("uninterrupted")
    result = run_train(directory, *LONG)
    assert result.returncode == 0, result.stderr
    return directory / "ff2neuro-run"


@pytest.fixture
def own_data(tmp_path, rng):
    labels = np.arange(90) % 3
    images = (rng.random((90, 4, 4)) * 0.3).reshape(90, 16)
    images[np.arange(90), labels] += 0.7
    path = tmp_path / "own.npz"
    np.savez(
        path, x_train=images.reshape(90, 4, 4), y_train=labels, x_test=images[:30].reshape(30, 4, 4), y_test=labels[:30]
    )
    return path


def wait_for_epoch(process, metrics, n_epochs):
    """Wait until that many epochs are in the metrics."""
    deadline = time.monotonic() + 120
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= n_epochs):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_defaults_reach_96_percent_on_digits(finished):
    directory, result = finished
    document = json.loads(result.stdout)
    assert result.returncode == 0
    assert document["test"]["accuracy"] >= 0.96
    assert document["test"]["n_samples"] == 360
    assert [Path(file).name for file in document["files"]] == ["config.toml", "model.h5", "metrics.jsonl"]
    assert all((directory / file).exists() for file in document["files"])


def test_second_run_is_refused_and_leaves_the_first(finished):
    directory, _ = finished
    before = (directory / "ff2neuro-run" / "model.h5").read_bytes()
    result = run_train(directory)
    assert result.returncode == 2
    assert "holds a finished run; pass --force" in result.stderr
    assert result.stdout == ""
    assert (directory / "ff2neuro-run" / "model.h5").read_bytes() == before


def test_own_data_is_noted_in_the_model(tmp_path, own_data):
    result = run_train(tmp_path, "--data", own_data.name, "--layers", "10,10", "--epochs", "3", "--seed", "3")
    assert result.returncode == 0, result.stderr
    assert "test accuracy" in result.stdout
    network = load_model(tmp_path / "ff2neuro-run" / "model.h5")
    assert network.widths == (10, 10)
    assert network.image_shape == (4, 4)
    assert network.provenance["data_file"] == str(own_data.resolve())


def test_file_of_hyperparameters_is_overridden_by_options(tmp_path):
    (tmp_path / "my.toml").write_text('layers = [16]\nepochs = 1\nprobability = "sigmoid"\n')
    result = run_train(tmp_path, "--config", "my.toml", "--epochs", "2", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["epochs"] == 2
    config = (tmp_path / "ff2neuro-run" / "config.toml").read_text()
    assert 'probability = "sigmoid"' in config
    assert "epochs = 2" in config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--epochs", "0"), "epochs is 0; it must be at least 1"),
        (("--layers", "200,0"), "layer 1 has 0 neurons"),
        (("--layers", "-5"), "layer 0 has -5 neurons"),
        (("--layers", "many"), "is no list of whole numbers"),
        (("--learning-rate", "nan"), "learning_rate is nan"),
        (("--dataset", "minst"), "unknown dataset 'minst'"),
        (("--learning", "hebbian"), "--learning is hebbian"),
        (("--config", "none.toml"), "none.toml cannot be read"),
        (("--config", "papre"), "did you mean 'paper'"),
        (("--patience", "2"), "no images are held out"),
        (("--resume",), "nothing can be resumed"),
        (("--resume", "--force"), "exclude each other"),
        (("--out", "a/b"), "does not exist; create it first"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(tmp_path, options, message):
    result = run_train(tmp_path, *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def start_train(directory, *options):
    return subprocess.Popen([*COMMAND, *options], cwd=directory, stderr=subprocess.PIPE, text=True)


def assert_same_run(run, expected):
    assert sorted(file.name for file in run.iterdir()) == ["config.toml", "metrics.jsonl", "model.h5"]
    for file in run.iterdir():
        assert file.read_bytes() == (expected / file.name).read_bytes()


def test_interrupted_run_ends_quickly_and_resumes_to_the_same_model(tmp_path, uninterrupted):
    run = tmp_path / "ff2neuro-run"
    process = start_train(tmp_path, *LONG)
    wait_for_epoch(process, run / "metrics.jsonl", 2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "go on with: ff2neuro train --resume --out ff2neuro-run" in stderr
    assert not (run / "model.h5").exists()
    refused = run_train(tmp_path, "--resume", "--epochs", "50")
    assert refused.returncode == 2
    assert "epochs was 60 and is now 50" in refused.stderr
    resumed = run_train(tmp_path, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert_same_run(run, uninterrupted)


def test_killed_run_resumes_to_the_same_model(tmp_path, uninterrupted):
    run = tmp_path / "ff2neuro-run"
    process = start_train(tmp_path, *LONG)
    delays = np.random.default_rng(int.from_bytes(os.urandom(4), "little")).uniform(0, 0.05, 2)
    for n_epochs, delay in zip((1, 12), delays, strict=True):
        wait_for_epoch(process, run / "metrics.jsonl", n_epochs)
        time.sleep(delay)
        process.kill()
        process.communicate(timeout=10)
        assert process.returncode == -signal.SIGKILL, f"killed {delay} s after epoch {n_epochs}"
        assert not (run / "model.h5").exists()
        process = start_train(tmp_path, "--resume")
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert_same_run(run, uninterrupted)
