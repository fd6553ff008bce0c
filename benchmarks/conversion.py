"""Our converter beside SpikingJelly's ann2snn and Sinabs' from_model: the same ReLU layers, images and steps.

For every program, setting and number of steps T it prints the accuracy that is lost against the analog network, the
share of equal predictions, spikes per neuron and step, and the mean cosine of latents per layer. Rivals keep real
weights and real input and may take what settings they document; of several, the one that keeps the latents of the
calibration data best is marked.

    python benchmarks/conversion.py RUN --data-dir DIR --sinabs-python PYTHON --out conversion.json
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from ff2neuro.converters.calibration import mean_cosine
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.converters.simulation import spike_counts_of
from ff2neuro.data import load_dataset
from ff2neuro.files import write_text
from ff2neuro.networks import AnalogNetwork, layer_probabilities, load_model, predict_from_scores

Array = npt.NDArray[Any]

RIVALS = Path(__file__).with_name("conversion_rivals.py")
OURS = {
    "portable: 8 bits, reset to zero": ConversionConfig(),
    "8 bits, reset by subtraction": ConversionConfig(reset="subtract"),
    "8 bits, by subtraction from half a threshold": ConversionConfig(reset="subtract", initial_potential=0.5),
}


@dataclass(frozen=True)
class Row:
    """Figures of one conversion; `lost_pp` in percentage points, analog minus spiking."""

    program: str
    setting: str
    n_time_steps: int
    lost_pp: float
    two_standard_errors_pp: float
    agreement: float
    cosine: tuple[float, ...]
    calibration_cosine: tuple[float, ...]
    spikes_per_step: float
    best: bool = False


class Judge:
    """The analog network on the images of the comparison."""

    def __init__(self, network: AnalogNetwork, calibration: Array, images: Array, labels: Array) -> None:
        self.network, self.images, self.labels, self.calibration = network, images, labels, calibration
        self.calibration_latents = [_flat(latent) for latent in network.latents(calibration)]
        self.latents = [_flat(latent) for latent in network.latents(images)]
        self.predictions = network.predict(images)
        codes = network.label_codes.values.astype(np.float64)
        self._energy = (images.astype(np.float64) ** 2).sum(axis=1)[:, None] + (codes**2).sum(axis=1)

    def row(
        self, program: str, setting: str, T: int, calibration: list[Array], test: list[Array], spikes: float
    ) -> Row:
        """Judge what each layer sent, of shape (n_presentations, n_neurons), for both sets of images."""
        # The gain that a readout needs is fitted for everybody in the same way.
        activity = []
        for sent, ours, reference in zip(test, calibration, self.calibration_latents, strict=True):
            wide = ours.astype(np.float64)
            activity.append(sent * (wide * reference).sum() / max((wide**2).sum(), 1e-12))
        shape = (len(self.images), self.network.n_classes, -1)
        shaped = [layer.reshape(shape) for layer in activity]
        scores = np.sum(layer_probabilities(self.network.head, shaped, self._energy), axis=0)
        found, _ = predict_from_scores(scores)
        lost = 100.0 * (self.predictions == self.labels) - 100.0 * (found == self.labels)
        return Row(
            program=program,
            setting=setting,
            n_time_steps=T,
            lost_pp=float(lost.mean()),
            two_standard_errors_pp=float(2 * lost.std(ddof=1) / len(lost) ** 0.5),
            agreement=float((found == self.predictions).mean()),
            cosine=tuple(mean_cosine(*pair) for pair in zip(test, self.latents, strict=True)),
            calibration_cosine=tuple(
                mean_cosine(*pair) for pair in zip(calibration, self.calibration_latents, strict=True)
            ),
            spikes_per_step=spikes,
        )


def _flat(latent: Array) -> Array:
    return latent.reshape(-1, latent.shape[-1])


def ours(judge: Judge, steps: list[int]) -> Iterator[Row]:
    """Judge this package's conversions."""
    for setting, config in OURS.items():
        for T in steps:
            spiking = convert(
                judge.network, judge.calibration, ConversionConfig(**{**asdict(config), "n_time_steps": T})
            )
            sent = []
            for images in (judge.calibration, judge.images):
                chunks = [counts for _, counts in spike_counts_of(spiking, images)]
                sent.append([_flat(np.concatenate(layer)) for layer in zip(*chunks, strict=True)])
            spikes = float(np.mean(np.concatenate(sent[1], axis=1))) / T
            yield judge.row("ff2neuro", setting, T, sent[0], sent[1], spikes)


