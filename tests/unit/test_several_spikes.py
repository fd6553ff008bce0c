"""Neurons that can send several spikes in one step: the rule, what is recorded, converted, written and refused."""

from dataclasses import replace
from itertools import pairwise

import h5py
import nir
import numpy as np
import pytest

from ff2neuro.coding import encode, latents_of_spikes, recorded_latents, score_bounds, spiking_latents
from ff2neuro.converters.calibration import balance_threshold
from ff2neuro.converters.netx_file import write_netx
from ff2neuro.converters.nir_file import read_network, write_network
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.population import NeuronModel
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.converters.simulation import spikes_of
from ff2neuro.converters.target import Target
from ff2neuro.data import Dataset
from ff2neuro.dynamics import FixedPointNeurons, FloatNeurons, simulate, spike_counts
from ff2neuro.errors import ConfigurationError, FileFormatError, GraphError, NetworkError, RangeError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.hardware.beyond_nir import configured_chain
from ff2neuro.hardware.energy import count_activity
from ff2neuro.hardware.mapping import map_chain
from ff2neuro.hardware.portability import statements
from ff2neuro.hardware.targets import load_target
from ff2neuro.inputs import InputSource
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.finetuning import FineTuner
from ff2neuro.networks import ActivityTable, AnalogNetwork, GoodnessHead, LabelCodes, Trace
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter
from ff2neuro.spike_numbers import largest_currents
from ff2neuro.validation.run_config import run_config
from ff2neuro.validation.sweep_points import conversion_of

SEVERAL = ConversionConfig(n_time_steps=4, reset="subtract", max_spikes_per_step=7)


def population(threshold, most, *, integer, leak=0, n=1):
    if integer:
        return FixedPointNeurons(
            vth=np.full(n, threshold),
            bias=np.zeros(n, dtype=np.int64),
            mem_leak=leak,
            reset="subtract",
            max_spikes_per_step=most,
        )
    ones, zeros = np.ones(n), np.zeros(n)
    return FloatNeurons(
        v_threshold=np.full(n, float(threshold)),
        v_reset=zeros,
        mem_decay=ones - leak / 4096,
        mem_gain=ones,
        syn_decay=zeros,
        syn_gain=ones,
        leak=zeros,
        v_init=zeros,
        reset="subtract",
        max_spikes_per_step=most,
    )


def one_by_one(v, threshold, most):
    """Subtract the threshold as long as a potential is above it, but not too often: the rule as it is said."""
    spikes = np.zeros(v.shape, dtype=np.uint8)
    for _ in range(most):
        above = v > threshold
        spikes += above
        v = v - above * threshold
    return spikes, v


@pytest.mark.parametrize("integer", [True, False])
@pytest.mark.parametrize("most", [2, 7, 255])
def test_a_neuron_sends_a_spike_for_every_threshold_that_it_exceeds(rng, integer, most):
    neurons = population(10, most, integer=integer, n=500)
    unit = 64 if integer else 1
    state = neurons.rest(1)
    # Exact multiples of the threshold among them, and currents beyond what can be sent.
    currents = rng.integers(-40, 14 * most, (6, 1, 500))
    v = np.zeros((1, 500))
    for current in currents:
        spikes = neurons.step(state, current.astype(np.float64))
        expected, v = one_by_one(v + current, 10, most)
        assert spikes.dtype == np.uint8
        np.testing.assert_array_equal(spikes, expected)
        np.testing.assert_array_equal(state.v, v * unit)
    assert spikes.max() == most


@pytest.mark.parametrize("integer", [True, False])
def test_few_spikes_in_a_step_are_those_of_a_neuron_that_sends_one(rng, integer):
    """Where no step brings two thresholds, the number that a neuron could send does not show."""
    currents = rng.integers(0, 10, (20, 30, 8)).astype(np.float64)
    one, several = (simulate(population(10, most, integer=integer, n=8), currents, 30) for most in (1, 5))
    assert one.any()
    np.testing.assert_array_equal(several, one)


def test_a_leak_comes_first():
    # v = 95; after a leak of a half and 20 more 67.5, which exceeds 10 six times.
    neurons = population(10, 9, integer=False, leak=2048)
    state = neurons.rest(1)
    assert neurons.step(state, np.array([[100.0]]))[0, 0] == 9
    state.v[:] = 95.0
    assert neurons.step(state, np.array([[20.0]]))[0, 0] == 6
    assert state.v[0, 0] == 7.5


