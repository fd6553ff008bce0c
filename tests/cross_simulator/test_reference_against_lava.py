"""The reference against the real Lava simulator: spikes, u and v in every bin of every layer."""

from itertools import pairwise

import nir
import numpy as np
import pytest

from ff2neuro.errors import GraphError, RangeError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.hardware.lava_backend.backend import LavaBackend
from ff2neuro.inputs import InputSource

pytestmark = pytest.mark.lava

DT = 1e-4


def neurons(threshold, mem_leak=0, syn_leak=4096):
    """Neurons whose v and u lose n/4096 per step and whose input gain is 1."""
    ones = np.ones(len(threshold))
    tau_mem = 4096 / mem_leak if mem_leak else 2.0**30
    tau_syn = 4096 / syn_leak
    return nir.CubaLIF(
        tau_syn=tau_syn * DT * ones,
        tau_mem=tau_mem * DT * ones,
        r=tau_mem * ones,
        v_leak=0 * ones,
        v_threshold=threshold + 0.5,
        v_reset=0 * ones,
        w_in=tau_syn * ones,
    )


def chain(layers):
    nodes = {"input": nir.Input({"input": np.array([layers[0][0].weight.shape[1]])})}
    for index, (linear, neuron) in enumerate(layers):
        nodes[f"layer_{index}_linear"] = linear
        nodes[f"layer_{index}_spikes"] = neuron
    nodes["output"] = nir.Output({"output": np.array([len(layers[-1][0].weight)])})
    return nir.NIRGraph(nodes, list(pairwise(nodes)))


def random_graph(rng, sizes, mem_leak=0, syn_leak=4096, bias=0, thresholds=(0, 900)):
    layers = []
    for n_in, n_out in pairwise(sizes):
        weight = rng.integers(-128, 128, (n_out, n_in)).astype(float)
        offset = rng.integers(-bias, bias + 1, n_out).astype(float)
        linear = nir.Affine(weight, offset) if bias else nir.Linear(weight)
        threshold = rng.integers(*thresholds, n_out).astype(float)
        layers.append((linear, neurons(threshold, mem_leak, syn_leak)))
    return chain(layers)


@pytest.fixture(scope="module", params=[1, 3, None], ids=["official", "three-lanes", "default-lanes"])
def machine(request, lava):
    with LavaBackend(lanes=request.param) as backend:
        yield backend


def assert_equal_in_every_bin(machine, graph, inputs, **config):
    config = RunConfig(record="spikes", **config)
    ours, theirs = get_backend("reference").run(graph, inputs, config), machine.run(graph, inputs, config)
    assert ours.layer_names == theirs.layer_names
    for name in ours.layer_names:
        np.testing.assert_array_equal(theirs.spikes(name), ours.spikes(name), err_msg=name)
        if config.states:
            np.testing.assert_array_equal(theirs.state("u", name), ours.state("u", name), err_msg=f"{name} u")
            np.testing.assert_array_equal(theirs.state("v", name), ours.state("v", name), err_msg=f"{name} v")
    return [ours.spikes(name) for name in ours.layer_names]


@pytest.mark.parametrize(
    ("seed", "sizes", "mem_leak", "syn_leak", "bias", "n_time_steps", "reset"),
    [
        (1, (7, 5), 0, 4096, 0, 20, "zero"),
        (2, (1, 1, 1), 0, 4096, 0, 9, "zero"),
        (3, (20, 30, 10), 0, 4096, 0, 24, "zero"),
        (4, (20, 30, 10), 0, 4096, 0, 24, "subtract"),
        (5, (12, 9, 8, 7, 6), 0, 4096, 0, 3, "zero"),
        (6, (15, 12), 1, 4096, 0, 30, "zero"),
        (7, (15, 12, 11), 410, 1000, 0, 16, "zero"),
        (8, (15, 12, 11), 4095, 1, 0, 16, "subtract"),
        (9, (10, 8, 6), 0, 4096, 400, 12, "zero"),
        (10, (10, 8, 6), 100, 2000, 4095, 12, "subtract"),
        (11, (30, 12, 9), 0, 4096, 300, 1, "zero"),
    ],
)
def test_random_networks_agree(machine, seed, sizes, mem_leak, syn_leak, bias, n_time_steps, reset):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, sizes, mem_leak, syn_leak, bias)
    events = rng.integers(0, 16, (3, 2, n_time_steps, sizes[0]))
    spikes = assert_equal_in_every_bin(machine, graph, InputSource.from_array(events), reset=reset)
    assert spikes[0].any()


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_states_agree_after_every_step(machine, rng, reset):
    graph = random_graph(rng, (8, 6, 4), mem_leak=50, syn_leak=3000, bias=100)
    inputs = InputSource.from_array(rng.integers(0, 16, (2, 2, 7, 8)))
    assert_equal_in_every_bin(machine, graph, inputs, states=True, reset=reset)


