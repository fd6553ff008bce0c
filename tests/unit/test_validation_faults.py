"""Planted faults: each must be named by the verdict's findings."""

from dataclasses import replace

import numpy as np
import pytest

from ff2neuro.coding import encode
from ff2neuro.converters.nir_file import read_network, write_network
from ff2neuro.converters.nir_graph import initial_potentials, to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.errors import ConfigurationError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.networks import AnalogNetwork, GoodnessHead, LabelCodes, SpikingLayer, one_hot_label_codes
from ff2neuro.recording import RecordingHeader, RecordingWriter
from ff2neuro.validation import Thresholds, validate

N_STEPS = 12


@pytest.fixture(scope="module")
def analog():
    rng = np.random.default_rng(7)
    weights = (rng.normal(0.1, 1.0, size=(20, 16 + 4)), rng.normal(0.05, 1.0, size=(10, 20)))
    head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=(0, 1))
    return AnalogNetwork(weights, one_hot_label_codes(4), head, image_shape=(4, 4))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(8).random((30, 16), dtype=np.float32)


@pytest.fixture(scope="module", params=[8, None], ids=["8-bit", "real weights"])
def spiking(request, analog, images):
    return convert(analog, images, ConversionConfig(n_time_steps=N_STEPS, weight_bits=request.param))


def run(spiking, images, kind="counts", graph=None):
    source = encode(spiking.input_code, images, spiking.n_time_steps)
    config = RunConfig(dt=spiking.dt, reset=spiking.reset, record=kind, v_init=initial_potentials(spiking))
    return ReferenceBackend().run(graph or to_nir(spiking, "native"), source, config)


def judge(analog, spiking, recording, images, **gate):
    return validate(analog, spiking, recording, images, analog.predict(images), Thresholds(**gate))


def change_layer(spiking, index, weight=None, v_threshold=None):
    layer = spiking.layers[index]
    changed = SpikingLayer(
        layer.weight if weight is None else weight,
        layer.v_threshold if v_threshold is None else v_threshold,
        reset=layer.reset,
        gain=layer.gain,
    )
    layers = list(spiking.layers)
    layers[index] = changed
    return replace(spiking, layers=tuple(layers))


def rewrite(recording, change):
    """Return a recording whose spikes or counts a machine's fault has changed."""
    with RecordingWriter(recording.header) as writer:
        read = recording.spikes if recording.header.kind == "spikes" else recording.counts
        writer.write(0, {name: change(name, read(name)) for name in recording.layer_names})
    return writer.finish()


def gate_names_a_fault(verdict):
    """Say whether the default gate fails, and by a fault that the findings name."""
    return not verdict.passed and verdict.failed_checks[0].figure == "faults" and len(verdict.faults) > 0


def written_and_read(spiking, tmp_path, dialect="native"):
    write_network(spiking, tmp_path / "network.nir", dialect)
    return read_network(tmp_path / "network.nir")[1]


def test_sound_network_has_no_findings(analog, spiking, images):
    verdict = judge(analog, spiking, run(spiking, images), images, max_accuracy_drop_pp=100.0, max_replay_mismatch=0.0)
    assert verdict.passed
    assert verdict.replay.n_differing == 0
    assert verdict.replay.n_images == 16
    assert [finding for finding in verdict.findings if "never spike" not in finding] == []


@pytest.mark.parametrize(
    "choices",
    [
        {"weight_bits": 2},
        {"weight_bits": 4, "n_time_steps": 4},
        {"weight_bits": None, "reset": "subtract"},
        {"reset": "subtract", "weight_scale": "neuron", "initial_potential": 0.5},
        {"weight_bits": 3, "weight_scale": "neuron"},
        {"neuron": "lif"},
        {"neuron": "lif", "weight_bits": None},
        {"input_coding": "bernoulli"},
        {"input_bits": 1},
    ],
    ids=str,
)
def test_no_sound_conversion_has_faults(analog, images, choices, tmp_path):
    spiking = convert(analog, images, ConversionConfig(**{"n_time_steps": N_STEPS, **choices}))
    spiking = written_and_read(spiking, tmp_path)
    verdict = judge(analog, spiking, run(spiking, images), images, max_accuracy_drop_pp=100.0)
    assert verdict.faults == ()
    assert verdict.passed


@pytest.mark.parametrize("index", [0, 1])
def test_flipped_weight_is_named(analog, spiking, images, index):
    weight = np.array(spiking.layers[index].weight)
    neuron, source = np.unravel_index(np.abs(weight).argmax(), weight.shape)
    weight[neuron, source] *= -1
    changed = change_layer(spiking, index, weight=weight)
    verdict = judge(analog, changed, run(changed, images), images)
    findings = verdict.faults
    assert gate_names_a_fault(verdict)
    expected = f"layer {index}: 1 weights are not the model's, the furthest off at neuron {neuron}, input {source}"
    assert any(finding.startswith(expected) for finding in findings)


def test_doubled_threshold_is_named(analog, spiking, images):
    v_threshold = np.array(spiking.layers[1].v_threshold)
    v_threshold[6] *= 2
    changed = change_layer(spiking, 1, v_threshold=v_threshold)
    verdict = judge(analog, changed, run(changed, images), images)
    findings = verdict.faults
    assert gate_names_a_fault(verdict)
    assert any("layer 1: weights over threshold of 1 neurons" in finding for finding in findings)
    assert any("neuron 6 by a factor of 0.5" in finding for finding in findings)


def test_threshold_doubled_for_a_whole_layer_is_named(analog, spiking, images):
    changed = change_layer(spiking, 1, v_threshold=2 * spiking.layers[1].v_threshold)
    verdict = judge(analog, changed, run(changed, images), images)
    assert gate_names_a_fault(verdict)
    assert any(fault.startswith("layer_1_spikes: a spike stands for") for fault in verdict.faults)


