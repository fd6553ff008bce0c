"""A network that learned in spiking neurons is judged against its own float execution on the same input events."""

import json
import shutil
from dataclasses import replace
from importlib.resources import files

import h5py
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from ff2neuro.cli.main import main
from ff2neuro.coding import encode
from ff2neuro.converters.leaky import quantise_network
from ff2neuro.converters.nir_file import write_network
from ff2neuro.data import load_dataset
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.evaluation import respond_to_events
from ff2neuro.learning.hebbian.events import events_of_words, pack_events
from ff2neuro.networks import load_network, save_model
from ff2neuro.validation import float_execution
from ff2neuro.validation.neutral import neutral_source

N_IMAGES = 40
#: The gate is the subject of one test; this network of two epochs need not pass it.
FEW = ("--samples", N_IMAGES, "--max-accuracy-drop", 100)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hebbian") / "run"
    train = ("train", "--learning", "hebbian", "--layers", "40,20", "--epochs", "2", "--out", directory)
    for arguments in (train, ("export", directory)):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        assert stop.value.code == 0
    return directory


@pytest.fixture(scope="module")
def network(run):
    return load_network(run / "model.h5")


@pytest.fixture(scope="module")
def images():
    return load_dataset("digits").x_test[:N_IMAGES]


def trained_responses(run, network, source):
    """What the trainer's own kernels make of presentations, in the arithmetic of the training and without noise."""
    config = HebbianConfig.from_toml((run / "config.toml").read_text())
    weights = [np.ascontiguousarray(layer.weight.T) for layer in network.layers]
    events = source.read(0, source.n_images)
    n_presentations = source.n_images * source.n_hypotheses
    own = pack_events(events.reshape(n_presentations, source.n_time_steps, source.n_inputs))
    shared = events_of_words(np.zeros((source.n_images, source.n_inputs), np.uint64), source.n_time_steps)
    return respond_to_events(weights, config, shared, own, source.n_hypotheses)


def test_float_execution_is_the_arithmetic_of_the_training(run, network, images):
    with float_execution(network, images) as execution:
        expected = trained_responses(run, network, encode(network.input_code, images, network.n_time_steps))
        for layer, trace, counts, name in zip(
            execution.latents(np.arange(N_IMAGES)),
            expected.traces,
            expected.counts,
            execution.recording.layer_names,
            strict=True,
        ):
            np.testing.assert_array_equal(execution.recording.counts(name), counts)
            np.testing.assert_allclose(layer, trace, rtol=1e-12)
        neutral = trained_responses(run, network, neutral_source(network, images))
        for layer, trace in zip(execution.neutral_latents(), neutral.traces, strict=True):
            np.testing.assert_allclose(layer, trace[:, 0], rtol=1e-12)


def test_images_are_read_in_any_order(network, images):
    chosen = np.array([7, 8, 9, 3, 3, 39, 0])
    with float_execution(network, images) as execution:
        every = execution.latents(np.arange(N_IMAGES))
        for layer, expected in zip(execution.latents(chosen), every, strict=True):
            np.testing.assert_array_equal(layer, expected[chosen])


@pytest.fixture(scope="module")
def recorded(run, tmp_path_factory):
    """A recording of `ff2neuro run` with the spikes of every step."""
    path = tmp_path_factory.mktemp("recorded") / "recording.h5"
    arguments = ("run", run / "network.nir", "--record", "spikes", "--samples", N_IMAGES, "--out", path)
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code == 0
    return path


