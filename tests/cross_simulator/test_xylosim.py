"""XyloSim against Xylo's rule written down anew, bin for bin, and how far that is from NIR's equations."""

import os
from itertools import pairwise

import nir
import numpy as np
import pytest

from ff2neuro.errors import BackendMissingError, GraphError, RangeError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.hardware.xylosim_backend.backend import XYLOSIM
from ff2neuro.inputs import InputSource

DT = 1e-4


@pytest.fixture(scope="module")
def xylosim():
    """Skip without it, unless FF2NEURO_REQUIRE_XYLOSIM=1 says that it must be there."""
    status = XYLOSIM.status()
    if not status.installed:
        required = os.environ.get("FF2NEURO_REQUIRE_XYLOSIM") == "1"
        (pytest.fail if required else pytest.skip)(f"backend 'xylosim' is not installed: {status.reason}")
    return get_backend("xylosim")


def neurons(threshold, mem=5, syn=1, gain=None):
    """Neurons that lose 2^-mem of v and 2^-syn of the current per step; a threshold of k is written k - 1/2."""
    ones = np.ones(len(threshold))
    return nir.CubaLIF(
        tau_syn=2.0**syn * DT * ones,
        tau_mem=2.0**mem * DT * ones,
        r=2.0**mem * ones,
        v_leak=0 * ones,
        v_threshold=threshold - 0.5,
        v_reset=0 * ones,
        w_in=(2.0**syn - 1 if gain is None else gain) * ones,
    )


def chain(*layers):
    nodes = {"input": nir.Input({"input": np.array([layers[0][0].shape[1]])})}
    for index, (weight, node) in enumerate(layers):
        nodes[f"layer_{index}_linear"] = nir.Linear(weight.astype(float))
        nodes[f"layer_{index}_spikes"] = node
    nodes["output"] = nir.Output({"output": np.array([len(layers[-1][0])])})
    return nir.NIRGraph(nodes, list(pairwise(nodes)))


def decayed(values, shift):
    """What Xylo leaves of integers: the shift rounds down, and whatever is above 0 loses at least 1."""
    lost = values >> shift
    return values - np.where((lost == 0) & (values > 0), 1, lost)