@pytest.mark.parametrize("index", [0, 1])
def test_file_changed_after_its_export_is_named(analog, spiking, images, tmp_path, index):
    spiking = written_and_read(spiking, tmp_path)
    # Little enough that no other check would see it.
    changed = change_layer(spiking, index, v_threshold=spiking.layers[index].v_threshold + 1)
    verdict = judge(analog, changed, run(changed, images), images)
    assert gate_names_a_fault(verdict)
    assert [fault for fault in verdict.faults if fault.startswith(f"layer {index}: weights, thresholds, leak")]


def test_reset_of_the_file_changed_after_its_export_is_named(analog, spiking, images, tmp_path):
    spiking = written_and_read(spiking, tmp_path)
    changed = replace(spiking, layers=tuple(replace(layer, reset="subtract") for layer in spiking.layers))
    verdict = judge(analog, changed, run(changed, images), images)
    assert gate_names_a_fault(verdict)
    assert "leak, reset or readout" in verdict.faults[0]


def test_reset_that_the_machine_changed_is_named(analog, spiking, images):
    graph = to_nir(spiking, "native")
    # A reset below zero slows every neuron of this layer down; the file's own readout knows nothing of it.
    graph.nodes["layer_1_spikes"].v_reset = -2.0 * graph.nodes["layer_1_spikes"].v_threshold
    recording = run(spiking, images, graph=graph)
    verdict = judge(analog, spiking, recording, images)
    assert gate_names_a_fault(verdict)
    assert any("leaves the simulation of the file first in layer_1_spikes" in fault for fault in verdict.faults)


def test_permuted_label_codes_are_named(analog, spiking, images):
    codes = spiking.input_code.label_codes
    permuted = LabelCodes(codes.codes[[0, 2, 1, 3]], codes.strength)
    changed = replace(spiking, input_code=replace(spiking.input_code, label_codes=permuted))
    verdict = judge(analog, changed, run(changed, images), images)
    findings = verdict.faults
    assert gate_names_a_fault(verdict)
    assert "label codes of the NIR file differ from the model's for the classes 1, 2" in findings


@pytest.mark.parametrize("kind", ["counts", "spikes"])
def test_dead_neuron_of_the_machine_is_named(analog, spiking, images, kind):
    recording = run(spiking, images, kind)
    neuron = int(recording.counts("layer_0_spikes").sum(axis=(0, 1)).argmax())

    def kill(name, values):
        values = values.copy()
        if name == "layer_0_spikes":
            values[..., neuron] = 0
        return values

    verdict = judge(analog, spiking, rewrite(recording, kill), images, max_replay_mismatch=0.0)
    findings = verdict.faults
    assert gate_names_a_fault(verdict)
    assert "replay_mismatch" in [check.figure for check in verdict.failed_checks]
    assert any(f"first in layer_0_spikes: 1 neurons ({neuron});" in finding for finding in findings)


def shift(images):
    return np.roll(images.reshape(-1, 4, 4), 1, axis=2).reshape(images.shape)


def test_images_that_a_machine_shifts_are_named_as_a_fault_of_the_first_layer(analog, spiking, images):
    recording = rewrite(run(spiking, shift(images)), lambda name, values: values)
    verdict = judge(analog, spiking, recording, images)
    assert gate_names_a_fault(verdict)
    assert any("leaves the simulation of the file first in layer_0_spikes" in fault for fault in verdict.faults)
    assert verdict.layers[0].cosine < judge(analog, spiking, run(spiking, images), images).layers[0].cosine


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shift, "the input of 30 of 30 differs, first of image 0"),
        (lambda images: images[[*range(20), 21, 20, *range(22, 30)]], "in another order from image 20 on"),
        (
            lambda images: np.concatenate([images[:29], 1 - images[29:]]),
            "the input of 1 of 30 differs, first of image 29",
        ),
    ],
    ids=["shifted", "reordered", "one other"],
)
def test_recording_of_other_images_is_refused(analog, spiking, images, change, message):
    with pytest.raises(ConfigurationError, match=f"recording is not of these images: .*{message}"):
        judge(analog, spiking, run(spiking, change(images)), images)


def test_machine_a_step_late_is_named(analog, spiking, images):
    def delay(name, values):
        late = np.roll(values, 1, axis=2)
        late[:, :, 0] = False
        return late

    recording = rewrite(run(spiking, images, "spikes"), delay)
    verdict = judge(analog, spiking, recording, images)
    assert gate_names_a_fault(verdict)
    assert "the machine is 1 step late against the simulation of the file" in verdict.faults


def test_fine_tuned_file_is_no_fault_of_the_machine(analog, spiking, images):
    rng = np.random.default_rng(1)
    weight = spiking.layers[0].weight
    weight = np.rint(weight + rng.normal(0, 0.1 * np.abs(weight).max(), weight.shape))
    changed = change_layer(spiking, 0, weight=weight)
    verdict = judge(analog, changed, run(changed, images), images)
    assert verdict.replay.n_differing == 0
    assert any(fault.startswith("layer 0: ") and "weights" in fault for fault in verdict.faults)


def test_header_of_the_recording_names_the_machine(analog, spiking, images):
    recording = run(spiking, images)
    header = RecordingHeader(**{**recording.header.__dict__, "backend": "loihi", "backend_version": "2"})
    with RecordingWriter(header) as writer:
        writer.write(0, {name: recording.counts(name) for name in recording.layer_names})
    backend = judge(analog, spiking, writer.finish(), images).backend
    assert (backend.name, backend.version) == ("loihi", "2")
