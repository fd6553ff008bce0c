"""``ff2neuro export --fine-tune``: the file says so, the verdict compares with the model, and planted faults show."""

import json

import h5py
import numpy as np
import pytest

from ff2neuro.converters.nir_file import read_network
from ff2neuro.learning.finetuning import FineTuner

WAY = ("--steps", "4", "--weight-bits", "3", "--reset", "zero")


@pytest.fixture(scope="module")
def exported(digits_run, tmp_path_factory):
    """Return two files of one run, with and without fine-tuning, and what the command printed of the former."""
    from contextlib import redirect_stdout
    from io import StringIO

    from ff2neuro.cli.main import main

    directory, printed = tmp_path_factory.mktemp("fine-tuned"), StringIO()
    for name, options in (("plain", []), ("tuned", ["--fine-tune", "3", "--tuning-rate", "0.003", "--json"])):
        with redirect_stdout(printed if options else StringIO()), pytest.raises(SystemExit) as stop:
            main(["export", str(digits_run), *WAY, *options, "--out", str(directory / f"{name}.nir")])
        assert stop.value.code == 0
    return directory / "plain.nir", directory / "tuned.nir", json.loads(printed.getvalue())


def test_file_says_that_it_was_fine_tuned_and_what_that_changed(exported):
    plain, tuned, document = exported
    _, network = read_network(tuned)
    before, after = document["fine_tuning"][0], document["fine_tuning"][network.provenance["fine_tuned_epochs"]]
    assert len(document["fine_tuning"]) == 4
    assert after["accuracy"] > before["accuracy"]
    assert f"accuracy {before['accuracy']:.2%} -> {after['accuracy']:.2%} (the model: " in network.notes[-1]
    assert "287 training images that it did not learn from" in network.notes[-1]
    assert network.provenance["fine_tuning_learning_rate"] == 0.003
    assert network.provenance["model_checksum"] == read_network(plain)[1].provenance["model_checksum"]
    assert not any(path.name.startswith(".") for path in tuned.parent.iterdir())


def test_verdict_compares_with_the_run_s_own_model(ff2neuro, digits_run, exported):
    verdicts = []
    for file in exported[:2]:
        outcome = ff2neuro("validate", digits_run, file, "--max-accuracy-drop", "20", "--json")
        assert outcome.code == 0, outcome.err
        verdicts.append(json.loads(outcome.out))
    assert verdicts[0]["analog"] == verdicts[1]["analog"]
    assert verdicts[1]["spiking"]["accuracy"] > verdicts[0]["spiking"]["accuracy"]
    assert verdicts[1]["faults"] == []


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("what", ["weight", "v_threshold"])
def test_fault_planted_in_a_fine_tuned_file_is_named(ff2neuro, digits_run, exported, tmp_path, layer, what):
    file = tmp_path / "changed.nir"
    file.write_bytes(exported[1].read_bytes())
    node = f"layer_{layer}_linear" if what == "weight" else f"layer_{layer}_spikes"
    with h5py.File(file, "r+") as content:
        values = content[f"node/nodes/{node}/{what}"]
        changed = np.array(values)
        changed.flat[3] += 1
        if what == "v_threshold":
            changed[:] = changed.flat[3]
        values[...] = changed
    outcome = ff2neuro("validate", digits_run, file, "--samples", "50", "--max-accuracy-drop", "100")
    assert outcome.code == 1
    assert f"layer {layer}: weights, thresholds, leak, reset or readout are not what fine-tuning left" in outcome.out


def test_fault_planted_before_the_export_is_named(ff2neuro, digits_run, exported, tmp_path):
    from dataclasses import replace

    from ff2neuro.converters.nir_file import write_network

    _, network = read_network(exported[1])
    weight = np.array(network.layers[1].weight)
    weight[5] = -weight[5]
    layers = network.layers[0], replace(network.layers[1], weight=weight)
    write_network(replace(network, layers=layers), tmp_path / "changed.nir")
    outcome = ff2neuro("validate", digits_run, tmp_path / "changed.nir", "--samples", "50")
    assert outcome.code == 1
    assert "layer 1: weights, thresholds, leak, reset or readout are not what fine-tuning left" in outcome.out
    assert "layer 0: weights" not in outcome.out


