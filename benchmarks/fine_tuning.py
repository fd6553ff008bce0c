"""What rate-aware fine-tuning gives: converted networks before and after it, on all test images of MNIST.

Each line is printed twice, for the conversion and for what `ff2neuro export --fine-tune` makes of it: accuracy of the
model and of the spiking network, their difference with two paired standard errors, the share of equal predictions, and
for every layer the mean cosine between latents beside the same for shuffled images. The model is the run's own in
either line. Test images decide nothing: the epoch that is kept is the best on held-out training images.

    python benchmarks/fine_tuning.py RUN [RUN ...] --data-dir DIR --steps 2,4,8 --weight-bits 8 --out fine_tuning.json
"""

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
from agreement import CHUNK, WAYS, Comparison, Row, line

from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.data import Dataset, load_dataset
from ff2neuro.files import write_text
from ff2neuro.hardware.backend import get_backend
from ff2neuro.learning.finetuning import fine_tune
from ff2neuro.learning.finetuning_config import tuning_config
from ff2neuro.networks import AnalogNetwork, SpikingNetwork, load_model, predict_from_scores


def measure(
    run: Path, data: Dataset, settings: list[ConversionConfig], options: dict[str, Any]
) -> list[dict[str, Any]]:
    """Convert a network in every setting, fine-tune it, and print both."""
    analog, rows = load_model(run / "model.h5"), []
    images, _ = data.split("train")
    calibration = images[np.sort(np.random.default_rng(1).permutation(len(images))[:200])]
    config = tuning_config(analog, options["epochs"], options["rate"])
    test = [part[: options["samples"]] for part in data.split("test")]
    for setting in settings:
        converted = convert(analog, calibration, setting)
        tuned = fine_tune(analog, converted, data, config)
        both = compare(analog, (converted, tuned), setting, test, str(run))
        for what, network, row in zip(("converted", "fine-tuned"), (converted, tuned), both, strict=True):
            kept = int(network.provenance.get("fine_tuned_epochs", 0))
            rows.append({"what": what, "weight_bits": setting.weight_bits, "kept_epoch": kept, **asdict(row)})
            click.echo(f"{what:>10} {setting.weight_bits:4d} {kept:4d} {line(row)}")
    return rows


def compare(
    analog: AnalogNetwork, networks: tuple[SpikingNetwork, ...], setting: ConversionConfig, test: Any, run: str
) -> list[Row]:
    """Compare networks with the model on test images, a chunk at a time."""
    comparisons, predictions = [Comparison(network, setting) for network in networks], []
    with get_backend("reference") as backend:
        for start in range(0, len(test[0]), CHUNK):
            images = test[0][start : start + CHUNK]
            latents = analog.latents(images)
            predictions.append(predict_from_scores(analog.scores_of_latents(images, latents))[0])
            for comparison in comparisons:
                comparison.add(backend, images, latents)
    return [comparison.row(run, analog, np.concatenate(predictions), test[1]) for comparison in comparisons]


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data-dir", type=click.Path(path_type=Path), help="Directory with the original MNIST files.")
@click.option("--steps", default="2,4,8", show_default=True, help="Numbers of time steps.")
@click.option("--weight-bits", "bits", default="8", show_default=True, help="Widths of an integer weight.")
@click.option("--way", "ways", type=click.Choice(list(WAYS)), multiple=True, default=["zero", "subtract"])
@click.option("--epochs", type=int, default=2, show_default=True, help="Epochs of fine-tuning.")
@click.option("--rate", type=float, help="First step size [default: a tenth of training's].")
@click.option("--samples", type=int, help="Test images [default: all].")
@click.option("--out", type=click.Path(path_type=Path), default=Path("fine_tuning.json"), show_default=True)
def main(runs: tuple[Path, ...], data_dir: Path | None, out: Path, **options: Any) -> None:
    """Measure what fine-tuning the conversions of RUNS gives on MNIST's test images."""
    data = load_dataset("mnist", data_dir=data_dir)
    settings = [
        ConversionConfig(
            n_time_steps=int(steps), weight_bits=int(bits), reset=WAYS[way][0], initial_potential=WAYS[way][1]
        )
        for way, bits, steps in product(options["ways"], options["bits"].split(","), options["steps"].split(","))
    ]
    rows: list[dict[str, Any]] = []
    click.echo(
        "      what bits kept         widths seed    reset  v0   T  analog spiking  difference [pp]  equal  cosines"
    )
    for run in runs:
        rows += measure(run, data, settings, options)
        write_text(out, json.dumps(rows, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
