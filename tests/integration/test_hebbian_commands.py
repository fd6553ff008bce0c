"""A network that learned by the Hebbian rule goes the way of any other: train, export, run, read out."""

import json

import numpy as np
import pytest

from ff2neuro.cli.main import main
from ff2neuro.coding import encode, recorded_latents, scores_of_latents
from ff2neuro.converters.leaky import quantise_network
from ff2neuro.converters.nir_file import read_network
from ff2neuro.data import load_dataset
from ff2neuro.errors import ConfigurationError, NetworkError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.evaluation import evaluate_network
from ff2neuro.networks import SpikingNetwork, load_model, load_network

TRAIN = ("train", "--learning", "hebbian", "--layers", "60", "--epochs", "6")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hebbian") / "run"
    for arguments in ([*TRAIN, "--out", directory], ["export", directory]):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        assert stop.value.code == 0
    return directory


@pytest.fixture(scope="module")
def images():
    return load_dataset("digits").x_test[:100]


def run_and_score(network, graph, images, backend="reference"):
    source = encode(network.input_code, images, network.n_time_steps)
    with get_backend(backend) as machine, machine.run(graph, source, RunConfig(record="spikes")) as recording:
        latents = recorded_latents(network, recording)
        return recording.header.arithmetic, latents, scores_of_latents(network, latents, np.ones((len(images), 10)))


def test_a_run_holds_a_spiking_network_and_its_configuration(run):
    network = load_network(run / "model.h5")
    assert isinstance(network, SpikingNetwork)
    assert network.trace is not None
    assert network.trace.kind == "li"
    assert HebbianConfig.from_toml((run / "config.toml").read_text()).layers == (60,)
    with pytest.raises(NetworkError, match="holds a spiking network, trained by the Hebbian rule"):
        load_model(run / "model.h5")


def test_inspect_describes_the_run(run, ff2neuro):
    document = json.loads(ff2neuro("inspect", run, "--json").out)
    assert document["kind"] == "spiking network"
    assert document["layers"] == [{"name": "layer 0", "n_inputs": 164, "n_neurons": 60}]
    assert document["provenance"]["learning"] == "hebbian"


def test_exported_graph_is_integer_and_agrees_with_the_trained_network(run, images):
    trained = load_network(run / "model.h5")
    graph, network = read_network(run / "network.nir")
    weight = graph.nodes["layer_0_linear"].weight
    np.testing.assert_array_equal(weight, np.round(weight))
    assert np.abs(weight).max() == 127
    assert (graph.nodes["layer_0_spikes"].v_threshold == 0.5).all()
    assert network.trace == trained.trace
    assert network.head == trained.head
    arithmetic, latents, scores = run_and_score(network, graph, images)
    assert arithmetic == "fixed"
    config = HebbianConfig.from_toml((run / "config.toml").read_text())
    by_events = evaluate_network(trained, config, images).scores
    assert (scores.argmax(axis=1) == by_events.argmax(axis=1)).mean() > 0.5
    assert latents[0].max() <= 1


def test_eight_bits_hardly_change_what_the_float_graph_does(run, images, tmp_path):
    with pytest.raises(SystemExit):
        main(["export", str(run), "--weight-bits", "none", "--out", str(tmp_path / "float.nir")])
    (fixed, a, _), (real, b, _) = (
        run_and_score(network, graph, images)
        for graph, network in map(read_network, (run / "network.nir", tmp_path / "float.nir"))
    )
    assert (fixed, real) == ("fixed", "float")
    assert np.abs(a[0] - b[0]).mean() < 0.02 * b[0].mean()


def test_weights_of_different_orders_of_magnitude_keep_their_neurons_apart(run, images):
    trained = load_network(run / "model.h5")
    weight = trained.layers[0].weight * np.geomspace(1, 1e4, 60)[:, None]
    wide = SpikingNetwork.from_tree({**trained.to_tree(), "weights": {"0": weight}})
    quantised = quantise_network(wide, images, bits=8)
    assert np.abs(quantised.layers[0].weight).max(axis=1).min() == 127
    assert "layer 0: 8-bit weights, one scale per neuron" in quantised.notes[-1]