def rival(program: str, python: str, judge: Judge, steps: list[int]) -> Iterator[Row]:
    """Judge another program's conversions, made in its own environment."""
    network = judge.network
    with TemporaryDirectory(prefix="ff2neuro-") as directory:
        request, answer = Path(directory) / "request.npz", Path(directory) / "answer.npz"
        weights = {f"weight_{index}": weight for index, weight in enumerate(network.weights)}
        presented = {"calibration": _presented(network, judge.calibration), "test": _presented(network, judge.images)}
        np.savez(request, n_layers=len(weights), steps=np.array(steps), **weights, **presented)
        subprocess.run([python, str(RIVALS), program, str(request), str(answer)], check=True)
        with np.load(answer, allow_pickle=False) as found:
            for setting in dict.fromkeys(name.split("/")[0] for name in found.files):
                for T in steps:
                    sent = [
                        [found[f"{setting}/{T}/{part}/{index}"] for index in range(len(weights))]
                        for part in ("calibration", "test")
                    ]
                    # Several spikes in one step, which neither NIR nor Lava knows, are a class of their own.
                    name = f"{program} multi" if "many" in setting else program
                    yield judge.row(name, setting, T, sent[0], sent[1], float(found[f"{setting}/{T}/spikes"]))


def _presented(network: AnalogNetwork, images: Array) -> Array:
    """Images under all hypotheses as real input: shape (n_presentations, n_inputs)."""
    codes = network.label_codes.values.astype(np.float32)
    pixels = np.repeat(images.astype(np.float32), len(codes), axis=0)
    return np.concatenate([pixels, np.tile(codes, (len(images), 1))], axis=1)


def mark_best(rows: list[Row]) -> list[Row]:
    """Mark for every program and T the setting whose last layer is most faithful on the calibration data."""
    best = {}
    for row in rows:
        key = row.program, row.n_time_steps
        if key not in best or row.calibration_cosine[-1] > best[key].calibration_cosine[-1]:
            best[key] = row
    return [Row(**{**asdict(row), "best": row is best[row.program, row.n_time_steps]}) for row in rows]


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("--data-dir", type=click.Path(path_type=Path), help="Directory with the original MNIST files.")
@click.option("--steps", default="4,8,16,32", show_default=True, help="Numbers of time steps.")
@click.option("--samples", type=int, default=1000, show_default=True, help="Test images.")
@click.option("--calibration", "n_calibration", type=int, default=100, show_default=True, help="Training images.")
@click.option("--spikingjelly-python", default=sys.executable, help="Python that has SpikingJelly, or none.")
@click.option("--sinabs-python", default="none", help="Python that has Sinabs, or none.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("conversion.json"), show_default=True)
def main(run: Path, data_dir: Path | None, out: Path, **options: Any) -> None:
    """Compare conversions of RUN on MNIST's test images."""
    data = load_dataset("mnist", data_dir=data_dir)
    (train_images, _), (images, labels) = data.split("train"), data.split("test")
    order = np.random.default_rng(1).permutation(len(train_images))[: options["n_calibration"]]
    n_samples = options["samples"]
    judge = Judge(load_model(run / "model.h5"), train_images[order], images[:n_samples], labels[:n_samples])
    steps = [int(T) for T in options["steps"].split(",")]
    rows = list(ours(judge, steps))
    for program in ("spikingjelly", "sinabs"):
        if options[f"{program}_python"] != "none":
            rows += rival(program, options[f"{program}_python"], judge, steps)
    rows = mark_best(rows)
    click.echo(f"analog accuracy {100 * (judge.predictions == judge.labels).mean():.2f} % on {n_samples} images")
    click.echo(
        "  T program      lost [points]   equal   spikes  cosine per layer       setting (* best on calibration data)"
    )
    for row in sorted(rows, key=lambda row: (row.n_time_steps, row.program)):
        cosine = " ".join(f"{value:.4f}" for value in row.cosine)
        click.echo(
            f"{row.n_time_steps:3d} {row.program:12} {row.lost_pp:+6.2f} +-{row.two_standard_errors_pp:.2f}  "
            f"{100 * row.agreement:6.2f}  {row.spikes_per_step:7.4f}  {cosine:22} "
            f"{'*' if row.best else ' '} {row.setting}"
        )
    write_text(out, json.dumps([asdict(row) for row in rows], indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
