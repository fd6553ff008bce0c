"""``ff2neuro run --early-exit``: the same accuracy, and a recording that nothing mistakes for a whole one."""

import json

import numpy as np
import pytest

from ff2neuro.recording import Recording


@pytest.fixture
def early(ff2neuro, digits_run, tmp_path):
    """Run digits with an early exit; the recording and the answer."""
    out = tmp_path / "early.h5"
    outcome = ff2neuro("run", digits_run / "network.nir", "--early-exit", "--samples", 200, "--out", out, "--json")
    assert outcome.code == 0, outcome.err
    return out, json.loads(outcome.out)


def test_accuracy_is_that_of_the_verdict(ff2neuro, digits_run, early):
    verdict = ff2neuro("validate", digits_run, digits_run / "network.nir", "--samples", 200, "--json")
    found = early[1]["early_exit"]
    assert found["accuracy"] == json.loads(verdict.out)["spiking"]["accuracy"]
    assert found["n_stopped"] > 0
    assert 0 < found["steps_left_out"] < 1


def test_recording_says_what_was_left_out(early):
    with Recording.open(early[0]) as recording:
        assert int((recording.steps < recording.header.n_time_steps).sum()) == early[1]["early_exit"]["n_stopped"]


def test_answer_in_words_says_what_was_left_out(ff2neuro, digits_run, tmp_path):
    out = tmp_path / "early.h5"
    outcome = ff2neuro("run", digits_run / "network.nir", "--early-exit", "--samples", 20, "--out", out)
    assert "of 200 presentations stopped" in outcome.out


def test_other_machines_refuse_by_name_and_leave_no_file(ff2neuro, digits_run, tmp_path):
    out = tmp_path / "early.h5"
    outcome = ff2neuro("run", digits_run / "network.nir", "--early-exit", "--backend", "snntorch", "--out", out)
    assert outcome.code == 2
    assert "backend 'snntorch' cannot stop hypotheses early" in outcome.err
    assert not out.exists()


def test_events_of_a_file_have_no_scores(ff2neuro, digits_run, tmp_path):
    out, events = tmp_path / "early.h5", tmp_path / "events.npy"
    np.save(events, np.ones((2, 10, 16, 164), dtype=np.uint8))
    outcome = ff2neuro("run", digits_run / "network.nir", "--early-exit", "--input", events, "--out", out)
    assert outcome.code == 2
    assert "--early-exit compares the scores of label hypotheses" in outcome.err
