"""All of it: training what is missing, measuring, drawing, and the table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ff2neuro.data import Dataset
from ff2neuro.errors import FileFormatError, OutputError
from ff2neuro.files import write_text
from ff2neuro.reproduction.latents import LatentFigures, figures_of, latents_of
from ff2neuro.reproduction.machine import machine_rows
from ff2neuro.reproduction.pictures import draw_curves, draw_latents, draw_tsne
from ff2neuro.reproduction.plan import Hyperparameters, Scope, long_runs, search_runs
from ff2neuro.reproduction.running import DataSource, Result, load_result, run_all
from ff2neuro.reproduction.tables import Row, latent_rows, markdown, merge, run_rows, search_rows

__all__ = ["PARTS", "Reproduction", "reproduce"]

#: What can be chosen, in the order in which it is done.
PARTS = ("equivalence", "runs", "search", "latents", "machine")
MARKER = "ff2neuro-reproduction"


@dataclass(frozen=True)
class Reproduction:
    """What came of it.

    Attributes
    ----------
    rows : tuple of Row
        Published and measured figures, those of earlier parts in the same directory included.
    files : tuple of Path
        Table and figures.
    """

    rows: tuple[Row, ...]
    files: tuple[Path, ...]


def reproduce(
    scope: Scope, source: DataSource, out: Path, *, parts: Sequence[str] = PARTS, jobs: int = 1, backend: str = ""
) -> Reproduction:
    """Repeat the experiments of arXiv 2406.16479.

    Parameters
    ----------
    scope : Scope
        How much is done.
    source : DataSource
        Images.
    out : Path
        Directory of all results; what it holds already is not done again.
    parts : sequence of {"equivalence", "runs", "search", "latents", "machine"}
        What is done. Latents and machine need the runs, and train what is missing of them.
    jobs : int
        Number of processes.
    backend : str
        Machine of the part "machine".

    Returns
    -------
    Reproduction
        The table, which is also in ``out/table.md`` and ``out/table.json``, and the files.

    Raises
    ------
    OutputError
        If `out` holds something else, or results of another scope.
    DatasetError
        If the images cannot be had.
    FileFormatError
        If the table of earlier parts cannot be read.
    BackendError
        If the machine is missing or fails.
    """
    _claim(out, scope, source)
    rows: list[Row] = []
    files: list[Path] = []
    if "equivalence" in parts:
        rows += _equivalence_rows()
    if {"runs", "latents", "machine"} & set(parts):
        results = run_all(long_runs(scope), source, out / "runs", jobs=jobs, description="runs")
        rows += run_rows(results) if "runs" in parts else []
        files += draw_curves(results, _figures(out) / "accuracy") if "runs" in parts else []
    if "search" in parts:
        rows += search_rows(
            run_all(search_runs(scope), source, out / "search", jobs=jobs, description="search of hyperparameters")
        )
    if {"latents", "machine"} & set(parts):
        data = source.load()
        if "latents" in parts:
            some_rows, some_files = _measure_latents(scope, data, out)
            rows, files = rows + some_rows, files + some_files
        if "machine" in parts:
            rows += machine_rows(out / "runs" / f"online-symmetric-seed{scope.seeds[0]}", data, backend)
    rows = merge(_earlier_rows(out), rows)
    files += _write_table(rows, scope, out)
    return Reproduction(tuple(rows), tuple(files))


def _claim(out: Path, scope: Scope, source: DataSource) -> None:
    """Make the directory ours, or go on with it if it has the same scope."""
    # Seeds may be added later: each run has its own directory.
    content = {"kind": MARKER, "dataset": source.name, **json.loads(json.dumps(asdict(replace(scope, seeds=()))))}
    plan = out / "plan.json"
    if plan.exists():
        found = json.loads(plan.read_text(encoding="utf-8"))
        if found != content:
            differing = ", ".join(sorted(key for key in content if found.get(key) != content[key]))
            raise OutputError(f"{out} holds results of another scope ({differing} differ); choose another --out")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} exists and holds no reproduction; choose another --out")
    if not out.parent.is_dir():
        raise OutputError(f"{out}: the directory {out.parent} does not exist; create it first")
    out.mkdir(exist_ok=True)
    write_text(plan, json.dumps(content, indent=2) + "\n")


def _figures(out: Path) -> Path:
    path = out / "figures"
    path.mkdir(exist_ok=True)
    return path


def _equivalence_rows() -> list[Row]:
    """Both sides of the paper's claim, on a layer of its size."""
    from ff2neuro.learning.hebbian.equivalence import gradient_and_hebbian_product

    rng = np.random.default_rng(0)
    weight, inputs = rng.standard_normal((200, 884)) / 30, rng.random((50, 884))
    negative = rng.integers(0, 2, 50)
    rows = []
    for setting in ("sigmoid", "symmetric"):
        both = gradient_and_hebbian_product(weight, inputs, negative, setting, alpha=0.1, theta=30.0)
        text = "gradient against Hebbian product, relative difference"
        rows.append(Row("equivalence", setting, text, None, both.relative_difference))
    return rows


def _measure_latents(scope: Scope, data: Dataset, out: Path) -> tuple[list[Row], list[Path]]:
    """Latents, indices and pictures of the first seed of each setting."""
    folder = out / "latents"
    folder.mkdir(exist_ok=True)
    latents: dict[str, Any] = {}
    figures: dict[tuple[str, Hyperparameters], LatentFigures] = {}
    for experiment in long_runs(scope):
        run = out / "runs" / experiment.name
        result: Result | None = load_result(run)
        if result is None or result.failure or experiment.config.seed != scope.seeds[0]:
            continue
        every = latents_of(run, data, folder / f"{experiment.name}.h5")
        if experiment.hyperparameters == "published":
            latents[experiment.setting] = every["published"]
        figures[experiment.setting, experiment.hyperparameters] = figures_of(every, data.y_test)
    values = {f"{setting}, {whose}": figure.to_mapping() for (setting, whose), figure in figures.items()}
    write_text(folder / "figures.json", json.dumps(values, indent=2) + "\n")
    files = draw_latents(latents, data.y_test, _figures(out) / "latents")
    files += draw_tsne(latents, data.y_test, _figures(out) / "tsne")
    return latent_rows(figures), files


def _earlier_rows(out: Path) -> list[Row]:
    """Return what earlier parts left: the table is written anew, but not forgotten."""
    table = out / "table.json"
    if not table.exists():
        return []
    try:
        return [Row(**values) for values in json.loads(table.read_text(encoding="utf-8"))]
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"{table} is no table of a reproduction ({error}); remove it") from error


def _write_table(rows: Sequence[Row], scope: Scope, out: Path) -> list[Path]:
    table, document = out / "table.md", out / "table.json"
    warning = "" if scope.complete else "Not the whole of it: fewer images, epochs or settings than published.\n\n"
    write_text(table, warning + markdown(rows))
    write_text(document, json.dumps([row.to_mapping() for row in rows], indent=2) + "\n")
    return [table, document]
