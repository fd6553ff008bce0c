"""Our converter beside SpikingJelly's ann2snn and Sinabs' from_model: the same ReLU layers, images and steps.

For every program and number of steps T it prints the accuracy that is lost against the analog network, how much more
that is than our best, the share of equal predictions, the mean cosine of latents per layer, and spikes per neuron and
step. Rivals keep real weights and real input. Of every program's settings, the one is run on test images whose
probabilities are nearest to the analog network's on training images that no conversion was calibrated on (mean absolute
error); of ours, all are, and the one chosen in that way is marked.

    python benchmarks/conversion.py RUN [RUN ...] --data-dir DIR --sinabs-python PYTHON --out conversion.json
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.converters.simulation import spike_counts_of
from ff2neuro.converters.target import mean_cosine
from ff2neuro.data import Dataset, load_dataset
from ff2neuro.files import write_text
from ff2neuro.networks import AnalogNetwork, layer_probabilities, load_model, predict_from_scores

Array = npt.NDArray[Any]

RIVALS = Path(__file__).with_name("conversion_rivals.py")
OURS = {
    "native: 8 bits, by subtraction from half a threshold": ConversionConfig(reset="subtract", initial_potential=0.5),
    "native: 8 bits, by subtraction": ConversionConfig(reset="subtract", initial_potential=0.0),
    "portable: 8 bits, reset to zero": ConversionConfig(),
}


@dataclass(frozen=True)
class Row:
    """Figures of one conversion; differences in percentage points, `behind` against the best of ours."""

    run: str
    program: str
    setting: str
    n_time_steps: int
    choice_error: float
    chosen: bool
    lost_pp: float
    lost_two_standard_errors_pp: float
    behind_pp: float
    behind_two_standard_errors_pp: float
    agreement: float
    cosine: tuple[float, ...]
    spikes_per_step: float


@dataclass(frozen=True, eq=False)
class Sent:
    """What the layers of one conversion send, each of shape (n_presentations, n_neurons), on any scale."""

    program: str
    setting: str
    n_time_steps: int
    layers: list[Array]
    spikes_per_step: float


class Judge:
    """The analog network on one set of images."""

    def __init__(self, network: AnalogNetwork, images: Array, labels: Array) -> None:
        self.network, self.images, self.labels = network, images, labels
        latents = network.latents(images)
        self.latents = [_flat(latent) for latent in latents]
        codes = network.label_codes.values.astype(np.float64)
        self._energy = (images.astype(np.float64) ** 2).sum(axis=1)[:, None] + (codes**2).sum(axis=1)
        self._probabilities = np.stack(layer_probabilities(network.head, latents, self._energy))
        self.predictions = network.predict(images)
        self.right = self.predictions == labels

    def gains(self, sent: Sent) -> list[float]:
        """Return the gain that a readout needs for every layer: fitted for everybody in the same way."""
        pairs = zip((layer.astype(np.float64) for layer in sent.layers), self.latents, strict=True)
        return [float((layer * latent).sum() / max((layer**2).sum(), 1e-12)) for layer, latent in pairs]

    def probabilities(self, sent: Sent, gains: list[float]) -> Array:
        """Return what every voting layer makes of what was sent: shape (n_voting, n_images, n_classes)."""
        shape = (len(self.images), self.network.n_classes, -1)
        activity = [(layer * gain).reshape(shape) for layer, gain in zip(sent.layers, gains, strict=True)]
        return np.stack(layer_probabilities(self.network.head, activity, self._energy))

    def error(self, probabilities: Array) -> float:
        """Return the mean absolute error of probabilities."""
        return float(np.abs(probabilities - self._probabilities).mean())

    @staticmethod
    def presented_under_all(network: AnalogNetwork, images: Array) -> Array:
        """Return images under all hypotheses as real input: shape (n_presentations, n_inputs)."""
        codes = network.label_codes.values.astype(np.float32)
        pixels = np.repeat(images.astype(np.float32), len(codes), axis=0)
        return np.concatenate([pixels, np.tile(codes, (len(images), 1))], axis=1)


def _flat(latent: Array) -> Array:
    return latent.reshape(-1, latent.shape[-1])


def ours(network: AnalogNetwork, calibration: Array, judges: list[Judge], steps: list[int]) -> Iterator[list[Sent]]:
    """Yield what this package's conversions send, for the images of every judge."""
    for setting, config in OURS.items():
        for T in steps:
            spiking = convert(network, calibration, replace(config, n_time_steps=T))
            row = []
            for judge in judges:
                chunks = [counts for _, counts in spike_counts_of(spiking, judge.images)]
                layers = [_flat(np.concatenate(layer)).astype(np.float32) for layer in zip(*chunks, strict=True)]
                rate = float(np.mean(np.concatenate(layers, axis=1))) / T
                row.append(Sent("ff2neuro", setting, T, layers, rate))
            yield row


