"""Fine-tuning: what goes forwards is what the machine does, what goes backwards is the stated surrogate."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from ff2neuro.coding import encode, one_pass_scores
from ff2neuro.converters.nir_graph import initial_potentials, to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.data import Dataset
from ff2neuro.errors import ConfigurationError, DatasetError, NetworkError
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.learning import TrainingConfig
from ff2neuro.learning.finetuning import FineTuner, fine_tune
from ff2neuro.learning.finetuning_chain import SpikingChain
from ff2neuro.learning.finetuning_config import tuning_config
from ff2neuro.learning.finetuning_layer import TunedLayer, rate_curve, rate_slope
from ff2neuro.learning.initial import split_training_images
from ff2neuro.learning.objectives import EPSILON, Objective
from ff2neuro.learning.trainer import train
from ff2neuro.networks import AnalogNetwork, GoodnessHead, SpikingLayer, one_hot_label_codes

T = 4


def pictures(n, seed):
    """Return noisy pictures of four classes: a bright row each."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    images = rng.random((n, 4, 4)) * 0.6
    images[np.arange(n), labels] += 0.4
    return images.reshape(n, 16).astype(np.float32), labels


@pytest.fixture(scope="module")
def data():
    return Dataset("rows", *pictures(400, 1), *pictures(100, 2), image_shape=(4, 4), n_classes=4)


@pytest.fixture(scope="module")
def network(data):
    config = TrainingConfig(layers=(24, 16), epochs=3, batch_size=20, label_code="one-hot", loss="swish")
    return train(data, config)


@pytest.fixture(scope="module")
def spiking(network, data):
    return convert(network, data.x_train[:50], ConversionConfig(n_time_steps=T, weight_bits=3))


def tuned_layers(network, spiking):
    return [
        TunedLayer.of(layer, model, spiking.n_time_steps)
        for layer, model in zip(spiking.layers, network.weights, strict=True)
    ]


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_slope_is_the_derivative_of_the_rate_curve(reset):
    drive = torch.linspace(-3.0, 9.0, 101, dtype=torch.float64).reshape(-1, 1).requires_grad_()
    threshold = torch.tensor([0.9], dtype=torch.float64)
    (derivative,) = torch.autograd.grad(rate_curve(drive, threshold, T, reset).sum(), drive)
    np.testing.assert_allclose(rate_slope(drive, threshold, T, reset).detach(), derivative, rtol=1e-12)


@pytest.mark.parametrize("n_steps", [2, 64])
def test_rate_curve_is_what_counts_follow(n_steps):
    currents = torch.arange(0.0, 21.0).reshape(-1, 1, 1)
    counts, curves = {}, {}
    for reset in ("zero", "subtract"):
        layer = SpikingLayer(np.ones((1, 1)), np.array([20.5]), reset=reset)
        counts[reset] = TunedLayer.of(layer, np.ones((1, 1)), n_steps).counts(currents)
        curves[reset] = rate_curve(currents[:, 0] * n_steps, torch.tensor([20.5]), n_steps, reset)
    # The integer threshold is 20, the one that graphs say 20.5.
    assert (counts["subtract"] - curves["subtract"]).abs().max() <= 1 + n_steps * (1 - 20 / 20.5)
    # A staircase of steps of one half at most above its lower envelope, and rounded down at the end.
    assert (counts["zero"] >= curves["zero"] - 1).all()
    assert (counts["zero"] <= 2 * curves["zero"] + 0.1).all()


@pytest.mark.parametrize("weight_bits", [3, None])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_gradient_is_that_of_the_loss_with_the_rate_curve_for_the_counts(network, data, reset, weight_bits):
    config = ConversionConfig(n_time_steps=T, weight_bits=weight_bits, reset=reset)
    spiking = convert(network, data.x_train[:50], config)
    layers = tuned_layers(network, spiking)
    objective = Objective("symmetric", loss="swish")
    images, labels = torch.tensor(data.x_train[:20]), torch.tensor(data.y_train[:20])
    wrong = (labels + 1) % 4
    update = SpikingChain(spiking, layers, objective).update(images, labels, wrong)

    rows, presented = torch.arange(20), torch.stack([labels, wrong])
    events = encode(spiking.input_code, data.x_train[:20], T).read(0, 20)[rows, presented].reshape(40, -1)
    events = torch.tensor(events, dtype=torch.float32)[:, None].repeat(1, T, 1)
    length = (images.square().sum(dim=1).repeat(2) + 1.0).sqrt()[:, None]
    for index, layer in enumerate(layers):
        weight = layer.weight.clone().requires_grad_()
        currents = events @ weight.T
        spikes = layer.spikes(currents.detach())
        curve = rate_curve(currents.sum(dim=1), torch.tensor(layer.layer.v_threshold).float(), T, reset)
        # Straight through: the value of the counts, the slope of the curve.
        counts = spikes.sum(dim=1) + curve - curve.detach()
        h = counts * layer.layer.gain / length
        z = (h.view(40, 2, -1).square().sum(dim=2) + EPSILON).log()
        z = z[:, 0] - z[:, 1]
        loss = torch.nn.functional.silu(z[20:] - z[:20]).mean()
        (gradient,) = torch.autograd.grad(loss, weight)
        np.testing.assert_allclose(update.losses[index], loss.detach(), rtol=1e-5)
        expected = (gradient / layer.scale).numpy()
        np.testing.assert_allclose(update.gradients[index], expected, rtol=1e-3, atol=1e-6 * np.abs(expected).max())
        events = spikes
        length = (spikes.sum(dim=1) * layer.layer.gain).square().sum(dim=1).sqrt()[:, None]
        length = torch.where(length > 0, length, torch.inf)