def test_a_threshold_that_matters_is_one_integer_for_the_layer(run, images):
    trained = load_network(run / "model.h5")
    high = {**trained.to_tree(), "v_thresholds": {"0": np.full(60, 20.0)}}
    thresholds = quantise_network(SpikingNetwork.from_tree(high), images, bits=8).layers[0].v_threshold
    assert len(np.unique(thresholds)) == 1
    assert thresholds[0] > 10
    assert thresholds[0] % 1 == 0.5


def test_interrupted_training_goes_on_to_the_same_model(run, tmp_path, ff2neuro, monkeypatch):
    from ff2neuro.learning.run_directory import RunDirectory

    saved = RunDirectory.save_progress
    calls = []

    def interrupt(self, state):
        saved(self, state)
        calls.append(state.epoch)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunDirectory, "save_progress", interrupt)
    out = tmp_path / "run"
    assert ff2neuro(*TRAIN, "--out", out).code == 130
    assert (out / "checkpoint.h5").exists()
    monkeypatch.undo()
    assert ff2neuro("train", "--resume", "--out", out).code == 0
    assert (out / "model.h5").read_bytes() == (run / "model.h5").read_bytes()
    assert (out / "metrics.jsonl").read_bytes() == (run / "metrics.jsonl").read_bytes()


def test_train_prints_one_json_document_with_notes(tmp_path, ff2neuro):
    outcome = ff2neuro(*TRAIN, "--epochs", "1", "--out", tmp_path / "run", "--json")
    document = json.loads(outcome.out)
    assert document["learning"] == "hebbian"
    assert 0 <= document["test"]["accuracy"] <= 1
    assert "membrane decay" in document["notes"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--learning", "hebbian", "--loss", "swish"), "--loss belongs to analog learning"),
        (("--top-k", "3"), "--top-k belongs to hebbian learning"),
        (("--learning", "hebbian", "--top-k", "300"), "top_k is 300, but layer 0 has 200 neurons"),
        (("--learning", "hebbian", "--config", "paper"), "--learning is hebbian, but the configuration is for analog"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_written(tmp_path, ff2neuro, arguments, message):
    outcome = ff2neuro("train", *arguments, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "run").exists()


def test_winners_below_the_width_and_options_that_training_fixed_are_refused(run, tmp_path, ff2neuro):
    few = tmp_path / "few"
    assert ff2neuro(*TRAIN, "--epochs", "1", "--top-k", "5", "--out", few).code == 0
    outcome = ff2neuro("export", few)
    assert outcome.code == 2
    assert "only 5 of 60 neurons may spike in a step (top_k), which NIR cannot say" in outcome.err
    assert not (few / "network.nir").exists()
    outcome = ff2neuro("export", run, "--steps", "8")
    assert outcome.code == 2
    assert "--steps is fixed by the Hebbian training" in outcome.err


def test_a_readout_with_a_leaky_trace_refuses_counts(run, images):
    graph, network = read_network(run / "network.nir")
    source = encode(network.input_code, images[:2], network.n_time_steps)
    with (
        get_backend("reference") as machine,
        machine.run(graph, source, RunConfig(record="counts")) as recording,
        pytest.raises(ConfigurationError, match="record spikes"),
    ):
        recorded_latents(network, recording)


@pytest.mark.lava
def test_lava_gives_the_spikes_of_the_fixed_point_reference(run, images, lava):
    graph, network = read_network(run / "network.nir")
    _, reference, _ = run_and_score(network, graph, images[:5])
    _, on_lava, _ = run_and_score(network, graph, images[:5], "lava")
    np.testing.assert_array_equal(on_lava[0], reference[0])
