"""Planted faults: each must be named by the verdict's findings."""

from dataclasses import replace

import numpy as np
import pytest

from ff2neuro.coding import encode
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
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
    source = encode(spiking.input_code, images, N_STEPS)
    config = RunConfig(dt=spiking.dt, reset=spiking.reset, record=kind)
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


def test_sound_network_has_no_findings(analog, spiking, images):
    verdict = judge(analog, spiking, run(spiking, images), images)
    assert verdict.replay.n_differing == 0
    assert verdict.replay.n_images == 16
    assert [finding for finding in verdict.findings if "never spike" not in finding] == []


@pytest.mark.parametrize("index", [0, 1])
def test_flipped_weight_is_named(analog, spiking, images, index):
    weight = np.array(spiking.layers[index].weight)
    neuron, source = np.unravel_index(np.abs(weight).argmax(), weight.shape)
    weight[neuron, source] *= -1
    changed = change_layer(spiking, index, weight=weight)
    findings = judge(analog, changed, run(changed, images), images).findings
    expected = f"layer {index}: 1 weights are not the model's, the furthest off at neuron {neuron}, input {source}"
    assert any(finding.startswith(expected) for finding in findings)


def test_doubled_threshold_is_named(analog, spiking, images):
    v_threshold = np.array(spiking.layers[1].v_threshold)
    v_threshold[6] *= 2
    changed = change_layer(spiking, 1, v_threshold=v_threshold)
    findings = judge(analog, changed, run(changed, images), images).findings
    assert any("layer 1: weights over threshold of 1 neurons" in finding for finding in findings)
    assert any("neuron 6 by a factor of 0.5" in finding for finding in findings)


def test_threshold_doubled_for_a_whole_layer_costs_agreement(analog, spiking, images):
    sound = judge(analog, spiking, run(spiking, images), images)
    changed = change_layer(spiking, 1, v_threshold=8 * spiking.layers[1].v_threshold)
    verdict = judge(analog, changed, run(changed, images), images, min_latent_agreement=sound.layers[1].cosine - 0.01)
    assert "layer_1_spikes.cosine" in [check.figure for check in verdict.failed_checks]


def test_reset_that_the_machine_changed_is_named(analog, spiking, images):
    graph = to_nir(spiking, "native")
    # A reset below zero slows every neuron of this layer down; the file's own readout knows nothing of it.
    graph.nodes["layer_1_spikes"].v_reset = -2.0 * graph.nodes["layer_1_spikes"].v_threshold
    recording = run(spiking, images, graph=graph)
    findings = judge(analog, spiking, recording, images).findings
    assert any("leaves the simulation of the file first in layer_1_spikes" in finding for finding in findings)


def test_permuted_label_codes_are_named(analog, spiking, images):
    codes = spiking.input_code.label_codes
    permuted = LabelCodes(codes.codes[[0, 2, 1, 3]], codes.strength)
    changed = replace(spiking, input_code=replace(spiking.input_code, label_codes=permuted))
    findings = judge(analog, changed, run(changed, images), images).findings
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

    findings = judge(analog, spiking, rewrite(recording, kill), images).findings
    assert any(f"first in layer_0_spikes: 1 neurons ({neuron});" in finding for finding in findings)


def test_shifted_images_are_named_as_a_fault_of_the_first_layer(analog, spiking, images):
    shifted = np.roll(images.reshape(-1, 4, 4), 1, axis=2).reshape(images.shape)
    verdict = judge(analog, spiking, run(spiking, shifted), images)
    assert any("leaves the simulation of the file first in layer_0_spikes" in finding for finding in verdict.findings)
    assert verdict.layers[0].cosine < judge(analog, spiking, run(spiking, images), images).layers[0].cosine


def test_machine_a_step_late_is_named(analog, spiking, images):
    def delay(name, values):
        late = np.roll(values, 1, axis=2)
        late[:, :, 0] = False
        return late

    recording = rewrite(run(spiking, images, "spikes"), delay)
    findings = judge(analog, spiking, recording, images).findings
    assert "the machine is 1 step late against the simulation of the file" in findings


def test_fine_tuned_file_is_no_fault_of_the_machine(analog, spiking, images):
    rng = np.random.default_rng(1)
    weight = spiking.layers[0].weight
    weight = np.rint(weight + rng.normal(0, 0.1 * np.abs(weight).max(), weight.shape))
    changed = change_layer(spiking, 0, weight=weight)
    verdict = judge(analog, changed, run(changed, images), images)
    assert verdict.replay.n_differing == 0
    assert any("weights are not the model's" in finding for finding in verdict.findings)


def test_header_of_the_recording_names_the_machine(analog, spiking, images):
    recording = run(spiking, images)
    header = RecordingHeader(**{**recording.header.__dict__, "backend": "loihi", "backend_version": "2"})
    with RecordingWriter(header) as writer:
        writer.write(0, {name: recording.counts(name) for name in recording.layer_names})
    backend = judge(analog, spiking, writer.finish(), images).backend
    assert (backend.name, backend.version) == ("loihi", "2")
