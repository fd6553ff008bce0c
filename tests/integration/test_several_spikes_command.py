"""`ff2neuro export --max-spikes-per-step`: run on machines that can, validated, swept, refused where it cannot be."""

import json

import pytest

from ff2neuro.recording import Recording

NATIVE = ("--reset", "subtract", "--dialect", "native", "--steps", 4)


@pytest.fixture
def several(ff2neuro, digits_run, tmp_path):
    path = tmp_path / "several.nir"
    outcome = ff2neuro("export", digits_run, *NATIVE, "--max-spikes-per-step", 15, "--out", path)
    assert outcome.code == 0, outcome.err
    assert "up to 15 spikes in a step" in outcome.out
    return path


def test_four_steps_agree_better_than_with_one_spike_in_each(ff2neuro, digits_run, several, tmp_path):
    single = tmp_path / "single.nir"
    assert ff2neuro("export", digits_run, *NATIVE, "--out", single).code == 0
    gate = ("--samples", 100, "--max-accuracy-drop", 5, "--json")
    many, one = (json.loads(ff2neuro("validate", digits_run, path, *gate).out) for path in (several, single))
    assert many["passed"]
    assert (many["max_spikes_per_step"], one["max_spikes_per_step"]) == (15, 1)
    assert "4 time steps, up to 15 spikes in each)" in ff2neuro("validate", digits_run, several, "--samples", 5).out
    for ours, theirs in zip(many["layers"], one["layers"], strict=True):
        assert 1 - ours["cosine"] < (1 - theirs["cosine"]) / 3


@pytest.mark.lava
def test_lava_agrees_in_every_bin(ff2neuro, several, lava):
    outcome = ff2neuro("validate", several, "--against", "lava,reference", "--samples", 20, "--json")
    assert outcome.code == 0, outcome.err
    (comparison,) = json.loads(outcome.out)["comparisons"]
    assert comparison["n_differing"] == 0
    assert comparison["n_compared"] > 0


def test_a_recording_is_validated_and_reported(ff2neuro, digits_run, several, tmp_path):
    out, report = tmp_path / "spikes.h5", tmp_path / "report.html"
    assert ff2neuro("run", several, "--samples", 40, "--record", "spikes", "--out", out).code == 0
    with Recording.open(out) as recording:
        assert 1 < recording.spikes(recording.layer_names[0]).max() <= 15
    recorded = ff2neuro("validate", digits_run, several, "--recording", out, "--report", report, "--json")
    simulated = ff2neuro("validate", digits_run, several, "--samples", 40, "--json")
    ours, theirs = (json.loads(outcome.out) for outcome in (recorded, simulated))
    assert [layer["cosine"] for layer in ours["layers"]] == [layer["cosine"] for layer in theirs["layers"]]
    assert report.exists()


def test_sweeps_take_it(ff2neuro, digits_run, several):
    outcome = ff2neuro(
        "validate",
        *(digits_run, several, "--samples", 40, "--json"),
        *("--sweep", "max_spikes_per_step=1,3,15", "--sweep", "stuck_neurons=0,0.5"),
    )
    sweeps = json.loads(outcome.out)["sweeps"]
    cosines = [point["cosines"][0] for point in sweeps[0]["points"]]
    assert cosines == sorted(cosines)
    assert [point["error"] for point in sweeps[1]["points"]] == [None, None]
    assert sweeps[1]["points"][1]["cosines"][1] < sweeps[1]["points"][0]["cosines"][1]


def test_a_point_that_cannot_be_leaves_the_others(ff2neuro, digits_run, several, tmp_path):
    """Several spikes need reset by subtraction, and counts of so many steps more than a recording holds."""
    zero = tmp_path / "zero.nir"
    assert ff2neuro("export", digits_run, "--steps", 4, "--out", zero).code == 0

    def errors(path, sweep):
        outcome = ff2neuro("validate", digits_run, path, "--samples", 10, "--sweep", sweep, "--json")
        return [point["error"] for point in json.loads(outcome.out)["sweeps"][0]["points"]]

    one, several_of_zero = errors(zero, "max_spikes_per_step=1,3")
    assert one is None
    assert "use --reset subtract" in several_of_zero
    few, many = errors(several, "steps=2,5000")
    assert few is None
    assert "make counts of up to 75000" in many


def test_recordings_of_another_number_are_refused(ff2neuro, digits_run, several, tmp_path):
    other, out = tmp_path / "other.nir", tmp_path / "several.h5"
    assert ff2neuro("export", digits_run, *NATIVE, "--max-spikes-per-step", 31, "--out", other).code == 0
    assert ff2neuro("run", several, "--samples", 5, "--out", out).code == 0
    outcome = ff2neuro("validate", digits_run, other, "--recording", out)
    assert outcome.code == 2
    assert "the recording has most spikes in a step: 15, the NIR file 31" in outcome.err
    outcome = ff2neuro("inspect", other, "--target", "loihi2", "--recording", out)
    assert outcome.code == 2
    assert "send up to 15 spikes in a step, those of the graph 31; record this graph" in outcome.err


def test_inspect_says_it_and_what_machines_make_of_it(ff2neuro, several):
    document = json.loads(ff2neuro("inspect", several, "--json").out)
    assert document["max_spikes_per_step"] == 15
    assert not [reader for reader in document["readers"] if reader["status"] == "same"]
    chip = ff2neuro("inspect", several, "--target", "loihi1")
    assert "sends up to 15 spikes in a step, 1 are possible" in chip.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--max-spikes-per-step", 15), "use --reset subtract"),
        (("--max-spikes-per-step", 15, "--reset", "subtract"), "NIR cannot say"),
        ((*NATIVE, "--max-spikes-per-step", 15, "--readout", "times"), "use --readout counts"),
        (
            (*NATIVE, "--max-spikes-per-step", 15, "--fine-tune", 1),
            "--fine-tune knows the response of neurons",
        ),
        ((*NATIVE, "--max-spikes-per-step", 255, "--steps", 300), "make counts of up to 76500; recordings hold 65535"),
        ((*NATIVE, "--max-spikes-per-step", 256), "it must be a whole number in 1..255"),
        ((*NATIVE, "--max-spikes-per-step", "many"), "'many' is not a valid integer"),
        (("--reset", "subtract", "--max-spikes-per-step", 3, "--target", "netx"), "which netx cannot say"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(ff2neuro, digits_run, tmp_path, options, message):
    path = tmp_path / "network.nir"
    outcome = ff2neuro("export", digits_run, "--out", path, *options)
    assert outcome.code == 2
    assert message in outcome.err
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--early-exit",), "leave the early exit out"),
        (("--backend", "snntorch"), "snnTorch's NIR reader resets to zero"),
    ],
)
def test_runs_that_cannot_be_are_refused(ff2neuro, several, tmp_path, options, message):
    outcome = ff2neuro("run", several, *options, "--samples", 5, "--out", tmp_path / "out.h5")
    assert outcome.code == 2
    assert message in outcome.err


def test_shards_give_the_same_recording(ff2neuro, several, tmp_path):
    whole, sharded = tmp_path / "whole.h5", tmp_path / "sharded.h5"
    run = ("run", several, "--samples", 30, "--record", "spikes")
    assert ff2neuro(*run, "--out", whole).code == 0
    outcome = ff2neuro(*run, "--out", sharded, "--processes", 1)
    assert outcome.code == 0, outcome.err
    with Recording.open(whole) as one, Recording.open(sharded) as other:
        assert other.header.max_spikes_per_step == 15
        for name in one.layer_names:
            assert (one.spikes(name) == other.spikes(name)).all()
