"""What each choice of the `mlp` recipe is worth: small networks that differ in one hyperparameter each.

Every network learns from the same training images and is judged on other training images; test images are not touched.
Each result is written at once, one JSON object per line, and a later call with the same options goes on from there.

    python benchmarks/ablation.py --dataset mnist --data-dir DIR --out ablation.jsonl
"""

import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ff2neuro.data import Dataset, load_dataset
from ff2neuro.errors import ConfigurationError
from ff2neuro.learning import TrainingConfig, load_config, train
from ff2neuro.networks import AnalogNetwork

#: What is changed, one row of the table each; the first one is the recipe itself.
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"probability": "sigmoid", "alpha": 6.0, "theta": 2.0},
    {"loss": "cross-entropy"},
    {"loss": "symba"},
    {"negatives": "random"},
    {"max_shift": 0},
    {"max_shift": 0.08},
    {"center_input": False},
    {"normalize_input": False},
    {"layer_normalization": "halves"},
    {"label_layers": "all"},
    {"schedule": "constant"},
    {"schedule": "cosine"},
    {"learning_rate": 0.001},
    {"learning_rate": 0.01},
    {"batch_size": 50},
    {"batch_size": 200},
    {"label_code": "one-hot"},
    {"label_length": 30},
    {"label_length": 300},
    {"label_density": 0.1},
    {"label_density": 0.5},
    {"label_strength": 0.5},
    {"label_strength": 2.0},
    {"peer_normalization": 0.03},
    {"peer_normalization": 1.0},
)


def split(data: Dataset, n_images: int, n_held_out: int) -> Dataset:
    """Return a data set whose test images are the last of the training images."""
    if n_images + n_held_out > len(data.y_train):
        raise ConfigurationError(
            f"{n_images} images to learn from and {n_held_out} to judge on are more than the {len(data.y_train)} "
            f"training images of {data.name}; ask for fewer"
        )
    return replace(
        data,
        name=f"{data.name}, part",
        x_train=data.x_train[:n_images],
        y_train=data.y_train[:n_images],
        x_test=data.x_train[-n_held_out:],
        y_test=data.y_train[-n_held_out:],
    )


def accuracies(network: AnalogNetwork, data: Dataset) -> dict[str, float]:
    """Return the share of right answers on the held-out images, by several readouts of one network."""
    votes = {"sweep": network.head.voting_layers}
    votes |= {f"layer {layer} alone": (layer,) for layer in range(len(network.weights))}
    result = {}
    for name, layers in votes.items():
        voting = replace(network, head=replace(network.head, voting_layers=layers))
        result[name] = float((voting.predict(data.x_test) == data.y_test).mean())
    return {**result, "one pass": float((network.predict_one_pass(data.x_test) == data.y_test).mean())}


def plan(recipe: TrainingConfig, seeds: list[int]) -> Iterator[tuple[TrainingConfig, dict[str, Any]]]:
    """Yield all configurations, each change with the first seed before any with the second."""
    for seed in seeds:
        for change in CHANGES:
            yield recipe.replace(seed=seed, **change), change


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the results in a file, without a last line that was cut short."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def table(results: list[dict[str, Any]]) -> str:
    """Return means over the seeds as a Markdown table, in the order of `CHANGES`."""
    readouts = list(results[0]["accuracy"])
    lines = [
        f"| change | {' | '.join(f'{name} [%]' for name in readouts)} | seeds |",
        "|---" * (len(readouts) + 2) + "|",
    ]
    for change in CHANGES:
        own = [row["accuracy"] for row in results if row["change"] == change]
        if own:
            name = ", ".join(f"`{key} = {json.dumps(value)}`" for key, value in change.items()) or "none: the recipe"
            means = " | ".join(f"{100 * statistics.mean(row[readout] for row in own):.2f}" for readout in readouts)
            lines.append(f"| {name} | {means} | {len(own)} |")
    return "\n".join(lines)


@click.command()
@click.option("--dataset", default="mnist", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--images", default=20000, show_default=True, help="Training images to learn from.")
@click.option("--held-out", default=10000, show_default=True, help="Training images to judge on.")
@click.option("--layers", default="300,300", show_default=True)
@click.option("--epochs", default=6, show_default=True)
@click.option("--seeds", default="1,2", show_default=True)
@click.option("--threads", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("ablation.jsonl"), show_default=True)
def main(
    dataset: str,
    data_dir: Path | None,
    images: int,
    held_out: int,
    layers: str,
    epochs: int,
    seeds: str,
    threads: int,
    out: Path,
) -> None:
    """Train what is missing, then print the table."""
    data = split(load_dataset(dataset, data_dir), images, held_out)
    recipe = load_config("mlp").replace(
        layers=[int(width) for width in layers.split(",")], epochs=epochs, threads=threads, one_pass_updates=500
    )
    assert isinstance(recipe, TrainingConfig)
    wanted = {config.to_toml(): (config, change) for config, change in plan(recipe, [int(s) for s in seeds.split(",")])}
    done = {row["config"] for row in rows(out) if row["data"] == data.checksum}
    for text, (config, change) in wanted.items():
        if text in done:
            continue
        start = time.process_time()
        accuracy = accuracies(train(data, config), data)
        row = {"change": change, "seed": config.seed, "accuracy": accuracy}
        click.echo(f"{row} in {time.process_time() - start:.0f} CPU s", err=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**row, "config": text, "data": data.checksum}) + "\n")
    click.echo(table([row for row in rows(out) if row["config"] in wanted and row["data"] == data.checksum]))


if __name__ == "__main__":
    main()
