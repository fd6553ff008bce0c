import json
from dataclasses import replace

import numpy as np
import pytest

from ff2neuro.coding import encode
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.errors import ConfigurationError, DatasetError
from ff2neuro.networks import (
    AnalogNetwork,
    GoodnessHead,
    InputCode,
    SpikingLayer,
    SpikingNetwork,
    layer_probabilities,
    one_hot_label_codes,
)
from ff2neuro.recording import RecordingHeader, RecordingWriter
from ff2neuro.validation import Thresholds, render_text
from ff2neuro.validation import validate as validate_strictly

N_IMAGES, N_PIXELS, N_CLASSES, N_STEPS = 24, 6, 3, 40
LAYERS = {"layer_0_spikes": 8, "layer_1_spikes": 4}


def validate(analog, spiking, recording, images, labels, thresholds=None):
    """Judge counts that were made by hand, which no simulation of the file gives: that is one fault at least."""
    thresholds = replace(thresholds or Thresholds(), max_faults=None)
    return validate_strictly(analog, spiking, recording, images, labels, thresholds)


@pytest.fixture(scope="module")
def analog():
    """Integer weights and images of zeros and ones: latents are integers, so counts can equal them."""
    rng = np.random.default_rng(11)
    weights = (
        rng.integers(-1, 3, size=(8, N_PIXELS + N_CLASSES)).astype(np.float32),
        rng.integers(-1, 2, size=(4, 8)).astype(np.float32),
    )
    head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=(0, 1))
    return AnalogNetwork(weights, one_hot_label_codes(N_CLASSES), head, image_shape=(2, 3))


@pytest.fixture(scope="module")
def spiking(analog):
    layers = tuple(SpikingLayer(weight, 0.5, gain=1.0) for weight in analog.weights)
    code = InputCode("constant", 3.0, analog.label_codes, analog.image_shape)
    return SpikingNetwork(layers, code, analog.head, n_time_steps=N_STEPS)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(12).integers(0, 2, size=(N_IMAGES, N_PIXELS)).astype(np.float32)


@pytest.fixture(scope="module")
def labels(analog, images):
    """What the model predicts, except for every sixth image."""
    labels = analog.predict(images)
    labels[::6] = (labels[::6] + 1) % N_CLASSES
    return labels


def record(counts, n_time_steps=N_STEPS, layers=None, **rest):
    layers = layers or LAYERS
    sizes = *counts[0].shape[:2], n_time_steps
    header = RecordingHeader(layers, *sizes, "counts", "by hand", "1", "fixed", 1e-4, **rest)
    with RecordingWriter(header) as writer:
        writer.write(0, dict(zip(layers, counts, strict=True)))
    return writer.finish()


@pytest.fixture
def counts(analog, images):
    return [latent.astype(np.uint16) for latent in analog.latents(images)]


def test_counts_that_equal_the_activity_agree_in_everything(analog, spiking, counts, images, labels):
    verdict = validate(analog, spiking, record(counts), images, labels)
    assert verdict.passed
    assert verdict.analog == verdict.spiking
    assert verdict.analog.n_correct == 20
    assert verdict.accuracy_drop_pp == 0
    assert verdict.prediction_agreement == 1
    assert verdict.score_rank_correlation == pytest.approx(1)
    assert verdict.disagreements == ()
    assert verdict.mcnemar_p_value == 1
    silent = [(latent.sum(axis=2) == 0).mean() for latent in analog.latents(images)]
    for layer, share in zip(verdict.layers, silent, strict=True):
        assert layer.cosine == pytest.approx(1 - share)
        assert layer.cosine_shuffled < layer.cosine
        assert layer.cka == pytest.approx(1, abs=1e-6)
        assert layer.pearson == pytest.approx(1)
        assert layer.activity_rms_error == 0
        assert layer.hoyer_analog == layer.hoyer_spiking
        assert layer.separability_analog == layer.separability_spiking
        assert layer.neighbour_overlap == 1
        assert layer.n_silent_analog == layer.n_silent_spiking


def test_gain_puts_counts_on_the_scale_of_the_activity(analog, spiking, counts, images, labels):
    layers = tuple(SpikingLayer(layer.weight, layer.v_threshold, gain=0.5) for layer in spiking.layers)
    network = SpikingNetwork(layers, spiking.input_code, spiking.head, N_STEPS)
    verdict = validate(analog, network, record([2 * count for count in counts]), images, labels)
    assert [layer.activity_rms_error for layer in verdict.layers] == [0, 0]


