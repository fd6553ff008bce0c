"""The table: published and measured figures side by side."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from ff2neuro.reproduction.latents import LABELINGS, LatentFigures
from ff2neuro.reproduction.plan import Hyperparameters
from ff2neuro.reproduction.published import LATENTS, RUNS, SEARCH
from ff2neuro.reproduction.running import Result

__all__ = ["Row", "latent_rows", "markdown", "merge", "run_rows", "search_rows"]

#: Parts in the order of the table.
_ORDER = ("equivalence", "RQ1 runs", "RQ1 search", "RQ2 latents", "machine")
#: What is measured of latents, by attribute of `LatentFigures`.
_LATENT_FIGURES = {
    "hoyer": "Hoyer index",
    "separability": "separability",
    "silent": "share of silent latents",
    "active_neurons": "neurons in use",
}


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes
    ----------
    part : str
        Part of the paper.
    setting : str
        Which network or networks.
    figure : str
        What is measured.
    published : float or None
        The paper's value; None if it has none.
    measured : float or None
        Ours, with the published hyperparameters; None if it is not defined.
    remark : str
        What else there is to know.
    tuned : float or None
        Ours, with hyperparameters of our own; None if there are none.
    """

    part: str
    setting: str
    figure: str
    published: float | None
    measured: float | None
    remark: str = ""
    tuned: float | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return the row as JSON holds it."""
        return dict(vars(self))


def run_rows(results: Sequence[Result]) -> list[Row]:
    """Return the accuracy of the six settings.

    Parameters
    ----------
    results : sequence of Result
        Runs of several epochs, with any number of seeds.

    Returns
    -------
    list of Row
        Mean over the seeds after the last epoch and of the best epoch [percent].
    """
    rows = []
    for setting, published in RUNS.items():
        of_setting = [result for result in results if result.setting == setting]
        measured = [result.accuracies for result in of_setting if _is(result, "published")]
        tuned = [result.accuracies for result in of_setting if _is(result, "tuned")]
        failures = [result.failure for result in of_setting if result.failure]
        remark = "; ".join(filter(None, [_seeds("seeds", measured), _seeds("tuned", tuned), *failures]))
        epochs = f" after epoch {len((measured or tuned)[0])}" if measured or tuned else ""
        last = Row("RQ1 runs", setting, f"test accuracy{epochs} [%]", published.final, _mean(measured, _last), remark)
        rows.append(replace(last, tuned=_mean(tuned, _last)))
        best = Row("RQ1 runs", setting, "test accuracy of the best epoch [%]", published.best, _mean(measured, max))
        rows.append(replace(best, tuned=_mean(tuned, max)))
    return rows


def _is(result: Result, hyperparameters: Hyperparameters) -> bool:
    return result.hyperparameters == hyperparameters and not result.failure


def _last(curve: Sequence[float]) -> float:
    return curve[-1]


def _mean(curves: Sequence[Sequence[float]], choose: Callable[[Sequence[float]], float]) -> float | None:
    return 100 * float(np.mean([choose(curve) for curve in curves])) if curves else None


def _seeds(name: str, curves: Sequence[Sequence[float]]) -> str:
    return f"{name}: " + ", ".join(f"{100 * curve[-1]:.2f}" for curve in curves) if curves else ""


def search_rows(results: Sequence[Result]) -> list[Row]:
    """Return mean, spread and extremes of the accuracy over the grid.

    Parameters
    ----------
    results : sequence of Result
        Runs of one epoch.

    Returns
    -------
    list of Row
        Four figures for every regime, trace and probability [percent].
    """
    rows = []
    for (regime, trace, probability), published in SEARCH.items():
        setting = f"{regime}/{trace}/{probability}"
        some = [result for result in results if result.setting == setting]
        values = 100 * np.array([result.accuracies[-1] for result in some if result.accuracies])
        failed = sum(bool(result.failure) for result in some)
        remark = f"{len(some)} points" + (f", {failed} diverged" if failed else "")
        measured = {
            "mean": float(values.mean()),
            "std": float(values.std()) if len(values) > 1 else None,
            "best": float(values.max()),
            "worst": float(values.min()),
        } if len(values) else {}  # fmt: skip
        for name in ("mean", "std", "best", "worst"):
            figure = f"{name} test accuracy [%]"
            rows.append(Row("RQ1 search", setting, figure, getattr(published, name), measured.get(name), remark))
    return rows


def latent_rows(figures: Mapping[tuple[str, Hyperparameters], LatentFigures]) -> list[Row]:
    """Return Hoyer and separability indices, the share of silent latents and the number of neurons in use.

    Parameters
    ----------
    figures : mapping of (setting, hyperparameters) to LatentFigures
        Figures of the networks that were measured.

    Returns
    -------
    list of Row
        For each of `LABELINGS`, of which the first is the paper's.
    """
    rows = []
    for setting in dict.fromkeys(setting for setting, _ in figures):
        sides = [figures.get((setting, hyperparameters)) for hyperparameters in get_args(Hyperparameters)]
        for index, name in _LATENT_FIGURES.items():
            for labeling, text in LABELINGS.items():
                published = getattr(LATENTS[setting], index, None) if labeling == "published" else None
                ours, tuned = (None if side is None else getattr(side, index)[labeling] for side in sides)
                rows.append(Row("RQ2 latents", setting, f"{name}, {text}", published, ours, tuned=tuned))
    return rows


def merge(earlier: Iterable[Row], rows: Sequence[Row]) -> list[Row]:
    """Return rows with those of earlier parts that they do not replace.

    Parameters
    ----------
    earlier : iterable of Row
        What was measured before.
    rows : sequence of Row
        What was measured now: it replaces all that was known of the same part and setting.

    Returns
    -------
    list of Row
        In the order of the parts.
    """
    known = {(row.part, row.setting) for row in rows}
    every = [row for row in earlier if (row.part, row.setting) not in known] + list(rows)
    return sorted(every, key=lambda row: _ORDER.index(row.part))


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown.

    Parameters
    ----------
    rows : sequence of Row
        The figures.

    Returns
    -------
    str
        Lines of text.
    """
    lines = [
        "| part | setting | figure | published | measured | difference | tuned | difference | remark |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        digits = 4 if "RQ2" in row.part else 2
        cells = [_number(row.published, digits)]
        for ours in (row.measured, row.tuned):
            difference = None if row.published is None or ours is None else ours - row.published
            cells += [_number(ours, digits), _number(difference, digits, sign="+")]
        lines.append(f"| {row.part} | {row.setting} | {row.figure} | {' | '.join(cells)} | {row.remark} |")
    return "\n".join(lines) + "\n"


def _number(value: float | None, digits: int, sign: str = "") -> str:
    if value is None:
        return ""
    tiny = 0 < abs(value) < 10.0**-digits
    return f"{value:.1e}" if tiny else f"{value:{sign}.{digits}f}"
