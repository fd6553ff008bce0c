"""Seconds per epoch of the trainer against the usual way of writing Forward-Forward training in PyTorch.

The usual way is that of the public repositories, written afresh here: a `Dataset` that builds a positive and a negative
sample per image, a `DataLoader` with its default collation, and modules that normalise their input and learn by
autograd, each layer with an optimizer of its own, positives and negatives in passes of their own. Both train networks
of the same widths with the same objective, batch size, step size and codes, in turns; figures are medians over the
epochs. The trainer's products are bfloat16 where the processor has them, as in its presets.

    python benchmarks/training.py --data-dir DIR --out training.json
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize, silu, softplus
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ff2neuro.data import Dataset, load_dataset
from ff2neuro.files import write_text
from ff2neuro.learning import ForwardForwardTrainer, TrainingConfig
from ff2neuro.learning.objectives import EPSILON
from ff2neuro.networks import AnalogNetwork


class Samples(TorchDataset[tuple[Tensor, Tensor]]):
    """Positive and negative samples: an image followed by the code of its own and of a wrong class.

    Parameters
    ----------
    data : Dataset
        Images, kept as bytes and made tensors one by one through Pillow, as torchvision's MNIST and ToTensor do it.
    codes : Tensor of shape (n_classes, code_length)
        Label codes.
    """

    def __init__(self, data: Dataset, codes: Tensor) -> None:
        pixels = np.rint(data.x_train * 255).astype(np.uint8)
        self.images = torch.tensor(pixels.reshape(len(pixels), *data.image_shape))
        self.labels = torch.tensor(data.y_train)
        self.codes = codes

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return the two samples of an image."""
        picture = Image.fromarray(self.images[index].numpy(), mode="L")
        image = torch.from_numpy(np.array(picture, np.uint8, copy=True)).to(torch.float32).div(255).flatten()
        label = int(self.labels[index])
        wrong = (label + int(torch.randint(1, len(self.codes), ()))) % len(self.codes)
        return torch.cat([image, self.codes[label]]), torch.cat([image, self.codes[wrong]])


class Layer(nn.Linear):
    """A layer that learns by itself.

    Parameters
    ----------
    weight : Tensor of shape (n_out, n_in)
        Weights to start from.
    config : TrainingConfig
        Hyperparameters.
    """

    def __init__(self, weight: Tensor, config: TrainingConfig) -> None:
        super().__init__(weight.shape[1], weight.shape[0], bias=False)
        with torch.no_grad():
            self.weight.copy_(weight)
        self.config = config
        self.optimizer = torch.optim.Adam(self.parameters(), lr=config.learning_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activity."""
        return torch.relu(super().forward(normalize(x)))

    def logit(self, h: Tensor) -> Tensor:
        """Return the logit of the symmetric probability."""
        positive, negative = h.square().chunk(2, dim=1)
        return (positive.sum(dim=1) + EPSILON).log() - (negative.sum(dim=1) + EPSILON).log()

    def learn(self, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step, and return the activity for the next layer."""
        z_positive, z_negative = self.logit(self(positive)), self.logit(self(negative))
        if self.config.loss == "swish":
            loss = silu(z_negative - z_positive).mean()
        else:
            loss = torch.cat([softplus(-z_positive), softplus(z_negative)]).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return self(positive).detach(), self(negative).detach()


class UsualTrainer:
    """The usual way.

    Parameters
    ----------
    data : Dataset
        Images and labels.
    config : TrainingConfig
        Hyperparameters.
    start : AnalogNetwork
        Weights and codes to start from.
    """

    def __init__(self, data: Dataset, config: TrainingConfig, start: AnalogNetwork) -> None:
        torch.manual_seed(config.seed)
        self.start = start
        self.layers = [Layer(torch.tensor(weight), config) for weight in start.weights]
        samples = Samples(data, torch.tensor(start.label_codes.values))
        self.loader = DataLoader(samples, batch_size=config.batch_size, shuffle=True)

    def run_epoch(self) -> None:
        """Present all images once."""
        for positive, negative in self.loader:
            for layer in self.layers:
                positive, negative = layer.learn(positive, negative)

    def network(self) -> AnalogNetwork:
        """Return the network as it stands."""
        weights = tuple(layer.weight.detach().numpy() for layer in self.layers)
        return AnalogNetwork(weights, self.start.label_codes, self.start.head, self.start.image_shape)


def seconds(action: Callable[[], Any]) -> tuple[float, float]:
    """Return how long an action takes: by the clock on the wall, and by that of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


@click.command()
@click.option("--dataset", default="mnist", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--layers", default="1000,1000", show_default=True)
@click.option("--batch-size", default=100, show_default=True)
@click.option("--loss", type=click.Choice(["cross-entropy", "swish"]), default="swish", show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["highest", "medium"]),
    default="medium",
    show_default=True,
    help="Of the trainer's matrix products; the usual way has PyTorch's default, which is the highest.",
)
@click.option("--epochs", default=3, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("training.json"), show_default=True)
def main(
    dataset: str,
    data_dir: Path | None,
    layers: str,
    batch_size: int,
    loss: Any,
    precision: Any,
    epochs: int,
    threads: int,
    out: Path,
) -> None:
    """Measure, print the table, write JSON."""
    torch.set_num_threads(threads)
    data = load_dataset(dataset, data_dir)
    widths = tuple(int(width) for width in layers.split(","))
    config = TrainingConfig(
        layers=widths,
        epochs=epochs,
        batch_size=batch_size,
        loss=loss,
        learning_rate=0.001,
        schedule="constant",
        threads=threads,
        matmul_precision=precision,
    )
    ours = ForwardForwardTrainer(data, config)
    usual = UsualTrainer(data, config, ours.network())
    times: dict[str, list[tuple[float, float]]] = {"ours": [], "usual": []}
    for epoch in range(epochs):
        times["ours"].append(seconds(ours.run_epoch))
        times["usual"].append(seconds(usual.run_epoch))
        click.echo(
            f"epoch {epoch + 1}: ours {times['ours'][-1][0]:.1f} s, usual {times['usual'][-1][0]:.1f} s", err=True
        )
    rows = {
        name: {
            "seconds_per_epoch": statistics.median(wall for wall, _ in times[name]),
            "cpu_seconds_per_epoch": statistics.median(cpu for _, cpu in times[name]),
            "test_accuracy": float((network.predict(data.x_test) == data.y_test).mean()),
        }
        for name, network in (("ours", ours.network()), ("usual", usual.network()))
    }
    ratios = {key: rows["usual"][key] / rows["ours"][key] for key in ("seconds_per_epoch", "cpu_seconds_per_epoch")}
    for name, row in rows.items():
        click.echo(
            f"{name:6s} {row['seconds_per_epoch']:7.2f} s/epoch  {row['cpu_seconds_per_epoch']:7.2f} CPU s/epoch  "
            f"test accuracy {row['test_accuracy']:.2%}"
        )
    click.echo(f"ratio  {ratios['seconds_per_epoch']:7.2f}          {ratios['cpu_seconds_per_epoch']:7.2f}")
    document = {"dataset": dataset, "config": config.to_mapping(), "rows": rows, "ratios": ratios}
    write_text(out, json.dumps({**document, "torch": str(torch.__version__)}, indent=2) + "\n")
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