def test_counts_are_sums(rng):
    neurons, currents = population(10, 9, integer=True, n=4), rng.integers(-20, 90, (5, 12, 4))
    np.testing.assert_array_equal(spike_counts(neurons, currents, 12), simulate(neurons, currents, 12).sum(axis=1))


def header(kind, n_time_steps=40, most=7):
    return RecordingHeader(
        {"a": 3}, 2, 1, n_time_steps, kind, "reference", "0", "fixed", 1e-4, max_spikes_per_step=most
    )


@pytest.mark.parametrize("kind", ["spikes", "counts"])
def test_recordings_hold_them(tmp_path, kind):
    path = tmp_path / "recording.h5"
    with RecordingWriter(header(kind), path) as writer:
        writer.write(0, {"a": np.full((2, 1, 40, 3), 7, dtype=np.uint8)})
    writer.finish().close()
    with Recording.open(path) as recording:
        assert recording.header.max_spikes_per_step == 7
        assert (recording.counts("a") == 280).all()
        if kind == "spikes":
            assert (recording.spikes("a") == 7).all()
    with h5py.File(path) as file:
        assert file.attrs["format_version"] == 3


def test_recordings_without_them_stay_readable_by_older_versions(tmp_path):
    path = tmp_path / "recording.h5"
    with RecordingWriter(header("spikes", most=1), path) as writer:
        writer.write(0, {"a": np.ones((2, 1, 40, 3), dtype=bool)})
    writer.finish().close()
    with h5py.File(path) as file:
        assert file.attrs["format_version"] == 1
        assert "max_spikes_per_step" not in file.attrs


def test_counts_beyond_two_bytes_are_refused():
    with pytest.raises(ConfigurationError, match="counts of up to 76500; recordings hold 65535: use fewer --steps"):
        header("counts", n_time_steps=300, most=255)


@pytest.mark.parametrize("bits", [8, None])
def test_latents_come_nearer_with_every_spike_that_a_step_may_hold(network, images, bits):
    def lost(most):
        spiking = convert(
            network,
            images,
            ConversionConfig(n_time_steps=4, reset="subtract", max_spikes_per_step=most, weight_bits=bits),
        )
        events = encode(spiking.input_code, images, 4)
        with get_backend("reference").run(to_nir(spiking, "native"), events, run_config(spiking)) as recording:
            found = recorded_latents(spiking, recording)
            assert recording.counts(recording.layer_names[0]).max() > (most - 1) * 4
        return [1 - cosine(side, other) for side, other in zip(found, network.latents(images), strict=True)]

    one, three, fifteen = (np.array(lost(most)) for most in (1, 3, 15))
    assert (three < 0.5 * one).all()
    assert (fifteen < 0.5 * three).all()


def cosine(a, b):
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return float(((a * b).sum(axis=-1)[lengths > 0] / lengths[lengths > 0]).mean())


