"""Networks are frozen, checked values; goodness is as the paper defines it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from ff2neuro.errors import ConfigurationError, DatasetError, FileFormatError, NetworkError
from ff2neuro.files import hdf5_bytes
from ff2neuro.networks import (
    AnalogNetwork,
    GoodnessHead,
    InputCode,
    LabelCodes,
    SpikingLayer,
    SpikingNetwork,
    layer_probabilities,
    load_model,
    one_hot_label_codes,
    predict_from_scores,
    random_label_codes,
    save_model,
)

SYMMETRIC = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=(0,))


@pytest.fixture
def network(rng):
    weights = (rng.normal(size=(8, 9 + 3)), rng.normal(size=(6, 8)))
    head = GoodnessHead("sigmoid", alpha=2.0, theta=1.5, voting_layers=(0, 1))
    return AnalogNetwork(weights, one_hot_label_codes(3), head, (3, 3), {"seed": 1, "dataset": "own"})


def test_latents_are_the_chain_of_relu_layers(network, rng):
    images = rng.random((5, 9), dtype=np.float32)
    latents = network.latents(images)
    inputs = np.concatenate([images[2], [0, 1, 0]])
    first = np.maximum(network.weights[0] @ inputs, 0)
    np.testing.assert_allclose(latents[0][2, 1], first, rtol=1e-5)
    np.testing.assert_allclose(latents[1][2, 1], np.maximum(network.weights[1] @ first, 0), rtol=1e-5)


def test_scores_equal_those_of_the_network_with_length_normalisation(network, rng):
    """Layers without bias are homogeneous, so normalising at the readout is the same as between layers."""
    images = rng.random((4, 9), dtype=np.float32)
    expected = np.zeros((4, 3))
    for i, image in enumerate(images):
        for label in range(3):
            hidden = np.concatenate([image, np.eye(3)[label]])
            for index, weight in enumerate(network.weights):
                hidden = np.maximum(weight @ (hidden if index == 0 else hidden / np.linalg.norm(hidden)), 0)
                expected[i, label] += expit(2.0 * ((hidden**2).sum() - 1.5))
    np.testing.assert_allclose(network.scores(images), expected, rtol=1e-5)


def test_scaling_a_layer_changes_nothing_but_its_own_goodness(network, rng):
    images = rng.random((4, 9), dtype=np.float32)
    latents = network.latents(images)
    energy = np.ones((4, 3))
    first, second = layer_probabilities(network.head, latents, energy)
    louder = [latents[0] * 2, latents[1] * 2]
    other, same = layer_probabilities(network.head, louder, energy)
    np.testing.assert_allclose(same, second)
    assert not np.allclose(other, first)


def test_symmetric_probability_of_silence_is_one_half():
    (probability,) = layer_probabilities(SYMMETRIC, [np.zeros((1, 1, 4))], np.ones((1, 1)))
    assert probability.item() == 0.5


def test_symmetric_probability_is_the_share_of_the_first_half():
    (probability,) = layer_probabilities(SYMMETRIC, [np.array([[1.0, 2.0, 0.0, 2.0]])], np.ones(1))
    assert probability.item() == pytest.approx(5 / 9)


def test_sigmoid_goodness_behind_a_silent_layer_is_zero():
    head = GoodnessHead("sigmoid", 1.0, 3.0, (1,))
    (probability,) = layer_probabilities(head, [np.zeros((1, 2)), np.zeros((1, 2))], np.ones(1))
    assert probability.item() == pytest.approx(expit(-3.0))


def test_normalised_input_divides_the_first_goodness():
    head = GoodnessHead("sigmoid", 1.0, 0.0, (0,), normalize_input=True)
    (probability,) = layer_probabilities(head, [np.array([[2.0]])], np.array([8.0]))
    assert probability.item() == pytest.approx(expit(4 / 8))


def test_ties_go_to_the_lowest_class_and_are_counted():
    predictions, n_ties = predict_from_scores(np.array([[0.1, 0.7, 0.7], [0.9, 0.1, 0.2]]))
    assert predictions.tolist() == [1, 0]
    assert n_ties == 1


def test_predictions_do_not_depend_on_chunks(network, rng, monkeypatch):
    images = rng.random((50, 9), dtype=np.float32)
    whole = network.predict(images)
    monkeypatch.setattr("ff2neuro.networks.analog.PRESENTATIONS_PER_CHUNK", 7)
    np.testing.assert_array_equal(network.predict(images), whole)


def test_model_file_reads_back(network, tmp_path):
    save_model(network, tmp_path / "model.h5")
    back = load_model(tmp_path / "model.h5")
    for ours, theirs in zip(network.weights, back.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(back.label_codes.values, network.label_codes.values)
    assert (back.head, back.image_shape, back.provenance) == (network.head, network.image_shape, network.provenance)


def test_same_network_gives_the_same_bytes(network, tmp_path):
    for name in ("a", "b"):
        save_model(network, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_checksum_tells_networks_apart(network):
    same = AnalogNetwork(network.weights, network.label_codes, network.head, network.image_shape)
    assert same.checksum == network.checksum
    louder = AnalogNetwork((network.weights[0] * 2, network.weights[1]), network.label_codes, network.head, (3, 3))
    assert louder.checksum != network.checksum


def test_newer_model_file_is_refused(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(hdf5_bytes({"format": "ff2neuro-model", "format_version": 2, "network": {}}))
    with pytest.raises(FileFormatError, match=r"format 2, this version reads up to 1; upgrade ff2neuro"):
        load_model(path)
    path.write_bytes(hdf5_bytes({"format": "else"}))
    with pytest.raises(FileFormatError, match="not a model file"):
        load_model(path)


def test_model_file_with_nan_is_refused(network, tmp_path):
    tree = dict(network.to_tree())
    weight = np.array(network.weights[1])
    weight[2, 3] = np.nan
    tree["weights"] = {"0": network.weights[0], "1": weight}
    (tmp_path / "model.h5").write_bytes(hdf5_bytes({"format": "ff2neuro-model", "format_version": 1, "network": tree}))
    with pytest.raises(NetworkError, match="weight of layer 1 holds 1 values that are NaN or infinite"):
        load_model(tmp_path / "model.h5")


def test_networks_cannot_be_changed(network):
    with pytest.raises(ValueError, match="read-only"):
        network.weights[0][0, 0] = 1
    with pytest.raises(AttributeError):
        network.head = SYMMETRIC


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((), "no layers"),
        ((np.ones((4, 5)),), r"shape \(4, 5\); it must be \(n_neurons, 4\)"),
        ((np.ones((4, 4)), np.ones((4, 5))), "weight of layer 1"),
        ((np.ones((0, 4)),), "no neurons"),
        ((np.ones((3, 4)),), "width must be even"),
        ((np.full((4, 4), np.inf),), "16 values that are NaN or infinite"),
    ],
)
def test_ill_formed_weights_are_refused(weights, message):
    with pytest.raises(NetworkError, match=message):
        AnalogNetwork(weights, one_hot_label_codes(2), SYMMETRIC, (2,))


def test_label_at_every_layer_stands_beside_the_activity(rng):
    """All is of unit length, so that the next layer takes both for equally important."""
    weights = (rng.normal(size=(8, 9 + 4)), rng.normal(size=(6, 8 + 4)))
    head = GoodnessHead("sigmoid", alpha=2.0, theta=1.5, voting_layers=(0, 1), normalize_layers=False)
    codes = LabelCodes(np.array([[1, 1, 0, 0], [0, 1, 1, 1]], dtype=np.float32), strength=3.0)
    network = AnalogNetwork(weights, codes, head, (3, 3), label_every_layer=True)
    images = rng.random((5, 9), dtype=np.float32)
    latents = network.latents(images)
    first = np.maximum(weights[0] @ np.concatenate([images[2], [0, 3, 3, 3]]), 0)
    inputs = np.concatenate([first / np.linalg.norm(first), np.array([0, 1, 1, 1]) / np.sqrt(3)])
    np.testing.assert_allclose(latents[1][2, 1], np.maximum(weights[1] @ inputs, 0), rtol=1e-5)
    second = expit(2.0 * ((latents[1].astype(float) ** 2).sum(axis=2) - 1.5))
    only_second = replace(network, head=replace(head, voting_layers=(1,)))
    np.testing.assert_allclose(only_second.scores(images), second, rtol=1e-6)
    assert AnalogNetwork.from_tree(network.to_tree()).checksum == network.checksum


def test_head_that_would_normalise_twice_is_refused():
    weights = (np.ones((4, 4)), np.ones((4, 6)))
    with pytest.raises(NetworkError, match="set the head's normalize_layers to False"):
        AnalogNetwork(weights, one_hot_label_codes(2), SYMMETRIC, (2,), label_every_layer=True)


def test_images_of_another_size_are_refused(network):
    with pytest.raises(DatasetError, match=r"10 pixels each; this network was trained on 3x3 = 9"):
        network.predict(np.zeros((2, 10), dtype=np.float32))


def test_random_label_codes_are_distinct_and_repeatable():
    first, second = (random_label_codes(10, 12, 0.3, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.codes, second.codes)
    assert len(np.unique(first.codes, axis=0)) == 10
    assert first.codes.any(axis=1).all()


def test_more_classes_than_codes_are_refused(rng):
    with pytest.raises(ConfigurationError, match=r"10 classes found no distinct label codes of 3 bits"):
        random_label_codes(10, 3, 0.3, rng)


@pytest.mark.parametrize(("length", "density"), [(0, 0.3), (5, 0.0), (5, 1.0)])
def test_impossible_label_codes_are_refused(rng, length, density):
    with pytest.raises(ConfigurationError):
        random_label_codes(2, length, density, rng)


def test_shared_label_codes_are_refused():
    with pytest.raises(NetworkError, match="share one label code"):
        LabelCodes(np.ones((2, 3)))


def input_code(**changes):
    return InputCode(
        **{"coding": "constant", "scale": 15.0, "label_codes": one_hot_label_codes(2), "image_shape": (2,), **changes}
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coding": "else"}, "unknown input coding"),
        ({"scale": 256.0}, "up to 255"),
        ({"coding": "regular", "scale": 2.0}, "up to 1"),
        ({"label_codes": one_hot_label_codes(2, strength=40.0)}, "amplitude is 600"),
    ],
)
def test_input_codes_stay_within_what_a_machine_takes(changes, message):
    with pytest.raises(NetworkError, match=message):
        input_code(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"v_threshold": np.array([1.0, -1.0])}, "positive and finite"),
        ({"weight": np.full((2, 4), np.nan)}, "finite numbers"),
        ({"leak": 4096}, r"0\.\.4095"),
        ({"reset": "else"}, "unknown reset"),
        ({"gain": 0.0}, "positive and finite"),
    ],
)
def test_ill_formed_spiking_layers_are_refused(changes, message):
    with pytest.raises(NetworkError, match=message):
        SpikingLayer(**{"weight": np.ones((2, 4)), "v_threshold": np.array(1.5), **changes})


def test_spiking_layers_must_fit_each_other():
    layers = (SpikingLayer(np.ones((2, 4)), np.array(1.5)), SpikingLayer(np.ones((2, 3)), np.array(1.5)))
    with pytest.raises(NetworkError, match="layer 1 takes 3 inputs, but is given 2"):
        SpikingNetwork(layers, input_code(), SYMMETRIC, n_time_steps=4)
    with pytest.raises(NetworkError, match="at least 1"):
        SpikingNetwork(layers[:1], input_code(), SYMMETRIC, n_time_steps=0)
