"""Samples per second of Hebbian learning: by events, and as the published algorithm reads, step by step in PyTorch.

Both run in this process, on the same images, one after the other and then again; the best of the rounds counts. The
dense reading keeps whole tensors, as a direct transcription of the equations does: every step multiplies all weights,
every update forms an outer product over all of them, and rests are simulated. With `--whole-run`, the online network
with the symmetric probability is then trained for ten epochs on all images, with the test accuracy after each of them.

    python benchmarks/hebbian.py --data-dir DIR --out hebbian.json
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numba
import numpy as np
import torch

from ff2neuro.data import Dataset, load_dataset
from ff2neuro.files import write_text
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.trainer import HebbianTrainer

#: Presentations by events that one measurement takes; the dense reading has its own number, for it is slow.
EVENT_SAMPLES = 6000


class DenseReading:
    """The published algorithm on tensors: leaky trace, symmetric probability, all neurons may win.

    Parameters
    ----------
    config : HebbianConfig
        Constants.
    n_inputs, batch_size : int
        Sizes.
    """

    def __init__(self, config: HebbianConfig, n_inputs: int, batch_size: int) -> None:
        n_neurons = config.layers[0]
        self.config = config
        self.weights = torch.randn(n_inputs, n_neurons)
        self.eligibility = torch.zeros(n_inputs, n_neurons)
        self.v = torch.zeros(batch_size, n_neurons)
        self.z = torch.zeros(batch_size, n_neurons)

    def step(self, x: torch.Tensor) -> None:
        """Advance potentials and traces by one step."""
        c = self.config
        self.v = c.membrane_decay * self.v + x @ self.weights
        compared = self.v + c.noise * torch.randn(self.v.shape[1])
        last_winner = torch.topk(compared, self.v.shape[1], dim=1).values[:, -1:]
        spikes = (compared > last_winner - 0.001) & (self.v > c.threshold)
        self.v[spikes] = 0
        self.z = c.trace_decay * self.z + (1 - c.trace_decay) * spikes.float()

    def halves(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the goodness of both halves, each of shape (batch_size, 1)."""
        half = self.z.shape[1] // 2
        energies = self.z.square()
        return energies[:, :half].sum(dim=1, keepdim=True), energies[:, half:].sum(dim=1, keepdim=True)

    def update(self, x: torch.Tensor, negative: torch.Tensor) -> None:
        """Change weights by the modulated Hebbian product."""
        c = self.config
        first, second = self.halves()
        own, opposite = torch.where(negative, second, first), torch.where(negative, first, second)
        penalty = -1 / (own + opposite + c.epsilon)
        reward = -penalty * (opposite + c.epsilon) / (own + c.epsilon)
        half = self.z.shape[1] // 2
        product = x[:, :, None] * self.z[:, None, :]
        product[:, :, :half] *= torch.where(negative, penalty, reward)[:, :, None]
        product[:, :, half:] *= torch.where(negative, reward, penalty)[:, :, None]
        self.eligibility = (1 - c.eligibility_rate) * self.eligibility + c.eligibility_rate * product.mean(dim=0)
        self.weights += c.learning_rate * self.eligibility

    def present(self, rates: torch.Tensor, negative: torch.Tensor | None = None) -> torch.Tensor:
        """Present a batch, learn if `negative` is given, rest; return its probabilities."""
        c = self.config
        events = torch.bernoulli(rates[:, :, None].expand(-1, -1, c.n_time_steps + 1).contiguous())
        self.z.zero_()
        for t in range(c.n_time_steps):
            self.step(events[:, :, t])
            if negative is not None and t >= c.first_update:
                self.update(events[:, :, t], negative)
        first, second = self.halves()
        for _ in range(c.rest_steps):
            self.step(torch.zeros_like(events[:, :, 0]))
        return (first + c.epsilon) / (first + second + 2 * c.epsilon)


def dense_rate(data: Dataset, batch_size: int, n_samples: int, *, train: bool) -> float:
    """Return samples per second of the dense reading."""
    config = HebbianConfig()
    codes = (torch.rand(data.n_classes, config.label_length) < config.label_density).float()
    layer = DenseReading(config, data.n_pixels + config.label_length, batch_size)
    images = torch.tensor(data.x_train[:n_samples])
    labels = torch.tensor(data.y_train[:n_samples])
    start = time.perf_counter()
    for low in range(0, n_samples, batch_size):
        x, y = images[low : low + batch_size], labels[low : low + batch_size]
        if train:
            negative = torch.rand(len(x), 1) < 0.5
            y = torch.where(negative[:, 0], (y + torch.randint(1, data.n_classes, y.shape)) % data.n_classes, y)
            layer.present(config.input_strength * torch.cat([x, codes[y]], dim=1), negative)
        else:
            for code in codes:
                layer.present(config.input_strength * torch.cat([x, code.expand(len(x), -1)], dim=1))
    return n_samples / (time.perf_counter() - start)


