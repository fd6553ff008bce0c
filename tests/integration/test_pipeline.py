"""The main job: train, export, run in the real Lava simulator, judge."""

import json
import os
import signal
import subprocess
import sys
import time

import nir
import numpy as np
import pytest

from ff2neuro.recording import Recording


@pytest.fixture(scope="module")
def full_run(tmp_path_factory):
    """A network trained as `ff2neuro train` trains it without any option, and exported likewise."""
    from ff2neuro.cli.main import main

    run = tmp_path_factory.mktemp("full") / "ff2neuro-run"
    for arguments in (["train", "--out", str(run)], ["export", str(run), "--target", "nir"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
    return run


@pytest.mark.lava
@pytest.mark.slow
def test_digits_on_lava_agree_with_the_analog_network(ff2neuro, full_run, lava):
    outcome = ff2neuro("validate", full_run, "--backend", "lava", "--max-accuracy-drop", "1.0", "--json")
    verdict = json.loads(outcome.out)
    assert outcome.code == 0, outcome.err
    assert verdict["passed"] is True
    assert verdict["n_samples"] == 360
    assert verdict["analog"]["accuracy"] >= 0.96
    assert abs(verdict["accuracy_drop_pp"]) <= 1.0
    assert verdict["n_time_steps"] <= 32
    assert verdict["backend"] == {"name": "lava", "version": "0.10.0"} | verdict["backend"]


@pytest.mark.lava
def test_lava_and_reference_recordings_are_equal_in_every_bin(ff2neuro, digits_run, tmp_path, lava):
    for backend in ("reference", "lava"):
        arguments = ("--backend", backend, "--samples", "12", "--record", "spikes", "--out", tmp_path / backend)
        assert ff2neuro("run", digits_run / "network.nir", *arguments).code == 0
    with Recording.open(tmp_path / "reference") as ours, Recording.open(tmp_path / "lava") as theirs:
        assert ours.layer_names == theirs.layer_names == ["layer_0_spikes", "layer_1_spikes"]
        for name in ours.layer_names:
            assert ours.spikes(name).any()
            np.testing.assert_array_equal(ours.spikes(name), theirs.spikes(name))


def test_two_trainings_with_one_seed_give_identical_files(ff2neuro, tmp_path):
    for name in ("first", "second"):
        assert ff2neuro("train", "--epochs", "2", "--layers", "20,20", "--out", tmp_path / name).code == 0
        assert ff2neuro("export", tmp_path / name).code == 0
    for file in ("config.toml", "model.h5", "metrics.jsonl", "network.nir"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file


def test_file_of_an_older_model_is_not_judged(ff2neuro, digits_run, tmp_path):
    assert ff2neuro("train", "--epochs", "1", "--layers", "60,40", "--seed", "9", "--out", tmp_path / "run").code == 0
    outcome = ff2neuro("validate", tmp_path / "run", digits_run / "network.nir")
    assert outcome.code == 2
    assert "exported from another model" in outcome.err


def test_exported_file_is_plain_nir(digits_run):
    graph = nir.read(digits_run / "network.nir")
    assert isinstance(graph.nodes["layer_1_spikes"], nir.CubaLIF)


@pytest.mark.parametrize("command", ["train", "export", "run", "validate", "inspect", "backends"])
def test_json_is_one_document_on_stdout(ff2neuro, digits_run, tmp_path, command):
    arguments = {
        "train": ["--epochs", "1", "--out", tmp_path / "run"],
        "export": [digits_run, "--out", tmp_path / "new.nir"],
        "run": [digits_run / "network.nir", "--samples", "5", "--out", tmp_path / "r.h5"],
        "validate": [digits_run, "--samples", "20", "--backend", "snntorch", "--max-accuracy-drop", "100"],
        "inspect": [digits_run / "network.nir"],
        "backends": [],
    }[command]
    outcome = ff2neuro(command, *arguments, "--json")
    assert outcome.code == 0, outcome.err
    assert isinstance(json.loads(outcome.out), dict)


def test_native_dialect_with_subtraction_runs_on_the_reference(ff2neuro, digits_run, tmp_path):
    path = tmp_path / "native.nir"
    arguments = ("--dialect", "native", "--reset", "subtract", "--steps", "16", "--out", path)
    assert ff2neuro("export", digits_run, *arguments).code == 0
    outcome = ff2neuro("validate", digits_run, path, "--samples", "100", "--max-accuracy-drop", "5")
    assert outcome.code == 0, outcome.out


def test_verdict_that_fails_exits_with_one(ff2neuro, digits_run):
    outcome = ff2neuro("validate", digits_run, "--samples", "50", "--min-latent-agreement", "1.0")
    assert outcome.code == 1
    assert outcome.out.startswith("FAILED")


def test_closed_pipe_is_no_error(digits_run):
    shell = f"{sys.executable} -m ff2neuro inspect {digits_run / 'network.nir'} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_training_ends_quickly_and_leaves_no_model(tmp_path, sent):
    command = [sys.executable, "-m", "ff2neuro", "train", "--epochs", "100000", "--out", tmp_path / "run"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    os.kill(process.pid, sent)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Interrupted" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "model.h5").exists()
    assert not [path for path in (tmp_path / "run").iterdir() if ".part" in path.name]


@pytest.mark.lava
def test_lanes_and_official_processes_give_one_recording(ff2neuro, digits_run, tmp_path, lava):
    for lanes in ("1", "40"):
        arguments = ("--backend", "lava", "--lanes", lanes, "--samples", "4", "--out", tmp_path / lanes)
        assert ff2neuro("run", digits_run / "network.nir", *arguments).code == 0
    with Recording.open(tmp_path / "1") as official, Recording.open(tmp_path / "40") as lanes:
        for name in official.layer_names:
            np.testing.assert_array_equal(official.counts(name), lanes.counts(name))
