"""Fixtures that several test files share."""

import os
import signal
from typing import NamedTuple

import numpy as np
import pytest

from ff2neuro.cli.main import main
from ff2neuro.errors import BackendMissingError
from ff2neuro.hardware.lava_backend.environment import LAVA

# A shell that starts the tests in the background makes them, and the programs that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng():
    """Return a source of chance that is the same in every test."""
    return np.random.default_rng(20240616)


class Outcome(NamedTuple):
    """What a command line did."""

    code: int
    out: str
    err: str


@pytest.fixture
def ff2neuro(capfd):
    """Run the command line in this process and return its exit code and what it printed."""

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        return Outcome(stop.value.code, printed.out, printed.err)

    handler = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """Return a run directory with a network trained for a few epochs on digits, and its NIR file; not to be changed."""
    run = tmp_path_factory.mktemp("digits") / "run"
    for arguments in (["train", "--epochs", "3", "--layers", "60,40", "--out", run], ["export", run, "--steps", "16"]):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        assert stop.value.code == 0
    return run


@pytest.fixture(scope="session")
def lava():
    """Return the interpreter that has Lava; skip without one, unless FF2NEURO_REQUIRE_LAVA=1 says that it must be."""
    try:
        return LAVA.find_interpreter()
    except BackendMissingError as error:
        if os.environ.get("FF2NEURO_REQUIRE_LAVA") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