@pytest.mark.parametrize("bits", [8, None])
def test_backend_and_converter_see_the_same_spikes(network, images, bits):
    spiking = convert(
        network, images, ConversionConfig(n_time_steps=5, reset="subtract", max_spikes_per_step=9, weight_bits=bits)
    )
    config = run_config(spiking, record="spikes")
    recording = get_backend("reference").run(to_nir(spiking, "native"), encode(spiking.input_code, images, 5), config)
    (_, first), *_ = spikes_of(spiking, images)
    spikes = [recording.spikes(name) for name in recording.layer_names]
    for ours, theirs in zip(first, spikes, strict=True):
        np.testing.assert_array_equal(theirs[: len(ours)], ours)
    by_counts = spiking_latents(spiking, [layer.sum(axis=2) for layer in spikes])
    for ours, theirs in zip(latents_of_spikes(spiking, spikes), by_counts, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_thresholds_of_integers_stay_above_what_a_spike_subtracts():
    model = NeuronModel("subtract", max_spikes_per_step=255)
    currents = np.ones((20, 1, 3))
    assert balance_threshold(currents, Target(currents[:, 0]), 4, model, name="layer").v_threshold.min() == 1.5


def test_files_keep_it_and_older_versions_refuse_them(network, images, tmp_path):
    spiking = convert(network, images, SEVERAL)
    write_network(spiking, tmp_path / "network.nir", "native")
    _, back = read_network(tmp_path / "network.nir")
    assert back.max_spikes_per_step == 7
    assert back.checksum == spiking.checksum
    assert back.checksums == tuple(layer.checksum for layer in spiking.layers)
    assert conversion_of(back) == SEVERAL
    with h5py.File(tmp_path / "network.nir", "r+") as file:
        assert file["ff2neuro"].attrs["format_version"] == 3
        file["ff2neuro"].attrs["max_spikes_per_step"] = 256
    with pytest.raises(NetworkError, match=r"network\.nir: neurons are to send up to 256 spikes in a step"):
        read_network(tmp_path / "network.nir")


def test_files_without_it_say_nothing_of_it(network, images, tmp_path):
    write_network(convert(network, images, ConversionConfig(n_time_steps=4)), tmp_path / "network.nir")
    with h5py.File(tmp_path / "network.nir") as file:
        assert file["ff2neuro"].attrs["format_version"] == 1
        assert "max_spikes_per_step" not in file["ff2neuro"].attrs


def test_older_files_that_claim_it_are_refused(network, images, tmp_path):
    write_network(convert(network, images, SEVERAL), tmp_path / "network.nir", "native")
    with h5py.File(tmp_path / "network.nir", "r+") as file:
        file["ff2neuro"].attrs["format_version"] = 1
    with pytest.raises(NetworkError, match="has format 1, and what it holds is of format 3"):
        read_network(tmp_path / "network.nir")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reset": "zero"}, "are reset to zero, which leaves nothing for a second one: use --reset subtract"),
        ({"readout": "times"}, "whose times say no more than their number: use --readout counts"),
        ({"max_spikes_per_step": 0}, r"up to 0 spikes in a step; it must be a whole number in 1\.\.255"),
        ({"max_spikes_per_step": 2.5}, r"up to 2\.5 spikes in a step; it must be a whole number"),
        ({"max_spikes_per_step": True}, "up to True spikes in a step; it must be a whole number"),
        ({"max_spikes_per_step": 255, "n_time_steps": 300}, "make counts of up to 76500; recordings hold 65535"),
        ({"max_spikes_per_step": 256}, r"up to 256 spikes in a step; it must be a whole number in 1\.\.255"),
    ],
)
def test_conversions_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        ConversionConfig(**{"reset": "subtract", "max_spikes_per_step": 7, **changes})


def test_runs_that_make_no_sense_are_refused():
    with pytest.raises(ConfigurationError, match="use --reset subtract"):
        RunConfig(max_spikes_per_step=2)


@pytest.mark.parametrize("name", ["snntorch", "brian2-loihi"])
def test_machines_whose_neurons_send_one_refuse_it(network, images, name, monkeypatch):
    """Whatever else they would have refused of a network that resets by subtraction."""
    machine = get_backend(name)
    monkeypatch.setattr(type(machine), "version", "0")
    source = encode(convert(network, images, SEVERAL).input_code, images, 4)
    with pytest.raises(ConfigurationError, match=f"those of backend '{name}' send one: export without"):
        machine.recording_header({"a": 1}, source, RunConfig(reset="subtract", max_spikes_per_step=7), "fixed")


def test_nir_and_netx_cannot_say_it(network, images, tmp_path):
    spiking = convert(network, images, SEVERAL)
    with pytest.raises(NetworkError, match="NIR cannot say"):
        to_nir(spiking, "portable")
    with pytest.raises(NetworkError, match="netx cannot say"):
        write_netx(spiking, tmp_path / "network.net")
    stated = [each for each in statements(to_nir(spiking, "native"), run_config(spiking)) if each.reader.name != "lava"]
    assert "same" not in {each.status for each in stated}
    reasons = [each.reasons for each in stated if each.status == "differs"]
    assert reasons
    for each in reasons:
        assert "the network's neurons send up to 7 spikes in a step, which NIR cannot say" in each


def test_an_early_exit_is_refused(network, images):
    with pytest.raises(ConfigurationError, match=r"up to 7 spikes in a step, .* leave the early exit out"):
        score_bounds(convert(network, images, SEVERAL), np.ones((60, 3)))


def test_hidden_currents_that_could_wrap_around_are_kept_in_range(network, images):
    """A coarser scale where that is enough, and no more than a bit: its largest current fits Lava's."""

    def converted(most):
        return convert(network, images, replace(SEVERAL, max_spikes_per_step=most)).layers[1].weight

    strong, fine = converted(255), converted(7)
    assert 64 <= np.abs(strong).max() < np.abs(fine).max()
    assert 255 * max(np.maximum(sign * strong, 0).sum(axis=1).max() for sign in (1, -1)) < 2**17