def test_verdict_holds_the_figures_of_both_executions(run, network, images, ff2neuro):
    outcome = ff2neuro("validate", run, *FEW, "--json")
    assert outcome.code == 0
    verdict = json.loads(outcome.out)
    schema = json.loads(files("ff2neuro.validation").joinpath("verdict.schema.json").read_text())
    Draft202012Validator(schema).validate(verdict)
    labels = load_dataset("digits").y_test[:N_IMAGES]
    source = encode(network.input_code, images, network.n_time_steps)
    traces = trained_responses(run, network, source).traces
    halves = [np.square(trace).reshape(N_IMAGES, 10, 2, -1).sum(axis=3) for trace in traces]
    smoothing = network.head.smoothing
    scores = sum((half[..., 0] + smoothing) / (half.sum(axis=2) + 2 * smoothing) for half in halves)
    assert verdict["analog"]["accuracy"] == pytest.approx((scores.argmax(axis=1) == labels).mean())
    assert verdict["model_kind"] == "spiking"
    assert verdict["backend"]["arithmetic"] == "fixed"
    assert verdict["n_time_steps"] == 23
    assert verdict["replay"]["n_differing"] == 0
    assert verdict["faults"] == []
    assert [layer["name"] for layer in verdict["layers"]] == ["layer_0_spikes", "layer_1_spikes"]
    for layer in verdict["layers"]:
        assert layer["cosine_shuffled"] + 0.05 < layer["cosine"] <= 1
        assert layer["gain_ratio"] == pytest.approx(1, abs=0.1)
        assert layer["separability_analog_neutral"] is not None


def test_texts_say_float_where_they_would_say_analog(run, tmp_path, ff2neuro):
    outcome = ff2neuro("validate", run, *FEW, "--report", tmp_path / "report")
    assert outcome.code == 0
    assert "float    accuracy" in outcome.out
    assert "analog" not in outcome.out
    sentence = (
        "The network learned in spiking neurons. What is called analog here is its own execution in floating point"
    )
    for name in ("report.html", "report.md"):
        assert sentence in (tmp_path / "report" / name).read_text()


def test_failed_gate_exits_with_one(run, ff2neuro):
    outcome = ff2neuro("validate", run, "--samples", 10, "--min-latent-agreement", 1.0, "--min-cka", 1.0)
    assert outcome.code == 1
    assert "failed: layer_0_spikes.cosine is 0.9" in outcome.out


def test_recording_with_spikes_gives_the_same_verdict(run, recorded, ff2neuro):
    first = json.loads(ff2neuro("validate", run, "--recording", recorded, *FEW, "--json").out)
    second = json.loads(ff2neuro("validate", run, *FEW, "--json").out)
    # Only a run of its own presents the neutral label.
    for document in (first, second):
        document["layers"] = [
            {key: value for key, value in layer.items() if "neutral" not in key} for layer in document["layers"]
        ]
    assert first == second


def test_recording_of_counts_is_refused(run, tmp_path, ff2neuro):
    path = tmp_path / "counts.h5"
    command = "run", run / "network.nir", "--samples", 5, "--out", path
    assert ff2neuro(*command, "--record", "counts").code == 0
    outcome = ff2neuro("validate", run, "--recording", path)
    assert outcome.code == 2
    assert "needs the spikes of every step: run it again with --record spikes" in outcome.err
    # Unasked, what the file is read out by is recorded.
    assert ff2neuro(*command, "--force").code == 0
    assert ff2neuro("validate", run, "--recording", path).code != 2


def test_weight_bits_and_disturbances_are_swept(run, ff2neuro):
    outcome = ff2neuro(
        "validate", run, *FEW, "--sweep", "weight_bits=2,8,none", "--sweep", "dead_neurons=0,0.5", "--json"
    )
    assert outcome.code == 0
    verdict = json.loads(outcome.out)
    bits, dead = verdict["sweeps"]
    cosines = [layer["cosine"] for layer in verdict["layers"]]
    # The exported file has eight bits, calibrated on the same images.
    assert bits["points"][1]["cosines"] == pytest.approx(cosines, abs=1e-9)
    assert bits["points"][0]["cosines"][0] < cosines[0] < bits["points"][2]["cosines"][0]
    assert dead["points"][0]["cosines"] == pytest.approx(cosines, abs=1e-9)
    assert dead["points"][1]["cosines"][0] < cosines[0]


