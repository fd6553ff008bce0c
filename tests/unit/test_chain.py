"""Reading NIR graphs: every check that NIR does not make, and the discrete equations."""

from itertools import pairwise

import nir
import numpy as np
import pytest

from ff2neuro.errors import GraphError, RangeError
from ff2neuro.hardware.chain import read_chain
from ff2neuro.hardware.fixed_point import check_currents, check_fan_in, fixed_point_layers, why_not_fixed_point

DT = 1e-4


def cubalif(n=2, threshold=1.5, **changes):
    ones = np.ones(n)
    fields = {
        "tau_syn": DT * ones,
        "tau_mem": 2.0**30 * DT * ones,
        "r": 2.0**30 * ones,
        "v_leak": 0 * ones,
        "v_threshold": threshold * ones,
        "v_reset": 0 * ones,
        "w_in": ones,
    }
    return nir.CubaLIF(**{**fields, **changes})


def graph(*middle, n_in=3, n_out=2, edges=None, **extra):
    nodes = {"input": nir.Input({"input": np.array([n_in])})}
    nodes |= {f"node_{index}": node for index, node in enumerate(middle)}
    nodes |= {"output": nir.Output({"output": np.array([n_out])}), **extra}
    names = ["input", *(f"node_{index}" for index in range(len(middle))), "output"]
    return nir.NIRGraph(nodes, edges or list(pairwise(names)), type_check=False)


WEIGHT = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])


def test_portable_encoding_is_the_leak_free_neuron():
    (layer,) = read_chain(graph(nir.Linear(WEIGHT), cubalif()), DT).layers
    assert layer.name == "node_1"
    np.testing.assert_array_equal(layer.weight, WEIGHT)
    for field, value in (("mem_decay", 1), ("mem_gain", 1), ("syn_decay", 0), ("syn_gain", 1), ("leak", 0)):
        np.testing.assert_array_equal(getattr(layer.neurons, field), value)


def test_native_nodes_become_their_euler_equations():
    ones = np.ones(2)
    node = nir.LIF(tau=20 * DT * ones, r=3 * ones, v_leak=0.5 * ones, v_threshold=ones, v_reset=0 * ones)
    (layer,) = read_chain(graph(nir.Linear(WEIGHT), node), DT).layers
    np.testing.assert_allclose(layer.neurons.mem_decay, 0.95)
    np.testing.assert_allclose(layer.neurons.mem_gain, 0.15)
    np.testing.assert_allclose(layer.neurons.leak, 0.025)
    (layer,) = read_chain(graph(nir.Linear(WEIGHT), nir.IF(r=ones / DT, v_threshold=ones)), DT).layers
    np.testing.assert_allclose(layer.neurons.mem_gain, 1)
    np.testing.assert_array_equal(layer.neurons.mem_decay, 1)


def test_linear_nodes_in_a_row_are_multiplied():
    bias = np.array([0.5, -0.5])
    scaled = graph(nir.Scale(np.array([1.0, 2.0, 3.0])), nir.Affine(WEIGHT, bias), cubalif())
    (layer,) = read_chain(scaled, DT).layers
    np.testing.assert_array_equal(layer.weight, WEIGHT * [1, 2, 3])
    np.testing.assert_array_equal(layer.bias, bias)


def test_neurons_may_follow_the_input_or_other_neurons():
    first, second = read_chain(graph(cubalif(3), cubalif(3), n_out=3), DT).layers
    for layer in (first, second):
        np.testing.assert_array_equal(layer.weight, np.eye(3))


def test_leaky_integrators_never_spike():
    readout = nir.LI(tau=np.full(2, 20 * DT), r=np.full(2, 20.0), v_leak=np.zeros(2))
    chain = read_chain(graph(nir.Linear(WEIGHT), readout), DT)
    (layer,) = chain.layers
    assert not layer.spiking
    state = layer.neurons.rest(1)
    assert not layer.neurons.step(state, np.full((1, 2), 1e30)).any()
    assert why_not_fixed_point(chain) == "node 'node_1': a LI never spikes"
    with pytest.raises(GraphError, match="reference backend"):
        fixed_point_layers(chain)