@pytest.mark.parametrize("seed", range(6))
def test_weights_of_a_scale_of_their_own_are_made_coarse_until_they_fit(images, seed):
    """Clipped codes shrink by less than their scale grows: one step of it would not do for some neurons."""
    rng = np.random.default_rng(seed)
    weights = (rng.normal(size=(500, 19)) / 4, rng.standard_t(3, size=(40, 500)))
    wide = AnalogNetwork(weights, LabelCodes(np.eye(3), 1.0), GoodnessHead("symmetric", 1.0, 0.0, (0, 1)), (16,))
    config = replace(SEVERAL, max_spikes_per_step=255, weight_bits=5, weight_scale="neuron")
    spiking = convert(wide, images, config)
    assert largest_currents(spiking.layers[1].weight, 255).max() < 2**17


def test_hidden_currents_far_beyond_the_range_are_refused(network, images):
    wide = replace(network, weights=(np.tile(network.weights[0], (9, 1)), np.tile(network.weights[1], (1, 9))))
    with pytest.raises(RangeError, match=r"layer 1: the layer before can give .* or --max-spikes-per-step"):
        convert(wide, images, replace(SEVERAL, max_spikes_per_step=255))


def test_machines_are_told_what_they_cannot_hold(network, images):
    spiking = convert(network, images, ConversionConfig(n_time_steps=4, reset="subtract", max_spikes_per_step=40))
    chain = configured_chain(to_nir(spiking, "native"), run_config(spiking))

    def problems(name):
        return [problem for problem in map_chain(chain, load_target(name)).problems if "in a step" in problem]

    assert problems("loihi1")[0].endswith("a neuron sends up to 40 spikes in a step, 1 are possible: 39 too many")
    assert problems("xylo-audio-2")[0].endswith("31 are possible: 9 too many")
    assert not problems("loihi2")


def test_operations_count_every_spike(network, images):
    spiking = convert(network, images, SEVERAL)
    config = run_config(spiking)
    with get_backend("reference").run(
        to_nir(spiking, "native"), encode(spiking.input_code, images, 4), config
    ) as recording:
        activity = count_activity(configured_chain(to_nir(spiking, "native"), config), recording)
        for index, name in enumerate(recording.layer_names):
            assert activity.layers[index].spikes == pytest.approx(recording.counts(name).sum() / (60 * 3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, "format 99, this version reads up to 3"),
        ({"format_version": 1}, "damaged: it has format 1 and max_spikes_per_step 7"),
        *(({"max_spikes_per_step": wrong}, "damaged: it has format 3") for wrong in (-3, 0, 1, 300, 2.5, "7", np.inf)),
        ({"max_spikes_per_step": None}, "damaged: it has format 3 and max_spikes_per_step None"),
    ],
)
def test_strange_recordings_are_refused(tmp_path, changes, message):
    with RecordingWriter(header("spikes"), tmp_path / "recording.h5") as writer:
        writer.write(0, {"a": np.full((2, 1, 40, 3), 7, dtype=np.uint8)})
    writer.finish().close()
    with h5py.File(tmp_path / "recording.h5", "r+") as file:
        for name, value in changes.items():
            del file.attrs[name]
            if value is not None:
                file.attrs[name] = value
    with pytest.raises(FileFormatError, match=message):
        Recording.open(tmp_path / "recording.h5")


@pytest.mark.parametrize("wrong", [2.5, 255.9, "15", np.inf, np.nan, -1, 0, [3, 3]])
def test_strange_numbers_in_files_are_refused(network, images, tmp_path, wrong):
    write_network(convert(network, images, SEVERAL), tmp_path / "network.nir", "native")
    with h5py.File(tmp_path / "network.nir", "r+") as file:
        del file["ff2neuro"].attrs["max_spikes_per_step"]
        file["ff2neuro"].attrs["max_spikes_per_step"] = wrong
    with pytest.raises((NetworkError, FileFormatError), match=r"network\.nir"):
        read_network(tmp_path / "network.nir")


def test_networks_that_cannot_be_are_refused(network, images):
    spiking = convert(network, images, SEVERAL)
    first, second = spiking.layers
    table = ActivityTable(np.zeros((5, 5), dtype=np.float32))
    for make, message in (
        (lambda: replace(spiking, layers=(first, replace(second, max_spikes_per_step=3))), r"up to \[3, 7\] spikes"),
        (lambda: replace(spiking, n_time_steps=65535), "make counts of up to 458745"),
        (lambda: replace(spiking, trace=Trace("li")), "an output trace takes neurons that send one"),
        (lambda: replace(first, winners=3), "a limit on winners takes neurons that send one spike in a step, not 7"),
        (lambda: replace(first, table=table), "a table of activity by the times of spikes takes neurons that send one"),
    ):
        with pytest.raises(NetworkError, match=message):
            make()


