"""Classification in one pass: the head, its file, its fitting, and the same from spikes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ff2neuro.coding import encode, one_pass_scores
from ff2neuro.converters.nir_file import read_network, write_network
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.data import load_dataset
from ff2neuro.errors import NetworkError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.learning import ForwardForwardTrainer, TrainingConfig, train
from ff2neuro.learning.initial import split_training_images
from ff2neuro.learning.neutral_code import DRIVE, add_neutral_code
from ff2neuro.learning.one_pass import softmax_gradient
from ff2neuro.networks import OnePassHead, load_model, save_model

CONFIG = TrainingConfig(layers=(200, 100), epochs=8, loss="swish", negatives="hard", one_pass_updates=500)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def network(digits):
    return train(digits, CONFIG)


@pytest.fixture
def head():
    return OnePassHead(np.full(3, 0.5), (np.eye(3, 4),), (1,))


def test_one_pass_is_about_as_good_as_the_label_sweep(network, digits):
    sweep = (network.predict(digits.x_test) == digits.y_test).mean()
    assert sweep > 0.9
    assert (network.predict_one_pass(digits.x_test) == digits.y_test).mean() >= sweep - 0.02


def test_head_changes_nothing_else(network, digits):
    plain = train(digits, CONFIG.replace(one_pass_updates=0))
    assert plain.one_pass is None
    np.testing.assert_allclose(plain.scores(digits.x_test), network.scores(digits.x_test), atol=1e-4)


@pytest.mark.parametrize("centered", [False, True])
def test_neutral_code_drives_the_first_layer_by_its_share_of_what_labels_do(digits, centered):
    config = TrainingConfig(layers=(30,), epochs=1, center_input=centered, label_strength=1.5)
    trainer = ForwardForwardTrainer(digits, config)
    center = digits.x_train.mean(axis=0) if centered else np.zeros(64)
    before = trainer.network()
    network, code = add_neutral_code(before, config, center if centered else None)
    assert set(code) == {0, 1}
    np.testing.assert_allclose(network.latents(digits.x_test)[0], before.latents(digits.x_test)[0], atol=1e-4)
    # What the layer learnt with: weights of centered images, and a mean drive that makes up for no center.
    pixels, bits = before.weights[0][:, :64], before.weights[0][:, 64:]
    drive = (bits @ before.label_codes.values.T).mean(axis=1) + pixels @ center
    expected = np.maximum((digits.x_test - center) @ pixels.T + DRIVE * drive, 0)
    latents = network.latents(digits.x_test, code[None] * np.float32(1.5))[0][:, 0]
    np.testing.assert_allclose(latents, expected, atol=1e-4)


@pytest.mark.parametrize(
    "changes", [{"label_code": "one-hot"}, {"label_length": 5, "label_density": 0.5}, {"label_layers": "all"}]
)
def test_neutral_code_is_the_mean_where_there_is_no_room_for_one_of_its_own(digits, changes):
    config = TrainingConfig(layers=(30,), epochs=1, **changes)
    before = ForwardForwardTrainer(digits, config).network()
    network, code = add_neutral_code(before, config, None)
    assert network is before
    np.testing.assert_array_equal(code, before.label_codes.codes.mean(axis=0))


def test_head_is_fitted_without_held_out_images(digits):
    """Other held-out images change nothing, other training images do."""
    config = CONFIG.replace(layers=(8,), epochs=1, one_pass_updates=5, validation_fraction=0.2)
    trained_on, held_out = split_training_images(config, len(digits.y_train))
    heads = []
    for changed in (held_out[:0], held_out, trained_on):
        images = digits.x_train.copy()
        images[changed] = images[changed][:, ::-1]
        heads.append(train(replace(digits, x_train=images), config).one_pass.weights[0])
    assert np.array_equal(heads[0], heads[1])
    assert not np.array_equal(heads[0], heads[2])


def test_network_without_head_says_how_to_get_one(digits):
    plain = train(digits, TrainingConfig(layers=(4,), epochs=1))
    with pytest.raises(NetworkError, match="no one-pass head; train it with one_pass_updates above 0"):
        plain.predict_one_pass(digits.x_test)


def test_model_file_keeps_the_head(network, digits, tmp_path):
    save_model(network, tmp_path / "model.h5")
    loaded = load_model(tmp_path / "model.h5")
    np.testing.assert_array_equal(
        loaded.one_pass_scores(digits.x_test[:20]), network.one_pass_scores(digits.x_test[:20])
    )
    assert loaded.checksum == network.checksum
    assert loaded.checksum != replace(network, one_pass=None).checksum


def test_fitting_follows_the_gradient_that_autograd_finds():
    generator = torch.Generator().manual_seed(1)
    head = torch.randn(4, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    directions = torch.rand(9, 6, generator=generator, dtype=torch.float64)
    labels = torch.arange(9) % 4
    torch.nn.functional.cross_entropy(directions @ head.T, labels).backward()
    ours = softmax_gradient(head.detach(), directions, labels)
    assert (ours - head.grad).norm() <= 1e-6 * head.grad.norm()


@pytest.mark.parametrize(("reset", "least"), [("subtract", 0.95), ("zero", 0.9)])
def test_spikes_of_one_presentation_classify_as_the_analog_network_does(network, digits, reset, least):
    converted = convert(network, digits.x_train[:300], ConversionConfig(n_time_steps=64, reset=reset))
    images = digits.x_test
    source = encode(converted.input_code, images, 64, converted.one_pass.code[None])
    run = get_backend("reference").run(to_nir(converted, "native"), source, RunConfig(dt=converted.dt, reset=reset))
    with run as recording:
        counts = [recording.counts(name) for name in recording.layer_names]
    predicted = one_pass_scores(converted, counts).argmax(axis=1)
    assert (predicted == network.predict_one_pass(images)).mean() >= least


def test_nir_file_keeps_the_head(network, digits, tmp_path):
    converted = convert(network, digits.x_train[:50], ConversionConfig(n_time_steps=4))
    write_network(converted, tmp_path / "n.nir")
    _, loaded = read_network(tmp_path / "n.nir")
    np.testing.assert_array_equal(loaded.one_pass.weights[1], network.one_pass.weights[1])
    np.testing.assert_array_equal(loaded.one_pass.code, network.one_pass.code)
    with pytest.raises(NetworkError, match="no one-pass head"):
        one_pass_scores(replace(loaded, one_pass=None), [])


def test_scale_and_silence_of_a_layer(head):
    latents = [np.zeros((2, 9)), np.array([[3.0, 0, 4, 0], [0, 0, 0, 0]])]
    scores = head.scores(latents)
    np.testing.assert_allclose(scores, [[0.6, 0, 0.8], [0, 0, 0]])
    np.testing.assert_allclose(head.scores([latents[0], latents[1] * 100]), scores)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code": np.full(3, 2.0)}, "must be a vector of 0 to 1"),
        ({"layers": (0, 1)}, "1 maps for the layers"),
        ({"weights": (np.full((3, 4), np.nan),)}, "map of layer 1 has shape"),
    ],
)
def test_ill_formed_head_is_refused(head, changes, message):
    with pytest.raises(NetworkError, match=message):
        replace(head, **changes)


@pytest.mark.parametrize(
    ("widths", "n_classes", "code_length", "message"),
    [
        ((9, 4), 3, 5, "has 3 bits; the network takes 5"),
        ((9, 5), 3, 3, r"has shape \(3, 4\); this network needs \(3, 5\)"),
        ((9,), 3, 3, "reads layer 1; there are 1, counted from 0"),
    ],
)
def test_head_of_another_network_is_refused(head, widths, n_classes, code_length, message):
    with pytest.raises(NetworkError, match=message):
        head.check_fits(widths, n_classes, code_length)
