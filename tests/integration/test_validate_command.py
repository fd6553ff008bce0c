import hashlib
import json
from dataclasses import replace
from importlib.resources import files
from xml.etree import ElementTree as ET

import h5py
import nir
import numpy as np
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from ff2neuro.cli.main import cli
from ff2neuro.coding import encode
from ff2neuro.converters.nir_file import read_network, write_network
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.data import load_dataset
from ff2neuro.errors import ConfigurationError, FileFormatError, OutputError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.networks import AnalogNetwork, GoodnessHead, load_model, one_hot_label_codes, save_model

N_TEST = 360


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory with a model that no training made, and what was exported of it."""
    directory = tmp_path_factory.mktemp("run")
    data = load_dataset("digits")
    # Each neuron prefers one class: the class's mean image, less the mean of all, and its label.
    means = np.stack([data.x_train[data.y_train == label].mean(axis=0) for label in range(10)])
    features = means - data.x_train.mean(axis=0)
    positive = np.concatenate([features, 2 * np.eye(10)], axis=1)
    negative = np.concatenate([-features, 2 * np.eye(10)], axis=1)
    head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=(0,))
    model = AnalogNetwork(
        (np.concatenate([positive, negative]),), one_hot_label_codes(10), head, (8, 8), {"dataset": "digits"}
    )
    save_model(model, directory / "model.h5")
    spiking = convert(model, data.x_train[:100], ConversionConfig(n_time_steps=8))
    write_network(spiking, directory / "network.nir")
    return directory


def invoke(*arguments):
    return CliRunner().invoke(cli, ["validate", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def verdict(run):
    result = invoke(run, run / "network.nir", "--backend", "reference", "--json", "--max-accuracy-drop", 100)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_whole_test_split_of_the_runs_own_data_set_is_judged(verdict):
    assert verdict["passed"] is True
    assert verdict["n_samples"] == N_TEST
    assert verdict["backend"]["name"] == "reference"
    assert verdict["n_time_steps"] == 8
    # The hand-made features must do something, or nothing here is judged.
    assert verdict["analog"]["accuracy"] > 0.7
    assert [layer["name"] for layer in verdict["layers"]] == ["layer_0_spikes"]
    assert verdict["layers"][0]["cosine"] > verdict["layers"][0]["cosine_shuffled"]


def test_accuracies_are_those_of_the_library(run, verdict):
    from ff2neuro.coding import input_energy, scores
    from ff2neuro.networks import predict_from_scores

    data = load_dataset("digits")
    graph, network = read_network(run / "network.nir")
    source = encode(network.input_code, data.x_test, network.n_time_steps)
    with get_backend("reference") as backend, backend.run(graph, source, RunConfig(reset="zero")) as recording:
        counts = [recording.counts(name) for name in recording.layer_names]
    spiking = predict_from_scores(scores(network, counts, input_energy(network.input_code, data.x_test)))[0]
    analog = load_model(run / "model.h5").predict(data.x_test)
    assert verdict["spiking"]["accuracy"] == pytest.approx((spiking == data.y_test).mean())
    assert verdict["analog"]["accuracy"] == pytest.approx((analog == data.y_test).mean())
    assert verdict["prediction_agreement"] == pytest.approx((analog == spiking).mean())


def test_file_is_found_in_the_run_and_few_samples_suffice(run):
    result = invoke(run, "--samples", 20, "--json", "--max-accuracy-drop", 100)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["n_samples"] == 20


def test_failed_verdict_exits_with_one_and_says_what_failed_first(run):
    result = invoke(run, "--samples", 50, "--min-latent-agreement", 1.0)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("FAILED: 50 images on reference")
    assert lines[1].startswith("  failed: ")
    assert any("layer_0_spikes.cosine is 0." in line for line in lines)


def test_failed_verdict_as_json_exits_with_one(run):
    result = invoke(run, "--samples", 50, "--min-latent-agreement", 1.0, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["passed"] is False


def test_existing_recording_is_judged_without_a_run(run, tmp_path):
    graph, network = read_network(run / "network.nir")
    images = load_dataset("digits").x_test[:30]
    path = tmp_path / "recording.h5"
    with get_backend("reference") as backend:
        source = encode(network.input_code, images, network.n_time_steps)
        backend.run(graph, source, RunConfig(record="spikes"), out=path).close()
    result = invoke(run, "--recording", path, "--json", "--max-accuracy-drop", 100)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["n_samples"] == 30


def test_report_holds_page_markdown_and_the_same_json(run, tmp_path):
    directory = tmp_path / "report"
    result = invoke(run, "--samples", 30, "--max-accuracy-drop", 100, "--report", directory, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads((directory / "verdict.json").read_text()) == json.loads(result.stdout)
    page = (directory / "report.html").read_text()
    assert f"ff2neuro validate {run} --samples 30 --max-accuracy-drop 100.0" in page
    assert hashlib.sha256((run / "model.h5").read_bytes()).hexdigest() in page
    assert "pixels are rounded to 4 bits" in page
    assert (directory / "report.md").read_text().startswith("## ff2neuro verdict PASSED")


def test_report_that_cannot_be_written_is_refused_before_anything_runs(run, tmp_path):
    result = invoke(run, "--report", tmp_path / "no" / "report", "--backend", "loihi9")
    assert isinstance(result.exception, OutputError)
    assert "create it first" in str(result.exception)


def test_data_of_another_origin_are_noted(run, tmp_path):
    model = load_model(run / "model.h5")
    other = replace(model, provenance={**model.provenance, "dataset_checksum": "0" * 64})
    save_model(other, tmp_path / "model.h5")
    result = invoke(tmp_path, run / "network.nir", "--samples", 10, "--max-accuracy-drop", 100, "--json")
    assert result.exit_code == 0, result.output
    assert "digits is not the data that the network was trained on" in result.stderr
    assert json.loads(result.stdout)["n_samples"] == 10


def test_two_machines_are_compared_spike_for_spike(run):
    result = invoke(run / "network.nir", "--against", "reference,snntorch", "--samples", 5, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    (comparison,) = document["comparisons"]
    assert document["passed"] is True
    assert comparison["exact_expected"] is True
    assert comparison["n_differing"] == 0
    assert comparison["n_compared"] == 5 * 10 * 8 * 20


def test_file_of_others_is_compared_with_input_from_a_file(tmp_path, rng):
    ones = np.ones(3)
    nodes = {
        "in": nir.Input({"input": np.array([2])}),
        "w": nir.Linear(rng.integers(-3, 9, size=(3, 2)).astype(float)),
        "if": nir.CubaLIF(
            tau_syn=1e-4 * ones, tau_mem=2**30 * 1e-4 * ones, r=2.0**30 * ones, v_leak=0 * ones, v_threshold=6.5 * ones
        ),
        "out": nir.Output({"output": np.array([3])}),
    }
    nir.write(tmp_path / "other.nir", nir.NIRGraph(nodes, [("in", "w"), ("w", "if"), ("if", "out")]))
    np.save(tmp_path / "events.npy", rng.integers(0, 2, size=(4, 12, 2)))
    arguments = [tmp_path / "other.nir", "--against", "reference,snntorch", "--input", tmp_path / "events.npy"]
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("PASSED: reference")
    assert "0 of 144 bins differ over 4 images" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--samples", "361"], ConfigurationError, "--samples is 361; there are 360"),
        (["--max-accuracy-drop", "-1"], ConfigurationError, "max_accuracy_drop_pp is -1.0; it must lie between 0"),
        (["--min-latent-agreement", "1.1"], ConfigurationError, "min_latent_agreement is 1.1"),
        (["--backend", "loihi9"], ConfigurationError, "unknown backend 'loihi9'"),
        (["--sweep", "stepps=2"], ConfigurationError, "'stepps' cannot be swept"),
        (["--target", "loihi1"], ConfigurationError, "pass --report DIR"),
        (["--target", "loihi9", "--report", "r"], ConfigurationError, "loihi9"),
        (["--max-faults", "-1"], ConfigurationError, "max_faults is -1"),
        (["--recording", "missing.h5"], FileFormatError, "recording missing.h5 does not exist"),
        (["--backend", "lava", "--recording", "x.h5"], ConfigurationError, "exclude each other"),
        (["--workers", "2", "--recording", "x.h5"], ConfigurationError, "--workers 2 and --recording x.h5 exclude"),
        (["--dt", "1e-3"], ConfigurationError, "--dt is for --against, which compares machines"),
        (["--against", "reference,lava", "--min-cka", "0.5"], ConfigurationError, "--min-cka is for the verdict"),
    ],
)
def test_bad_option_is_refused(run, arguments, error, message):
    result = invoke(run, *arguments)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
    assert result.stdout == ""


def test_zero_samples_are_refused(run):
    result = invoke(run, "--samples", 0)
    assert isinstance(result.exception, ConfigurationError)
    assert "--samples is 0" in str(result.exception)


def test_gate_file_sets_thresholds_and_options_go_first(run, tmp_path):
    gate = tmp_path / "gate.toml"
    gate.write_text("[gate]\nmax_accuracy_drop_pp = 100\nmin_latent_agreement = 1.0\nmin_cka = 0.01\n")
    failed = invoke(run, "--samples", 50, "--gate", gate, "--json")
    assert failed.exit_code == 1
    passed = invoke(run, "--samples", 50, "--gate", gate, "--min-latent-agreement", 0.1, "--json")
    assert passed.exit_code == 0, passed.output
    thresholds = json.loads(passed.stdout)["thresholds"]
    assert thresholds["min_latent_agreement"] == 0.1
    assert thresholds["min_cka"] == 0.01
    assert thresholds["max_accuracy_drop_pp"] == 100


def test_checks_are_written_as_junit(run, tmp_path):
    path = tmp_path / "verdict.xml"
    result = invoke(run, "--samples", 50, "--min-latent-agreement", 1.0, "--max-accuracy-drop", 100, "--junit", path)
    assert result.exit_code == 1
    suite = ET.parse(path).getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert [case.find("failure") is not None for case in suite.findall("testcase")] == [False, False, True]
    again = invoke(run, "--samples", 50, "--junit", path)
    assert isinstance(again.exception, OutputError)
    assert "--force" in str(again.exception)


def test_sweeps_are_part_of_the_verdict_and_its_report(run, tmp_path):
    arguments = ["--samples", 40, "--max-accuracy-drop", 100, "--report", tmp_path / "report"]
    result = invoke(run, *arguments, "--sweep", "steps=2,8", "--sweep", "dead_neurons=0,0.5", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    steps, dead = document["sweeps"]
    assert [point["value"] for point in steps["points"]] == [2, 8]
    # No dead neuron is the file itself; eight steps are its choices, calibrated on other images.
    assert dead["points"][0]["cosines"] == pytest.approx([document["layers"][0]["cosine"]], abs=1e-6)
    assert steps["points"][1]["cosines"] == pytest.approx(dead["points"][0]["cosines"], abs=1e-2)
    assert dead["points"][1]["cosines"][0] < dead["points"][0]["cosines"][0]
    page = (tmp_path / "report" / "report.html").read_text()
    assert "--sweep steps=2,8 --sweep dead_neurons=0,0.5" in page
    assert "Sweep of dead_neurons on 40 images" in (tmp_path / "report" / "report.md").read_text()
    schema = json.loads(files("ff2neuro.validation").joinpath("verdict.schema.json").read_text())
    Draft202012Validator(schema).validate(document)


def test_report_says_what_a_machine_would_need(run, tmp_path):
    result = invoke(
        run, "--samples", 20, "--max-accuracy-drop", 100, "--report", tmp_path / "report", "--target", "loihi1"
    )
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<h2>Mapping and energy</h2>" in page
    assert "Estimate, not a measurement, from 20 images x 10 label passes" in page


def test_neutral_label_is_presented_too(verdict):
    layer = verdict["layers"][0]
    assert 0 < layer["separability_spiking_neutral"] <= 1
    assert layer["hoyer_analog_neutral"] is not None


def test_threshold_changed_in_the_file_fails_the_gate(run, tmp_path):
    path = tmp_path / "network.nir"
    path.write_bytes((run / "network.nir").read_bytes())
    with h5py.File(path, "r+") as file:
        file["node/nodes/layer_0_spikes/v_threshold"][...] *= 2
    result = invoke(run, path, "--samples", 50, "--max-accuracy-drop", 100)
    assert result.exit_code == 1, result.output
    assert "  failed: faults is " in result.stdout
    assert "fault: layer 0: weights, thresholds, leak, reset or readout in the NIR file were changed" in result.stdout
    assert invoke(run, path, "--samples", 50, "--max-accuracy-drop", 100, "--max-faults", 9).exit_code == 0


def test_reset_changed_in_the_graph_fails_the_gate(run, tmp_path):
    path = tmp_path / "network.nir"
    path.write_bytes((run / "network.nir").read_bytes())
    with h5py.File(path, "r+") as file:
        threshold = file["node/nodes/layer_0_spikes/v_threshold"][...]
        file["node/nodes/layer_0_spikes/v_reset"][...] = -np.round(threshold)
    result = invoke(run, path, "--samples", 50, "--max-accuracy-drop", 100)
    assert result.exit_code == 1, result.output
    assert "the machine leaves the simulation of the file first in layer_0_spikes" in result.stdout


def test_recording_of_other_images_is_refused(run, tmp_path):
    path = tmp_path / "recording.h5"
    graph, network = read_network(run / "network.nir")
    images = load_dataset("digits").x_test[30:60]
    with get_backend("reference") as backend:
        backend.run(graph, encode(network.input_code, images, network.n_time_steps), out=path).close()
    result = invoke(run, "--recording", path)
    assert isinstance(result.exception, ConfigurationError)
    assert "the input of 30 of 30 differs, first of image 0" in str(result.exception)


def test_file_in_the_place_of_a_run_is_refused(run):
    result = invoke(run / "network.nir")
    assert isinstance(result.exception, FileFormatError)
    assert "network.nir is a file; name the run directory" in str(result.exception)


def test_values_of_the_wrong_kind_in_a_file_are_refused_by_its_name(run, tmp_path):
    path = tmp_path / "network.nir"
    path.write_bytes((run / "network.nir").read_bytes())
    with h5py.File(path, "r+") as file:
        file["ff2neuro"].attrs["n_time_steps"] = "many"
    result = invoke(run, path)
    assert isinstance(result.exception, FileFormatError)
    assert f"NIR file {path} is damaged or incomplete: invalid literal" in str(result.exception)
    with h5py.File(path, "r+") as file:
        file["ff2neuro"].attrs["n_time_steps"] = 8
        file["node/nodes/layer_0_linear/weight"][2, 3] = np.nan
    result = invoke(run, path)
    assert f"NIR file {path}: weight of shape (20, 74)" in str(result.exception)
    assert "1 are NaN or infinite" in str(result.exception)


def test_missing_run_says_how_to_train(tmp_path):
    result = invoke(tmp_path / "nothing")
    assert isinstance(result.exception, FileFormatError)
    assert "ff2neuro train" in str(result.exception)
