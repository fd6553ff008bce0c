"""Energy and latency: operations counted by hand, times constants."""

import json
from itertools import pairwise

import nir
import numpy as np
import pytest

from ff2neuro.errors import ConfigurationError, GraphError
from ff2neuro.hardware.backend import get_backend
from ff2neuro.hardware.chain import read_chain
from ff2neuro.hardware.energy import analog_macs, count_activity, estimate_energy, estimate_latency
from ff2neuro.hardware.mapping import map_chain
from ff2neuro.hardware.targets import Core, EnergyModel, LatencyModel, Target, load_target
from ff2neuro.inputs import InputSource
from ff2neuro.recording import RecordingHeader, RecordingWriter

T = 3


@pytest.fixture
def graph():
    """Two inputs, two neurons that spike at every event, and one that hears the first of them only."""
    nodes = {"input": nir.Input({"input": np.array([2])})}
    for index, weight in enumerate((np.eye(2) * 5 + 1, np.array([[4.0, 0.0]]))):
        ones = np.ones(len(weight))
        nodes[f"linear_{index}"] = nir.Linear(weight)
        nodes[f"layer_{index}"] = nir.IF(r=1e4 * ones, v_threshold=3.5 * ones, v_reset=0 * ones)
    nodes["output"] = nir.Output({"output": np.array([1])})
    return nir.NIRGraph(nodes, list(pairwise(nodes)))


@pytest.fixture
def chain(graph):
    return read_chain(graph, 1e-4)


@pytest.fixture
def recording(graph):
    events = np.zeros((1, 2, T, 2), dtype=int)
    events[0, 0] = [[1, 0], [1, 0], [0, 3]]
    with get_backend("reference").run(graph, InputSource.from_array(events)) as recording:
        yield recording


def toy(**costs):
    return Target("toy", "Toy", "split", (Core(4),), **costs)


def test_operations_are_those_counted_by_hand(chain, recording):
    """Under the first hypothesis 3 events, 2 + 1 spikes and 2 operations at the third neuron; none under the other."""
    activity = count_activity(chain, recording)
    assert (activity.n_images, activity.n_hypotheses, activity.n_time_steps) == (1, 2, T)
    assert activity.input_events == 1.5
    first, second = activity.layers
    assert (first.synops, first.updates, first.spikes) == (3 * 2 / 2, 2 * T, (2 + 1) / 2)
    assert recording.counts("layer_0")[0, 0].tolist() == [2, 1]
    assert (second.synops, second.updates, second.spikes) == (2 / 2, T, 2 / 2)


def test_energy_is_operations_times_constants(chain, recording):
    model = EnergyModel("toy", "a test", synop=1.0, update=10.0, spike=100.0)
    activity = count_activity(chain, recording)
    [estimate] = estimate_energy(activity, toy(energy=(model,)))
    assert estimate.per_pass == activity.synops + 10 * activity.updates + 100 * activity.spikes
    assert estimate.per_inference == 2 * estimate.per_pass


def test_latency_is_that_of_the_busiest_core(chain, recording):
    """The first layer does the most; T + 2 steps, since the second layer answers a step later than the first."""
    activity = count_activity(chain, recording)
    model = LatencyModel("toy", "a test", synop=1.0, update=0.0, spike=0.0, step=0.5)
    [estimate] = estimate_latency(activity, map_chain(chain, toy(latency=(model,))))
    assert estimate.per_pass == pytest.approx((T + 2) * (activity.layers[0].synops / T + 0.5))


def test_machines_without_published_constants_get_no_estimate(chain, recording):
    activity = count_activity(chain, recording)
    assert estimate_energy(activity, load_target("loihi2")) == ()
    assert estimate_latency(activity, map_chain(chain, load_target("loihi2"))) == ()


def test_analog_network_makes_one_operation_per_weight(chain):
    assert analog_macs(chain) == 2 * 2 + 2


def test_paper_network_on_loihi_1_has_the_expected_order_of_magnitude():
    """10 passes of 23 steps with 33 input spikes a step on 884-200: some tens of microjoules."""
    from ff2neuro.hardware.energy import Activity, LayerActivity

    activity = Activity(1, 10, 23, 33 * 23, (LayerActivity("layer", 33 * 23 * 200, 200 * 43, 0),))
    least = estimate_energy(activity, load_target("loihi1"))[0]
    assert least.per_inference == pytest.approx(43e-6, rel=0.02)


def test_recordings_of_another_network_are_refused(chain):
    header = RecordingHeader({"other": 2}, 1, 1, T, "counts", "reference", "0", "fixed", 1e-4)
    with RecordingWriter(header) as writer:
        writer.write(0, {"other": np.zeros((1, 1, 2))})
    with writer.finish() as recording, pytest.raises(GraphError, match=r"layers \{'other': 2\}, the graph"):
        count_activity(chain, recording)


def test_recordings_without_input_events_are_refused(chain):
    header = RecordingHeader(chain.layer_sizes, 1, 1, T, "counts", "reference", "0", "fixed", 1e-4)
    with RecordingWriter(header) as writer:
        writer.write(0, {name: np.zeros((1, 1, size)) for name, size in chain.layer_sizes.items()})
    with writer.finish() as recording, pytest.raises(ConfigurationError, match="how many input events there were"):
        count_activity(chain, recording)


def test_empty_recordings_are_refused(chain):
    header = RecordingHeader(chain.layer_sizes, 0, 1, T, "counts", "reference", "0", "fixed", 1e-4)
    with RecordingWriter(header) as writer:
        pass
    with writer.finish() as recording, pytest.raises(ConfigurationError, match="holds no presentation"):
        count_activity(chain, recording)


def test_inspect_estimates_from_a_recording(ff2neuro, digits_run, tmp_path):
    recording = tmp_path / "recording.h5"
    assert ff2neuro("run", digits_run / "network.nir", "--samples", "5", "--out", recording).code == 0
    arguments = ("inspect", digits_run / "network.nir", "--target", "loihi1", "--recording", recording)
    outcome = ff2neuro(*arguments, "--json")
    estimate = json.loads(outcome.out)["estimate"]
    assert estimate["n_passes"] == 10
    energies = [source["per_inference"] for source in estimate["energy_J"]]
    assert len(energies) == 3
    assert 0 < min(energies) < max(energies)
    assert estimate["latency_s"][0]["per_pass"] > 0
    assert estimate["analog_energy_J"][0]["per_pass"] == pytest.approx(8.6e-9 * estimate["analog_macs_per_pass"])
    text = ff2neuro(*arguments).out
    assert "Estimate, not a measurement" in text
    assert "by 3 sources" in text
