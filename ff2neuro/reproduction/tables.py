"""The table: published and measured figures side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ff2neuro.reproduction.latents import LatentFigures
from ff2neuro.reproduction.published import LATENTS, RUNS, SEARCH
from ff2neuro.reproduction.running import Result

__all__ = ["Row", "latent_rows", "markdown", "run_rows", "search_rows"]


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
        Ours; None if it is not defined.
    remark : str
        What else there is to know.
    """

    part: str
    setting: str
    figure: str
    published: float | None
    measured: float | None
    remark: str = ""

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
        curves = [result.accuracies for result in results if result.setting == setting and not result.failure]
        failures = [result.failure for result in results if result.setting == setting and result.failure]
        if not curves:
            rows.append(Row("RQ1 runs", setting, "test accuracy [%]", published.final, None, "; ".join(failures)))
            continue
        seeds = "seeds: " + ", ".join(f"{100 * curve[-1]:.2f}" for curve in curves)
        epochs = f"after epoch {len(curves[0])}"
        final, best = (100 * float(np.mean([choose(curve) for curve in curves])) for choose in (_last, max))
        rows.append(Row("RQ1 runs", setting, f"test accuracy {epochs} [%]", published.final, final, seeds))
        rows.append(Row("RQ1 runs", setting, "test accuracy of the best epoch [%]", published.best, best))
    return rows


def _last(curve: Sequence[float]) -> float:
    return curve[-1]


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
            "std": float(values.std(ddof=1)) if len(values) > 1 else None,
            "best": float(values.max()),
            "worst": float(values.min()),
        } if len(values) else {}  # fmt: skip
        for name in ("mean", "std", "best", "worst"):
            figure = f"{name} test accuracy [%]"
            rows.append(Row("RQ1 search", setting, figure, getattr(published, name), measured.get(name), remark))
    return rows


def latent_rows(figures: Mapping[str, LatentFigures]) -> list[Row]:
    """Return Hoyer and separability indices.

    Parameters
    ----------
    figures : mapping of str to LatentFigures
        By setting.

    Returns
    -------
    list of Row
        With the true label in the input, as published, with the predicted one and with none.
    """
    rows = []
    for setting, measured in figures.items():
        published = LATENTS[setting]
        for figure, values, value in (
            ("Hoyer index", measured.hoyer, published.hoyer),
            ("separability", measured.separability, published.separability),
        ):
            for label in values:
                text = f"{figure}, {label} label in the input"
                rows.append(Row("RQ2 latents", setting, text, value if label == "true" else None, values[label]))
    return rows


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
        "| part | setting | figure | published | measured | difference | remark |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        digits = 4 if "RQ2" in row.part else 2
        difference = None if row.published is None or row.measured is None else row.measured - row.published
        cells = [_number(row.published, digits), _number(row.measured, digits), _number(difference, digits, sign="+")]
        lines.append(f"| {row.part} | {row.setting} | {row.figure} | {' | '.join(cells)} | {row.remark} |")
    return "\n".join(lines) + "\n"


def _number(value: float | None, digits: int, sign: str = "") -> str:
    if value is None:
        return ""
    tiny = 0 < abs(value) < 10.0**-digits
    return f"{value:.1e}" if tiny else f"{value:{sign}.{digits}f}"
