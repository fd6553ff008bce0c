"""The exit code is right whatever becomes of the streams that a command prints to."""

import subprocess
import sys
from pathlib import Path

import pytest

VALIDATE = ("validate", "--samples", "3", "--max-accuracy-drop", "100")
FAILING = ("--min-latent-agreement", "1.0")


def shell(line, run):
    """Run a line of bash in which $F is the program and $RUN a run directory; return exit code and output."""
    variables = {"F": f"{sys.executable} -m ff2neuro", "RUN": str(run)}
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120, env={**ENV, **variables})
    return done.returncode, done.stdout, done.stderr


ENV = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize(
    ("redirection", "gate", "code"),
    [("| true", (), 0), ("| true", FAILING, 1), ("2>&-", (), 0), (">&-", FAILING, 1), ("2>/dev/full", (), 0)],
)
def test_verdict_decides_the_exit_code(digits_run, redirection, gate, code):
    arguments = " ".join((VALIDATE[0], "$RUN", *VALIDATE[1:], *gate))
    found, _, errors = shell(f"$F {arguments} {redirection}; exit ${{PIPESTATUS[0]}}", digits_run)
    assert found == code
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors


def test_full_disk_behind_stdout_is_an_error(digits_run):
    found, _, errors = shell("$F inspect $RUN >/dev/full", digits_run)
    assert found == 2
    assert "No space left on device" in errors
    assert "Traceback" not in errors


def test_bad_input_is_bad_input_where_nobody_can_be_told(digits_run):
    assert shell("$F validate nothing 2>/dev/full", digits_run)[0] == 2
    assert shell("$F validate --samples many 2>/dev/full", digits_run)[0] == 2


DEFECT = """
from ff2neuro.cli import inspect, main
def broken(**options):
    raise RuntimeError("this cannot be")
inspect.command.callback = broken
main.main(["inspect"])
"""


def test_defect_of_ours_is_not_taken_for_a_failed_verdict():
    done = subprocess.run([sys.executable, "-c", DEFECT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 70
    assert "RuntimeError: this cannot be" in done.stderr
    assert "a defect of ff2neuro, not of your input" in done.stderr
