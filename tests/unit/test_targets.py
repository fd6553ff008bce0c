"""Placing networks on machines: what fits, what does not, and by how much."""

import dataclasses
from itertools import pairwise

import nir
import numpy as np
import pytest

from ff2neuro.errors import ConfigurationError
from ff2neuro.hardware.chain import read_chain
from ff2neuro.hardware.mapping import map_chain
from ff2neuro.hardware.mapping_limits import weight_bits
from ff2neuro.hardware.targets import Core, Target, available_targets, load_target


def chain_of(*weights):
    nodes = {"input": nir.Input({"input": np.array([weights[0].shape[1]])})}
    for index, weight in enumerate(weights):
        ones = np.ones(len(weight))
        nodes[f"linear_{index}"] = nir.Linear(np.asarray(weight, dtype=float))
        nodes[f"layer_{index}"] = nir.IF(r=1e4 * ones, v_threshold=10.5 * ones, v_reset=0 * ones)
    nodes["output"] = nir.Output({"output": np.array([len(weights[-1])])})
    return read_chain(nir.NIRGraph(nodes, list(pairwise(nodes))), 1e-4)


def dense(n_out, n_in, value=100):
    return np.full((n_out, n_in), value)


def machine(placement="split", count=4, limits=None, **core):
    return Target("toy", "Toy", placement, (Core(count, **core),), **(limits or {}))


@pytest.mark.parametrize("name", available_targets())
def test_every_figure_names_its_source(name):
    target = load_target(name)
    given = {field for core in target.cores for field, value in vars(core).items() if value is not None}
    limits = {field.name for field in dataclasses.fields(Target)} - {"name", "title", "placement", "cores", "notes"}
    given |= {field for field in limits - {"sources", "energy", "latency"} if getattr(target, field) is not None}
    assert set(target.sources) == given
    assert all(target.sources.values())
    assert all(model.source and model.synop > 0 for model in (*target.energy, *target.latency))


def test_loihi_1_has_the_published_cores():
    """Davies et al. 2018: 128 cores of 1024 compartments and 128 KiB of synaptic memory."""
    [core] = load_target("loihi1").cores
    assert (core.count, core.neurons, core.synapse_bits) == (128, 1024, 128 * 1024 * 8)


def test_loihi_2_has_no_energy_since_none_is_published():
    assert load_target("loihi2").energy == ()


def test_unknown_target_gets_the_nearest_name():
    with pytest.raises(ConfigurationError, match=r"unknown target 'Loihi-2'; did you mean 'loihi2'\? Known are loihi1"):
        load_target("Loihi-2")


def test_a_small_network_takes_one_core_per_layer():
    mapping = map_chain(chain_of(dense(10, 20), dense(5, 10)), load_target("loihi1"))
    assert mapping.fits
    assert (mapping.n_cores, mapping.n_chips) == (2, 1)
    assert mapping.layers[0].utilisation("neurons") == 10 / 1024
    assert mapping.layers[0].utilisation("synapse_bits") == 20 * 10 * 8 / 2**20
    assert mapping.layers[0].utilisation("in_axons") == 20 / 4096
    assert mapping.layers[0].utilisation("out_axons") == 10 / 4096


def test_layers_are_cut_where_the_weights_fill_a_core():
    """884 weights of 8 bits: 148 neurons in 2^20 bits, so 200 neurons take two cores, as on a real Loihi."""
    [layer] = map_chain(chain_of(dense(200, 884)), load_target("loihi1")).layers
    assert [(block.start, block.stop) for block in layer.blocks] == [(0, 148), (148, 200)]
    assert layer.bottleneck == "synapse_bits"


def test_layers_are_cut_where_the_neurons_fill_a_core():
    [layer] = map_chain(chain_of(dense(70, 3)), machine(neurons=32)).layers
    assert [block.neurons for block in layer.blocks] == [32, 32, 6]
    assert layer.bottleneck == "neurons"


def test_blocks_cover_every_neuron_once_and_respect_every_limit(rng):
    weights = [rng.integers(-3, 4, shape) * (rng.random(shape) < 0.4) for shape in ((97, 61), (83, 97), (41, 83))]
    target = machine(count=64, neurons=20, synapse_bits=2000, in_axons=55, out_axons=60)
    mapping = map_chain(chain_of(*weights), target)
    assert mapping.fits
    for index, (layer, weight) in enumerate(zip(mapping.layers, weights, strict=True)):
        assert [b.stop for b in layer.blocks[:-1]] == [b.start for b in layer.blocks[1:]]
        assert (layer.blocks[0].start, layer.blocks[-1].stop) == (0, len(weight))
        for block in layer.blocks:
            part = weight[block.start : block.stop] != 0
            receivers = mapping.layers[index + 1].blocks if index < 2 else ()
            columns = [weights[index + 1][r.start : r.stop, block.start : block.stop].any(axis=0) for r in receivers]
            expected = {
                "neurons": len(part),
                "synapse_bits": int(part.sum()) * weight_bits(weight),
                "synapses": int(part.sum()),
                "in_axons": int(part.any(axis=0).sum()),
                "out_axons": int(np.sum(columns)),
            }
            assert block.used == expected
            assert all(expected[name] <= getattr(target.cores[0], name) for name in ("neurons", "in_axons"))


