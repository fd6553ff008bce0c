"""A preset on data of another character than MNIST's, against a linear classifier.

Every set is made of MNIST's training images, half of which are learnt from and half judged on; test images are not
touched. The preset is taken as it is, but for the size of the network and the number of epochs.

    python benchmarks/other_data.py --data-dir DIR --out other-data.json
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from ff2neuro.data import Dataset, load_dataset
from ff2neuro.files import write_text
from ff2neuro.learning import TrainingConfig, load_config, train

Array = npt.NDArray[Any]
Change = Callable[[Array, Array, np.random.Generator], tuple[Array, Array]]


def plain(images: Array, labels: Array, chance: np.random.Generator) -> tuple[Array, Array]:
    """Return images and labels as they are."""
    return images, labels


def inverted(images: Array, labels: Array, chance: np.random.Generator) -> tuple[Array, Array]:
    """Make dark what was bright."""
    return 1 - images, labels


def bright(images: Array, labels: Array, chance: np.random.Generator) -> tuple[Array, Array]:
    """Put a bright background behind images of little contrast."""
    return 0.6 + 0.4 * images, labels


def noisy(images: Array, labels: Array, chance: np.random.Generator) -> tuple[Array, Array]:
    """Fill the background with noise."""
    return np.where(images < 0.2, 0.6 * chance.random(images.shape), images), labels


def coloured(images: Array, labels: Array, chance: np.random.Generator) -> tuple[Array, Array]:
    """Draw ink and paper of every image in random colours: shape (n, height, width, 3)."""
    ink, paper = chance.random((2, len(images), 1, 1, 3))
    return paper + (ink - paper) * images[..., None], labels


def shuffled(images: Array, labels: Array, chance: np.random.Generator) -> tuple[Array, Array]:
    """Shuffle the pixels, and add constant ones: shape (n, n_pixels)."""
    flat = images.reshape(len(images), -1)
    return np.concatenate(
        [flat[:, np.random.default_rng(1).permutation(flat.shape[1])], np.ones((len(flat), 50))], 1
    ), labels


def twenty_classes(images: Array, labels: Array, chance: np.random.Generator) -> tuple[Array, Array]:
    """Turn half of the images by a quarter, and make those classes of their own."""
    turned = chance.random(len(images)) < 0.5
    return np.where(turned[:, None, None], np.rot90(images, axes=(1, 2)), images), labels + 10 * turned


CHANGES: tuple[Change, ...] = (plain, inverted, bright, noisy, coloured, shuffled, twenty_classes)


def changed(data: Dataset, change: Change, n_images: int) -> Dataset:
    """Return a data set of the first training images, changed."""
    images = data.x_train[: 2 * n_images].reshape(-1, *data.image_shape)
    images, labels = change(images, data.y_train[: 2 * n_images], np.random.default_rng(0))
    pixels = images.reshape(len(images), -1).astype(np.float32)
    parts = {"x_train": pixels[:n_images], "y_train": labels[:n_images]}
    judged = {"x_test": pixels[n_images:], "y_test": labels[n_images:]}
    shape, n_classes = images.shape[1:], int(labels.max()) + 1
    return replace(data, name=change.__name__, **parts, **judged, image_shape=shape, n_classes=n_classes)


def accuracies(data: Dataset, config: TrainingConfig) -> dict[str, float]:
    """Return the share of right answers of the linear classifier and of the network, by both of its readouts."""
    linear = LogisticRegression(C=0.1, max_iter=1000).fit(data.x_train, data.y_train)
    network = train(data, config)
    answers = {
        "linear": linear.predict(data.x_test),
        "sweep": network.predict(data.x_test),
        "one pass": network.predict_one_pass(data.x_test),
    }
    return {name: float((answer == data.y_test).mean()) for name, answer in answers.items()}


@click.command()
@click.option("--preset", default="mlp", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--images", default=4000, show_default=True, help="Images to learn from, and to judge on.")
@click.option("--layers", default="300,300", show_default=True)
@click.option("--epochs", default=10, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("other-data.json"), show_default=True)
def main(preset: str, data_dir: Path | None, images: int, layers: str, epochs: int, seed: int, out: Path) -> None:
    """Train on every set, print the table, write JSON."""
    config = load_config(preset).replace(
        layers=[int(width) for width in layers.split(",")], epochs=epochs, seed=seed, threads=1, one_pass_updates=1000
    )
    assert isinstance(config, TrainingConfig)
    data = load_dataset("mnist", data_dir)
    results: dict[str, dict[str, float]] = {}
    click.echo("| data | linear [%] | label sweep [%] | one pass [%] |\n|---|---|---|---|")
    for change in CHANGES:
        figures = results[change.__name__] = accuracies(changed(data, change, images), config)
        click.echo(f"| {change.__name__} | " + " | ".join(f"{100 * figure:.1f}" for figure in figures.values()) + " |")
    write_text(out, json.dumps({"config": config.to_mapping(), "accuracy": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
