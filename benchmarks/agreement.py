"""How much a conversion costs: analog against spiking on test images, over resets, time steps and seeds.

For each network and setting the program prints accuracy of both networks, their difference with two paired standard
errors, the share of equal predictions and, for every layer, the mean cosine between latents beside the same for
shuffled images. Networks of the same widths count as seeds of one another: their absolute differences are averaged.

    python benchmarks/agreement.py RUN [RUN ...] --data-dir DIR --out agreement.json
    python benchmarks/agreement.py --train 200 --train 500,500 --seeds 1,2,3 --work DIR --out agreement.json
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from ff2neuro.analysis import CosineMean
from ff2neuro.coding import encode, input_energy, recorded_latents, scores_of_latents
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.rate import ConversionConfig, sweep
from ff2neuro.data import Dataset, load_dataset
from ff2neuro.files import write_text
from ff2neuro.hardware.backend import Backend, get_backend
from ff2neuro.networks import AnalogNetwork, SpikingNetwork, load_model, predict_from_scores
from ff2neuro.validation.run_config import run_config

Array = npt.NDArray[Any]

#: Images that are simulated and compared at once: this bounds the memory.
CHUNK = 200
#: Training images to calibrate on, as `ff2neuro export` takes by default.
N_CALIBRATION = 1000
#: What the last columns of both tables show.
FIGURES = "equal  cosine/shuffled per layer"
#: What networks of one row of means share.
SETTING = ("widths", "reset", "initial_potential", "readout", "max_spikes_per_step", "n_time_steps")
#: Ways to convert: by subtraction starts from half a threshold unless told otherwise.
WAYS = {
    "zero": ConversionConfig(reset="zero"),
    "subtract": ConversionConfig(reset="subtract"),
    "subtract-from-0": ConversionConfig(reset="subtract", initial_potential=0.0),
    "zero-by-times": ConversionConfig(reset="zero", readout="times"),
    "subtract-by-times": ConversionConfig(reset="subtract", readout="times"),
    "several": ConversionConfig(reset="subtract", max_spikes_per_step=15),
}


@dataclass(frozen=True)
class Row:
    """Figures of one network in one setting; differences in percentage points, analog minus spiking."""

    run: str
    widths: tuple[int, ...]
    seed: int
    reset: str
    initial_potential: float
    readout: str
    max_spikes_per_step: int
    n_time_steps: int
    n_images: int
    analog_accuracy: float
    spiking_accuracy: float
    difference_pp: float
    two_standard_errors_pp: float
    agreement: float
    n_ties: int
    cosine: tuple[float, ...]
    cosine_shuffled: tuple[float, ...]


@dataclass(frozen=True)
class Mean:
    """Figures of one setting over the seeds of an architecture."""

    widths: tuple[int, ...]
    reset: str
    initial_potential: float
    readout: str
    max_spikes_per_step: int
    n_time_steps: int
    n_seeds: int
    mean_absolute_difference_pp: float
    two_standard_errors_pp: float
    agreement: float
    cosine: tuple[float, ...]
    cosine_shuffled: tuple[float, ...]


class Comparison:
    """What one conversion does, added up over chunks of images."""

    def __init__(self, spiking: SpikingNetwork, config: ConversionConfig) -> None:
        self.spiking, self.config = spiking, config
        self._graph = to_nir(spiking, "native")
        self._run = run_config(spiking)
        self._predictions: list[Array] = []
        self._cosines = [[CosineMean() for _ in spiking.layers] for _ in range(2)]
        self._n_ties = 0

    def add(self, backend: Backend, images: Array, latents: list[Array]) -> None:
        """Run a chunk of images and compare it with what the analog network makes of them."""
        source = encode(self.spiking.input_code, images, self.spiking.n_time_steps)
        with backend.run(self._graph, source, self._run) as recording:
            activity = recorded_latents(self.spiking, recording)
        found = scores_of_latents(self.spiking, activity, input_energy(self.spiking.input_code, images))
        predictions, ties = predict_from_scores(found)
        self._predictions.append(predictions)
        self._n_ties += ties
        for layer, (ours, other) in enumerate(zip(latents, activity, strict=True)):
            self._cosines[0][layer].update(ours, other)
            # Each image against its neighbour's spikes under the same hypothesis.
            self._cosines[1][layer].update(ours, np.roll(other, 1, axis=0))

    def row(self, run: str, analog: AnalogNetwork, analog_predictions: Array, labels: Array) -> Row:
        """Return the figures over all chunks."""
        predictions = np.stack([analog_predictions, np.concatenate(self._predictions)])
        right = predictions == labels
        paired = right[0].astype(float) - right[1]
        return Row(
            run=run,
            widths=analog.widths,
            seed=int(analog.provenance.get("seed", 0)),
            reset=self.config.reset,
            initial_potential=self.config.start,
            readout=self.config.readout,
            max_spikes_per_step=self.config.max_spikes_per_step,
            n_time_steps=self.config.n_time_steps,
            n_images=len(labels),
            analog_accuracy=float(right[0].mean()),
            spiking_accuracy=float(right[1].mean()),
            difference_pp=100 * float(paired.mean()),
            two_standard_errors_pp=200 * float(paired.std(ddof=1)) / len(labels) ** 0.5,
            agreement=float((predictions[0] == predictions[1]).mean()),
            n_ties=self._n_ties,
            cosine=tuple(mean.result() or 0.0 for mean in self._cosines[0]),
            cosine_shuffled=tuple(mean.result() or 0.0 for mean in self._cosines[1]),
        )


def average(rows: list[Row]) -> list[Mean]:
    """Average over the seeds of every architecture and setting."""
    means = []
    setting = attrgetter(*SETTING)
    for values, group in groupby(sorted(rows, key=setting), setting):
        seeds = list(group)
        errors = np.array([row.two_standard_errors_pp for row in seeds])
        means.append(
            Mean(
                **dict(zip(SETTING, values, strict=True)),
                n_seeds=len(seeds),
                mean_absolute_difference_pp=float(np.mean([abs(row.difference_pp) for row in seeds])),
                two_standard_errors_pp=float(np.sqrt((errors**2).sum()) / len(seeds)),
                agreement=float(np.mean([row.agreement for row in seeds])),
                cosine=tuple(np.mean([row.cosine for row in seeds], axis=0).tolist()),
                cosine_shuffled=tuple(np.mean([row.cosine_shuffled for row in seeds], axis=0).tolist()),
            )
        )
    return means


def line(row: Row) -> str:
    """Return a row of the printed table."""
    cosine = " ".join(f"{a:.4f}/{b:.3f}" for a, b in zip(row.cosine, row.cosine_shuffled, strict=True))
    return (
        f"{'x'.join(map(str, row.widths)):>14} {row.seed:4d} {row.reset:>8} {row.initial_potential:3g} "
        f"{row.readout:>6} {row.max_spikes_per_step:3d} {row.n_time_steps:3d}  "
        f"{100 * row.analog_accuracy:6.2f} {100 * row.spiking_accuracy:6.2f}  {row.difference_pp:+.2f} +-"
        f"{row.two_standard_errors_pp:.2f}  {100 * row.agreement:6.2f}  {cosine}"
    )


def summary(mean: Mean) -> str:
    """Return a row of the printed table of means."""
    cosine = " ".join(f"{a:.4f}/{b:.3f}" for a, b in zip(mean.cosine, mean.cosine_shuffled, strict=True))
    return (
        f"{'x'.join(map(str, mean.widths)):>14} {mean.n_seeds:5d} {mean.reset:>8} {mean.initial_potential:3g} "
        f"{mean.readout:>6} {mean.max_spikes_per_step:3d} {mean.n_time_steps:3d}  "
        f"{mean.mean_absolute_difference_pp:.2f} +-{mean.two_standard_errors_pp:.2f}  {100 * mean.agreement:6.2f}  "
        f"{cosine}"
    )


def train(widths: str, seed: int, work: Path, data_dir: Path | None, epochs: int) -> Path:
    """Train a network on MNIST unless an earlier call did; return its run directory."""
    run = work / f"{widths.replace(',', 'x')}-{seed}"
    if (run / "model.h5").exists() and not (run / "checkpoint.h5").exists():
        return run
    command = [sys.executable, "-m", "ff2neuro", "train", "--dataset", "mnist", "--layers", widths]
    command += ["--epochs", str(epochs), "--seed", str(seed), "--out", str(run), "--force"]
    command += ["--data-dir", str(data_dir)] if data_dir else []
    subprocess.run(command, check=True)
    return run


def measure(run: Path, data: Dataset, settings: list[ConversionConfig], n_images: int | None) -> Iterator[Row]:
    """Convert a network in every setting and compare each conversion with it, all on one chunk after the other."""
    analog = load_model(run / "model.h5")
    train_images, _ = data.split("train")
    images, labels = (part[:n_images] for part in data.split("test"))
    calibration = train_images[np.random.default_rng(1).permutation(len(train_images))[:N_CALIBRATION]]
    comparisons = [Comparison(spiking, config) for config, spiking in sweep(analog, calibration, settings)]
    predictions = []
    with get_backend("reference") as backend:
        for start in range(0, len(images), CHUNK):
            part = images[start : start + CHUNK]
            latents = analog.latents(part)
            predictions.append(predict_from_scores(analog.scores_of_latents(part, latents))[0])
            for comparison in comparisons:
                comparison.add(backend, part, latents)
    for comparison in comparisons:
        yield comparison.row(str(run), analog, np.concatenate(predictions), labels)


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--train", "architectures", multiple=True, help="Widths of a network to train, such as 500,500.")
@click.option("--seeds", default="1,2,3", show_default=True, help="Seeds of the networks to train.")
@click.option("--epochs", type=int, default=30, show_default=True, help="Epochs of the networks to train.")
@click.option("--work", type=click.Path(path_type=Path), default=Path("agreement-runs"), help="Where to train.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Directory with the original MNIST files.")
@click.option("--steps", default="4,8,16,32", show_default=True, help="Numbers of time steps.")
@click.option(
    "--way",
    "ways",
    type=click.Choice(list(WAYS)),
    multiple=True,
    default=["zero", "subtract"],
    show_default=True,
    help="Reset to zero; by subtraction from half a threshold or from 0; read by counts or by times.",
)
@click.option("--samples", type=int, help="Test images [default: all].")
@click.option("--out", type=click.Path(path_type=Path), default=Path("agreement.json"), show_default=True)
def main(runs: tuple[Path, ...], data_dir: Path | None, out: Path, **options: Any) -> None:
    """Measure what converting RUNS costs on MNIST's test images."""
    data = load_dataset("mnist", data_dir=data_dir)
    trained = [
        train(widths, int(seed), options["work"], data_dir, options["epochs"])
        for widths in options["architectures"]
        for seed in options["seeds"].split(",")
    ]
    if not (runs or trained):
        raise click.UsageError("name run directories, or networks to --train")
    settings = [
        replace(WAYS[way], n_time_steps=int(steps)) for way in options["ways"] for steps in options["steps"].split(",")
    ]
    rows = []
    click.echo(f"        widths seed    reset  v0   read max   T  analog spiking difference [pp]  {FIGURES}")
    for run in (*runs, *trained):
        for row in measure(run, data, settings, options["samples"]):
            rows.append(row)
            click.echo(line(row))
            # A long comparison that is stopped leaves what it has.
            document = {"rows": [asdict(row) for row in rows], "means": [asdict(mean) for mean in average(rows)]}
            write_text(out, json.dumps(document, indent=2, allow_nan=False) + "\n")
    click.echo(f"\n        widths seeds    reset  v0   read max   T  |difference| [pp]  {FIGURES}")
    for mean in average(rows):
        click.echo(summary(mean))


if __name__ == "__main__":
    main()
