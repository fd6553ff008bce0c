"""Our converter beside SpikingJelly's ann2snn and Sinabs' from_model: the same ReLU layers, images and steps.

For every program and number of steps T it prints the accuracy that is lost against the analog network, how much more
that is than ours, the share of predictions equal to the analog network's, how many more of ours are, the mean cosine of
latents per layer, and spikes per neuron and step. Rivals keep real weights and real input. Of every program's settings,
the one is run on test images whose probabilities are nearest to the analog network's on training images that no
conversion was calibrated on (mean absolute error); of ours, all are, and the one chosen in that way is "ours".

    python benchmarks/conversion.py RUN [RUN ...] --data-dir DIR --sinabs-python PYTHON --out conversion.json
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode, needed_kind, recorded_latents
from ff2neuro.converters.nir_graph import initial_potentials, to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.converters.target import mean_cosine
from ff2neuro.data import Dataset, load_dataset
from ff2neuro.files import write_text
from ff2neuro.hardware.backend import RunConfig, get_backend
from ff2neuro.networks import AnalogNetwork, layer_probabilities, load_model, predict_from_scores
from ff2neuro.progress import progress_bar

Array = npt.NDArray[Any]

#: Test images that are judged at once: this bounds the memory.
BLOCK = 500

RIVALS = Path(__file__).with_name("conversion_rivals.py")
SUBTRACT, ZERO = ConversionConfig(reset="subtract", readout="times"), ConversionConfig(readout="times")
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
}


@dataclass(frozen=True)
class Row:
    """Figures of one conversion in percentage points.

    `behind` is how much more accuracy it loses than ours, `nearer` how many more predictions of ours are the analog
    network's; both against that of ours which was chosen.
    """

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
    nearer_pp: float
    nearer_two_standard_errors_pp: float
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
        self.predictions, _ = predict_from_scores(np.sum(self._probabilities, axis=0))

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


@dataclass(frozen=True, eq=False)
class Candidate:
    """One conversion, with what it showed on the images to choose on."""

    program: str
    setting: str
    n_time_steps: int
    choice_error: float
    gains: list[float]


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
                config = RunConfig(spiking.dt, spiking.reset, needed_kind(spiking), v_init=initial_potentials(spiking))
                source = encode(spiking.input_code, judge.images, T)
                with backend.run(to_nir(spiking, "native"), source, config) as recording:
                    layers = [_flat(latent) for latent in recorded_latents(spiking, recording)]
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
                    # Several spikes in one step, which neither NIR nor Lava knows, are a class of their own.
                    label = f"{self._program} multi" if "many" in setting else self._program
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


class Found:
    """What one conversion makes of the test images, added up over blocks of them."""

    def __init__(self, candidate: Candidate, n_layers: int) -> None:
        self.candidate = candidate
        self.program, self.n_time_steps = candidate.program, candidate.n_time_steps
        self._predictions: list[Array] = []
        self._cosines, self._spikes = np.zeros(n_layers), 0.0

    def add(self, test: Judge, sent: Sent) -> None:
        """Judge what was sent for one block."""
        probabilities = test.probabilities(sent, self.candidate.gains)
        self._predictions.append(predict_from_scores(np.sum(probabilities, axis=0))[0])
        pairs = zip(sent.layers, test.latents, strict=True)
        self._cosines += len(test.images) * np.array([mean_cosine(*pair) for pair in pairs])
        self._spikes += len(test.images) * sent.spikes_per_step

    @property
    def predictions(self) -> Array:
        """Classes of all images."""
        return np.concatenate(self._predictions)

    @property
    def cosine(self) -> tuple[float, ...]:
        """Mean cosine with the analog latents, of every layer."""
        return tuple((self._cosines / len(self.predictions)).tolist())

    @property
    def spikes_per_step(self) -> float:
        """Spikes per neuron and step."""
        return self._spikes / len(self.predictions)


class Tested:
    """Labels of the test images, and what the analog network makes of them."""

    def __init__(self) -> None:
        self._labels: list[Array] = []
        self._predictions: list[Array] = []

    def add(self, test: Judge) -> None:
        """Add a block."""
        self._labels.append(test.labels)
        self._predictions.append(test.predictions)

    @property
    def labels(self) -> Array:
        """True classes."""
        return np.concatenate(self._labels)

    @property
    def predictions(self) -> Array:
        """Classes that the analog network gives."""
        return np.concatenate(self._predictions)

    @property
    def right(self) -> Array:
        """Where it is right."""
        return self.predictions == self.labels


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


def compare(run: Path, test: Tested, found: list[Found]) -> list[Row]:
    """Compare all conversions of a network with it, and with the best of ours."""
    best: dict[tuple[str, int], Found] = {}
    for each in found:
        key = each.program, each.n_time_steps
        best[key] = min(best.get(key, each), each, key=lambda one: one.candidate.choice_error)

    def lost(one: Found) -> Array:
        return 100.0 * test.right - 100.0 * (one.predictions == test.labels)

    rows = []
    for each in found:
        ours = best["ff2neuro real", each.n_time_steps]
        behind = lost(each) - lost(ours)
        nearer = (ours.predictions == test.predictions) * 1.0 - (each.predictions == test.predictions)
        rows.append(
            Row(
                run=str(run),
                program=each.program,
                setting=each.candidate.setting,
                n_time_steps=each.n_time_steps,
                choice_error=each.candidate.choice_error,
                chosen=each is best[each.program, each.n_time_steps],
                lost_pp=float(lost(each).mean()),
                lost_two_standard_errors_pp=two_standard_errors(lost(each)),
                behind_pp=float(behind.mean()),
                behind_two_standard_errors_pp=two_standard_errors(behind),
                agreement=float((each.predictions == test.predictions).mean()),
                nearer_pp=100 * float(nearer.mean()),
                nearer_two_standard_errors_pp=100 * two_standard_errors(nearer),
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
        "  T program            lost [points]    more than ours   equal    ours equal more   cosine per layer      "
        "spikes  setting (* chosen)"
    )
    for row in sorted(rows, key=lambda row: (row.n_time_steps, row.program)):
        cosine = " ".join(f"{value:.4f}" for value in row.cosine)
        click.echo(
            f"{row.n_time_steps:3d} {row.program:17} {row.lost_pp:+6.2f} +-{row.lost_two_standard_errors_pp:.2f}  "
            f"{row.behind_pp:+6.2f} +-{row.behind_two_standard_errors_pp:.2f}  {100 * row.agreement:6.2f}  "
            f"{row.nearer_pp:+6.2f} +-{row.nearer_two_standard_errors_pp:.2f}  "
            f"{cosine:20}  {row.spikes_per_step:.4f} {'*' if row.chosen else ' '} {row.setting}"
        )


def show_means(rows: list[Row], n_runs: int) -> None:
    """Print the means over networks of what was chosen, and of all that is ours."""

    def key(row: Row) -> tuple[int, str, str]:
        return row.n_time_steps, row.program, row.setting if row.program in OURS else ""

    click.echo(
        f"\nmeans over {n_runs} networks\n  T program            lost [points]  |lost|  more than ours   equal    "
        "ours equal more  setting"
    )
    for (T, program, setting), group in groupby(sorted(rows, key=key), key):
        part = list(group)
        lost, behind, nearer = (
            _mean_with_error(part, name)
            for name in (
                ("lost_pp", "lost_two_standard_errors_pp"),
                ("behind_pp", "behind_two_standard_errors_pp"),
                ("nearer_pp", "nearer_two_standard_errors_pp"),
            )
        )
        absolute, equal = (
            float(np.mean(values)) for values in ([abs(row.lost_pp) for row in part], [row.agreement for row in part])
        )
        click.echo(
            f"{T:3d} {program:17} {lost}  {absolute:.2f}  {behind}  {100 * equal:6.2f}  {nearer}  "
            f"{setting or 'chosen for each'}"
        )


def _mean_with_error(rows: list[Row], names: tuple[str, str]) -> str:
    """Return a mean over networks with its two standard errors, over images, in a table's format."""
    values, errors = ([getattr(row, name) for row in rows] for name in names)
    return f"{np.mean(values):+6.2f} +-{np.sqrt(np.sum(np.square(errors))) / len(rows):.2f}"


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