def test_weights_that_are_zero_take_no_memory():
    weight = dense(10, 20)
    weight[:, 5:] = 0
    [layer] = map_chain(chain_of(weight), load_target("loihi1")).layers
    assert layer.n_synapses == 50
    assert layer.blocks[0].used["in_axons"] == 5


def test_more_cores_than_a_chip_has_take_more_chips():
    mapping = map_chain(chain_of(dense(90, 3)), machine(count=2, neurons=10))
    assert (mapping.n_cores, mapping.n_chips) == (9, 5)
    assert mapping.fits


def test_a_neuron_too_large_for_any_core_is_named_with_the_excess():
    mapping = map_chain(chain_of(dense(3, 300)), machine(in_axons=256))
    assert not mapping.fits
    assert mapping.problems == ("layer_0: one neuron takes 300 input axons, a core has 256: 44 too many",)
    assert any("at most 256" in advice for advice in mapping.advice)


def test_a_layer_that_may_not_be_cut_is_named_with_the_excess():
    mapping = map_chain(chain_of(dense(30, 10)), machine("whole", synapses=256))
    assert mapping.problems == ("layer_0: the layer takes 300 synapses, a core has 256: 44 too many",)


def test_layers_find_the_cores_that_hold_them():
    """The large layer comes last and only one kind of core holds it."""
    target = Target("toy", "Toy", "whole", (Core(1, synapses=1000), Core(1, synapses=100)))
    mapping = map_chain(chain_of(dense(9, 10), dense(100, 9)), target)
    assert mapping.fits
    assert [layer.core.synapses for layer in mapping.layers] == [100, 1000]


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"weight_bits": 4}, "layer_0: weights take 8 bits, 4 are possible"),
        ({"fan_in": 15}, "layer_0: a neuron has 20 sources, 15 are possible: 5 too many"),
        ({"fan_out": 3}, "layer_1: a neuron before it sends to 5 of its neurons, 3 are possible: 2 too many"),
        ({"layer_neurons": 9}, "layer_0: there are 10 neurons in the layer, 9 are possible: 1 too many"),
        ({"input_channels": 16}, "the network has 20 input channels, 16 are possible: 4 too many"),
        ({"output_neurons": 4}, "layer_1: the last layer has 5 neurons, 4 are possible: 1 too many"),
    ],
)
def test_limits_that_no_placement_avoids_are_named_with_the_excess(limits, problem):
    assert problem in map_chain(chain_of(dense(10, 20), dense(5, 10)), machine(limits=limits)).problems


def test_neurons_that_reach_too_many_cores_need_copies():
    mapping = map_chain(chain_of(dense(4, 3), dense(9, 4)), machine(neurons=3, limits={"fan_out_cores": 1}))
    assert any("send to 3 cores of layer_1, they can to 1: each would need 3 copies" in p for p in mapping.problems)


def test_hidden_layers_that_share_a_core_are_added_up():
    target = machine("joint", count=1, neurons=12, limits={"output_neurons": 8})
    mapping = map_chain(chain_of(dense(10, 2), dense(9, 10), dense(8, 9)), target)
    assert mapping.problems == ("all hidden layers together have 19 neurons, 12 are possible: 7 too many",)


def test_real_weights_are_told_to_be_quantised():
    mapping = map_chain(chain_of(np.full((3, 4), 0.25)), load_target("loihi1"))
    assert not mapping.fits
    assert any("quantise the weights first" in advice for advice in mapping.advice)


@pytest.mark.parametrize(("low", "high", "bits"), [(0, 0, 1), (-128, 127, 8), (-129, 0, 9), (0, 128, 9), (-1, 1, 2)])
def test_weight_bits_are_those_of_twos_complement(low, high, bits):
    assert weight_bits(np.array([low, high])) == bits


def test_inspect_prints_the_mapping(ff2neuro, digits_run):
    outcome = ff2neuro("inspect", digits_run / "network.nir", "--target", "loihi2")
    assert outcome.code == 0
    assert outcome.out.startswith("Intel Loihi 2 (2021): fits; 2 of 128 cores, 1 chip")
    assert "layer_0_spikes: 60 neurons" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "loihi3"], "unknown target 'loihi3'; did you mean"),
        (["--recording", "recording.h5"], "--recording needs a --target"),
        (["--target", "loihi1", "--recording", "missing.h5"], "missing.h5 does not exist"),
    ],
)
def test_inspect_refuses_what_makes_no_sense(ff2neuro, digits_run, arguments, message):
    outcome = ff2neuro("inspect", digits_run / "network.nir", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_runs_must_be_exported_before_they_are_placed(ff2neuro, digits_run):
    outcome = ff2neuro("inspect", digits_run, "--target", "loihi1")
    assert outcome.code == 2
    assert "export it with ff2neuro export" in outcome.err