def test_doubled_activity_has_an_error_as_large_as_the_activity(analog, spiking, counts, images, labels):
    first = validate(analog, spiking, record([2 * count for count in counts]), images, labels).layers[0]
    latent = analog.latents(images)[0]
    assert first.activity_rms_error == pytest.approx(1)
    assert first.activity_bias == pytest.approx(latent.mean() / np.sqrt((latent**2).mean()), abs=1e-6)


def test_images_of_another_order_agree_no_better_than_chance(analog, spiking, counts, images, labels):
    shuffled = [np.roll(count, 1, axis=0) for count in counts]
    verdict = validate(analog, spiking, record(shuffled), images, labels, Thresholds(min_latent_agreement=0.95))
    assert not verdict.passed
    assert "layer_0_spikes.cosine" in [check.figure for check in verdict.failed_checks]
    assert verdict.layers[0].cosine == pytest.approx(verdict.layers[0].cosine_shuffled, abs=0.1)


def test_accuracy_drop_is_in_points_and_signed(analog, spiking, counts, images, labels):
    worse = [count.copy() for count in counts]
    predictions = analog.predict(images)
    # Images 1, 2 and 3 are right in the model; here another hypothesis gets all the goodness.
    for image in (1, 2, 3):
        for count in worse:
            count[image] = 0
            count[image, :, -1] = 1
            count[image, (predictions[image] + 1) % N_CLASSES, 0] = 9
    verdict = validate(analog, spiking, record(worse), images, labels)
    assert verdict.accuracy_drop_pp == pytest.approx(100 * 3 / N_IMAGES)
    assert verdict.prediction_agreement == pytest.approx(1 - 3 / N_IMAGES)
    assert verdict.n_disagreements == 3
    assert [entry["image"] for entry in verdict.disagreements] == [1, 2, 3]
    first_votes = layer_probabilities(analog.head, analog.latents(images), np.ones((N_IMAGES, N_CLASSES)))[0].argmax(
        axis=1
    )
    for entry in verdict.disagreements:
        fooled = first_votes[entry["image"]] != entry["spiking"]
        assert entry["first_layer"] == ("layer_0_spikes" if fooled else "layer_1_spikes")
    assert not verdict.passed
    better = validate(
        analog,
        spiking,
        record(worse),
        images,
        np.where(np.isin(np.arange(N_IMAGES), [1, 2, 3]), (predictions + 1) % N_CLASSES, labels),
    )
    assert better.accuracy_drop_pp == pytest.approx(-100 * 3 / N_IMAGES)
    assert better.passed


def test_drop_equal_to_its_limit_passes(analog, spiking, counts, images, labels):
    worse = [count.copy() for count in counts]
    for count in worse:
        count[1] = 0
        count[1, :, -1] = 1
        count[1, (analog.predict(images)[1] + 1) % N_CLASSES, 0] = 9
    limit = 100 / N_IMAGES
    assert validate(analog, spiking, record(worse), images, labels, Thresholds(limit)).passed
    assert not validate(analog, spiking, record(worse), images, labels, Thresholds(limit - 1e-9)).passed


def test_silent_machine_is_found_out(analog, spiking, counts, images, labels):
    silent = [np.zeros_like(count) for count in counts]
    verdict = validate(analog, spiking, record(silent), images, labels)
    assert verdict.spiking.n_ties == N_IMAGES
    assert "layer_0_spikes never spikes" in verdict.findings
    layer = verdict.layers[0]
    assert layer.cosine == 0
    assert layer.cka is None
    assert layer.pearson is None
    assert layer.hoyer_spiking_plain is None
    assert layer.n_silent_spiking == 8


def test_saturated_neurons_are_counted(analog, spiking, counts, images, labels):
    full = [count.copy() for count in counts]
    full[0][:, :, [2, 5]] = N_STEPS
    assert validate(analog, spiking, record(full), images, labels).layers[0].n_saturated == 2


def test_neurons_that_can_send_several_in_a_step_are_saturated_by_as_many(analog, images, labels):
    config = ConversionConfig(n_time_steps=N_STEPS, reset="subtract", max_spikes_per_step=3)
    several = convert(analog, images, config)
    for sent, n_saturated in ((N_STEPS, 0), (3 * N_STEPS, 2)):
        counts = [np.zeros((len(images), N_CLASSES, layer.n_neurons), dtype=np.uint16) for layer in several.layers]
        counts[0][:, :, [2, 5]] = sent
        recording = record(counts, max_spikes_per_step=3)
        assert validate(analog, several, recording, images, labels).layers[0].n_saturated == n_saturated


