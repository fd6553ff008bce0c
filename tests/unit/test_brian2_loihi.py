"""The optional backend brian2-loihi: what is missing, and what it cannot honour, is said before anything runs."""

import sys
from itertools import pairwise

import nir
import numpy as np
import pytest

from ff2neuro.errors import BackendMissingError, GraphError, RangeError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.hardware.brian2_loihi_backend.backend import BRIAN2_LOIHI
from ff2neuro.inputs import InputSource


def graph(weight, threshold):
    n = len(weight)
    nodes = {
        "input": nir.Input({"input": np.array([weight.shape[1]])}),
        "linear": nir.Linear(weight.astype(float)),
        "layer": nir.IF(r=1e4 * np.ones(n), v_threshold=np.broadcast_to(threshold, n) + 0.5, v_reset=np.zeros(n)),
        "output": nir.Output({"output": np.array([n])}),
    }
    return nir.NIRGraph(nodes, list(pairwise(nodes)))


EVENTS = InputSource.from_array(np.ones((1, 1, 2, 3), dtype=int))


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.delenv(BRIAN2_LOIHI.python_variable, raising=False)
    monkeypatch.setenv(BRIAN2_LOIHI.directory_variable, str(tmp_path / "nothing"))


def test_without_an_environment_the_message_names_the_command_that_makes_one():
    machine = get_backend("brian2-loihi")
    assert machine.version == "missing"
    with pytest.raises(BackendMissingError, match=r"no environment in .*; install it: ff2neuro backends install"):
        machine.run(graph(np.ones((2, 3)), 5), EVENTS)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        (sys.executable, r"without brian2-loihi; install brian2-loihi 0\.5\.2 there, name another"),
        ("/no/such/python", "which does not run"),
    ],
)
def test_an_interpreter_that_lacks_it_is_refused(monkeypatch, python, message):
    monkeypatch.setenv(BRIAN2_LOIHI.python_variable, python)
    with pytest.raises(BackendMissingError, match=message):
        get_backend("brian2-loihi").run(graph(np.ones((2, 3)), 5), EVENTS)


@pytest.mark.parametrize(
    ("weight", "threshold", "config", "error", "message"),
    [
        (np.full((2, 3), 256), 5, {}, RangeError, "weights reach from 256 to 256; Loihi holds -256 to 255"),
        (np.ones((2, 3)), 131072, {}, RangeError, "thresholds reach from 131072"),
        (np.ones((2, 3)), np.array([5, 6]), {}, GraphError, "uneven thresholds"),
        (np.ones((2, 3)), 5, {"reset": "subtract"}, GraphError, "resets to zero"),
        (np.ones((2, 3)), 5, {"states": True}, GraphError, "potentials are not recorded"),
    ],
)
def test_what_it_cannot_honour_is_refused_before_it_is_looked_for(weight, threshold, config, error, message):
    with pytest.raises(error, match=message):
        get_backend("brian2-loihi").run(graph(weight, threshold), EVENTS, RunConfig(**config))
