"""Importing the package, or asking for help, loads no framework."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "snntorch", "matplotlib", "lava", "sklearn", "numba", "nirtorch"}

REPORT = """
import sys
{code}
print(",".join(sorted({{name.split(".")[0] for name in sys.modules}})))
"""


def loaded(code):
    done = subprocess.run([sys.executable, "-c", REPORT.format(code=code)], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split(","))


def test_package_loads_no_framework():
    assert not loaded("import ff2neuro") & HEAVY


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["train", "--help"], ["export", "--help"], ["reproduce", "--help"]]
)
def test_help_loads_no_framework(arguments):
    code = f"""
from ff2neuro.cli.main import main
try:
    main({arguments!r})
except SystemExit as stop:
    assert stop.code == 0, stop.code
"""
    assert not loaded(code) & HEAVY


def test_core_types_and_reference_backend_need_no_training_framework():
    code = "import ff2neuro.networks, ff2neuro.converters.rate, ff2neuro.hardware.reference_backend.backend"
    assert not loaded(code) & {"torch", "snntorch", "matplotlib", "lava"}
