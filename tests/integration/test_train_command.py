"""``ff2neuro train`` as a user runs it: in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ff2neuro.cli.main import main
from ff2neuro.networks import load_model

COMMAND = (sys.executable, "-m", "ff2neuro", "train")
#: Long enough to be cut short, in epochs rather than in seconds.
LONG = (
    *("--layers", "20,10", "--epochs", "400", "--batch-size", "100", "--negatives", "hard"),
    *("--one-pass-updates", "20"),
)


def run_train(directory, *options):
    return subprocess.run([*COMMAND, *options], cwd=directory, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("finished")
    return directory, run_train(directory, "--json")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("uninterrupted") / "ff2neuro-run"
    with pytest.raises(SystemExit) as stop:
        main(["train", *LONG, "--out", str(directory)])
    assert stop.value.code == 0
    return directory


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
    assert [Path(file).name for file in document["files"]] == [
        "config.toml",
        "model.h5",
        "metrics.jsonl",
        "learning-curve.svg",
    ]
    assert all((directory / file).exists() for file in document["files"])


def test_second_run_is_refused_and_leaves_the_first(finished):
    directory, _ = finished
    before = (directory / "ff2neuro-run" / "model.h5").read_bytes()
    result = run_train(directory)
    assert result.returncode == 2
    assert "holds a finished run; pass --force" in result.stderr
    assert result.stdout == ""
    assert (directory / "ff2neuro-run" / "model.h5").read_bytes() == before


def test_progress_shows_loss_goodness_and_accuracy(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("ff2neuro.progress.LINE_INTERVAL", 0.0)
    with pytest.raises(SystemExit):
        main(["train", "--layers", "10", "--epochs", "1", "--out", str(tmp_path / "run")])
    line = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"1/1 epochs, loss [\d.]+, goodness [\d.]+, wrong_label [\d.]+, accuracy [\d.]+", line)


def test_accuracy_in_one_pass_is_printed(ff2neuro, tmp_path):
    options = ("--layers", "40", "--epochs", "2", "--one-pass-updates", "100")
    outcome = ff2neuro("train", *options, "--out", tmp_path / "run", "--json")
    test = json.loads(outcome.out)["test"]
    assert test["one_pass_accuracy"] > 0.5
    outcome = ff2neuro("train", *options, "--out", tmp_path / "run", "--force")
    assert f"in one pass {test['one_pass_accuracy']:.2%}" in outcome.out


def test_label_at_every_layer_trains_but_is_not_exported(ff2neuro, tmp_path):
    run = tmp_path / "run"
    trained = ff2neuro("train", "--label-layers", "all", "--layers", "40,40", "--epochs", "4", "--out", run, "--json")
    assert json.loads(trained.out)["test"]["accuracy"] > 0.8
    refused = ff2neuro("export", run, "--target", "nir")
    assert refused.code == 2
    assert "train it with label_layers 'first'" in refused.err
    assert not (run / "network.nir").exists()


def test_flat_images_train_with_a_note_instead_of_shifts(ff2neuro, tmp_path, rng):
    labels = np.arange(60) % 3
    images = rng.random((60, 12)) * 0.3 + 0.6 * np.repeat(np.eye(3), 4, axis=1)[labels]
    np.savez(tmp_path / "flat.npz", x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9])
    options = ("--layers", "20", "--epochs", "20", "--batch-size", "20", "--threads", "1", "--out", tmp_path / "run")
    result = ff2neuro("train", "--config", "mlp", "--data", tmp_path / "flat.npz", *options, "--json")
    assert result.code == 0, result.err
    assert "Note: max_shift is 0.04, but images of shape 12 have no rows and columns" in result.err
    assert json.loads(result.out)["test"]["accuracy"] > 0.9


def test_own_data_is_noted_in_the_model(ff2neuro, here, own_data):
    result = ff2neuro("train", "--data", own_data.name, "--layers", "10,10", "--epochs", "3", "--seed", "3")
    assert result.code == 0, result.err
    assert "test accuracy" in result.out
    network = load_model(here / "ff2neuro-run" / "model.h5")
    assert network.widths == (10, 10)
    assert network.image_shape == (4, 4)
    assert network.provenance["data_file"] == str(own_data.resolve())


def test_file_of_hyperparameters_is_overridden_by_options(ff2neuro, here):
    (here / "my.toml").write_text('layers = [16]\nepochs = 1\nprobability = "sigmoid"\n')
    result = ff2neuro("train", "--config", "my.toml", "--epochs", "2", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["epochs"] == 2
    config = (here / "ff2neuro-run" / "config.toml").read_text()
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
        (("--config", "none.toml"), "none.toml cannot be read"),
        (("--config", "papre"), "did you mean 'paper'"),
        (("--patience", "2"), "no images are held out"),
        (("--resume",), "nothing can be resumed"),
        (("--resume", "--force"), "exclude each other"),
        (("--device", "cuda"), "finds no CUDA device"),
        (("--out", "a/b"), "does not exist; create it first"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(ff2neuro, here, options, message):
    result = ff2neuro("train", *options)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert list(here.iterdir()) == []


def start_train(directory, *options):
    return subprocess.Popen([*COMMAND, *options], cwd=directory, stderr=subprocess.PIPE, text=True)


def assert_same_run(run, expected):
    assert sorted(file.name for file in run.iterdir()) == [
        "config.toml",
        "learning-curve.svg",
        "metrics.jsonl",
        "model.h5",
    ]
    for file in run.iterdir():
        assert file.read_bytes() == (expected / file.name).read_bytes()


def test_killed_and_interrupted_run_resumes_to_the_same_model(tmp_path, ff2neuro, own_data, uninterrupted):
    run = tmp_path / "ff2neuro-run"
    delays = np.random.default_rng(int.from_bytes(os.urandom(4), "little")).uniform(0, 0.05, 2)
    process = start_train(tmp_path, *LONG)
    stop_after_epoch(process, run, 1, delays[0], signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    process = start_train(tmp_path, "--resume")
    stderr = stop_after_epoch(process, run, 12, delays[1], signal.SIGINT)
    assert process.returncode == 130
    assert "go on with: ff2neuro train --resume --out ff2neuro-run" in stderr

    checkpoint = (run / "checkpoint.h5").read_bytes()
    for options, message in (
        (("--epochs", "50"), "epochs was 400 and is now 50"),
        (("--data", own_data), "the data set was digits"),
    ):
        refused = ff2neuro("train", "--resume", *options, "--out", run)
        assert refused.code == 2
        assert message in refused.err
    assert (run / "checkpoint.h5").read_bytes() == checkpoint

    assert ff2neuro("train", "--resume", "--out", run).code == 0
    assert_same_run(run, uninterrupted)


def stop_after_epoch(process, run, n_epochs, delay, number):
    """Send a signal at a moment that nothing decides but chance, and return what was printed."""
    wait_for_epoch(process, run / "metrics.jsonl", n_epochs)
    time.sleep(delay)
    process.send_signal(number)
    try:
        _, stderr = process.communicate(timeout=2)
    except subprocess.TimeoutExpired:
        # As a user would: an interrupt that comes in a callback of a C library can get lost.
        process.send_signal(number)
        _, stderr = process.communicate(timeout=120)
    assert not (run / "model.h5").exists(), f"stopped {delay} s after epoch {n_epochs}"
    return stderr
