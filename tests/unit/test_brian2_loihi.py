"""The optional backend brian2-loihi: what is missing, and what it cannot honour, is said before anything runs."""

import sys
from itertools import pairwise

import nir
import numpy as np
import pytest

from ff2neuro.errors import BackendMissingError, GraphError, RangeError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.hardware.brian2_loihi_backend.backend import PYTHON_VARIABLE
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


def test_without_an_interpreter_the_message_says_how_to_make_one(monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    machine = get_backend("brian2-loihi")
    assert machine.version == "missing"
    with pytest.raises(BackendMissingError, match=r"pip install brian2-loihi==0\.5\.2\) and name its"):
        machine.run(graph(np.ones((2, 3)), 5), EVENTS)


@pytest.mark.parametrize(
    ("python", "message"),
    [(sys.executable, "which has no brian2-loihi; needed is 0.5.2"), ("/no/such/python", "which does not run")],
)
def test_an_interpreter_that_lacks_it_is_refused(monkeypatch, python, message):
    monkeypatch.setenv(PYTHON_VARIABLE, python)
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
def test_what_it_cannot_honour_is_refused_before_it_is_looked_for(
    monkeypatch, weight, threshold, config, error, message
):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    with pytest.raises(error, match=message):
        get_backend("brian2-loihi").run(graph(weight, threshold), EVENTS, RunConfig(**config))