def event_rate(data: Dataset, batch_size: int, *, train: bool) -> float:
    """Return samples per second by events."""
    part = Dataset(
        data.name,
        data.x_train[:EVENT_SAMPLES],
        data.y_train[:EVENT_SAMPLES],
        data.x_test[:1],
        data.y_test[:1],
        data.image_shape,
        data.n_classes,
    )
    trainer = HebbianTrainer(part, HebbianConfig(batch_size=batch_size))
    trainer.scores(part.x_train[:10])
    trainer.learn_epoch(1)
    start = time.perf_counter()
    if train:
        trainer.learn_epoch(2)
    else:
        trainer.scores(part.x_train)
    return EVENT_SAMPLES / (time.perf_counter() - start)


def whole_run(data: Dataset) -> dict[str, Any]:
    """Train the online network as published, test after every epoch, and return seconds and accuracies."""
    trainer = HebbianTrainer(data, HebbianConfig())
    epochs: list[dict[str, float]] = []
    while not trainer.finished:
        start = time.perf_counter()
        trainer.run_epoch()
        trained = time.perf_counter()
        accuracy = float((trainer.scores(data.x_test, trainer.epoch).argmax(axis=1) == data.y_test).mean())
        seconds = {"training_s": trained - start, "test_s": time.perf_counter() - trained}
        epochs.append({**seconds, "test_accuracy": accuracy})
        click.echo(
            f"epoch {trainer.epoch:2d}: training {seconds['training_s']:6.1f} s   test {seconds['test_s']:5.1f} s   "
            f"test accuracy {100 * accuracy:.2f} %"
        )
    total = sum(epoch["training_s"] + epoch["test_s"] for epoch in epochs)
    click.echo(f"{len(epochs)} epochs, {len(data.y_train)} training and {len(data.y_test)} test images: {total:.0f} s")
    return {"epochs": epochs, "total_s": total}


def best(measure: Callable[[], float], rounds: int) -> float:
    """Return the best of several measurements: what disturbs a measurement only ever slows it."""
    return max(measure() for _ in range(rounds))


@click.command()
@click.option("--dataset", default="mnist", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--dense-samples", default=200, show_default=True, help="Images that the dense reading is given.")
@click.option("--rounds", default=2, show_default=True)
@click.option(
    "--whole-run", "whole", is_flag=True, help="Train for ten epochs on all images, too, with a test after each."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("hebbian.json"), show_default=True)
def main(dataset: str, data_dir: Path | None, dense_samples: int, rounds: int, whole: bool, out: Path) -> None:
    """Measure, print the table, write JSON."""
    torch.set_grad_enabled(False)
    data = load_dataset(dataset, data_dir)
    rows: list[dict[str, Any]] = []
    for task, train, batch_size in (
        ("online training", True, 1),
        ("batched training", True, 50),
        ("label sweep, one image at a time", False, 1),
        ("label sweep, 50 images at a time", False, 50),
    ):
        n_dense = max(batch_size, dense_samples if train else dense_samples // 4)
        dense = best(lambda n=n_dense, b=batch_size, t=train: dense_rate(data, b, n, train=t), rounds)
        events = best(lambda b=batch_size, t=train: event_rate(data, b, train=t), rounds)
        rows.append({"task": task, "batch_size": batch_size, "dense": dense, "events": events, "ratio": events / dense})
        click.echo(f"{task:34s} dense {dense:9.1f}/s   events {events:9.1f}/s   ratio {events / dense:7.1f}")
    threads = {"torch": torch.get_num_threads(), "numba": int(numba.get_num_threads())}
    versions = {"torch": str(torch.__version__), "numba": numba.__version__, "numpy": np.__version__}
    document = {"dataset": dataset, "rows": rows, "threads": threads, "versions": versions, "rounds": rounds}
    if whole:
        document["whole_run"] = whole_run(data)
    write_text(out, json.dumps(document, indent=2) + "\n")
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