def rival(
    program: str, python: str, network: AnalogNetwork, calibration: Array, inputs: Array, steps: list[int], *names: str
) -> Iterator[Sent]:
    """Yield what another program's conversions send, made in its own environment; of some settings, or of all."""
    with TemporaryDirectory(prefix="ff2neuro-") as directory:
        request, answer = Path(directory) / "request.npz", Path(directory) / "answer.npz"
        weights = {f"weight_{index}": weight for index, weight in enumerate(network.weights)}
        rest = {"calibration": calibration, "inputs": inputs, "settings": np.array(names, dtype=str)}
        np.savez(request, n_layers=len(weights), steps=np.array(steps), **weights, **rest)
        subprocess.run([python, str(RIVALS), program, str(request), str(answer)], check=True)
        with np.load(answer, allow_pickle=False) as found:
            for setting in dict.fromkeys(name.split("/")[0] for name in found.files):
                # Several spikes in one step, which neither NIR nor Lava knows, are a class of their own.
                label = f"{program} multi" if "many" in setting else program
                for T in steps:
                    layers = [found[f"{setting}/{T}/{index}"] for index in range(len(weights))]
                    yield Sent(label, setting, T, layers, float(found[f"{setting}/{T}/spikes"]))


@dataclass(frozen=True, eq=False)
class Found:
    """What one conversion makes of the test images."""

    program: str
    setting: str
    n_time_steps: int
    choice_error: float
    predictions: Array
    cosine: tuple[float, ...]
    spikes_per_step: float


def judged(test: Judge, sent: Sent, choice_error: float, gains: list[float]) -> Found:
    """Judge what was sent on test images, with the error and the gains that it had on those to choose on."""
    predictions, _ = predict_from_scores(np.sum(test.probabilities(sent, gains), axis=0))
    cosine = tuple(mean_cosine(*pair) for pair in zip(sent.layers, test.latents, strict=True))
    return Found(sent.program, sent.setting, sent.n_time_steps, choice_error, predictions, cosine, sent.spikes_per_step)


def convert_by_all(
    network: AnalogNetwork, calibration: Array, choice: Judge, test: Judge, steps: list[int], pythons: dict[str, str]
) -> Iterator[Found]:
    """Yield our conversions, and of every rival's the best for each number of steps."""
    for chosen_on, tested in ours(network, calibration, [choice, test], steps):
        gains = choice.gains(chosen_on)
        yield judged(test, tested, choice.error(choice.probabilities(chosen_on, gains)), gains)
    presented = Judge.presented_under_all(network, calibration)
    for program, python in pythons.items():
        best: dict[tuple[str, int], tuple[float, str, list[float]]] = {}
        inputs = Judge.presented_under_all(network, choice.images)
        for sent in rival(program, python, network, presented, inputs, steps):
            gains = choice.gains(sent)
            error = choice.error(choice.probabilities(sent, gains))
            key = sent.program, sent.n_time_steps
            best[key] = min(best.get(key, (np.inf, "", gains)), (error, sent.setting, gains))
        names = sorted({setting for _, setting, _ in best.values()})
        inputs = Judge.presented_under_all(network, test.images)
        for sent in rival(program, python, network, presented, inputs, steps, *names):
            error, setting, gains = best[sent.program, sent.n_time_steps]
            if setting == sent.setting:
                yield judged(test, sent, error, gains)


def compare(run: Path, test: Judge, found: list[Found]) -> list[Row]:
    """Compare all conversions of a network with it, and with the best of ours."""
    best: dict[tuple[str, int], Found] = {}
    for each in found:
        key = each.program, each.n_time_steps
        best[key] = min(best.get(key, each), each, key=lambda one: one.choice_error)

    def lost(one: Found) -> Array:
        return 100.0 * test.right - 100.0 * (one.predictions == test.labels)

    rows = []
    for each in found:
        behind = lost(each) - lost(best["ff2neuro", each.n_time_steps])
        rows.append(
            Row(
                run=str(run),
                program=each.program,
                setting=each.setting,
                n_time_steps=each.n_time_steps,
                choice_error=each.choice_error,
                chosen=each is best[each.program, each.n_time_steps],
                lost_pp=float(lost(each).mean()),
                lost_two_standard_errors_pp=two_standard_errors(lost(each)),
                behind_pp=float(behind.mean()),
                behind_two_standard_errors_pp=two_standard_errors(behind),
                agreement=float((each.predictions == test.predictions).mean()),
                cosine=each.cosine,
                spikes_per_step=each.spikes_per_step,
            )
        )
    return rows


