"""Small plots as SVG text. Colours come from the page's style sheet, so that they follow light and dark."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["bars", "histogram", "intervals", "line", "scatter"]

Array = npt.NDArray[Any]

WIDTH, HEIGHT = 320, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 38


class _Axes:
    """Maps data to the plane of a plot and draws its frame."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self._x, self._y = _widened(x_range), _widened(y_range)

    def x(self, value: float) -> float:
        return LEFT + (value - self._x[0]) / (self._x[1] - self._x[0]) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self._y[0]) / (self._y[1] - self._y[0]) * (HEIGHT - TOP - BOTTOM)

    def frame(self, x_label: str, y_label: str) -> list[str]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        middle = (TOP + bottom) / 2
        return [
            f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>',
            f'<text x="{LEFT}" y="{bottom + 14}">{self._x[0]:.3g}</text>',
            f'<text x="{right}" y="{bottom + 14}" text-anchor="end">{self._x[1]:.3g}</text>',
            f'<text x="{LEFT - 4}" y="{bottom}" text-anchor="end">{self._y[0]:.3g}</text>',
            f'<text x="{LEFT - 4}" y="{TOP + 9}" text-anchor="end">{self._y[1]:.3g}</text>',
            f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>',
            f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>',
        ]


def scatter(
    points: Array,
    x_label: str,
    y_label: str,
    title: str,
    *,
    classes: Array | None = None,
    diagonal: bool = False,
    ranges: tuple[tuple[float, float], tuple[float, float]] | None = None,
    tips: Sequence[str] | None = None,
) -> str:
    """Draw points.

    Parameters
    ----------
    points : ndarray of shape (n_points, 2)
        Positions.
    x_label, y_label : str
        What the axes show.
    title : str
        Text for those who cannot see the plot.
    classes : ndarray of int, shape (n_points,), optional
        Class of every point, which gives its colour.
    diagonal : bool
        Whether to draw the line on which both are equal.
    ranges : tuple, optional
        Limits of both axes; by default those of the points.
    tips : sequence of str, optional
        What to say of every point under the pointer.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    x_range, y_range = ranges or (_range(points[:, 0]), _range(points[:, 1]))
    axes = _Axes(x_range, y_range)
    body = axes.frame(x_label, y_label)
    if diagonal:
        low, high = max(x_range[0], y_range[0]), min(x_range[1], y_range[1])
        body.append(
            f'<path class="guide" d="M{axes.x(low):.1f} {axes.y(low):.1f}L{axes.x(high):.1f} {axes.y(high):.1f}"/>'
        )
    names = ["point"] * len(points) if classes is None else [f"c{int(label) % 10}" for label in classes]
    # A line of no length with round caps is a dot; without tips, one path per class is far smaller than one per point.
    places = [f"M{axes.x(x):.1f} {axes.y(y):.1f}h0" for x, y in points]
    for name in sorted(set(names)):
        own = [index for index, other in enumerate(names) if other == name]
        if tips is None:
            body.append(f'<path class="dots {name}" d="{"".join(places[index] for index in own)}"/>')
            continue
        dots = "".join(f'<path d="{places[index]}"><title>{escape(tips[index])}</title></path>' for index in own)
        body.append(f'<g class="dots {name}">{dots}</g>')
    return _svg(body, title)


def line(x_values: Array, y_values: Array, x_label: str, y_label: str, title: str, guide: float | None = None) -> str:
    """Draw a curve, or several.

    Parameters
    ----------
    x_values : ndarray of shape (n_points,)
        Places on the horizontal axis.
    y_values : ndarray of shape (n_points,) or (n_curves, n_points)
        The curves.
    x_label, y_label, title : str
        As for `scatter`.
    guide : float, optional
        Height of a horizontal line to compare with.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    curves = np.atleast_2d(y_values)
    heights = curves.ravel() if guide is None else np.append(curves, guide)
    # Not from 0: what matters in a sweep are tenths of a point, and the axis says where it begins.
    axes = _Axes(_range(x_values), _range(heights))
    body = axes.frame(x_label, y_label)
    if guide is not None:
        body.append(f'<path class="guide" d="M{LEFT} {axes.y(guide):.1f}H{WIDTH - RIGHT}"/>')
    for index, curve in enumerate(curves):
        colour = f" c{index % 10}" if y_values.ndim > 1 else ""
        places = [(axes.x(float(x)), axes.y(float(y))) for x, y in zip(x_values, curve, strict=True)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        body.append(f'<path class="curve{colour}" d="M{path}"/>')
        for (x, y), x_value, y_value in zip(places, x_values, curve, strict=True):
            tip = f"<title>{x_value:g}: {y_value:.4g}</title>"
            body.append(f'<circle class="mark{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3">{tip}</circle>')
    return _svg(body, title)


def histogram(edges: Array, first: Array, second: Array, x_label: str, title: str) -> str:
    """Draw two distributions over the same bins, as outlines.

    Parameters
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Limits of the bins.
    first, second : ndarray of shape (n_bins,)
        Numbers, of the analog and the spiking network.
    x_label, title : str
        As for `scatter`.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    axes = _Axes((float(edges[0]), float(edges[-1])), (0.0, float(max(first.max(), second.max()))))
    body = axes.frame(x_label, "images")
    if edges[0] < 0 < edges[-1]:
        body.append(f'<path class="guide" d="M{axes.x(0.0):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
    for counts, style in ((first, "analog"), (second, "spiking")):
        path = f"M{axes.x(float(edges[0])):.1f} {axes.y(0.0):.1f}"
        path += "".join(
            f"V{axes.y(float(n)):.1f}H{axes.x(float(x)):.1f}" for n, x in zip(counts, edges[1:], strict=True)
        )
        body.append(f'<path class="whisker {style}" d="{path}V{axes.y(0.0):.1f}"><title>{style}</title></path>')
    return _svg(body, title)


def bars(first: Array, second: Array, names: Sequence[str], title: str, marked: int | None = None) -> str:
    """Draw two values per name side by side.

    Parameters
    ----------
    first, second : ndarray of shape (n_names,)
        Values from 0 on.
    names : sequence of str
        What they belong to.
    title : str
        As for `scatter`.
    marked : int, optional
        Name that is set off.

    Returns
    -------
    str
        An ``<svg>`` element, lower than the others.
    """
    height, bottom = 90, 16
    peak = max(float(first.max(initial=0)), float(second.max(initial=0)), 1e-12)
    step = WIDTH / max(1, len(names))
    body = []
    for index, name in enumerate(names):
        for side, (values, style) in enumerate(((first, "analog"), (second, "spiking"))):
            size = max(0.0, float(values[index])) / peak * (height - bottom - 4)
            x, width = index * step + (0.12 + 0.38 * side) * step, 0.36 * step
            tip = f"<title>{escape(name)}, {style}: {values[index]:.4g}</title>"
            place = f'x="{x:.1f}" y="{height - bottom - size:.1f}" width="{width:.1f}" height="{size:.1f}"'
            body.append(f'<rect class="{style}" {place}>{tip}</rect>')
        style = ' class="marked"' if index == marked else ""
        place = f'x="{(index + 0.5) * step:.1f}" y="{height - 4}" text-anchor="middle"'
        body.append(f"<text{style} {place}>{escape(name)}</text>")
    return _svg(body, title, height)


def intervals(rows: Sequence[tuple[str, float, tuple[float, float] | None, str]], title: str) -> str:
    """Draw values with their intervals, one below the other.

    Parameters
    ----------
    rows : sequence of (name, value, interval, style)
        Values between 0 and 1; `style` is a class of the style sheet.
    title : str
        As for `scatter`.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    limits = [limit for _, value, interval, _ in rows for limit in (value, *(interval or ()))]
    low, high = _widened((min(limits), max(limits)))
    left, right, step = 70, WIDTH - 14, 34

    def place(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    body = []
    for index, (name, value, interval, style) in enumerate(rows):
        y = 20 + index * step
        body.append(f'<text x="0" y="{y + 4}">{escape(name)}</text>')
        if interval is not None:
            body.append(f'<path class="whisker {style}" d="M{place(interval[0]):.1f} {y}H{place(interval[1]):.1f}"/>')
        tip = f"<title>{escape(name)}: {100 * value:.2f} %</title>"
        body.append(f'<circle class="{style}" cx="{place(value):.1f}" cy="{y}" r="5">{tip}</circle>')
    y = 20 + len(rows) * step - 8
    body.append(f'<path class="axis" d="M{left} {y - 8}H{right}"/>')
    body.append(f'<text x="{left}" y="{y + 6}">{100 * low:.1f} %</text>')
    body.append(f'<text x="{right}" y="{y + 6}" text-anchor="end">{100 * high:.1f} %</text>')
    return _svg(body, title, y + 10)


def _svg(body: list[str], title: str, height: int = HEIGHT) -> str:
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">' + "".join(body) + "</svg>"


def _range(values: Array) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    """Give a range of no width one, so that nothing divides by zero."""
    low, high = limits
    return (low, high) if high > low else (low - 0.5, high + 0.5)
