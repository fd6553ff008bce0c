"""Our converter beside SpikingJelly's ann2snn and Sinabs' from_model: the same ReLU layers, images and steps.

For every program and number of steps T it prints the accuracy that is lost against the analog network, how much more
that is than ours, the share of predictions equal to the analog network's, how many more of ours are, the mean cosine of
latents per layer, and spikes per neuron and step. Rivals keep real weights and real input. Of every program's settings,
the one is run on test images whose probabilities are nearest to the analog network's on training images that no
conversion was calibrated on (mean absolute error); of ours, all are, and the one chosen in that way is "ours". Programs
whose neurons may send many spikes in one step are a class of their own ("multi"), with one of ours that do.

    python benchmarks/conversion.py RUN [RUN ...] --data-dir DIR --sinabs-python PYTHON --out conversion.json
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from conversion_judge import Candidate, Found, Judge, Sent, Tested
from conversion_table import MANY, Row, compare, show, show_means

from ff2neuro.coding import encode, recorded_latents
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.data import Dataset, load_dataset
from ff2neuro.files import write_text
from ff2neuro.hardware.backend import get_backend
from ff2neuro.networks import AnalogNetwork, load_model
from ff2neuro.progress import progress_bar
from ff2neuro.validation.run_config import run_config

Array = npt.NDArray[Any]

#: Test images that are judged at once: this bounds the memory.
BLOCK = 500

RIVALS = Path(__file__).with_name("conversion_rivals.py")
SUBTRACT, ZERO = ConversionConfig(reset="subtract", readout="times"), ConversionConfig(readout="times")
SEVERAL = replace(SUBTRACT, readout="counts")
#: What the other programs keep as well.
REAL = {"weight_bits": None, "input_bits": 8}
OURS = {
    "ff2neuro": {
        "subtract, by times": SUBTRACT,
        "subtract, by counts": replace(SUBTRACT, readout="counts"),
        "zero, by times": ZERO,
        "zero, by counts": replace(ZERO, readout="counts"),
    },
    "ff2neuro real": {
        "subtract, by times": replace(SUBTRACT, **REAL),
        "subtract, by counts": replace(SUBTRACT, readout="counts", **REAL),
        "zero, by times": replace(ZERO, **REAL),
        "zero, by counts": replace(ZERO, readout="counts", **REAL),
    },
    f"ff2neuro{MANY}": {"up to 15 spikes in a step": replace(SEVERAL, max_spikes_per_step=15)},
    f"ff2neuro real{MANY}": {
        f"up to {most} spikes in a step": replace(SEVERAL, max_spikes_per_step=most, **REAL) for most in (15, 31, 255)
    },
}


class Ours:
    """Conversions of a network by this package."""

    def __init__(self, network: AnalogNetwork, calibration: Array, steps: list[int]) -> None:
        self._spiking = {
            (program, setting, T): convert(network, calibration, replace(config, n_time_steps=T))
            for program, settings in OURS.items()
            for setting, config in settings.items()
            for T in steps
        }

    def send(self, judge: Judge) -> Iterator[Sent]:
        """Yield what all of them make of the images of a judge."""
        with get_backend("reference") as backend:
            for (program, setting, T), spiking in self._spiking.items():
                source = encode(spiking.input_code, judge.images, T)
                with backend.run(to_nir(spiking, "native"), source, run_config(spiking)) as recording:
                    latents = recorded_latents(spiking, recording)
                    layers = [latent.reshape(-1, latent.shape[-1]) for latent in latents]
                    counts = [recording.counts(name) for name in recording.layer_names]
                spikes = sum(int(count.sum(dtype=np.int64)) for count in counts)
                yield Sent(program, setting, T, layers, spikes / sum(count.size for count in counts) / T)


class Rival:
    """Another program's conversions of a network, made and run in its own environment."""

    def __init__(self, program: str, python: str, network: AnalogNetwork, calibration: Array, steps: list[int]) -> None:
        self._program, self._python, self._network, self._steps = program, python, network, steps
        self._calibration = Judge.presented_under_all(network, calibration)

    def send(self, judge: Judge, settings: Iterable[str] = ()) -> Iterator[Sent]:
        """Yield what some of them, or all, make of the images of a judge."""
        with TemporaryDirectory(prefix="ff2neuro-") as directory:
            request, answer = Path(directory) / "request.npz", Path(directory) / "answer.npz"
            weights = {f"weight_{index}": weight for index, weight in enumerate(self._network.weights)}
            inputs = Judge.presented_under_all(self._network, judge.images)
            rest = {"calibration": self._calibration, "inputs": inputs, "settings": np.array(list(settings), dtype=str)}
            np.savez(request, n_layers=len(weights), steps=np.array(self._steps), **weights, **rest)
            subprocess.run([self._python, str(RIVALS), self._program, str(request), str(answer)], check=True)
            with np.load(answer, allow_pickle=False) as found:
                for setting in dict.fromkeys(name.split("/")[0] for name in found.files):
                    # Several spikes in one step, which NIR cannot say, are a class of their own.
                    label = f"{self._program}{MANY}" if "many" in setting else self._program
                    for T in self._steps:
                        layers = [found[f"{setting}/{T}/{index}"] for index in range(len(weights))]
                        yield Sent(label, setting, T, layers, float(found[f"{setting}/{T}/spikes"]))

    def best(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Return the best setting of each class for every number of steps."""
        best: dict[tuple[str, int], Candidate] = {}
        for one in candidates:
            key = one.program, one.n_time_steps
            best[key] = min(best.get(key, one), one, key=lambda each: each.choice_error)
        return list(best.values())


def chosen(choice: Judge, sent: Iterable[Sent]) -> Iterator[Candidate]:
    """Judge conversions on the images to choose on."""
    for each in sent:
        gains = choice.gains(each)
        error = choice.error(choice.probabilities(each, gains))
        yield Candidate(each.program, each.setting, each.n_time_steps, error, gains)


def convert_by_all(
    network: AnalogNetwork,
    calibration: Array,
    choice: Judge,
    tests: Iterable[Judge],
    steps: list[int],
    pythons: dict[str, str],
) -> tuple[list[Found], Tested]:
    """Return our conversions, and of every rival's the best for each number of steps, judged on blocks of images."""
    own = Ours(network, calibration, steps)
    rivals = [Rival(program, python, network, calibration, steps) for program, python in pythons.items()]
    candidates = list(chosen(choice, own.send(choice)))
    best = [rival.best(chosen(choice, rival.send(choice))) for rival in rivals]
    found = {
        (one.program, one.setting, one.n_time_steps): Found(one, len(network.weights))
        for one in itertools.chain(candidates, *best)
    }
    tested = Tested()
    for test in tests:
        tested.add(test)
        for sent in own.send(test):
            found[sent.program, sent.setting, sent.n_time_steps].add(test, sent)
        for rival, of_rival in zip(rivals, best, strict=True):
            for sent in rival.send(test, sorted({one.setting for one in of_rival})):
                key = sent.program, sent.setting, sent.n_time_steps
                if key in found:
                    found[key].add(test, sent)
    return list(found.values()), tested


def split(data: Dataset, n_calibration: int, n_choice: int) -> tuple[Array, tuple[Array, Array]]:
    """Return training images to convert with, and others with their labels to choose on."""
    x, y = data.split("train")
    order = np.random.default_rng(1).permutation(len(x))
    choice = order[n_calibration : n_calibration + n_choice]
    return x[order[:n_calibration]], (x[choice], y[choice])


def blocks(network: AnalogNetwork, data: Dataset, n_samples: int | None) -> Iterator[Judge]:
    """Yield judges of the test images, as many at once as memory holds."""
    images, labels = (part[:n_samples] for part in data.split("test"))
    with progress_bar("test images", len(images), "images") as progress:
        for start in range(0, len(images), BLOCK):
            yield Judge(network, images[start : start + BLOCK], labels[start : start + BLOCK])
            progress.advance(len(images[start : start + BLOCK]))


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data-dir", type=click.Path(path_type=Path), help="Directory with the original MNIST files.")
@click.option("--steps", default="4,8,16,32", show_default=True, help="Numbers of time steps.")
@click.option("--samples", type=int, help="Test images [default: all].")
@click.option("--calibration", "n_calibration", type=int, default=1000, show_default=True, help="Training images.")
@click.option("--choice", "n_choice", type=int, default=200, show_default=True, help="More of them, to choose on.")
@click.option("--spikingjelly-python", default=sys.executable, help="Python that has SpikingJelly, or none.")
@click.option("--sinabs-python", default="none", help="Python that has Sinabs, or none.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("conversion.json"), show_default=True)
def main(runs: tuple[Path, ...], data_dir: Path | None, out: Path, **options: Any) -> None:
    """Compare conversions of RUNS on MNIST's test images."""
    data = load_dataset("mnist", data_dir=data_dir)
    calibration, choose_on = split(data, options["n_calibration"], options["n_choice"])
    steps = [int(T) for T in options["steps"].split(",")]
    pythons = {
        program: options[f"{program}_python"]
        for program in ("spikingjelly", "sinabs")
        if options[f"{program}_python"] != "none"
    }
    rows: list[Row] = []
    for run in runs:
        network = load_model(run / "model.h5")
        tests = blocks(network, data, options["samples"])
        found, test = convert_by_all(network, calibration, Judge(network, *choose_on), tests, steps, pythons)
        part = compare(run, test, found)
        click.echo(f"\n{run}: analog accuracy {100 * test.right.mean():.2f} % on {len(test.labels)} images")
        show(part)
        rows += part
        write_text(out, json.dumps([asdict(row) for row in rows], indent=2, allow_nan=False) + "\n")
    if len(runs) > 1:
        show_means(rows, len(runs))


if __name__ == "__main__":
    main()
