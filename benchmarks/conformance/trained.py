"""Trained networks in every reader and in Lava, hidden layers included, on images of a data set.

Usage: ``python -m benchmarks.conformance.trained FILE.nir ... [--dataset mnist] [--samples 500]``. Each line holds, for
every machine, the bins in which its spikes differ from the reference's, over all layers, images, label hypotheses and
time steps. Exits with 1 where one differs.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.conformance.cases import Case
from benchmarks.conformance.observation import compare, recorded_spikes, reference_spikes
from benchmarks.conformance.readers import READERS, run_reader
from ff2neuro.coding import encode
from ff2neuro.converters.nir_file import read_network
from ff2neuro.converters.nir_graph import initial_potentials
from ff2neuro.data import load_dataset
from ff2neuro.files import write_text
from ff2neuro.hardware.backend import RunConfig, get_backend

Array = npt.NDArray[Any]
Machine = Callable[[Case, Array], dict[str, Array]]

#: Images whose spikes are compared at once: readers take the input of every step, and this bounds the memory.
CHUNK = 25


@dataclass(frozen=True)
class Row:
    """What one machine did with one file."""

    file: str
    machine: str
    n_images: int
    n_presentations: int
    n_time_steps: int
    n_different: int
    n_bins: int
    n_spikes: int


def compare_file(path: Path, images: Array, machines: dict[str, Machine]) -> list[Row]:
    """Run a file on all machines, and compare every bin of every layer with the fixed-point reference."""
    graph, network = read_network(path)
    if network.reset != "zero" or initial_potentials(network):
        raise click.UsageError(f"{path} resets by subtraction or starts above 0, which NIR cannot say to other readers")
    case = Case(path.name, graph, network.dt)
    source = encode(network.input_code, images, network.n_time_steps)
    n_spikes, seen = 0, {name: [0, 0] for name in machines}
    for start, chunk in source.chunks(CHUNK):
        events = np.broadcast_to(chunk, (*chunk.shape[:2], network.n_time_steps, chunk.shape[3]))
        events = events.reshape(-1, *events.shape[2:])
        expected = reference_spikes(case, "fixed", events)
        n_spikes += sum(int(spikes.sum()) for spikes in expected.values())
        for name, machine in machines.items():
            observation = compare(expected, machine(case, events))
            seen[name][0] += observation.n_different
            seen[name][1] += observation.n_bins
        click.echo(f"{path}: {start + len(chunk)} of {len(images)} images", err=True)
    size = len(images), len(images) * source.n_hypotheses, network.n_time_steps
    return [Row(str(path), name, *size, different, bins, n_spikes) for name, (different, bins) in seen.items()]


@contextlib.contextmanager
def started(names: list[str]) -> Iterator[dict[str, Machine]]:
    """Start what has to be started."""

    def reader(name: str) -> Machine:
        return lambda case, events: run_reader(name, case.stored(), events, case.dt)

    def backend(name: str) -> Machine:
        running = machines.enter_context(get_backend(name))
        return lambda case, events: recorded_spikes(running, case, events, RunConfig(dt=case.dt, record="spikes"))

    def floating(case: Case, events: Array) -> dict[str, Array]:
        return reference_spikes(case, "float", events)

    with contextlib.ExitStack() as machines:
        own: dict[str, Machine] = {"float reference": floating}
        yield {name: own.get(name) or (reader(name) if name in READERS else backend(name)) for name in names}


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table, one line per file."""
    names = list(dict.fromkeys(row.machine for row in rows))
    lines = [f"| network | T | images | bins compared | spikes | {' | '.join(names)} |"]
    lines.append("| --- " * (5 + len(names)) + "|")
    for file in dict.fromkeys(row.file for row in rows):
        own = [row for row in rows if row.file == file]
        first = own[0]
        cells = [Path(file).stem, first.n_time_steps, first.n_images, f"{first.n_bins:,}", f"{first.n_spikes:,}"]
        lines.append("| " + " | ".join(map(str, [*cells, *(row.n_different for row in own)])) + " |")
    return "\n".join(lines)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dataset", default="mnist", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Directory with the original data files.")
@click.option("--samples", default=500, show_default=True, help="Test images, each under every label hypothesis.")
@click.option(
    "--machine",
    "machines",
    multiple=True,
    type=click.Choice(["float reference", *READERS, "lava"]),
    default=["float reference", *READERS, "lava"],
    show_default=True,
    help="What is compared with the fixed-point reference.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("conformance-trained.json"), show_default=True)
def main(
    files: tuple[Path, ...], dataset: str, data_dir: Path | None, samples: int, machines: list[str], out: Path
) -> None:
    """Compare FILES, networks that ff2neuro exported in the portable dialect, bin for bin."""
    images, _ = load_dataset(dataset, data_dir=data_dir).split("test")
    rows: list[Row] = []
    with started(list(machines)) as running:
        for path in files:
            rows += compare_file(path, images[:samples], running)
            write_text(out, json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    click.echo(table(rows))
    wrong = sum(row.n_different for row in rows)
    click.echo(f"{wrong} bins differ", err=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
