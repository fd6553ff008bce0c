import nir
import numpy as np
import pytest

from ff2neuro.errors import ConfigurationError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.inputs import InputSource
from ff2neuro.validation import compare_recordings
from ff2neuro.validation.machines import MachineComparison, compare_machines, render_machines

N_STEPS = 16


def chain(tau_steps, rng):
    """One layer of neurons that leak n/4096 per step, integer in Lava's sense."""
    ones = np.ones(6)
    neurons = nir.LIF(
        tau=tau_steps * 1e-4 * ones, r=tau_steps * ones, v_leak=0 * ones, v_threshold=40.5 * ones, v_reset=0 * ones
    )
    nodes = {
        "input": nir.Input({"input": np.array([4])}),
        "weight": nir.Linear(rng.integers(-20, 30, size=(6, 4)).astype(float)),
        "neurons": neurons,
        "output": nir.Output({"output": np.array([6])}),
    }
    return nir.NIRGraph(nodes, [("input", "weight"), ("weight", "neurons"), ("neurons", "output")])


@pytest.fixture
def source(rng):
    return InputSource.from_array(rng.integers(0, 2, size=(10, 1, N_STEPS, 4)))


@pytest.fixture
def leaky(rng, source):
    """Fixed-point and float recordings of the same leaky neurons, which round leaks differently."""
    graph = chain(4096 / 700, rng)
    return tuple(
        ReferenceBackend(arithmetic).run(graph, source, RunConfig(record="spikes")) for arithmetic in ("fixed", "float")
    )


def test_machines_that_round_leaks_differently_are_judged_by_count_distance(leaky):
    spikes = compare_recordings(*leaky)
    distance = spikes.layers[0].mean_count_distance
    assert distance > 0
    assert MachineComparison(spikes, exact_expected=False).passed
    assert MachineComparison(spikes, exact_expected=False, max_count_distance=distance).passed
    assert not MachineComparison(spikes, exact_expected=False, max_count_distance=distance / 2).passed


def test_machines_that_must_agree_fail_on_one_spike(leaky, source, rng):
    other = ReferenceBackend("float").run(chain(4096 / 100, rng), source, RunConfig(record="spikes"))
    comparison = MachineComparison(compare_recordings(leaky[1], other), exact_expected=True)
    assert not comparison.passed
    lines = render_machines([comparison]).splitlines()
    assert lines[0].startswith("FAILED: reference")
    assert lines[1].startswith("  first difference: neurons neuron ")


@pytest.mark.parametrize("names", [["reference"], ["reference", "reference"], []])
def test_fewer_than_two_machines_are_refused(rng, source, names):
    with pytest.raises(ConfigurationError, match="name two or more different ones"):
        compare_machines(chain(10, rng), source, names)


def test_unknown_machine_is_refused_before_any_runs(rng, source):
    with pytest.raises(ConfigurationError, match="unknown backend 'spinnaker9'"):
        compare_machines(chain(10, rng), source, ["reference", "spinnaker9"])


@pytest.mark.parametrize("limit", [-1.0, float("nan"), float("inf")])
def test_impossible_count_distance_is_refused(rng, source, limit):
    with pytest.raises(ConfigurationError, match="largest count distance is"):
        compare_machines(chain(10, rng), source, ["reference", "snntorch"], max_count_distance=limit)
