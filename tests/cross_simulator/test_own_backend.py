"""The example of a third-party machine, installed as pip installs it, passes the suite that every machine passes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Return environment variables under which the example is installed."""
    # A copy, so that building leaves nothing in the checkout.
    source = tmp_path_factory.mktemp("source") / "own_backend"
    shutil.copytree(ROOT / "examples" / "own_backend", source)
    target = tmp_path_factory.mktemp("target")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": str(target)}


@pytest.mark.slow
def test_example_passes_the_contract_suite(environment):
    suite = ROOT / "tests" / "cross_simulator" / "test_backend_contract.py"
    command = [sys.executable, "-m", "pytest", suite, "-q", "-k", "integer-machine", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(done.stdout.splitlines()[-1].split(" passed")[0].split()[-1])
    assert passed >= 13
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_example_is_listed_among_the_machines(environment):
    command = [sys.executable, "-m", "ff2neuro", "backends"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    [row] = [line for line in done.stdout.splitlines() if line.startswith("integer-machine")]
    assert "1.0" in row
    assert "ff2neuro-integer-machine" in row
