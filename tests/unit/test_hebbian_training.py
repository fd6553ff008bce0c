"""Configuration, training and what training hands on."""

import json

import numpy as np
import pytest

from ff2neuro.data import load_dataset
from ff2neuro.errors import ConfigurationError, DatasetError, NetworkError
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.state import HebbianState
from ff2neuro.learning.hebbian.trainer import HebbianTrainer
from ff2neuro.networks import (
    GoodnessHead,
    SpikingLayer,
    SpikingNetwork,
    layer_probabilities,
    load_network,
    save_model,
)

SMALL = HebbianConfig(layers=(20,), epochs=1, label_length=20)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_k": 201}, "top_k is 201, but layer 0 has 200 neurons; take at most 200"),
        ({"layers": (201,)}, "layer 0 has 201 neurons.*make it 202"),
        ({"layers": (200, 0)}, "layer 1 has 0 neurons"),
        ({"layers": ()}, "layers is empty; name the width of at least one layer"),
        ({"membrane_decay": 0.0}, "membrane_decay is 0.0; it must lie between 0 and 1"),
        ({"membrane_decay": 1.0}, "membrane_decay is 1.0; it must lie between 0 and 1"),
        ({"trace_decay": -0.5}, "trace_decay is -0.5; it must lie between 0 and 1"),
        ({"eligibility_rate": 0.0}, "eligibility_rate is 0.0; it must be greater than 0 and at most 1"),
        ({"eligibility_rate": 1.5}, "eligibility_rate is 1.5"),
        ({"n_time_steps": 16}, "n_time_steps is 16, but the first update is step 16.*take at least 17"),
        ({"n_time_steps": 65}, "n_time_steps is 65; it must be at most 64"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; it must be a finite number"),
        ({"learning_rate": 0}, "learning_rate is 0.0; it must be greater than 0"),
        ({"trace_factor": -1.0}, "trace_factor is -1.0; it must be greater than 0"),
        ({"noise": -0.1}, "noise is -0.1; it must be 0 or more"),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"batch_size": 1.5}, "batch_size is 1.5; it must be a whole number"),
        ({"input_strength": 1.1}, "input_strength is 1.1; it must be greater than 0 and at most 1"),
        ({"trace": "LI"}, "trace is 'LI'; known are li, relu, hard-li"),
        ({"learning": "analog"}, "learning is 'analog'; known are hebbian"),
        ({"trace": 3}, "trace is 3; it must be a string"),
        ({"schedule": "falling"}, "schedule is 'falling'; known are constant, linear, cosine"),
    ],
)
def test_configuration_refuses_what_makes_no_sense(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        HebbianConfig(**changes)


def test_configuration_survives_toml_and_names_the_nearest_key():
    config = HebbianConfig(trace="relu", layers=(30, 20), top_k=5)
    assert HebbianConfig.from_toml(config.to_toml()) == config
    with pytest.raises(ConfigurationError, match="unknown key 'topk'; did you mean 'top_k'"):
        HebbianConfig.from_toml("topk = 3")
    with pytest.raises(ConfigurationError, match="no valid TOML"):
        HebbianConfig.from_toml("top_k = ")


@pytest.mark.parametrize(("batch_size", "learning_rate", "epochs"), [(1, 1.0, 3), (50, 10.0, 7)])
def test_training_separates_digits(digits, batch_size, learning_rate, epochs):
    config = SMALL.replace(layers=(60,), batch_size=batch_size, learning_rate=learning_rate, epochs=epochs)
    trainer = HebbianTrainer(digits, config)
    for _ in range(epochs):
        record = trainer.run_epoch()
    assert record["epoch"] == epochs
    assert record["separation"][0] > 0.6
    assert record["accuracy"] > 0.5


def test_a_schedule_lowers_the_learning_rate_from_epoch_to_epoch(digits):
    config = SMALL.replace(epochs=4, learning_rate=8.0)
    rates = {
        schedule: [config.replace(schedule=schedule).learning_rate_of(epoch) for epoch in (1, 2, 3, 4)]
        for schedule in ("constant", "linear", "cosine")
    }
    assert rates["constant"] == [8, 8, 8, 8]
    assert rates["linear"] == [8, 6, 4, 2]
    assert rates["cosine"] == pytest.approx([8, 6.83, 4, 1.17], abs=0.01)
    linear = HebbianTrainer(digits, config.replace(schedule="linear"))
    constant = HebbianTrainer(digits, config.replace(learning_rate=6.0))
    linear.learn_epoch(2)
    constant.learn_epoch(2)
    np.testing.assert_array_equal(linear.weights[0], constant.weights[0])


def test_same_seed_gives_the_same_network(digits):
    first, second, other = (HebbianTrainer(digits, SMALL.replace(seed=seed)) for seed in (3, 3, 4))
    for trainer in (first, second, other):
        trainer.run_epoch()
    np.testing.assert_array_equal(first.network().layers[0].weight, second.network().layers[0].weight)
    assert first.metrics == second.metrics
    assert (first.network().layers[0].weight != other.network().layers[0].weight).any()


def test_training_goes_on_from_a_state_bit_for_bit(digits):
    config = SMALL.replace(epochs=2, top_k=5)
    whole = HebbianTrainer(digits, config)
    whole.run_epoch()
    half = HebbianTrainer(digits, config, HebbianState.from_tree(whole.state().to_tree()))
    whole.run_epoch()
    half.run_epoch()
    np.testing.assert_array_equal(half.weights[0], whole.weights[0])
    assert half.metrics == whole.metrics


def test_a_state_of_another_configuration_is_refused(digits):
    state = HebbianTrainer(digits, SMALL).state()
    with pytest.raises(ConfigurationError, match=r"learning_rate was 1\.0 and is now 2\.0"):
        HebbianTrainer(digits, SMALL.replace(learning_rate=2.0), state)


def test_runaway_weights_are_reported_and_never_handed_on(digits):
    trainer = HebbianTrainer(digits, SMALL.replace(learning_rate=1e308, probability="sigmoid", trace="hard-li"))
    with pytest.raises(NetworkError, match="diverged in epoch 1: weights of layer 0 are NaN or infinite"):
        trainer.run_epoch()
    with pytest.raises(NetworkError, match="finite"):
        trainer.network()


def test_weights_that_ran_away_without_overflow_are_told(digits):
    trainer = HebbianTrainer(digits, SMALL.replace(learning_rate=1e9, probability="sigmoid"))
    trainer.run_epoch()
    assert "weights ran away" in trainer.network().notes[-1]


def test_stacked_layers_learn_and_vote(digits):
    trainer = HebbianTrainer(digits, SMALL.replace(layers=(20, 10)))
    before = trainer.weights[1].copy()
    record = trainer.run_epoch()
    assert len(record["separation"]) == 2
    assert (trainer.weights[1] != before).any()
    assert trainer.network().head.voting_layers == (0, 1)
    assert trainer.scores(digits.x_test[:5]).max() > 1


def test_the_network_says_what_it_left_out(digits):
    all_win, few_win = (HebbianTrainer(digits, SMALL.replace(top_k=top_k)).network() for top_k in (0, 5))
    assert all_win.layers[0].leak == 614
    assert all_win.n_time_steps == 23
    assert "never had an effect" in all_win.notes[1]
    assert few_win.layers[0].winners == 5
    assert "dropped" in few_win.notes[1]


def test_a_data_set_of_one_class_is_refused(digits):
    ones = digits.y_train == 1
    single = type(digits)(
        "ones", digits.x_train[ones], digits.y_train[ones], digits.x_test, digits.y_test, (8, 8), n_classes=10
    )
    with pytest.raises(DatasetError, match="all training labels of ones are 1"):
        HebbianTrainer(single, SMALL)


def test_images_of_another_size_are_refused(digits):
    with pytest.raises(DatasetError, match="images have 3 pixels each, the network takes 64"):
        HebbianTrainer(digits, SMALL).scores(np.zeros((1, 3), np.float32))


def test_metrics_are_json_without_times(digits):
    trainer = HebbianTrainer(digits, SMALL)
    trainer.run_epoch()
    assert set(json.loads(trainer.metrics[0])) == {
        "epoch", "separation", "largest_weight", "accuracy", "accuracy_on"
    }  # fmt: skip


def test_probability_of_the_readout_is_smoothed_as_in_training():
    head = GoodnessHead("symmetric", 1.0, 0.0, (0,), smoothing=0.01)
    (probability,) = layer_probabilities(head, [np.array([[0.3, 0.1], [0.0, 0.0]])], np.ones(2))
    np.testing.assert_allclose(probability, [(0.09 + 0.01) / (0.09 + 0.01 + 0.02), 0.5])
    assert GoodnessHead.from_tree(head.to_tree()) == head
    with pytest.raises(NetworkError, match="smoothing of the probability is -1"):
        GoodnessHead("symmetric", 1.0, 0.0, (0,), smoothing=-1.0)


def test_goodness_of_stacked_spiking_layers_is_taken_as_it_is():
    latents = [np.array([[2.0]]), np.array([[3.0]])]
    raw = GoodnessHead("sigmoid", 1.0, 9.0, (1,), normalize_layers=False)
    scaled = GoodnessHead("sigmoid", 1.0, 9.0 / 4.0, (1,))
    assert layer_probabilities(raw, latents, np.ones(1))[0] == pytest.approx(0.5)
    assert layer_probabilities(scaled, latents, np.ones(1))[0] == pytest.approx(0.5)


def test_more_winners_than_neurons_are_refused_in_a_layer_made_by_hand():
    with pytest.raises(NetworkError, match="5 neurons are to win a step, of 4"):
        SpikingLayer(np.ones((4, 3)), np.ones(4), winners=5)


def test_model_file_of_a_spiking_network_reads_back_as_it_was(digits, tmp_path):
    network = HebbianTrainer(digits, SMALL.replace(top_k=5)).network()
    save_model(network, tmp_path / "model.h5")
    back = load_network(tmp_path / "model.h5")
    assert isinstance(back, SpikingNetwork)
    np.testing.assert_array_equal(back.layers[0].weight, network.layers[0].weight)
    assert (back.layers[0].winners, back.trace, back.notes) == (5, network.trace, network.notes)