def test_dead_neuron_is_reported(analog, spiking, counts, images, labels):
    dead = [count.copy() for count in counts]
    dead[0][:, :, int(counts[0].sum(axis=(0, 1)).argmax())] = 0
    findings = validate(analog, spiking, record(dead), images, labels).findings
    assert any("layer_0_spikes" in finding and "1 more than in the model" in finding for finding in findings)


def test_permuted_label_codes_are_reported(analog, spiking, counts, images, labels):
    codes = one_hot_label_codes(N_CLASSES)
    permuted = type(codes)(codes.codes[[1, 0, 2]])
    code = InputCode("constant", 3.0, permuted, analog.image_shape)
    network = SpikingNetwork(spiking.layers, code, spiking.head, N_STEPS)
    findings = validate(analog, network, record(counts), images, labels).findings
    assert "label codes of the NIR file differ from the model's for the classes 0, 1" in findings


def test_classes_are_judged_one_by_one(analog, spiking, counts, images, labels):
    classes = validate(analog, spiking, record(counts), images, labels).classes
    right = analog.predict(images) == labels
    assert [row["n_samples"] for row in classes] == [int((labels == label).sum()) for label in range(N_CLASSES)]
    for row in classes:
        expected = right[labels == row["label"]].mean() if row["n_samples"] else None
        assert row["analog"] == row["spiking"] == expected


def test_margin_is_true_score_minus_best_other(analog, spiking, counts, images, labels):
    scores = analog.scores(images)
    others = np.where(np.eye(N_CLASSES, dtype=bool)[labels], -np.inf, scores).max(axis=1)
    margins = scores[np.arange(N_IMAGES), labels] - others
    quartiles = validate(analog, spiking, record(counts), images, labels).analog.margin_quartiles
    assert quartiles == pytest.approx(tuple(np.quantile(margins, [0.25, 0.5, 0.75])))


def test_one_image_has_no_interval_and_no_baseline(analog, spiking, counts, images, labels):
    verdict = validate(analog, spiking, record([count[:1] for count in counts]), images[:1], labels[:1])
    assert verdict.accuracy_drop_interval_pp is None
    layer = verdict.layers[0]
    assert layer.cosine_shuffled is None
    assert layer.rsa is None
    assert layer.separability_analog is None
    assert layer.neighbour_overlap is None


def test_small_chunks_change_nothing(analog, spiking, counts, images, labels, monkeypatch):
    whole = validate(analog, spiking, record(counts), images, labels)
    monkeypatch.setattr("ff2neuro.validation.judge.ENTRIES_PER_CHUNK", 5 * N_CLASSES * 8)
    monkeypatch.setattr("ff2neuro.validation.matching.EVENTS_PER_CHUNK", 1)
    chunked = validate(analog, spiking, record(counts), images, labels)
    assert chunked.disagreements == whole.disagreements
    assert chunked.synops_per_sample == whole.synops_per_sample
    for first, second in zip(chunked.layers, whole.layers, strict=True):
        for name, value in first.to_json().items():
            assert value == pytest.approx(getattr(second, name), abs=1e-6), name


def test_synaptic_operations_are_events_times_fan_out(spiking, counts, images, analog, labels):
    events = encode(spiking.input_code, images, N_STEPS).read(0, N_IMAGES)
    expected = np.count_nonzero(events) * N_STEPS * 8 + int(counts[0].sum()) * 4
    assert validate(analog, spiking, record(counts), images, labels).synops_per_sample == expected / N_IMAGES


def test_synaptic_operations_of_spike_coded_input_count_spikes(analog, spiking, counts, images, labels):
    code = InputCode("regular", 0.5, analog.label_codes, analog.image_shape)
    network = SpikingNetwork(spiking.layers, code, spiking.head, N_STEPS)
    n_input_spikes = int(encode(code, images, N_STEPS).read(0, N_IMAGES).sum())
    silent = record([np.zeros_like(count) for count in counts])
    verdict = validate(analog, network, silent, images, labels)
    assert verdict.synops_per_sample == n_input_spikes * 8 / N_IMAGES