def test_nested_chains_are_opened():
    inner = graph(nir.Linear(WEIGHT), cubalif())
    chain = read_chain(graph(inner, nir.Linear(WEIGHT.T), cubalif(3), n_out=3), DT)
    assert list(chain.layer_sizes.items()) == [("node_0.node_1", 2), ("node_2", 3)]
    looped = graph(nir.Linear(WEIGHT), cubalif(), edges=[("input", "node_0"), ("node_0", "node_1")] * 2)
    with pytest.raises(GraphError, match="in nested graph 'node_0': node 'node_1' has 0 successors"):
        read_chain(graph(looped), DT)


def test_parameters_may_be_scalars_or_hold_axes_of_length_one():
    names = ("tau_syn", "tau_mem", "r", "v_leak", "v_reset", "v_threshold", "w_in")
    for shape in ((), (1,), (1, 2)):
        node = cubalif(**{name: np.full(shape, getattr(cubalif(), name)[0]) for name in names})
        (layer,) = read_chain(graph(nir.Linear(WEIGHT), node), DT).layers
        np.testing.assert_array_equal(layer.neurons.v_threshold, [1.5, 1.5])
        np.testing.assert_array_equal(layer.neurons.mem_gain, [1, 1])


def test_time_constants_in_single_precision_are_not_shorter_than_the_step():
    """float32(1e-4) is below 1e-4, yet such a file means a synapse that forgets within a step."""
    node = cubalif(tau_syn=np.full(2, DT, dtype=np.float32))
    assert float(node.tau_syn[0]) < DT
    (layer,) = read_chain(graph(nir.Linear(WEIGHT), node), DT).layers
    np.testing.assert_array_equal(layer.neurons.syn_decay, 0)


def test_an_edge_written_twice_is_one_edge():
    edges = [("input", "node_0"), ("node_0", "node_1"), ("node_0", "node_1"), ("node_1", "output")]
    assert read_chain(graph(nir.Linear(WEIGHT), cubalif(), edges=edges), DT).layer_sizes == {"node_1": 2}


def test_matrices_beyond_memory_are_refused():
    wide = nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([1, 512, 512])}),
            "pool": nir.AvgPool2d(*np.array([[2, 2], [1, 1], [0, 0]])),
            "neurons": nir.IF(r=np.array(1.0), v_threshold=np.array(1.0), v_reset=np.array(0.0)),
            "output": nir.Output({"output": np.array([1, 511, 511])}),
        },
        [("input", "pool"), ("pool", "neurons"), ("neurons", "output")],
        type_check=False,
    )
    with pytest.raises(RangeError, match=r"'neurons': its 261121 neurons and 262144 inputs"):
        read_chain(wide, DT)


def test_graph_is_left_untouched():
    original = graph(nir.Linear(WEIGHT.copy()), cubalif())
    read_chain(original, DT)
    np.testing.assert_array_equal(original.nodes["node_0"].weight, WEIGHT)
    assert len(original.edges) == 3


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (graph(nir.Linear(WEIGHT), nir.Threshold(np.ones(2))), r"'node_1' is a Threshold, which is not supported"),
        (graph(nir.Affine(WEIGHT, np.ones(3)), cubalif()), r"'node_0': bias has shape \(3,\); it must be \(2,\)"),
        (graph(nir.Linear(WEIGHT.T), cubalif()), r"weight has shape \(3, 2\); it must be \(n_neurons, 3\)"),
        (graph(nir.Linear(WEIGHT * np.nan), cubalif()), "weight holds values that are NaN"),
        (
            graph(nir.Linear(WEIGHT), cubalif(tau_mem=np.zeros(2))),
            r"tau_mem is 0.0 s; .* must be positive",
        ),
        (graph(nir.Linear(WEIGHT), cubalif(tau_syn=np.full(2, DT / 2))), "shorter than the time step"),
        (graph(nir.Linear(WEIGHT), cubalif(v_reset=np.full(2, 2.0))), "v_reset is not below v_threshold"),
        (graph(nir.Linear(WEIGHT), cubalif(3)), r"r has shape \(3,\); it must be \(2,\) or a scalar"),
        (graph(nir.Linear(WEIGHT)), "does not end in neurons"),
        (graph(nir.Linear(WEIGHT), cubalif(), n_out=3), r"'output' has shape \(3,\); the last neurons have \(2,\)"),
        (graph(nir.Linear(WEIGHT), nir.LI(*np.ones((3, 2))), cubalif()), "'node_1' is a LI, which must be the last"),
        (
            graph(
                nir.Linear(WEIGHT), cubalif(), edges=[("input", "node_0"), ("node_0", "node_1"), ("node_1", "node_0")]
            ),
            "cycle through node 'node_0'",
        ),
        (
            graph(
                nir.Linear(WEIGHT), cubalif(), edges=[("input", "node_0"), ("input", "node_1"), ("node_1", "output")]
            ),
            "'input' has 2 successors",
        ),
        (graph(nir.Linear(WEIGHT), cubalif(), second=nir.Input({"input": np.array([1])})), "2 inputs and 1 outputs"),
        (graph(nir.Linear(WEIGHT), cubalif(), lost=nir.Linear(WEIGHT)), "'lost' is in a cycle or branch beside"),
        (graph(nir.Linear(WEIGHT), cubalif(), edges=[("input", "nowhere")]), "names a node that does not exist"),
    ],
)
def test_graphs_that_cannot_be_honoured_are_refused_by_name(broken, message):
    with pytest.raises(GraphError, match=message):
        read_chain(broken, DT)