def by_the_rule(layers, events):
    """Spikes of every layer, (presentation, step, neuron): up to 31 in a step, nothing saturated."""
    answers = []
    activity = events
    for weight, threshold, mem, syn in layers:
        current = v = np.zeros((len(events), len(weight)), dtype=np.int64)
        spikes = np.empty((*activity.shape[:2], len(weight)), dtype=np.int64)
        for t in range(activity.shape[1]):
            current = decayed(current + activity[:, t].astype(np.int64) @ weight.T, syn)
            v = decayed(v, mem) + current
            spikes[:, t] = np.clip(v // threshold, 0, 31)
            v = v - spikes[:, t] * threshold
        answers.append(spikes)
        activity = spikes
    return answers


def random_layers(rng, sizes, shifts):
    layers = []
    for index, ((n_in, n_out), (mem, syn)) in enumerate(zip(pairwise(sizes), shifts, strict=True)):
        weight = rng.integers(-15, 36, (n_out, n_in)) if index == 0 else rng.integers(-60, 128, (n_out, n_in))
        # No current is so large that a neuron spikes twice in a step.
        largest = np.maximum(weight, 0).sum(axis=1) * (15 if index == 0 else 1) * (2**syn - 1)
        layers.append((weight, rng.integers(largest, 2 * largest + 2), mem, syn))
    return layers


def graph_of(layers):
    return chain(*((weight, neurons(threshold, mem, syn)) for weight, threshold, mem, syn in layers))


def run(machine, graph, events, **config):
    return machine.run(graph, InputSource.from_array(events), RunConfig(reset="subtract", record="spikes", **config))


@pytest.mark.parametrize(
    ("seed", "sizes", "shifts"),
    [
        (1, (7, 9), ((5, 1),)),
        (2, (16, 20), ((15, 1),)),
        (3, (6, 8, 7), ((1, 1), (4, 2))),
        (4, (6, 12, 10, 5), ((6, 1), (15, 1), (3, 3))),
        (5, (3, 1, 1), ((4, 2), (4, 1))),
    ],
)
def test_equals_the_rule_in_every_bin(xylosim, seed, sizes, shifts):
    rng = np.random.default_rng(seed)
    layers = random_layers(rng, sizes, shifts)
    events = rng.integers(0, 16, (4, 2, 25, sizes[0]))
    recording = run(xylosim, graph_of(layers), events)
    expected = by_the_rule(layers, events.reshape(8, 25, -1))
    assert expected[0].any()
    assert not expected[0].all()
    for index, spikes in enumerate(expected):
        ours = recording.spikes(f"layer_{index}_spikes")
        np.testing.assert_array_equal(ours, spikes.reshape(ours.shape), err_msg=str(index))


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_several_spikes_in_a_step_follow_the_rule_up_to_its_most(xylosim, seed):
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out, threshold in ((5, 9, (2, 40)), (9, 6, (2, 200))):
        layers.append((rng.integers(-10, 20, (n_out, n_in)), rng.integers(*threshold, n_out), 6, 1))
    events = rng.integers(0, 16, (4, 2, 12, 5))
    recording = run(xylosim, graph_of(layers), events, max_spikes_per_step=31)
    expected = by_the_rule(layers, events.reshape(8, 12, -1))
    assert max(spikes.max() for spikes in expected) == 31
    for index, spikes in enumerate(expected):
        ours = recording.spikes(f"layer_{index}_spikes")
        np.testing.assert_array_equal(ours, spikes.reshape(ours.shape), err_msg=str(index))


def test_differs_from_the_equations_of_nir_by_rounding_only(xylosim):
    """Counts over 50 steps of one layer, against double precision with the same threshold and reset."""
    rng = np.random.default_rng(6)
    layers = random_layers(rng, (12, 40), ((6, 1),))
    events = rng.integers(0, 16, (10, 1, 50, 12))
    graph = graph_of(layers)
    xylo = run(xylosim, graph, events).spikes("layer_0_spikes").sum(axis=2)
    floating = run(get_backend("reference"), graph, events).spikes("layer_0_spikes").sum(axis=2)
    assert floating.mean() > 5
    assert np.abs(xylo - floating).max() <= 1


def test_presentations_are_independent_and_counts_are_sums(xylosim, rng):
    graph = graph_of(random_layers(rng, (5, 6, 4), ((5, 1), (5, 1))))
    events = rng.integers(0, 16, (3, 2, 9, 5))
    forward, backward = run(xylosim, graph, events), run(xylosim, graph, events[::-1, ::-1])
    counts = xylosim.run(graph, InputSource.from_array(events), RunConfig(reset="subtract"))
    for name in forward.layer_names:
        np.testing.assert_array_equal(backward.spikes(name)[::-1, ::-1], forward.spikes(name))
        np.testing.assert_array_equal(counts.counts(name), forward.spikes(name).sum(axis=2))
    assert (counts.header.backend, counts.header.backend_version) == ("xylosim", "0.1.3")


@pytest.mark.parametrize(("weight", "most"), [(100, 1), (100, 4), (127, 200)])
def test_more_spikes_in_a_step_than_network_or_xylo_send_are_refused(xylosim, weight, most):
    """31 in a step could be what Xylo made of more, unless the network sends no more than that either."""
    graph = chain((np.array([[weight]]), neurons(np.array([10.0 if most < 200 else 1.0]))))
    with pytest.raises(RangeError, match=rf"neuron spikes {5 if most < 200 else 31} times .* network's sends {most}"):
        run(xylosim, graph, np.ones((1, 1, 1, 1), int), max_spikes_per_step=most)


def test_several_spikes_in_a_step_are_refused_unless_asked_for(xylosim, tmp_path):
    graph = chain((np.array([[100]]), neurons(np.array([10.0]))))
    with pytest.raises(RangeError, match="'layer_0_spikes': a neuron spikes 5 times in one step"):
        xylosim.run(
            graph, InputSource.from_array(np.ones((1, 1, 1, 1), int)), RunConfig(reset="subtract"), tmp_path / "r.h5"
        )
    assert list(tmp_path.iterdir()) == []


def test_potentials_that_saturate_are_refused(xylosim):
    graph = chain((np.array([[-120]]), neurons(np.array([10.0]), mem=15)))
    with pytest.raises(RangeError, match=r"potential reaches .* or -32768, where Xylo's saturate"):
        run(xylosim, graph, np.full((1, 1, 40, 1), 15))


ONE = np.ones((2, 3))
LARGE = np.array([5.0, 5.0])


@pytest.mark.parametrize(
    ("graph", "config", "error", "message"),
    [
        (chain((ONE, neurons(LARGE))), {"reset": "zero"}, GraphError, "Xylo resets by subtraction"),
        (chain((ONE, neurons(LARGE))), {"states": True}, GraphError, "potentials are not recorded"),
        (
            chain((ONE, neurons(LARGE))),
            {"v_init": {"layer_0_spikes": np.ones(2)}},
            GraphError,
            "xylosim starts every neuron at 0",
        ),
        (chain((ONE, neurons(LARGE, mem=30))), {}, GraphError, r"lost with tau_mem; .* choose tau_mem = 2, 4"),
        (chain((ONE, neurons(LARGE, syn=0, gain=1))), {}, GraphError, "1 is lost with tau_syn"),
        (chain((ONE, neurons(LARGE, gain=2))), {}, GraphError, r"gain of the input is 1; on Xylo it is .* = 0\.5"),
        (chain((128 * ONE, neurons(LARGE))), {}, RangeError, "weights reach from 128 to 128; Xylo takes -128 to 127"),
        (chain((0.5 * ONE, neurons(LARGE))), {}, GraphError, "weights are not integers"),
        (chain((ONE, neurons(LARGE + 40_000))), {}, RangeError, "thresholds, plus 1/2, reach from 40005"),
        (chain((np.ones((2, 17)), neurons(LARGE))), {}, GraphError, "17 input channels; SynSense Xylo Audio 2 has 16"),
        (
            chain((ONE, neurons(LARGE)), (np.ones((65, 2)), neurons(np.full(65, 9.0)))),
            {},
            GraphError,
            "65 targets of one neuron; SynSense Xylo Audio 2 has 64",
        ),
        (chain((np.ones((1001, 3)), neurons(np.full(1001, 9.0)))), {}, GraphError, r"1001 neurons; .* has 1000"),
    ],
)
def test_what_xylo_cannot_honour_is_refused_before_it_is_looked_for(monkeypatch, graph, config, error, message):
    monkeypatch.setenv(XYLOSIM.python_variable, "/no/such/python")
    events = np.zeros((1, 1, 2, graph.nodes["layer_0_linear"].weight.shape[1]), dtype=int)
    with pytest.raises(error, match=message):
        get_backend("xylosim").run(graph, InputSource.from_array(events), RunConfig(**{"reset": "subtract", **config}))


@pytest.mark.parametrize(
    ("weight", "event", "message"), [(1, 16, "input events reach from 0 to 16"), (127, 15, "current could reach 38100")]
)
def test_events_that_xylo_cannot_hold_are_refused(xylosim, weight, event, message):
    graph = chain((np.full((2, 10), weight), neurons(LARGE)))
    events = np.zeros((1, 1, 2, 10), dtype=int)
    events[0, 0, 1] = event
    with pytest.raises(RangeError, match=message):
        run(xylosim, graph, events)


@pytest.mark.parametrize("most", [31, 255])
def test_hidden_currents_are_bounded_by_the_most_spikes(xylosim, most):
    """No more than Xylo sends, whatever the network could: 2 sources, 112 each, 31 times, kept for 8 steps."""
    hidden = np.full((2, 2), 112), neurons(LARGE, syn=3, gain=7)
    with pytest.raises(RangeError, match="'layer_1_spikes': a synaptic current could reach 55552"):
        run(xylosim, chain((ONE, neurons(LARGE)), hidden), np.zeros((1, 1, 2, 3), dtype=int), max_spikes_per_step=most)


def test_without_an_environment_the_message_names_the_command_that_makes_one(monkeypatch, tmp_path):
    monkeypatch.delenv(XYLOSIM.python_variable, raising=False)
    monkeypatch.setenv(XYLOSIM.directory_variable, str(tmp_path / "nothing"))
    assert get_backend("xylosim").version == "missing"
    with pytest.raises(BackendMissingError, match="install it: ff2neuro backends install xylosim"):
        run(get_backend("xylosim"), chain((ONE, neurons(LARGE))), np.zeros((1, 1, 2, 3), dtype=int))
