"""What every machine must do, whatever it is."""

import copy
import os
from itertools import pairwise

import nir
import numpy as np
import pytest

from ff2neuro.errors import ConfigurationError, GraphError
from ff2neuro.hardware.backend import RunConfig, available_backends, get_backend
from ff2neuro.inputs import InputSource
from ff2neuro.recording import Recording

DT = 1e-4
T = 12


def portable(n, threshold, leak=0):
    ones = np.ones(n)
    steps = 4096 / leak if leak else 2.0**30
    return nir.CubaLIF(
        tau_syn=DT * ones,
        tau_mem=steps * DT * ones,
        r=steps * ones,
        v_leak=0 * ones,
        v_threshold=(threshold + 0.5) * ones,
        v_reset=0 * ones,
        w_in=ones,
    )


def chain(*weights_and_neurons):
    nodes = {"input": nir.Input({"input": np.array([weights_and_neurons[0].weight.shape[1]])})}
    for index, node in enumerate(weights_and_neurons):
        nodes[f"layer_{index // 2}_{'spikes' if index % 2 else 'linear'}"] = node
    nodes["output"] = nir.Output({"output": np.array([weights_and_neurons[-1].v_threshold.size])})
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)))


@pytest.fixture(scope="module")
def brian2_loihi():
    """Skip without it, unless FF2NEURO_REQUIRE_BRIAN2_LOIHI=1 says that it must be there."""
    from ff2neuro.hardware.brian2_loihi_backend.backend import BRIAN2_LOIHI

    status = BRIAN2_LOIHI.status()
    if not status.installed:
        required = os.environ.get("FF2NEURO_REQUIRE_BRIAN2_LOIHI") == "1"
        (pytest.fail if required else pytest.skip)(f"backend 'brian2-loihi' is not installed: {status.reason}")


# Xylo's arithmetic is another one, which honours none of these graphs: see test_xylosim.py.
@pytest.fixture(scope="module", params=[name for name in available_backends() if name != "xylosim"])
def machine(request):
    if request.param == "lava":
        request.getfixturevalue("lava")
    if request.param == "brian2-loihi":
        request.getfixturevalue("brian2_loihi")
    with get_backend(request.param) as backend:
        yield backend


@pytest.fixture
def graph(rng):
    weights = [rng.integers(-127, 128, shape).astype(float) for shape in ((9, 7), (5, 9))]
    return chain(nir.Linear(weights[0]), portable(9, 700), nir.Linear(weights[1]), portable(5, 90))


@pytest.fixture
def inputs(rng):
    return InputSource.from_array(rng.integers(0, 16, (6, 2, T, 7)))


def spikes_of(recording):
    return {name: recording.spikes(name) for name in recording.layer_names}


def assert_equal(ours, theirs):
    assert list(ours) == list(theirs)
    for name, spikes in ours.items():
        np.testing.assert_array_equal(spikes, theirs[name], err_msg=name)


def test_equals_the_reference_in_every_bin(machine, graph, inputs):
    """Sums of these integers are exact in single precision, so float and fixed-point machines agree as well."""
    config = RunConfig(record="spikes")
    ours = spikes_of(machine.run(graph, inputs, config))
    assert all(spikes.any() for spikes in ours.values())
    assert_equal(ours, spikes_of(get_backend("reference").run(graph, inputs, config)))


def test_recording_says_what_was_run(machine, graph, inputs):
    header = machine.run(graph, inputs, RunConfig()).header
    assert dict(header.layers) == {"layer_0_spikes": 9, "layer_1_spikes": 5}
    assert (header.n_images, header.n_hypotheses, header.n_time_steps, header.kind) == (6, 2, T, "counts")
    assert header.backend == machine.name
    assert header.backend_version == machine.version


def test_counts_are_the_sums_of_spikes(machine, graph, inputs):
    counts = machine.run(graph, inputs, RunConfig())
    spikes = machine.run(graph, inputs, RunConfig(record="spikes"))
    for name in counts.layer_names:
        np.testing.assert_array_equal(counts.counts(name), spikes.spikes(name).sum(axis=2))


def test_presentations_are_independent_of_each_other(machine, graph, inputs):
    """Each presentation starts from rest: reordering them reorders the answers."""
    config = RunConfig(record="spikes")
    events = inputs.read(0, 6)
    forward = spikes_of(machine.run(graph, InputSource.from_array(events), config))
    backward = spikes_of(machine.run(graph, InputSource.from_array(events[::-1, ::-1]), config))
    assert_equal({name: spikes[::-1, ::-1] for name, spikes in backward.items()}, forward)


def test_constant_input_is_repeated_at_every_step(machine, graph, rng):
    once = rng.integers(0, 16, (3, 2, 1, 7))
    config = RunConfig(record="spikes")
    short = machine.run(graph, InputSource.from_array(once, n_time_steps=T), config)
    long = machine.run(graph, InputSource.from_array(np.repeat(once, T, axis=2)), config)
    assert_equal(spikes_of(short), spikes_of(long))


def test_one_time_step_is_enough(machine, graph, rng):
    events = rng.integers(0, 16, (5, 2, 1, 7)) * 10
    config = RunConfig(record="spikes")
    ours = spikes_of(machine.run(graph, InputSource.from_array(events), config))
    assert ours["layer_0_spikes"].any()
    assert_equal(ours, spikes_of(get_backend("reference").run(graph, InputSource.from_array(events), config)))


def test_silence_gives_silence(machine, graph):
    recording = machine.run(graph, InputSource.from_array(np.zeros((2, 1, T, 7), dtype=int)), RunConfig())
    assert not any(recording.counts(name).any() for name in recording.layer_names)