def two_standard_errors(values: Array) -> float:
    """Return two standard errors of a mean."""
    return float(2 * values.std(ddof=1) / len(values) ** 0.5)


def show(rows: list[Row]) -> None:
    """Print one network's table."""
    click.echo(
        "  T program          lost [points]  more than ours   equal  cosine per layer      spikes  setting (* chosen)"
    )
    for row in sorted(rows, key=lambda row: (row.n_time_steps, row.program)):
        cosine = " ".join(f"{value:.4f}" for value in row.cosine)
        click.echo(
            f"{row.n_time_steps:3d} {row.program:15} {row.lost_pp:+6.2f} +-{row.lost_two_standard_errors_pp:.2f}  "
            f"{row.behind_pp:+6.2f} +-{row.behind_two_standard_errors_pp:.2f}  {100 * row.agreement:6.2f}  "
            f"{cosine:20}  {row.spikes_per_step:.4f} {'*' if row.chosen else ' '} {row.setting}"
        )


def show_means(rows: list[Row], n_runs: int) -> None:
    """Print the means over networks of what was chosen, and of all that is ours."""

    def key(row: Row) -> tuple[int, str, str]:
        return row.n_time_steps, row.program, row.setting if row.program == "ff2neuro" else ""

    click.echo(f"\nmeans over {n_runs} networks\n  T program          lost [points]  more than ours   equal  setting")
    for (T, program, setting), group in groupby(sorted(rows, key=key), key):
        part = list(group)
        lost, behind, equal = (
            float(np.mean([getattr(row, name) for row in part])) for name in ("lost_pp", "behind_pp", "agreement")
        )
        errors = [
            float(np.sqrt(np.sum([getattr(row, name) ** 2 for row in part]))) / len(part)
            for name in ("lost_two_standard_errors_pp", "behind_two_standard_errors_pp")
        ]
        click.echo(
            f"{T:3d} {program:15} {lost:+6.2f} +-{errors[0]:.2f}  {behind:+6.2f} +-{errors[1]:.2f}  "
            f"{100 * equal:6.2f}  {setting or 'chosen for each'}"
        )


def split(data: Dataset, n_calibration: int, n_choice: int, n_samples: int) -> tuple[Array, list[tuple[Array, Array]]]:
    """Return images to convert with, and images with labels to choose on and to judge on."""
    (x, y), (test, labels) = data.split("train"), data.split("test")
    order = np.random.default_rng(1).permutation(len(x))
    choice = order[n_calibration : n_calibration + n_choice]
    return x[order[:n_calibration]], [(x[choice], y[choice]), (test[:n_samples], labels[:n_samples])]


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data-dir", type=click.Path(path_type=Path), help="Directory with the original MNIST files.")
@click.option("--steps", default="4,8,16,32", show_default=True, help="Numbers of time steps.")
@click.option("--samples", type=int, default=2000, show_default=True, help="Test images.")
@click.option("--calibration", "n_calibration", type=int, default=1000, show_default=True, help="Training images.")
@click.option("--choice", "n_choice", type=int, default=200, show_default=True, help="More of them, to choose on.")
@click.option("--spikingjelly-python", default=sys.executable, help="Python that has SpikingJelly, or none.")
@click.option("--sinabs-python", default="none", help="Python that has Sinabs, or none.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("conversion.json"), show_default=True)
def main(runs: tuple[Path, ...], data_dir: Path | None, out: Path, **options: Any) -> None:
    """Compare conversions of RUNS on MNIST's test images."""
    data = load_dataset("mnist", data_dir=data_dir)
    calibration, judged_on = split(data, options["n_calibration"], options["n_choice"], options["samples"])
    steps = [int(T) for T in options["steps"].split(",")]
    pythons = {
        program: options[f"{program}_python"]
        for program in ("spikingjelly", "sinabs")
        if options[f"{program}_python"] != "none"
    }
    rows: list[Row] = []
    for run in runs:
        network = load_model(run / "model.h5")
        choice, test = (Judge(network, *part) for part in judged_on)
        part = compare(run, test, list(convert_by_all(network, calibration, choice, test, steps, pythons)))
        click.echo(f"\n{run}: analog accuracy {100 * test.right.mean():.2f} % on {len(test.labels)} images")
        show(part)
        rows += part
        write_text(out, json.dumps([asdict(row) for row in rows], indent=2, allow_nan=False) + "\n")
    if len(runs) > 1:
        show_means(rows, len(runs))


if __name__ == "__main__":
    main()
