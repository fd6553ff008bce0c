"""The trainer: the function it trains is the network's, and what it does is determined by its seed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ff2neuro.converters.rate import convert
from ff2neuro.data import Dataset, load_dataset
from ff2neuro.errors import ConfigurationError, DatasetError, NetworkError
from ff2neuro.learning import ForwardForwardTrainer, TrainingConfig, TrainingState, train
from ff2neuro.learning.centering import center_note
from ff2neuro.learning.chain import LayerChain
from ff2neuro.learning.initial import epoch_chance, initial_label_codes, initial_weights, split_training_images
from ff2neuro.learning.objectives import Objective
from ff2neuro.learning.presentation import Presenter
from ff2neuro.learning.shifts import shift_note
from ff2neuro.networks import AnalogNetwork, GoodnessHead, labels_beside_activity, layer_probabilities

SMALL = TrainingConfig(layers=(20, 12), epochs=2, label_length=20)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture
def few_digits(digits):
    return Dataset(
        "few", digits.x_train[:200], digits.y_train[:200], digits.x_test[:50], digits.y_test[:50], (8, 8), 10
    )


def same_weights(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.weights, second.weights, strict=True))


def build_chain(config, dataset, dtype):
    codes = initial_label_codes(config, dataset.n_classes)
    weights = [torch.tensor(weight, dtype=dtype) for weight in initial_weights(config, codes, dataset)]
    objective = Objective(config.probability, config.alpha, config.theta)
    chain = LayerChain(
        weights, torch.tensor(codes.values, dtype=dtype), objective, normalize_input=config.normalize_input
    )
    return chain, codes


def batch_of(dataset, dtype, n_images=12):
    images = torch.tensor(dataset.x_train[:n_images], dtype=dtype)
    labels = torch.tensor(dataset.y_train[:n_images])
    return images, labels, (labels + 3) % 10


@pytest.mark.parametrize("probability", ["symmetric", "sigmoid"])
@pytest.mark.parametrize("normalize_input", [True, False])
def test_chain_gives_the_local_gradient_of_every_layer(few_digits, probability, normalize_input):
    config = SMALL.replace(probability=probability, normalize_input=normalize_input)
    chain, _ = build_chain(config, few_digits, torch.float64)
    images, labels, wrong = batch_of(few_digits, torch.float64)
    update = chain.update(images, labels, wrong)
    codes = chain._codes
    u = torch.cat([torch.cat([images, codes[labels]], dim=1), torch.cat([images, codes[wrong]], dim=1)])
    if normalize_input:
        u = u / u.norm(dim=1, keepdim=True)
    for index, weight in enumerate(chain.weights):
        parameter = weight.clone().requires_grad_()
        h = torch.relu(u @ parameter.T)
        loss = loss_by_definition(h, config)
        loss.backward()
        torch.testing.assert_close(update.losses[index], loss.detach())
        assert (update.gradients[index] - parameter.grad).norm() <= 1e-6 * parameter.grad.norm()
        u = (h / h.norm(dim=1, keepdim=True)).detach()


def loss_by_definition(h, config):
    if config.probability == "sigmoid":
        p = torch.sigmoid(config.alpha * ((h**2).sum(dim=1) - config.theta))
    else:
        positive, negative = (h.view(len(h), 2, -1) ** 2).sum(dim=2).T
        p = (positive + 0.01) / (positive + negative + 0.02)
    return -torch.cat([p[: len(p) // 2].log(), (1 - p[len(p) // 2 :]).log()]).mean()


@pytest.mark.parametrize("normalize_input", [True, False])
def test_chain_is_the_function_of_the_network(few_digits, normalize_input):
    config = SMALL.replace(probability="sigmoid", normalize_input=normalize_input)
    chain, codes = build_chain(config, few_digits, torch.float32)
    images, labels, wrong = batch_of(few_digits, torch.float32)
    head = GoodnessHead("sigmoid", config.alpha, config.theta, (0, 1), normalize_input)
    network = AnalogNetwork(tuple(weight.numpy() for weight in chain.weights), codes, head, (8, 8))
    pixels = images.numpy()
    energy = (pixels**2).sum(axis=1)[:, None] + (codes.values**2).sum(axis=1)
    probabilities = layer_probabilities(head, network.latents(pixels), energy)
    rows = np.arange(len(pixels))
    for p, loss in zip(probabilities, chain.update(images, labels, wrong).losses, strict=True):
        expected = -np.concatenate([np.log(p[rows, labels]), np.log(1 - p[rows, wrong])]).mean()
        assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_silent_presentation_leaves_the_next_layer_without_gradient():
    weights = [torch.zeros(4, 5), torch.randn(4, 4)]
    chain = LayerChain(weights, torch.eye(2), Objective("symmetric"))
    update = chain.update(torch.rand(3, 3), torch.tensor([0, 1, 0]), torch.tensor([1, 0, 1]))
    assert all(float(gradient.abs().max()) == 0 for gradient in update.gradients)


def test_digits_are_learnt(digits):
    network = train(digits, TrainingConfig(epochs=15))
    assert (network.predict(digits.x_test) == digits.y_test).mean() >= 0.96


@pytest.mark.parametrize("probability", ["symmetric", "sigmoid"])
def test_two_layers_learn_with_either_probability(digits, probability):
    trainer = ForwardForwardTrainer(digits, TrainingConfig(layers=(60, 60), probability=probability, epochs=5))
    records = [trainer.run_epoch() for _ in range(5)]
    assert all(last < first for first, last in zip(records[0]["loss"], records[-1]["loss"], strict=True))
    assert records[-1]["accuracy"] > 0.8


def test_same_seed_gives_the_same_weights_and_another_seed_others(few_digits):
    assert same_weights(train(few_digits, SMALL), train(few_digits, SMALL))
    assert not same_weights(train(few_digits, SMALL), train(few_digits, SMALL.replace(seed=2)))


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "constant"},
        {"schedule": "cosine", "loss": "symba"},
        {"loss": "swish", "negatives": "hard", "max_shift": 0.125},
        {"validation_fraction": 0.2, "patience": 2},
        {"label_layers": "all", "negatives": "hard"},
        {"center_input": True, "max_shift": 0.125},
    ],
)
def test_resumed_training_gives_the_same_weights_bit_for_bit(few_digits, changes):
    config = SMALL.replace(epochs=3, **changes)
    trainer = ForwardForwardTrainer(few_digits, config)
    trainer.run_epoch()
    state = TrainingState.from_tree(trainer.state().to_tree())
    resumed = ForwardForwardTrainer(few_digits, config, state)
    while resumed.epoch < 3:
        resumed.run_epoch()
    assert same_weights(resumed.network(), train(few_digits, config))
    assert resumed.network().provenance["epochs_done"] == 3


def test_test_images_are_never_looked_at(few_digits):
    blank = np.zeros_like(few_digits.x_test)
    other = Dataset("few", few_digits.x_train, few_digits.y_train, blank, few_digits.y_test, (8, 8), 10)
    first, second = ForwardForwardTrainer(few_digits, SMALL), ForwardForwardTrainer(other, SMALL)
    assert first.run_epoch() == second.run_epoch()
    assert same_weights(first.network(), second.network())


def test_hard_label_is_wrong_and_the_one_that_the_first_layer_prefers(few_digits):
    chain, codes = build_chain(SMALL, few_digits, torch.float32)
    images, labels, _ = batch_of(few_digits, torch.float32)
    head = GoodnessHead("symmetric", 1.0, 0.0, (0,))
    network = AnalogNetwork((chain.weights[0].numpy(),), codes, head, (8, 8))
    scores = network.scores(images.numpy())
    scores[np.arange(len(images)), labels.numpy()] = -1
    hard = chain.hard_labels(images, labels, torch.zeros(len(images), 10))
    np.testing.assert_array_equal(hard.numpy(), scores.argmax(axis=1))


def test_hard_labels_are_drawn_from_the_softmax_of_the_logits():
    weight = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    chain = LayerChain([weight[:, :3]], torch.eye(3)[:, :3] * torch.tensor([3.0, 2.0, 0.5]), Objective("sigmoid", 0.2))
    gumbel = torch.tensor(np.random.default_rng(0).gumbel(size=(20000, 3)), dtype=torch.float32)
    drawn = chain.hard_labels(torch.zeros(20000, 0), torch.full((20000,), 2), gumbel)
    odds = float((drawn == 0).sum() / (drawn == 1).sum())
    assert odds == pytest.approx(np.exp(0.2 * (9 - 4)), rel=0.1)
    assert not (drawn == 2).any()


def test_images_are_shifted_by_at_most_the_given_pixels(few_digits):
    config = SMALL.replace(max_shift=0.125, batch_size=200)
    trained_on, _ = split_training_images(config, 200)
    batch = next(Presenter(few_digits, trained_on, config).epoch(1))
    order = epoch_chance(config.seed, 1).permutation(trained_on)
    padded = np.pad(few_digits.x_train[order].reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)), mode="edge")
    views = np.stack([padded[:, r : r + 8, c : c + 8].reshape(-1, 64) for r in range(3) for c in range(3)], axis=1)
    matches = (views == batch.images.numpy()[:, None]).all(axis=2)
    assert matches.any(axis=1).all()
    assert matches.any(axis=0).all()


@pytest.mark.parametrize(("image_shape", "channel_axis"), [((8, 6, 3), 3), ((3, 8, 6), 1)])
def test_all_channels_of_a_colour_image_are_shifted_alike(few_digits, rng, image_shape, channel_axis):
    images = rng.random((40, *image_shape), dtype=np.float32)
    flat, labels = images.reshape(40, -1), few_digits.y_train[:40]
    config = SMALL.replace(max_shift=0.125, batch_size=40)
    presenter = Presenter(Dataset("colour", flat, labels, flat, labels, image_shape, 10), np.arange(40), config)
    shown = next(presenter.epoch(1)).images.numpy().reshape(images.shape)
    shown, planes = np.moveaxis(shown, channel_axis, 0), np.moveaxis(images, channel_axis, 0)
    order = epoch_chance(config.seed, 1).permutation(40)
    padded = np.pad(planes[:, order], ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    views = np.stack([padded[:, :, r : r + 8, c : c + 6] for r in range(3) for c in range(3)])
    assert (views == shown).all(axis=(1, 3, 4)).sum(axis=0).tolist() == [1] * 40


@pytest.mark.parametrize("image_shape", [(64,), (4, 4, 4, 1), (8, 8, 1, 1)])
def test_images_without_rows_and_columns_are_not_shifted(few_digits, image_shape):
    images = few_digits.x_train
    flat = Dataset("flat", images, few_digits.y_train, images, few_digits.y_train, image_shape, 10)
    assert same_weights(train(flat, SMALL.replace(max_shift=0.25)), train(flat, SMALL))
    assert "have no rows and columns to be shifted along" in shift_note(image_shape, 0.25)
    assert shift_note(image_shape, 0.0) is None


def test_images_with_rows_and_columns_need_no_note():
    assert [shift_note(shape, 0.25) for shape in ((8, 8), (8, 8, 3), (3, 8, 8), (8, 8, 1))] == [None] * 4


def test_early_stopping_keeps_the_weights_of_the_best_epoch(few_digits):
    config = SMALL.replace(epochs=40, validation_fraction=0.2, patience=2, learning_rate=0.03, schedule="constant")
    trainer = ForwardForwardTrainer(few_digits, config)
    kept = []
    while not trainer.finished:
        trainer.run_epoch()
        kept.append(trainer.state().weights)
    assert trainer.epoch == trainer.best_epoch + 2 < 40
    assert all(map(np.array_equal, trainer.network().weights, kept[trainer.best_epoch - 1]))
    assert trainer.network().provenance["best_epoch"] == trainer.best_epoch
    resumed = ForwardForwardTrainer(few_digits, config, TrainingState.from_tree(trainer.state().to_tree()))
    assert same_weights(resumed.network(), trainer.network())


def test_held_out_images_are_not_trained_on():
    trained_on, judged_on = split_training_images(TrainingConfig(validation_fraction=0.25), 100)
    assert len(judged_on) == 25
    assert sorted([*trained_on, *judged_on]) == list(range(100))


def test_held_out_share_that_leaves_nothing_is_refused(few_digits):
    with pytest.raises(ConfigurationError, match=r"validation_fraction 0.001 of 200 training images holds out 0"):
        train(few_digits, SMALL.replace(validation_fraction=0.001))


def test_divergence_is_an_error_that_names_the_layer_and_the_epoch(few_digits):
    config = SMALL.replace(learning_rate=1e30, probability="sigmoid")
    with pytest.raises(NetworkError, match=r"diverged in epoch 1: layer \d .* learning rate 1e\+30; lower"):
        train(few_digits, config)


def test_one_class_is_refused(few_digits):
    labels = np.full(200, 4)
    single = Dataset("single", few_digits.x_train, labels, few_digits.x_test, few_digits.y_test, (8, 8), 10)
    with pytest.raises(DatasetError, match="all training labels of single are 4"):
        train(single, SMALL)


def test_more_classes_than_codes_are_refused(few_digits):
    with pytest.raises(ConfigurationError, match="10 classes found no distinct label codes of 3 bits"):
        train(few_digits, SMALL.replace(label_length=3))


def test_constant_images_train_without_nan(few_digits):
    blank = np.zeros_like(few_digits.x_train)
    network = train(Dataset("blank", blank, few_digits.y_train, blank, few_digits.y_train, (8, 8), 10), SMALL)
    assert np.isfinite(network.weights[0]).all()


def test_batch_larger_than_the_data_is_one_batch(few_digits):
    trainer = ForwardForwardTrainer(few_digits, SMALL.replace(batch_size=1000))
    trainer.run_epoch()
    assert trainer.state().step == 1


def test_network_says_how_it_came_to_be(few_digits):
    provenance = train(few_digits, SMALL).provenance
    assert provenance["dataset"] == "few"
    assert provenance["dataset_checksum"] == few_digits.checksum
    assert provenance["config.layers"] == "20,12"
    assert provenance["torch_version"] == str(torch.__version__)
    assert provenance["seed"] == 1


def test_number_of_threads_is_put_back(few_digits):
    before = torch.get_num_threads()
    train(few_digits, SMALL.replace(threads=3))
    assert torch.get_num_threads() == before


def test_own_adam_is_that_of_torch():
    from ff2neuro.learning.adam import Adam

    generator = torch.Generator().manual_seed(1)
    ours, theirs = torch.ones(3, 4), torch.ones(3, 4, requires_grad=True)
    adam, reference = Adam([ours]), torch.optim.Adam([theirs], lr=0.01)
    for _ in range(5):
        theirs.grad = torch.randn(3, 4, generator=generator)
        adam.update([theirs.grad], 0.01)
        reference.step()
    torch.testing.assert_close(ours, theirs.detach())
    assert adam.step == 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_an_error_that_says_what_to_do(few_digits):
    with pytest.raises(ConfigurationError, match="finds no CUDA device; train with device 'cpu'"):
        train(few_digits, SMALL.replace(device="cuda"))


@pytest.mark.parametrize(("normalize_input", "label_code"), [(True, "random"), (False, "one-hot")])
def test_layer_that_learns_on_centered_images_is_the_function_of_a_network_without_bias(
    few_digits, normalize_input, label_code
):
    config = SMALL.replace(
        probability="sigmoid", center_input=True, normalize_input=normalize_input, label_code=label_code
    )
    trainer = ForwardForwardTrainer(few_digits, config.replace(label_length=30))
    trainer.run_epoch()
    network, (images, labels, wrong) = trainer.network(), batch_of(few_digits, torch.float32)
    losses = trainer._chain.update(images, labels, wrong).losses
    energy = (images.numpy() ** 2).sum(axis=1)[:, None] + (network.label_codes.values**2).sum(axis=1)
    rows = np.arange(len(labels))
    for p, loss in zip(layer_probabilities(network.head, network.latents(images.numpy()), energy), losses, strict=True):
        expected = -np.concatenate([np.log(p[rows, labels]), np.log(1 - p[rows, wrong])]).mean()
        assert float(loss) == pytest.approx(expected, rel=1e-3)


def test_centering_makes_up_for_a_bright_background(digits):
    bright = replace(digits, x_train=1 - digits.x_train / 2, x_test=1 - digits.x_test / 2)
    config = TrainingConfig(layers=(100,), epochs=5, loss="swish", negatives="hard")
    accuracies = [
        (train(bright, config.replace(center_input=centered)).predict(bright.x_test) == digits.y_test).mean()
        for centered in (False, True)
    ]
    assert accuracies[1] >= accuracies[0] + 0.05


def test_center_that_the_label_codes_cannot_make_up_for_is_left_alone(few_digits):
    config = SMALL.replace(label_length=6)
    centered = config.replace(center_input=True)
    assert same_weights(train(few_digits, centered), train(few_digits, config))
    codes = initial_label_codes(centered, 10)
    assert "codes of 6 bits for 10 classes cannot make up for the mean image" in center_note(centered, codes)
    assert center_note(config, codes) is None
    assert center_note(centered, initial_label_codes(SMALL, 10)) is None


class OneDevice(TorchDispatchMode):
    """Refuse every operation on tensors of two devices, as a GPU would; copies from one to another are meant."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = [item for item in tree_leaves((args, kwargs or {})) if isinstance(item, torch.Tensor) and item.dim()]
        assert len({item.device for item in given}) <= 1 or "copy" in str(func), func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "changes",
    [
        {"normalize_input": False, "probability": "sigmoid"},
        {"negatives": "hard", "max_shift": 0.25, "loss": "swish", "layer_normalization": "halves"},
        {"label_layers": "all", "loss": "symba", "peer_normalization": 0.1, "center_input": True},
    ],
)
def test_nothing_is_left_on_the_cpu_when_training_runs_elsewhere(few_digits, changes):
    config = SMALL.replace(**changes)
    # PyTorch's device without memory, which every machine has, stands for the GPU: it has shapes, but no numbers.
    object.__setattr__(config, "device", "meta")
    trainer = ForwardForwardTrainer(few_digits, config)
    with OneDevice():
        for batch in trainer._presenter.epoch(1):
            update = trainer._chain.update(batch.images, batch.labels, batch.wrong_labels, batch.noise)
            trainer._adam.update(update.gradients, 0.1)
    tensors = (*update.gradients, update.losses, update.goodness, *trainer._adam.first_moments)
    assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_trains_the_same_network_up_to_rounding(few_digits):
    on_cpu, on_gpu = (train(few_digits, SMALL.replace(device=device, one_pass_updates=5)) for device in ("cpu", "cuda"))
    for ours, theirs in zip(on_cpu.weights, on_gpu.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_halves_scaled_by_themselves_are_the_function_of_the_network_and_are_not_converted(few_digits):
    config = SMALL.replace(layer_normalization="halves", one_pass_updates=5)
    trainer = ForwardForwardTrainer(few_digits, config)
    network = trainer.network()
    images, labels, wrong = batch_of(few_digits, torch.float32)
    losses = trainer._chain.update(images, labels, wrong).losses
    energy = (images.numpy() ** 2).sum(axis=1)[:, None] + (network.label_codes.values**2).sum(axis=1)
    latents = network.latents(images.numpy())
    positive, negative = (np.square(latents[1].reshape(*latents[1].shape[:2], 2, -1)).sum(axis=-1) + 0.01).T
    p = (positive / (positive + negative)).T
    rows = np.arange(len(labels))
    expected = -np.concatenate([np.log(p[rows, labels]), np.log(1 - p[rows, wrong])]).mean()
    assert float(losses[1]) == pytest.approx(expected, rel=1e-4)
    assert len(layer_probabilities(network.head, latents, energy)) == 2
    with pytest.raises(NetworkError, match=r"scales each half of a layer by itself .* layer_normalization 'layer'"):
        convert(network, few_digits.x_train)


@pytest.mark.parametrize("probability", ["symmetric", "sigmoid"])
def test_label_at_every_layer_learns_by_the_gradient_that_autograd_finds(few_digits, probability):
    config = SMALL.replace(layers=(20, 12, 8), probability=probability, label_layers="all", loss="cross-entropy")
    codes = initial_label_codes(config, 10)
    weights = [torch.tensor(weight, dtype=torch.float64) for weight in initial_weights(config, codes, few_digits)]
    beside = torch.tensor(labels_beside_activity(codes.values), dtype=torch.float64)
    values = torch.tensor(codes.values, dtype=torch.float64)
    objective = Objective(probability, config.alpha, config.theta)
    chain = LayerChain(weights, values, objective, normalize_input=True, labels_beside=beside)
    images, labels, wrong = batch_of(few_digits, torch.float64)
    update = chain.update(images, labels, wrong)
    presented = torch.cat([labels, wrong])
    u = torch.nn.functional.normalize(torch.cat([images.repeat(2, 1), values[presented]], dim=1))
    for index, weight in enumerate(weights):
        parameter = weight.clone().requires_grad_()
        h = torch.relu(u @ parameter.T)
        loss = loss_by_definition(h, config)
        loss.backward()
        torch.testing.assert_close(update.losses[index], loss.detach())
        assert (update.gradients[index] - parameter.grad).norm() <= 1e-6 * parameter.grad.norm()
        u = torch.cat([torch.nn.functional.normalize(h.detach()), beside[presented]], dim=1)


@pytest.mark.parametrize("probability", ["symmetric", "sigmoid"])
def test_label_at_every_layer_is_the_function_of_the_network_and_is_not_converted(few_digits, probability):
    config = SMALL.replace(layers=(20, 12, 8), probability=probability, label_layers="all", one_pass_updates=5)
    trainer = ForwardForwardTrainer(few_digits, config)
    network = AnalogNetwork.from_tree(trainer.network().to_tree())
    images, labels, wrong = batch_of(few_digits, torch.float32)
    losses = trainer._chain.update(images, labels, wrong).losses
    energy = (images.numpy() ** 2).sum(axis=1)[:, None] + (network.label_codes.values**2).sum(axis=1)
    smooth = replace(network.head, smoothing=0.01)
    rows = np.arange(len(labels))
    probabilities = layer_probabilities(smooth, network.latents(images.numpy()), energy)
    for p, loss in zip(probabilities[1:], losses[1:], strict=True):
        expected = -np.concatenate([np.log(p[rows, labels]), np.log(1 - p[rows, wrong])]).mean()
        assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert network.checksum != replace(network, one_pass=None).checksum
    with pytest.raises(NetworkError, match=r"every layer of the network takes the label code .*label_layers 'first'"):
        convert(network, few_digits.x_train)


def test_products_in_bfloat16_are_confined_to_training(few_digits):
    before = torch.get_float32_matmul_precision()
    trainer = ForwardForwardTrainer(few_digits, SMALL.replace(matmul_precision="medium"))
    assert trainer.run_epoch()["loss"][0] > 0
    assert torch.get_float32_matmul_precision() == before


def test_shift_of_less_than_half_a_pixel_is_none(few_digits):
    config = SMALL.replace(max_shift=0.04, batch_size=200)
    trained_on, _ = split_training_images(config, 200)
    batch = next(Presenter(few_digits, trained_on, config).epoch(1))
    order = epoch_chance(config.seed, 1).permutation(trained_on)
    np.testing.assert_array_equal(batch.images.numpy(), few_digits.x_train[order])