def test_same_run_gives_the_same_recording(machine, graph, inputs):
    first, second = (spikes_of(machine.run(graph, inputs, RunConfig(record="spikes"))) for _ in range(2))
    assert_equal(first, second)


def test_graph_and_inputs_are_left_untouched(machine, graph, inputs):
    before, events = copy.deepcopy(graph), inputs.read(0, 6).copy()
    machine.run(graph, inputs, RunConfig())
    assert graph.edges == before.edges
    assert list(graph.nodes) == list(before.nodes)
    np.testing.assert_array_equal(graph.nodes["layer_0_linear"].weight, before.nodes["layer_0_linear"].weight)
    np.testing.assert_array_equal(inputs.read(0, 6), events)


def test_recording_on_disk_equals_the_one_in_memory(machine, graph, inputs, tmp_path):
    path = tmp_path / "recording.h5"
    machine.run(graph, inputs, RunConfig(), path).close()
    with Recording.open(path) as on_disk, machine.run(graph, inputs, RunConfig()) as in_memory:
        for name in in_memory.layer_names:
            np.testing.assert_array_equal(on_disk.counts(name), in_memory.counts(name))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda: chain(nir.Linear(np.ones((2, 7))), nir.LIF(*(np.ones(2) * v for v in (0.0, 1, 0, 1)))), "tau is 0"),
        (lambda: chain(nir.Linear(np.full((2, 7), np.nan)), portable(2, 1)), "NaN"),
    ],
)
def test_graphs_without_meaning_are_refused(machine, inputs, broken, message):
    with pytest.raises(GraphError, match=message):
        machine.run(broken(), inputs, RunConfig())


def test_unknown_nodes_are_refused_by_name(machine, inputs, tmp_path):
    nodes = {
        "input": nir.Input({"input": np.array([7])}),
        "oracle": nir.Delay(np.ones(7)),
        "output": nir.Output({"output": np.array([7])}),
    }
    graph = nir.NIRGraph(nodes, [("input", "oracle"), ("oracle", "output")])
    with pytest.raises(GraphError, match="'oracle' is a Delay, which is not supported"):
        machine.run(graph, inputs, RunConfig(), tmp_path / "recording.h5")
    assert list(tmp_path.iterdir()) == []


def test_events_of_another_width_are_refused(machine, graph):
    with pytest.raises(GraphError, match="6 channels, the graph takes 7"):
        machine.run(graph, InputSource.from_array(np.zeros((1, 1, T, 6))), RunConfig())


def test_unknown_backends_are_refused():
    with pytest.raises(ConfigurationError, match="unknown backend 'loihi3'; known are reference, lava, snntorch"):
        get_backend("loihi3")


@pytest.mark.parametrize("dt", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_time_steps_are_refused(dt):
    with pytest.raises(ConfigurationError, match="positive and finite"):
        RunConfig(dt=dt)


def test_settings_that_a_machine_does_not_have_are_refused():
    with pytest.raises(ConfigurationError, match="backend 'reference' has no setting 'lanes'; leave --lanes out"):
        get_backend("reference", lanes=3)


def test_initial_potentials_are_honoured_or_refused(machine, graph, inputs, rng):
    """A machine that starts every neuron at 0 says so, rather than run another network."""
    potentials = {"layer_0_spikes": np.full(9, 350.0), "layer_1_spikes": rng.integers(-90, 91, 5).astype(float)}
    config = RunConfig(record="spikes", v_init=potentials)
    expected = get_backend("reference").run(graph, inputs, config)
    assert (
        expected.spikes("layer_0_spikes")
        != machine.run(graph, inputs, RunConfig(record="spikes")).spikes("layer_0_spikes")
    ).any()
    if machine.name in ("reference", "lava", "snntorch"):
        assert_equal(spikes_of(machine.run(graph, inputs, config)), spikes_of(expected))
    else:
        with pytest.raises(GraphError, match="initial"):
            machine.run(graph, inputs, config)


def subtracting(rng):
    """A network whose neurons start at half a threshold, which the conversion offers beside reset by subtraction."""
    weights = [rng.integers(-127, 128, shape).astype(float) for shape in ((9, 7), (8, 9), (5, 8))]
    thresholds = [rng.integers(40, 900, len(weight)).astype(float) for weight in weights]
    layers = [
        part
        for weight, threshold in zip(weights, thresholds, strict=True)
        for part in (nir.Linear(weight), portable(len(weight), threshold))
    ]
    starts = {f"layer_{index}_spikes": np.floor(threshold / 2) for index, threshold in enumerate(thresholds)}
    return chain(*layers), starts


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_time_steps", [1, T])
def test_reset_by_subtraction_from_half_a_threshold_is_honoured_or_refused(machine, seed, n_time_steps):
    rng = np.random.default_rng(seed)
    graph, starts = subtracting(rng)
    events = InputSource.from_array(rng.integers(0, 16, (7, 3, n_time_steps, 7)))
    config = RunConfig(record="spikes", reset="subtract", v_init=starts)
    if machine.name in ("reference", "lava"):
        expected = get_backend("reference").run(graph, events, config)
        at_rest = get_backend("reference").run(graph, events, RunConfig(record="spikes", reset="subtract"))
        assert (expected.spikes("layer_0_spikes") != at_rest.spikes("layer_0_spikes")).any()
        assert_equal(spikes_of(machine.run(graph, events, config)), spikes_of(expected))
    else:
        with pytest.raises(GraphError, match=r"reset|initial"):
            machine.run(graph, events, config)
