"""`ff2neuro export --readout times`: run, validated and swept like any other, and refused where it cannot be."""

import json

import pytest

from ff2neuro.recording import Recording

NATIVE = ("--reset", "subtract", "--dialect", "native")


@pytest.fixture
def times(ff2neuro, digits_run, tmp_path):
    path = tmp_path / "times.nir"
    outcome = ff2neuro("export", digits_run, *NATIVE, "--steps", 8, "--readout", "times", "--out", path)
    assert outcome.code == 0, outcome.err
    assert "activity read from counts and last spikes" in outcome.out
    return path


def test_run_records_spikes_unasked_and_validate_takes_them(ff2neuro, digits_run, times, tmp_path):
    out = tmp_path / "spikes.h5"
    assert ff2neuro("run", times, "--samples", 60, "--out", out).code == 0
    with Recording.open(out) as recording:
        assert recording.header.kind == "spikes"
    gate = ("--max-accuracy-drop", 5, "--json")
    recorded = ff2neuro("validate", digits_run, times, "--recording", out, *gate)
    assert recorded.code == 0, recorded.err
    simulated = ff2neuro("validate", digits_run, times, "--samples", 60, *gate)
    ours, theirs = (json.loads(outcome.out) for outcome in (recorded, simulated))
    assert ours["passed"]
    assert ours["layers"][1]["cosine"] == theirs["layers"][1]["cosine"]
    assert ours["spiking"] == theirs["spiking"]


def test_counts_are_refused_with_what_to_do(ff2neuro, digits_run, times, tmp_path):
    out = tmp_path / "counts.h5"
    assert ff2neuro("run", times, "--samples", 20, "--record", "counts", "--out", out).code == 0
    outcome = ff2neuro("validate", digits_run, times, "--recording", out)
    assert outcome.code == 2
    assert "is read out by the times of spikes" in outcome.err
    assert "--record spikes" in outcome.err


def test_sweeps_and_reports_take_it(ff2neuro, digits_run, times, tmp_path):
    report = tmp_path / "report.html"
    outcome = ff2neuro(
        "validate", digits_run, times, "--samples", 40, "--sweep", "steps=4,8", "--report", report, "--json"
    )
    assert report.exists(), outcome.err
    few, many = json.loads(outcome.out)["sweeps"][0]["points"]
    assert few["cosines"][1] < many["cosines"][1]


def test_stuck_neurons_are_swept_although_they_start_above_their_threshold(ff2neuro, digits_run, times):
    outcome = ff2neuro("validate", digits_run, times, "--samples", 20, "--sweep", "stuck_neurons=0,0.5", "--json")
    points = json.loads(outcome.out)["sweeps"][0]["points"]
    assert [point["error"] for point in points] == [None, None]
    assert points[1]["cosines"][1] < points[0]["cosines"][1]


def test_inspect_says_how_it_is_read(ff2neuro, times):
    outcome = ff2neuro("inspect", times, "--json")
    assert json.loads(outcome.out)["readout"] == "the times of spikes"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--readout", "times", "--fine-tune", "1"), "--fine-tune learns on spike counts"),
        (("--readout", "times", "--steps", "256"), "a readout by the times of spikes goes up to 255"),
        (("--readout", "rates"), "'rates' is not one of 'counts', 'times'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(ff2neuro, digits_run, tmp_path, options, message):
    path = tmp_path / "network.nir"
    outcome = ff2neuro("export", digits_run, "--out", path, *options)
    assert outcome.code == 2
    assert message in outcome.err
    assert not path.exists()


def test_early_exit_is_refused(ff2neuro, times, tmp_path):
    outcome = ff2neuro("run", times, "--early-exit", "--samples", 5, "--out", tmp_path / "out.h5")
    assert outcome.code == 2
    assert "leave the early exit out" in outcome.err