@pytest.mark.parametrize(
    "choices",
    [{}, {"reset": "subtract", "initial_potential": 0.5}, {"neuron": "lif"}, {"input_coding": "regular"}],
    ids=str,
)
def test_forward_counts_are_those_of_the_machine(network, data, choices):
    spiking = convert(network, data.x_train[:50], ConversionConfig(n_time_steps=T, **choices))
    images = data.x_train[:10]
    chain = SpikingChain(spiking, tuned_layers(network, spiking), Objective("symmetric"))
    counts, _ = chain.counts(torch.tensor(images))
    config = RunConfig(dt=spiking.dt, reset=spiking.reset, v_init=initial_potentials(spiking))
    source = encode(spiking.input_code, images, T)
    with get_backend("reference") as machine, machine.run(to_nir(spiking, "native"), source, config) as recording:
        for name, ours in zip(recording.layer_names, counts, strict=True):
            assert (recording.counts(name) == ours.numpy()).all()


def test_layer_begins_with_the_weights_of_the_conversion(network, spiking):
    for tuned, layer in zip(tuned_layers(network, spiking), spiking.layers, strict=True):
        tuned.refresh()
        assert (tuned.weight.numpy() == layer.weight).all()


def test_weights_stay_integers_of_the_same_width(network, spiking, data):
    tuned = fine_tune(network, spiking, data, tuning_config(network, 3, learning_rate=0.05), n_held_out=80)
    assert tuned.provenance["fine_tuned_epochs"] >= 1
    for layer, before in zip(tuned.layers, spiking.layers, strict=True):
        assert (layer.weight == np.round(layer.weight)).all()
        assert np.abs(layer.weight).max() <= np.abs(before.weight).max() == 3
        assert (layer.weight != before.weight).any()
        assert (layer.v_threshold == before.v_threshold).all()
        assert layer.gain == before.gain


def test_fine_tuning_gives_back_accuracy_that_narrow_weights_cost(network, data):
    spiking = convert(network, data.x_train[:50], ConversionConfig(n_time_steps=2, weight_bits=2))
    tuner = FineTuner(network, spiking, data, tuning_config(network, 6, learning_rate=0.003), n_held_out=80)
    while not tuner.finished:
        tuner.run_epoch()
    before, best = tuner.records[0], tuner.records[tuner.best_epoch]
    assert best["accuracy"] > before["accuracy"] + 0.05
    assert sum(best["loss"]) < sum(before["loss"])
    assert f"accuracy {before['accuracy']:.2%} -> {best['accuracy']:.2%}" in tuner.network().notes[-1]


def test_what_is_handed_in_stays_as_it_is(network, spiking, data):
    before = network.checksum, spiking.checksum, spiking.notes, dict(spiking.provenance)
    fine_tune(network, spiking, data, tuning_config(network, 1), n_held_out=80)
    assert (network.checksum, spiking.checksum, spiking.notes, dict(spiking.provenance)) == before


def test_same_seed_gives_the_same_network(network, spiking, data):
    one, two = (fine_tune(network, spiking, data, tuning_config(network, 2, seed=7), 80) for _ in range(2))
    assert one.checksum == two.checksum
    assert one.notes == two.notes
    other = fine_tune(network, spiking, data, tuning_config(network, 2, seed=8), 80)
    assert other.checksum != one.checksum


def test_resumed_fine_tuning_gives_the_same_network(network, spiking, data):
    config = tuning_config(network, 3)
    through = fine_tune(network, spiking, data, config, 80)
    tuner = FineTuner(network, spiking, data, config, n_held_out=80)
    tuner.run_epoch()
    tuner = FineTuner(network, spiking, data, config, n_held_out=80, state=tuner.state())
    assert tuner.epoch == 1
    while not tuner.finished:
        tuner.run_epoch()
    assert tuner.network().checksum == through.checksum
    assert tuner.network().notes == through.notes


def test_state_of_another_conversion_is_refused(network, spiking, data):
    config = tuning_config(network, 1)
    state = FineTuner(network, spiking, data, config, n_held_out=80).state()
    other = convert(network, data.x_train[:50], ConversionConfig(n_time_steps=T + 1, weight_bits=3))
    with pytest.raises(ConfigurationError, match="the network was converted differently then"):
        FineTuner(network, other, data, config, n_held_out=80, state=state)


def test_conversion_is_kept_where_no_epoch_is_better(network, data):
    spiking = convert(network, data.x_train[:50], ConversionConfig(n_time_steps=16))
    # Steps so large that nothing is left of what was learnt.
    tuned = fine_tune(network, spiking, data, tuning_config(network, 1, learning_rate=1e3), n_held_out=80)
    assert tuned.checksum == spiking.checksum
    assert "fine_tuned_epochs" not in tuned.provenance
    assert "changed nothing: none of 1 epochs was better" in tuned.notes[-1]


