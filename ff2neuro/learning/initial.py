"""Where training starts: label codes, weights, and the division of the training images."""

import numpy as np
import numpy.typing as npt

from ff2neuro.data import Dataset
from ff2neuro.errors import ConfigurationError
from ff2neuro.learning.centering import orthogonal_to_center
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.networks import LabelCodes, one_hot_label_codes, random_label_codes

__all__ = ["epoch_chance", "initial_label_codes", "initial_weights", "split_training_images"]

Array = npt.NDArray[np.float32]

#: Streams of chance that must not share their numbers.
_WEIGHTS, _CODES, _HELD_OUT, _EPOCH = range(4)
#: Images from which the mean energy of the input is taken.
ENERGY_SAMPLE = 1000
#: Training images that judge an epoch where none are held out.
JUDGED_TRAINING_IMAGES = 1000


def epoch_chance(seed: int, epoch: int) -> np.random.Generator:
    """Return the source of chance of one epoch, which nothing but the seed and its number determine.

    Parameters
    ----------
    seed : int
        Seed of the run.
    epoch : int
        Number of the epoch.

    Returns
    -------
    numpy.random.Generator
        The generator.
    """
    return np.random.default_rng([seed, _EPOCH, epoch])


def initial_label_codes(config: TrainingConfig, n_classes: int) -> LabelCodes:
    """Return the label codes that a configuration asks for.

    Parameters
    ----------
    config : TrainingConfig
        Hyperparameters.
    n_classes : int
        Number of classes.

    Returns
    -------
    LabelCodes
        The codes.

    Raises
    ------
    ConfigurationError
        If there are more classes than such codes can tell apart.
    """
    if config.label_code == "one-hot":
        return one_hot_label_codes(n_classes, config.label_strength)
    chance = np.random.default_rng([config.seed, _CODES])
    return random_label_codes(n_classes, config.label_length, config.label_density, chance, config.label_strength)


def initial_weights(
    config: TrainingConfig, codes: LabelCodes, dataset: Dataset, center: Array | None = None
) -> list[Array]:
    """Draw normal weights, of a variance that starts the mean goodness of a layer at its threshold.

    A ReLU passes half of the variance, so n_out neurons of weight variance s² answer an input of squared length E with
    a goodness of about n_out s² E / 2. The symmetric probability has no threshold; its goodness starts at 1.

    Parameters
    ----------
    config : TrainingConfig
        Hyperparameters.
    codes : LabelCodes
        Label codes.
    dataset : Dataset
        Images, whose mean energy counts where the input is not normalised, or less a center.
    center : ndarray of shape (n_pixels,), optional
        What is subtracted from images before the first layer's weights are applied.

    Returns
    -------
    list of ndarray of float32, shape (n_out, n_in)
        One matrix per layer.
    """
    chance = np.random.default_rng([config.seed, _WEIGHTS])
    n_inputs, energy = dataset.n_pixels + codes.length, _input_energy(config, codes, dataset, center)
    goodness = config.theta if config.probability == "sigmoid" and config.theta > 0 else 1.0
    weights = []
    for width in config.layers:
        scale = np.sqrt(2 * goodness / (width * energy))
        weights.append((chance.standard_normal((width, n_inputs)) * scale).astype(np.float32))
        n_inputs, energy = width, 1.0
        if config.label_layers == "all":
            n_inputs, energy = width + codes.length, 2.0
    if center is not None:
        weights[0] = orthogonal_to_center(weights[0], center)
    return weights


def _input_energy(config: TrainingConfig, codes: LabelCodes, dataset: Dataset, center: Array | None) -> float:
    """Return the mean squared length of what the first layer's weights are applied to."""
    sample = dataset.x_train[:ENERGY_SAMPLE].astype(np.float64)
    label_energy = float((codes.values**2).sum(axis=1).mean())
    given = float((sample**2).sum(axis=1).mean()) + label_energy
    taken = given if center is None else float(((sample - center) ** 2).sum(axis=1).mean()) + label_energy
    return taken / given if config.normalize_input else taken


def split_training_images(config: TrainingConfig, n_images: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Divide the training images into those to learn from and those that judge an epoch.

    Parameters
    ----------
    config : TrainingConfig
        Hyperparameters.
    n_images : int
        Number of training images.

    Returns
    -------
    trained_on : ndarray of int
        Indices of the images to learn from.
    judged_on : ndarray of int
        Indices of the held-out images; of some images of `trained_on` if none are held out.

    Raises
    ------
    ConfigurationError
        If the fraction leaves one of the two empty.
    """
    order = np.random.default_rng([config.seed, _HELD_OUT]).permutation(n_images)
    if config.validation_fraction == 0:
        return np.sort(order), order[:JUDGED_TRAINING_IMAGES]
    n_held_out = round(config.validation_fraction * n_images)
    if not 0 < n_held_out < n_images:
        raise ConfigurationError(
            f"validation_fraction {config.validation_fraction} of {n_images} training images holds out {n_held_out} "
            "of them; at least one must be held out and one be left"
        )
    return np.sort(order[n_held_out:]), order[:n_held_out]
