"""The section of a report that shows sweeps: a curve of accuracy, curves of the layers' cosines, and the table."""

from html import escape
from typing import Any

import numpy as np

from ff2neuro.validation.report.elements import figure, grid, table_element
from ff2neuro.validation.report.svg import line
from ff2neuro.validation.report.tables import sweep_table
from ff2neuro.validation.sweep_figures import Sweep, SweepPoint
from ff2neuro.validation.verdict import Verdict

__all__ = ["sweep_section"]


def sweep_section(verdict: Verdict) -> str:
    """Return the sweeps of a verdict as HTML; nothing if there are none.

    Parameters
    ----------
    verdict : Verdict
        What was found.

    Returns
    -------
    str
        A heading, and figures and a table for each sweep.
    """
    if not verdict.sweeps:
        return ""
    parts = [_curves(sweep, verdict) + table_element(sweep_table(sweep)) for sweep in verdict.sweeps]
    return "<h2>Sweeps</h2>" + "".join(parts)


def _curves(sweep: Sweep, verdict: Verdict) -> str:
    measured = [point for point in sweep.points if point.accuracy is not None]
    if len(measured) < 2:
        return ""
    # Values that are no numbers stand side by side in the order that was asked for.
    numeric = all(not isinstance(point.value, str) for point in measured)
    x_values = np.array([float(point.value) for point in measured] if numeric else range(len(measured)))
    order = np.argsort(x_values)
    x_values, measured = x_values[order], [measured[index] for index in order]
    accuracy = line(
        x_values,
        np.array([100 * (point.accuracy or 0.0) for point in measured]),
        sweep.parameter,
        "accuracy [%]",
        f"Accuracy over {sweep.parameter}: {_said(measured)}",
        guide=100 * verdict.analog.accuracy,
    )
    cosines: Any = np.array([[cosine or 0.0 for cosine in point.cosines] for point in measured]).T
    said = f"Mean cosine of every layer over {sweep.parameter}"
    latents = line(x_values, cosines, sweep.parameter, "mean cosine", said)
    keys = "".join(
        f'<span class="key c{index % 10}"></span>{escape(layer.name)}' for index, layer in enumerate(verdict.layers)
    )
    return grid(
        (
            figure(accuracy, f"Accuracy over {escape(sweep.parameter)}. Dashed: analog accuracy on all images."),
            figure(latents, f"Mean cosine between latents. {keys}"),
        )
    )


def _said(points: list[SweepPoint]) -> str:
    return ", ".join(f"{100 * (point.accuracy or 0.0):.1f} % at {point.value}" for point in points)
