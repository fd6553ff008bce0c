"""Hyperparameters: what is accepted, what is refused, and that TOML gives back what it was given."""

import pytest

from ff2neuro.errors import ConfigurationError
from ff2neuro.learning import PRESETS, TrainingConfig, load_config


def test_toml_gives_back_the_configuration():
    config = TrainingConfig(layers=(64, 32), probability="sigmoid", alpha=6.0, voting_layers=(1,), seed=7, threads=2)
    assert TrainingConfig.from_toml(config.to_toml()) == config


def test_missing_keys_take_their_defaults():
    assert TrainingConfig.from_toml("epochs = 3") == TrainingConfig(epochs=3)


def test_whole_number_serves_where_a_number_is_wanted():
    assert TrainingConfig.from_toml("theta = 4").theta == 4.0


def test_all_layers_vote_unless_some_are_named():
    assert TrainingConfig(layers=(10, 10, 10)).voters == (0, 1, 2)
    assert TrainingConfig(layers=(10, 10, 10), voting_layers=(1, 2)).voters == (1, 2)


@pytest.mark.parametrize(
    ("key", "nearest"), [("epoch", "epochs"), ("learning-rate", "learning_rate"), ("layer", "layers")]
)
def test_unknown_key_is_answered_with_the_nearest(key, nearest):
    with pytest.raises(ConfigurationError, match=f"unknown key '{key}'; did you mean '{nearest}'"):
        TrainingConfig.from_toml(f"{key} = 1", "file x.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layers = 200", r"layers is 200; it must be a list of whole numbers"),
        ("layers = [200.5]", r"layers is \[200.5\]; it must be a list"),
        ("layers = []", "layers is empty"),
        ("layers = [200, 0]", "layer 1 has 0 neurons"),
        ("layers = [-4]", "layer 0 has -4 neurons"),
        ("layers = [201]", "halves, so make it 202"),
        ("epochs = 0", "epochs is 0; it must be at least 1"),
        ("epochs = 1.5", "epochs is 1.5; it must be a whole number"),
        ("epochs = true", "epochs is True; it must be a whole number"),
        ("batch_size = -1", "batch_size is -1; it must be at least 1"),
        ("seed = -1", "seed is -1; it must be at least 0"),
        ("threads = -2", "threads is -2; it must be at least 0"),
        ("learning_rate = nan", "learning_rate is nan; it must be a finite number"),
        ("learning_rate = 0", "learning_rate is 0.0; it must be greater than 0"),
        ('theta = "two"', "theta is 'two'; it must be a finite number"),
        ("theta = inf", "theta is inf; it must be a finite number"),
        ("alpha = -1", "alpha is -1.0; it must be greater than 0"),
        ('probability = "softmax"', "probability is 'softmax'; known are sigmoid, symmetric"),
        ("probability = 3", "probability is 3; it must be a string"),
        ("normalize_input = 1", "normalize_input is 1; it must be true or false"),
        ('label_code = "hot"', "label_code is 'hot'; known are random, one-hot"),
        ("label_density = 1", "label_density is 1.0; it must lie between 0 and 1"),
        ("label_length = 0", "label_length is 0; it must be at least 1"),
        ("label_strength = 0", "label_strength is 0.0; it must be greater than 0"),
        ('schedule = "steps"', "schedule is 'steps'; known are constant, linear, cosine"),
        ("validation_fraction = 1", "validation_fraction is 1.0; it must be 0 or more, below 1"),
        ("voting_layers = [1]", "voting_layers names layer 1; there are 1, counted from 0"),
        ("voting_layers = [0, 0]", "name each layer once"),
        ('loss = "hinge"', "loss is 'hinge'; known are cross-entropy, symba, swish"),
        ('negatives = "easy"', "negatives is 'easy'; known are random, hard"),
        ("max_shift = -0.1", "max_shift is -0.1; it is a share"),
        ("max_shift = 1", "max_shift is 1.0; it is a share"),
        ("one_pass_updates = -1", "one_pass_updates is -1; it must be at least 0"),
        ("peer_normalization = -0.1", "peer_normalization is -0.1; it must be at least 0"),
        ('probability = "sigmoid"\nlayer_normalization = "halves"', "only the symmetric probability cuts"),
        ('device = "tpu"', "device is 'tpu'; known are cpu, cuda"),
        ("patience = 3", "patience is 3, but no images are held out to judge by"),
        ("epochs = ", "no valid TOML"),
    ],
)
def test_bad_value_is_refused(text, message):
    with pytest.raises(ConfigurationError, match=message):
        TrainingConfig.from_toml(text)


def test_sigmoid_layer_may_be_odd():
    assert TrainingConfig(layers=(7,), probability="sigmoid").layers == (7,)


def test_change_is_checked_anew():
    with pytest.raises(ConfigurationError, match="epochs is 0"):
        TrainingConfig().replace(epochs=0)


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_sound_and_can_be_exported_to_a_chip(name):
    config = load_config(name)
    assert config != TrainingConfig()
    assert len(config.layers) <= 3
    assert max(config.layers) <= 1000


def test_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(ConfigurationError, match="no preset and no file 'papre'; did you mean 'paper'"):
        load_config("papre")


def test_file_is_read_by_its_path(tmp_path):
    (tmp_path / "my.toml").write_text("epochs = 4")
    assert load_config(str(tmp_path / "my.toml")).epochs == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 0", r"configuration .*my\.toml: epochs is 0; it must be at least 1"),
        ('learning = "hebian"', r"my\.toml: learning is 'hebian'; known are analog, hebbian"),
        ("[training]\nepochs = 3", r"my\.toml has an unknown key 'training'"),
    ],
)
def test_refused_file_is_named(tmp_path, text, message):
    (tmp_path / "my.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_config(str(tmp_path / "my.toml"))


def test_file_may_say_that_learning_is_analog(tmp_path):
    (tmp_path / "my.toml").write_text('learning = "analog"\nepochs = 4')
    assert load_config(str(tmp_path / "my.toml")) == TrainingConfig(epochs=4)


def test_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml cannot be read"):
        TrainingConfig.load(tmp_path / "nowhere.toml")