def test_json_holds_plain_values_only(analog, spiking, counts, images, labels):
    verdict = validate(analog, spiking, record(counts), images, labels, Thresholds(1.0, 0.9, 0.9, 0.9))
    document = verdict.to_json()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["backend"] == {"name": "by hand", "version": "1", "arithmetic": "fixed"}
    assert document["n_time_steps"] == N_STEPS
    assert document["thresholds"]["max_accuracy_drop_pp"] == 1.0
    assert len(document["checks"]) == 6
    assert document["passed"] is verdict.passed


def test_text_begins_with_the_verdict_and_what_failed(analog, spiking, counts, images, labels):
    shuffled = [np.roll(count, 1, axis=0) for count in counts]
    verdict = validate(analog, spiking, record(shuffled), images, labels, Thresholds(None, 0.99))
    lines = render_text(verdict).splitlines()
    assert lines[0].startswith("FAILED: 24 images on by hand 1 (fixed arithmetic, 40 time steps)")
    assert lines[1].startswith("  failed: prediction_agreement is 0.")
    assert lines[1].endswith(", must be >= 0.99")
    assert any(line.startswith("layer_1_spikes") for line in lines)


def test_figure_that_was_not_computed_fails_its_check(analog, spiking, counts, images, labels):
    silent = [np.zeros_like(count) for count in counts]
    verdict = validate(analog, spiking, record(silent), images, labels, Thresholds(None, min_cka=0.1))
    assert not verdict.passed
    assert "failed: layer_0_spikes.cka is not computed, must be >= 0.1" in render_text(verdict)


def test_recording_of_other_layers_is_refused(analog, spiking, counts, images, labels):
    other = record(counts[:1], layers={"layer_0_spikes": 8})
    with pytest.raises(ConfigurationError, match=r"recording has layers of neurons: 8, the NIR file 8, 4"):
        validate(analog, spiking, other, images, labels)


def test_recording_of_other_length_is_refused(analog, spiking, counts, images, labels):
    with pytest.raises(ConfigurationError, match=r"recording has time steps: 39, the NIR file 40"):
        validate(analog, spiking, record(counts, n_time_steps=39), images, labels)


def test_recording_of_other_hypotheses_is_refused(analog, spiking, counts, images, labels):
    with pytest.raises(ConfigurationError, match=r"recording has label hypotheses: 2, the NIR file 3"):
        validate(analog, spiking, record([count[:, :2] for count in counts]), images, labels)


def test_recording_of_other_images_is_refused(analog, spiking, counts, images, labels):
    with pytest.raises(ConfigurationError, match=r"recording holds 24 images, given are 10; .* --samples"):
        validate(analog, spiking, record(counts), images[:10], labels[:10])


def test_file_of_another_run_is_refused(analog, spiking, counts, images, labels):
    narrow = SpikingNetwork(spiking.layers[:1], spiking.input_code, GoodnessHead("symmetric", 1.0, 0.0, (0,)), N_STEPS)
    with pytest.raises(ConfigurationError, match=r"NIR file has layers of 8 neurons, the run's model 8, 4"):
        validate(analog, narrow, record(counts), images, labels)


def test_file_with_other_voting_layers_is_refused(analog, spiking, counts, images, labels):
    head = GoodnessHead("symmetric", 1.0, 0.0, (1,))
    network = SpikingNetwork(spiking.layers, spiking.input_code, head, N_STEPS)
    with pytest.raises(ConfigurationError, match=r"NIR file the layers 1 vote, in the run's model 0, 1"):
        validate(analog, network, record(counts), images, labels)


def test_no_images_are_refused(analog, spiking, counts, images, labels):
    with pytest.raises(DatasetError, match="no images to judge by"):
        validate(analog, spiking, record(counts), images[:0], labels[:0])


def test_images_of_another_size_are_refused(analog, spiking, counts, images, labels):
    with pytest.raises(DatasetError, match=r"images have 5 pixels each; this network was trained on 2x3"):
        validate(analog, spiking, record(counts), images[:, :5], labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda labels: labels[:-1], r"24 images and labels of shape \(23,\)"),
        (lambda labels: labels + 1, r"labels lie in \d..3; the model knows the classes 0..2"),
        (lambda labels: labels - 1, r"labels lie in -1"),
        (lambda labels: labels.astype(float), r"the model knows the classes"),
    ],
)
def test_labels_that_do_not_fit_are_refused(analog, spiking, counts, images, labels, change, message):
    with pytest.raises(DatasetError, match=message):
        validate(analog, spiking, record(counts), images, change(labels))