@pytest.mark.parametrize(
    ("seed", "mem_leak", "syn_leak", "bias", "n_time_steps", "reset"),
    [
        (20, 0, 4096, 0, 9, "subtract"),
        (21, 0, 4096, 0, 9, "zero"),
        (22, 300, 1000, 200, 7, "subtract"),
        (23, 4095, 1, 4095, 7, "zero"),
        (24, 100, 4096, 300, 1, "subtract"),
    ],
)
def test_initial_potentials_agree(machine, seed, mem_leak, syn_leak, bias, n_time_steps, reset):
    """From any 64th up to the threshold, below 0 as well, in every layer, in one window after another."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, (9, 8, 7), mem_leak, syn_leak, bias)
    v_init = {
        f"layer_{index}_spikes": rng.integers(-64_000, 1 + 64 * graph.nodes[f"layer_{index}_spikes"].v_threshold) / 64
        for index in range(2)
    }
    inputs = InputSource.from_array(rng.integers(0, 16, (5, 2, n_time_steps, 9)))
    assert_equal_in_every_bin(machine, graph, inputs, states=True, reset=reset, v_init=v_init)


@pytest.mark.parametrize(
    ("seed", "mem_leak", "syn_leak", "bias", "n_time_steps", "most"),
    [(30, 0, 4096, 0, 6, 2), (31, 0, 4096, 0, 4, 31), (32, 300, 1000, 200, 5, 255), (33, 4095, 1, 0, 1, 100)],
)
def test_several_spikes_in_a_step_agree(machine, seed, mem_leak, syn_leak, bias, n_time_steps, most):
    """Currents far above thresholds that start at 1, layers behind each other, potentials above 0 at the start."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, (9, 8, 7, 5), mem_leak, syn_leak, bias, thresholds=(1, 400))
    for index in (1, 2):
        weight = graph.nodes[f"layer_{index}_linear"].weight
        weight[...] = np.round(weight * min(1.0, 2**17 / (most * 1200)))
    v_init = {f"layer_{index}_spikes": np.floor(graph.nodes[f"layer_{index}_spikes"].v_threshold) for index in range(3)}
    inputs = InputSource.from_array(rng.integers(0, 16, (5, 2, n_time_steps, 9)))
    spikes = assert_equal_in_every_bin(
        machine, graph, inputs, states=True, reset="subtract", v_init=v_init, max_spikes_per_step=most
    )
    assert all(1 < layer.max() <= most for layer in spikes)


@pytest.mark.parametrize("weight", [0, 127, -128, 1, -1])
def test_matrices_of_one_sign_keep_their_weights(machine, weight):
    """Lava derives range and rounding of weights from their signs, unless told."""
    layers = [(nir.Linear(np.full((3, 4), float(weight))), neurons(np.array([0.0, 100.0, 5000.0])))]
    events = np.array([0, 1, 2, 255])[:, None, None, None] * np.ones((1, 1, 5, 4), dtype=int)
    assert_equal_in_every_bin(machine, chain(layers), InputSource.from_array(events), states=True)


def test_graded_input_keeps_its_value(machine, rng):
    graph = random_graph(rng, (4, 6), thresholds=(0, 90_000))
    inputs = InputSource.from_array(rng.integers(0, 256, (4, 1, 9, 4)))
    assert assert_equal_in_every_bin(machine, graph, inputs)[0].any()


