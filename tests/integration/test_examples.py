"""The examples run as their first lines say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def own_weights(tmp_path_factory):
    """Return what the example with arrays of one's own printed, and the directory that it made."""
    out = tmp_path_factory.mktemp("own") / "weights"
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "own_weights.py", out],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, out


def test_own_weights_are_converted_exported_and_judged(own_weights):
    printed, out = own_weights
    assert printed.startswith("PASSED: 360 images on reference")
    assert (out / "network.nir").exists()


def test_the_commands_take_what_the_example_made(own_weights, ff2neuro):
    _, out = own_weights
    assert ff2neuro("export", out, "--dataset", "digits", "--steps", 24, "--out", out / "other.nir").code == 0
    outcome = ff2neuro("validate", out, out / "other.nir", "--dataset", "digits", "--max-accuracy-drop", 3)
    assert outcome.code == 0, outcome.out
    assert "24 time steps" in outcome.out