def test_integer_graphs_run_in_fixed_point():
    leaky = cubalif(tau_mem=np.full(2, 4096 / 300 * DT), r=np.full(2, 4096 / 300), threshold=10.5)
    (layer,) = fixed_point_layers(read_chain(graph(nir.Affine(WEIGHT, np.array([2.0, -3.0])), leaky), DT))
    assert layer.neurons.mem_leak == 300
    assert layer.neurons.syn_leak == 4096
    assert layer.neurons.vth.tolist() == [10, 10]
    assert layer.neurons.bias.tolist() == [128, -192]


@pytest.mark.parametrize(
    ("middle", "obstacle"),
    [
        ((nir.Linear(WEIGHT + 0.5), cubalif()), "weights are not integers"),
        ((nir.Affine(WEIGHT, np.array([0.5, 0])), cubalif()), "bias is not made of integers"),
        ((nir.Linear(WEIGHT), cubalif(threshold=1.0)), "not an integer plus 1/2"),
        ((nir.Linear(WEIGHT), cubalif(threshold=-0.5, v_reset=np.full(2, -9.0))), "v_threshold is negative"),
        ((nir.Linear(WEIGHT), cubalif(v_reset=np.full(2, -1.0))), "is not 0"),
        ((nir.Linear(WEIGHT), cubalif(tau_mem=np.full(2, 7.3 * DT), r=np.full(2, 7.3))), "no multiple of 1/4096"),
        ((nir.Linear(WEIGHT), cubalif(w_in=np.full(2, 2.0))), "gain of the input"),
    ],
)
def test_other_graphs_name_what_keeps_them_from_fixed_point(middle, obstacle):
    chain = read_chain(graph(*middle), DT)
    assert obstacle in why_not_fixed_point(chain)
    with pytest.raises(GraphError, match=r"quantise the graph first"):
        fixed_point_layers(chain)


def test_overflowing_fan_in_is_refused():
    weight = np.full((2, 2000), 127.0)
    layers = fixed_point_layers(
        read_chain(graph(nir.Linear(np.ones((2000, 3))), cubalif(2000), nir.Linear(weight), cubalif()), DT)
    )
    message = r"'node_3': 'node_1' can give neuron 0 a current of 254000 in one step; .* at 131072"
    with pytest.raises(RangeError, match=message):
        check_fan_in(layers)


def test_overflowing_currents_are_refused():
    (layer,) = fixed_point_layers(read_chain(graph(nir.Linear(WEIGHT), cubalif()), DT))
    check_currents(layer, np.array([131071.0, -131071.0]))
    with pytest.raises(RangeError, match=r"reaches 131072; .*--input-bits"):
        check_currents(layer, np.array([0.0, -131072.0]))