def test_highest_threshold_is_held(machine):
    layers = [(nir.Linear(np.full((1, 8), 127.0)), neurons(np.array([131071.0])))]
    inputs = InputSource.from_array(np.full((1, 1, 1, 8), 64), n_time_steps=5)
    (spikes,) = assert_equal_in_every_bin(machine, chain(layers), inputs)
    assert spikes.ravel().tolist() == [False, False, True, False, False]


def test_chunks_do_not_show(machine, rng, monkeypatch):
    """Many windows, cut at odd places, equal one simulation of all."""
    monkeypatch.setattr("ff2neuro.hardware.lava_backend.chunks.CHUNK_STEPS", 24)
    monkeypatch.setattr("ff2neuro.hardware.lava_backend.chunks.OFFICIAL_CHUNK_STEPS", 120)
    graph = random_graph(rng, (6, 5, 4), bias=200)
    inputs = InputSource.from_array(rng.integers(0, 16, (23, 3, 1, 6)), n_time_steps=6)
    spikes = assert_equal_in_every_bin(machine, graph, inputs)
    assert all(layer.any() for layer in spikes)


def test_several_workers_give_the_same_recording(lava, rng, monkeypatch):
    monkeypatch.setattr("ff2neuro.hardware.lava_backend.chunks.CHUNK_STEPS", 24)
    graph = random_graph(rng, (6, 5, 4))
    inputs = InputSource.from_array(rng.integers(0, 16, (23, 3, 1, 6)), n_time_steps=6)
    with LavaBackend(lanes=3, workers=2) as machine:
        assert_equal_in_every_bin(machine, graph, inputs)


def test_initial_potentials_that_lava_cannot_hold_are_refused():
    graph, inputs = refused()
    with pytest.raises(RangeError, match=r"an initial potential is -131072; Lava takes -131071\.\.131071"):
        LavaBackend().run(graph, inputs, RunConfig(v_init={"layer_0_spikes": np.array([-131072.0])}))


def refused(weight=1.0, threshold=0.5, event=1, bias=0.0, **leaks):
    neuron = neurons(np.array([threshold - 0.5]), **leaks)
    graph = chain([(nir.Affine(np.full((1, 2), weight), np.array([bias])), neuron)])
    return graph, InputSource.from_array(np.full((1, 1, 3, 2), event))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"weight": 128.0}, RangeError, r"'layer_0_spikes': a weight is 128; Lava takes -128\.\.127: export with"),
        ({"threshold": 131072.5}, RangeError, r"a threshold is 131072; Lava takes 0\.\.131071"),
        ({"bias": 5000.0}, RangeError, r"a bias is 5000; Lava takes -4096\.\.4095"),
        ({"event": 256}, RangeError, r"an input event is 256; Lava's graded spikes hold 0\.\.255: export with fewer"),
        ({"event": -1}, RangeError, "an input event is -1"),
        ({"event": 0.25}, GraphError, "the input events are not integers"),
        ({"weight": 0.5}, GraphError, "weights are not integers; quantise the graph first: ff2neuro export FILE.nir"),
        ({"mem_leak": 4096}, RangeError, r"v leaks 4096/4096 and u 4096/4096 per step; Lava takes 0\.\.4095"),
    ],
)
def test_what_lava_cannot_hold_is_refused(changes, error, message, tmp_path):
    """Before anything is started: this test needs no Lava."""
    graph, inputs = refused(**changes)
    with pytest.raises(error, match=message):
        LavaBackend().run(graph, inputs, RunConfig(), tmp_path / "recording.h5")
    assert list(tmp_path.iterdir()) == []


def test_currents_that_would_wrap_around_are_refused(machine):
    graph = chain([(nir.Linear(np.full((1, 5), 127.0)), neurons(np.array([10.0])))])
    with pytest.raises(RangeError, match="an input current reaches 161925; Lava's currents wrap around at 131072"):
        machine.run(graph, InputSource.from_array(np.full((1, 1, 2, 5), 255)))
