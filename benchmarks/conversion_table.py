"""Tables of benchmarks/conversion.py."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from conversion_judge import Found, Tested

__all__ = ["MANY", "Row", "compare", "show", "show_means"]

Array = npt.NDArray[Any]

#: Ends the names of programs whose neurons may send many spikes in one step: a class of their own.
MANY = " multi"
#: What rivals of the two classes, one spike in a step and many, are compared with: ours that keep what they keep.
_OURS = {False: "ff2neuro real", True: f"ff2neuro real{MANY}"}


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
        ours = best[_OURS[each.program.endswith(MANY)], each.n_time_steps]
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
        "  T program              lost [points]    more than ours   equal    ours equal more   cosine per layer      "
        "spikes  setting (* chosen)"
    )
    for row in sorted(rows, key=lambda row: (row.n_time_steps, row.program)):
        cosine = " ".join(f"{value:.4f}" for value in row.cosine)
        click.echo(
            f"{row.n_time_steps:3d} {row.program:19} {row.lost_pp:+6.2f} +-{row.lost_two_standard_errors_pp:.2f}  "
            f"{row.behind_pp:+6.2f} +-{row.behind_two_standard_errors_pp:.2f}  {100 * row.agreement:6.2f}  "
            f"{row.nearer_pp:+6.2f} +-{row.nearer_two_standard_errors_pp:.2f}  "
            f"{cosine:20}  {row.spikes_per_step:.4f} {'*' if row.chosen else ' '} {row.setting}"
        )


def show_means(rows: list[Row], n_runs: int) -> None:
    """Print the means over networks of what was chosen, and of all that is ours."""

    def key(row: Row) -> tuple[int, str, str]:
        return row.n_time_steps, row.program, row.setting if row.program.startswith("ff2neuro") else ""

    click.echo(
        f"\nmeans over {n_runs} networks\n  T program              lost [points]  |lost|  more than ours   equal    "
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
            f"{T:3d} {program:19} {lost}  {absolute:.2f}  {behind}  {100 * equal:6.2f}  {nearer}  "
            f"{setting or 'chosen for each'}"
        )


def _mean_with_error(rows: list[Row], names: tuple[str, str]) -> str:
    """Return a mean over networks with its two standard errors, over images, in a table's format."""
    values, errors = ([getattr(row, name) for row in rows] for name in names)
    return f"{np.mean(values):+6.2f} +-{np.sqrt(np.sum(np.square(errors))) / len(rows):.2f}"
