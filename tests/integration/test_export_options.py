"""How `ff2neuro export` converts: leaky neurons, initial potentials, scales of neurons, and choices by measurement."""

import json

import numpy as np
import pytest

from ff2neuro.converters.nir_file import read_network


@pytest.fixture
def export(ff2neuro, digits_run, tmp_path):
    """Export the digits network with options; return the outcome and where the file is to lie."""

    def run(*options):
        return ff2neuro("export", digits_run, "--out", tmp_path / "network.nir", *options), tmp_path / "network.nir"

    return run


def test_leaky_neurons_are_exported_with_the_leak_asked_for(export):
    outcome, path = export("--neuron", "lif", "--leak", 64, "--steps", 8)
    assert outcome.code == 0
    _, network = read_network(path)
    assert [layer.leak for layer in network.layers] == [64, 64]
    assert "leak 64/4096 per step" in outcome.out


def test_native_file_from_half_a_threshold_runs_on_the_reference_backend_and_passes(export, ff2neuro, digits_run):
    native = ("--dialect", "native", "--reset", "subtract", "--initial-potential", 0.5, "--weight-scale", "neuron")
    outcome, path = export(*native, "--steps", 16)
    assert outcome.code == 0
    _, network = read_network(path)
    assert np.any(network.layers[1].v_init)
    verdict = ff2neuro("validate", digits_run, path, "--samples", 60, "--min-latent-agreement", 0.98, "--json")
    assert verdict.code == 0
    assert json.loads(verdict.out)["passed"]


@pytest.mark.parametrize("option", [("--initial-potential", 0.5), ("--weight-scale", "neuron")])
def test_what_only_the_native_dialect_can_say_is_refused_before_anything_is_written(export, option):
    outcome, path = export(*option)
    assert outcome.code == 2
    assert "--dialect native" in outcome.err
    assert not path.exists()


def test_auto_says_what_it_chose_and_what_that_costs(export):
    outcome, path = export(
        "--steps", "auto", "--weight-bits", "auto", "--tolerance", 5, "--calibration", 60, "--held-out", 300, "--json"
    )
    assert outcome.code == 0
    document = json.loads(outcome.out)
    _, network = read_network(path)
    assert document["n_time_steps"] == network.n_time_steps
    assert np.abs(network.layers[0].weight).max() <= 2 ** (document["weight_bits"] - 1) - 1
    steps, bits = document["notes"][-2:]
    assert steps.startswith(f"time steps chosen: {document['n_time_steps']}, ")
    assert bits.startswith(f"weight bits chosen: {document['weight_bits']}, ")
    assert "300 training images that were not used for calibration" in steps


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", "many"), "--steps is 'many'; it must be a number from 1, or auto"),
        (("--steps", "0"), "must lie in 1..65535"),
        (("--weight-bits", "few"), "--weight-bits is 'few'; it must be a number from 2 to 8, auto, or none"),
        (("--leak", "64"), "has no leak, but 64 is given"),
        (("--steps", "auto", "--held-out", "0"), "--held-out is 0"),
        (("--steps", "auto", "--tolerance", "-1"), "tolerance is -1"),
        (("--steps", "auto", "--calibration", "99999"), "takes all"),
        (("--steps", "auto", "--tolerance", "0"), "held-out images show no less than"),
    ],
)
def test_choices_that_make_no_sense_are_refused(export, options, message):
    outcome, path = export(*options)
    assert outcome.code == 2
    assert message in outcome.err
    assert not path.exists()