def test_interrupted_fine_tuning_goes_on_to_the_same_file(ff2neuro, digits_run, exported, tmp_path, monkeypatch):
    epoch = FineTuner.run_epoch

    def interrupted(tuner, tick=None):
        if tuner.epoch == 2:
            raise KeyboardInterrupt
        return epoch(tuner, tick)

    file = tmp_path / "tuned.nir"
    command = ("export", digits_run, *WAY, "--fine-tune", "3", "--tuning-rate", "0.003", "--out", file)
    with monkeypatch.context() as patch:
        patch.setattr(FineTuner, "run_epoch", interrupted)
        outcome = ff2neuro(*command)
    assert outcome.code == 130
    assert "the same command goes on after epoch 2" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == [".tuned.nir.fine-tuning.h5"]
    outcome = ff2neuro(*command)
    assert outcome.code == 0
    assert "fine-tuning goes on after epoch 2" in outcome.err
    assert file.read_bytes() == exported[1].read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["tuned.nir"]


@pytest.mark.parametrize("remnant", [b"no checkpoint at all", None])
def test_checkpoint_of_something_else_is_not_used(ff2neuro, digits_run, exported, tmp_path, monkeypatch, remnant):
    file = tmp_path / "tuned.nir"
    checkpoint = tmp_path / ".tuned.nir.fine-tuning.h5"
    if remnant is not None:
        checkpoint.write_bytes(remnant)
    else:
        with monkeypatch.context() as patch:
            # A checkpoint of another number of steps.
            patch.setattr(FineTuner, "network", lambda tuner: (_ for _ in ()).throw(KeyboardInterrupt))
            other = ("--steps", "5", "--weight-bits", "3", "--fine-tune", "3", "--tuning-rate", "0.003")
            assert ff2neuro("export", digits_run, *other, "--out", file).code == 130
        assert checkpoint.exists()
    outcome = ff2neuro("export", digits_run, *WAY, "--fine-tune", "3", "--tuning-rate", "0.003", "--out", file)
    assert outcome.code == 0
    assert "of an earlier fine-tuning is not used" in outcome.err
    assert file.read_bytes() == exported[1].read_bytes()


def test_sweep_that_would_convert_anew_is_refused(ff2neuro, digits_run, exported):
    outcome = ff2neuro("validate", digits_run, exported[1], "--sweep", "steps=2,4")
    assert outcome.code == 2
    assert "--sweep steps converts the model anew" in outcome.err
    outcome = ff2neuro("validate", digits_run, exported[1], "--samples", "20", "--sweep", "noise=0,0.1", "--json")
    assert len(json.loads(outcome.out)["sweeps"][0]["points"]) == 2


def test_netx_file_takes_the_fine_tuned_weights(ff2neuro, digits_run, exported, tmp_path):
    options = ("--fine-tune", "3", "--tuning-rate", "0.003", "--target", "netx", "--out", tmp_path / "tuned.net")
    assert ff2neuro("export", digits_run, *WAY, *options).code == 0
    with h5py.File(tmp_path / "tuned.net") as file:
        weight = file["layer/1/weight"][()]
    assert (weight == read_network(exported[1])[1].layers[0].weight).all()


def test_options_that_cannot_go_together_are_refused(ff2neuro, digits_run, exported, tmp_path):
    out = ("--out", tmp_path / "x.nir")
    for arguments, message in (
        ((digits_run, "--tuning-rate", "0.1"), "--tuning-rate 0.1 belongs to --fine-tune"),
        ((digits_run, "--fine-tune", "0"), "0 is not in the range x>=1"),
        ((digits_run, "--fine-tune", "1", "--tuning-rate", "-1"), "learning_rate is -1.0; it must be greater than 0"),
        ((digits_run, "--fine-tune", "1", "--held-out", "0"), "0 training images are to judge fine-tuning"),
        ((digits_run, "--fine-tune", "99999", "--reset", "subtract"), "--dialect native"),
        ((digits_run, "--fine-tune", "99999", "--weight-bits", "none", "--target", "netx"), "netx"),
        ((exported[0], "--fine-tune", "1"), "--fine-tune needs a run directory"),
        ((exported[0], "--fine-tune", "1", "--target", "netx"), "--fine-tune is fixed by"),
    ):
        outcome = ff2neuro("export", *arguments, *out)
        assert outcome.code == 2
        assert message in outcome.err
        assert list(tmp_path.iterdir()) == []


def test_hebbian_run_is_refused(ff2neuro, tmp_path):
    run = tmp_path / "run"
    options = ("--learning", "hebbian", "--layers", "20", "--epochs", "1")
    assert ff2neuro("train", *options, "--out", run).code == 0
    outcome = ff2neuro("export", run, "--fine-tune", "1")
    assert outcome.code == 2
    assert "--fine-tune needs a network that was trained with --learning analog" in outcome.err