def test_loss_and_negatives_are_those_of_the_training(network):
    config = tuning_config(network, 5)
    assert (config.loss, config.negatives, config.batch_size, config.epochs) == ("swish", "random", 20, 5)
    assert config.learning_rate == pytest.approx(0.0003)


def test_images_that_training_held_out_judge(data):
    config = TrainingConfig(layers=(8,), epochs=1, validation_fraction=0.2, seed=3)
    network = train(data, config)
    spiking = convert(network, data.x_train[:50], ConversionConfig(n_time_steps=2))
    tuner = FineTuner(network, spiking, data, tuning_config(network, 1, seed=1), n_held_out=50)
    held_out = split_training_images(config, 400)[1][:50]
    assert tuner.records[0]["conversion"].split()[-1] == hashlib.sha256(data.x_train[held_out].tobytes()).hexdigest()
    assert tuner.n_images == 320


def test_network_of_own_weights_takes_the_defaults(rng, data):
    head = GoodnessHead("sigmoid", alpha=2.0, theta=1.5, voting_layers=(0,))
    own = AnalogNetwork((rng.normal(0, 1, (8, 20)),), one_hot_label_codes(4), head, image_shape=(4, 4))
    config = tuning_config(own, 1)
    assert (config.probability, config.alpha, config.theta, config.voters) == ("sigmoid", 2.0, 1.5, (0,))
    assert config.loss == TrainingConfig().loss
    spiking = convert(own, data.x_train[:50], ConversionConfig(n_time_steps=2))
    tuner = FineTuner(own, spiking, data, config, n_held_out=80)
    assert len(tuner.run_epoch()["loss"]) == 1


def test_hard_negatives_are_the_labels_that_the_spikes_take_for_true(network, spiking, data):
    chain = SpikingChain(spiking, tuned_layers(network, spiking), Objective("symmetric"))
    images, labels = torch.tensor(data.x_train[:20]), torch.tensor(data.y_train[:20])
    counts, _ = chain.counts(images)
    lengths = (images.square().sum(dim=1) + 1.0).sqrt()[:, None, None]
    z = Objective("symmetric").logits((counts[0] * spiking.layers[0].gain / lengths).flatten(0, 1)).view(20, 4)
    z[torch.arange(20), labels] = -torch.inf
    hard = chain.update(images, labels, labels, torch.zeros(20, 4))
    same = chain.update(images, labels, z.argmax(dim=1))
    assert torch.equal(hard.gradients[0], same.gradients[0])


def test_note_says_what_the_head_for_one_pass_loses(data):
    config = TrainingConfig(layers=(24,), epochs=2, batch_size=20, one_pass_updates=20)
    network = train(data, config)
    spiking = convert(network, data.x_train[:50], ConversionConfig(n_time_steps=2, weight_bits=2))
    tuner = FineTuner(network, spiking, data, tuning_config(network, 1, learning_rate=0.003), n_held_out=80)
    tuner.run_epoch()
    before, after = (record["one_pass_accuracy"] for record in tuner.records)
    assert tuner.best_epoch == 1
    assert f"in one pass by the head as it was {before:.2%} -> {after:.2%}" in tuner.network().notes[-1]
    held_out = np.random.default_rng([1, 4]).permutation(400)[:80]
    source = encode(spiking.input_code, data.x_train[held_out], 2, spiking.one_pass.code[None])
    with get_backend("reference") as machine, machine.run(to_nir(spiking, "native"), source) as recording:
        predictions = one_pass_scores(spiking, [recording.counts(name) for name in recording.layer_names]).argmax(
            axis=1
        )
    assert (predictions == data.y_train[held_out]).mean() == before


def test_network_of_another_model_is_refused(network, spiking, data):
    other = replace(network, weights=tuple(2 * weight for weight in network.weights))
    with pytest.raises(ConfigurationError, match="was not converted from this model"):
        FineTuner(other, spiking, data, tuning_config(network, 1))


def test_data_of_other_classes_is_refused(network, spiking):
    images, labels = pictures(40, 3)
    data = Dataset("pairs", images, labels % 2, images, labels % 2, image_shape=(4, 4), n_classes=2)
    with pytest.raises(DatasetError, match="pairs has 2 classes, the network 4"):
        FineTuner(network, spiking, data, tuning_config(network, 1))


def test_no_held_out_images_are_refused(network, spiking, data):
    with pytest.raises(ConfigurationError, match="0 training images are to judge fine-tuning"):
        FineTuner(network, spiking, data, tuning_config(network, 1), n_held_out=0)


def test_divergence_is_named(network, spiking, data):
    with pytest.raises(NetworkError, match="fine-tuning diverged in epoch 1: layer 0"):
        fine_tune(
            network,
            convert(network, data.x_train[:50], ConversionConfig(weight_bits=None)),
            data,
            tuning_config(network, 1, learning_rate=1e38),
            80,
        )