def test_how_many_it_can_send_is_part_of_what_a_layer_is(network, images):
    layer = convert(network, images, SEVERAL).layers[0]
    assert layer.checksum != replace(layer, max_spikes_per_step=8).checksum


def test_thresholds_are_tried_in_the_range_of_as_many_spikes(network, images):
    """What activity takes with one spike for each threshold, 100 take with a hundredth of it."""
    low, high = (
        convert(network, images, ConversionConfig(4, None, "subtract", input_bits=8, max_spikes_per_step=most))
        .layers[0]
        .v_threshold.max()
        for most in (100, 1)
    )
    assert low < high / 20


def test_fine_tuning_refuses_it(network, images):
    spiking = convert(network, images, SEVERAL)
    data = Dataset("own", images, np.zeros(60, int), images, np.zeros(60, int), (16,), 3)
    with pytest.raises(ConfigurationError, match="this network has several spikes in a step: convert it without"):
        FineTuner(network, spiking, data, TrainingConfig())


def tiny(weight, threshold, most):
    """Two layers of one neuron each; the second one has this weight and threshold."""
    ones = np.ones(1)
    nodes = {
        "input": nir.Input({"input": np.array([1])}),
        "a": nir.Linear(np.array([[100.0]])),
        "b": nir.IF(r=ones / 1e-4, v_threshold=1.5 * ones, v_reset=0 * ones),
        "c": nir.Linear(np.array([[float(weight)]])),
        "d": nir.IF(r=ones / 1e-4, v_threshold=threshold * ones, v_reset=0 * ones),
        "output": nir.Output({"output": np.array([1])}),
    }
    graph = nir.NIRGraph(nodes, list(pairwise(nodes)))
    return graph, RunConfig(reset="subtract", record="spikes", max_spikes_per_step=most)


def test_hidden_currents_are_bounded_by_the_most_spikes():
    inputs = InputSource.from_array(np.ones((1, 1, 2, 1), dtype=int))
    graph, config = tiny(2000, 10.5, 60)
    get_backend("reference").run(graph, inputs, config)
    graph, config = tiny(2000, 10.5, 70)
    for name in ("reference", "lava"):
        with pytest.raises(RangeError, match=r"'b' can give neuron 0 a current of 140000|a weight is 2000"):
            get_backend(name).run(graph, inputs, config)


@pytest.mark.parametrize(("threshold", "arithmetic"), [(1.5, "fixed"), (0.5, "float")])
def test_integers_need_a_threshold_of_which_a_spike_subtracts_something(threshold, arithmetic):
    graph, config = tiny(3, threshold, 7)
    recording = get_backend("reference").run(graph, InputSource.from_array(np.ones((1, 1, 2, 1), dtype=int)), config)
    assert recording.header.arithmetic == arithmetic
    assert recording.spikes("d").ravel().tolist() == [7, 7]


def test_thresholds_that_are_not_above_0_are_refused():
    graph, config = tiny(3, -0.5, 7)
    graph.nodes["d"].v_reset = -1 * np.ones(1)
    with pytest.raises(GraphError, match=r"'d' has a v_threshold of -0\.5, .* take thresholds above 0"):
        get_backend("reference").run(graph, InputSource.from_array(np.ones((1, 1, 2, 1), dtype=int)), config)


def test_neurons_without_a_threshold_answer_as_ever():
    """A leaky integrator behind neurons that send several spikes in a step."""
    ones = np.ones(1)
    graph, config = tiny(3, 5.5, 7)
    graph.nodes["d"] = nir.LI(tau=1e-3 * ones, r=10 * ones, v_leak=0 * ones)
    config = replace(config, states=True)
    recording = get_backend("reference").run(graph, InputSource.from_array(np.ones((1, 1, 2, 1), dtype=int)), config)
    assert recording.state("v", "d").ravel().tolist() == pytest.approx([21.0, 21.0 * 1.9])


def test_quotients_that_are_rounded_past_an_integer_do_not_count(rng):
    """Whatever a division makes of numbers next to a multiple of the threshold."""
    threshold = rng.uniform(0.1, 3, 4000)
    multiples = rng.integers(1, 9, 4000) * threshold
    for v in (np.nextafter(multiples, 9e9), multiples, np.nextafter(multiples, 0)):
        neurons = replace(population(1, 12, integer=False, n=4000), v_threshold=threshold)
        state = neurons.rest(1)
        spikes = neurons.step(state, v[None])[0].astype(int)
        assert (v > spikes * threshold).all()
        assert (v <= (spikes + 1) * threshold).all()