@pytest.mark.parametrize("sweep", ["steps=8", "input_coding=regular", "input_bits=2"])
def test_what_training_fixed_is_not_swept(run, ff2neuro, sweep):
    outcome = ff2neuro("validate", run, *FEW, "--sweep", sweep)
    assert outcome.code == 2
    parameter = sweep.split("=")[0]
    assert f"--sweep {parameter} is fixed by the Hebbian training of this network; sweep weight_bits" in outcome.err


@pytest.mark.parametrize(
    ("entry", "value", "fault"),
    [
        ("input_code/seed", 7, "seed of the input: 7 in the NIR file, 1 in the model"),
        ("trace/decay", 0.5, "the NIR file is read out by Trace(kind='li', decay=0.5"),
        ("n_time_steps", 20, "time steps: 20 in the NIR file, 23 in the model"),
    ],
)
def test_changed_readout_of_the_file_is_a_fault(run, tmp_path, ff2neuro, entry, value, fault):
    path = tmp_path / "network.nir"
    shutil.copy(run / "network.nir", path)
    with h5py.File(path, "r+") as file:
        *groups, name = f"ff2neuro/{entry}".split("/")
        file["/".join(groups)].attrs.modify(name, value)
    outcome = ff2neuro("validate", run, path, *FEW)
    assert outcome.code == 1
    assert f"fault: {fault}" in outcome.out


def test_file_of_another_run_or_of_an_analog_network_is_refused(run, digits_run, network, images, tmp_path, ff2neuro):
    other = tmp_path / "other.nir"
    layer = network.layers[0]
    changed = replace(network, layers=(replace(layer, weight=layer.weight + 0.1), *network.layers[1:]))
    write_network(quantise_network(changed, images, 8), other)
    for file in (other, digits_run / "network.nir"):
        outcome = ff2neuro("validate", run, file, *FEW)
        assert outcome.code == 2
        assert "was exported from another model" in outcome.err
    outcome = ff2neuro("validate", digits_run, run / "network.nir", *FEW)
    assert outcome.code == 2
    assert "was exported from another model" in outcome.err


def test_file_that_names_no_model_is_refused_by_its_shape_or_readout(run, network, tmp_path, ff2neuro):
    file = tmp_path / "counts.nir"
    write_network(replace(network, trace=None), file)
    outcome = ff2neuro("validate", run, file, *FEW)
    assert outcome.code == 2
    assert "is read out by spike counts, the run's model by the output trace 'li'" in outcome.err
    narrow = tmp_path / "narrow.nir"
    write_network(replace(network, layers=network.layers[:1], head=replace(network.head, voting_layers=(0,))), narrow)
    outcome = ff2neuro("validate", run, narrow, *FEW)
    assert outcome.code == 2
    assert "the NIR file has layers of 40 neurons, the run's model 40, 20" in outcome.err


def test_network_of_which_few_neurons_may_win_is_refused(run, network, tmp_path, ff2neuro):
    few = tuple(replace(layer, winners=5) for layer in network.layers)
    save_model(replace(network, layers=few), tmp_path / "model.h5")
    file = tmp_path / "network.nir"
    write_network(network, file)
    outcome = ff2neuro("validate", tmp_path, file, *FEW)
    assert outcome.code == 2
    assert "only 5 of 40 neurons may spike in a step (top_k), which NIR cannot say" in outcome.err


@pytest.mark.lava
def test_lava_gives_the_verdict_of_the_reference(run, ff2neuro, lava):
    verdicts = [
        json.loads(ff2neuro("validate", run, "--backend", backend, *FEW, "--json").out)
        for backend in ("reference", "lava")
    ]
    assert verdicts[1]["backend"]["name"] == "lava"
    for verdict in verdicts:
        del verdict["backend"], verdict["replay"]
    assert verdicts[0] == verdicts[1]
