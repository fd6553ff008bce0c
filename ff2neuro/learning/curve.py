"""The learning curve of a run as an SVG picture: the same metrics give the same bytes."""

import json
from collections.abc import Sequence
from html import escape

__all__ = ["learning_curve"]

WIDTH, PANEL_HEIGHT = 640, 170
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 26, 34
#: Colours that are told apart by the colour-blind, too (Okabe and Ito, 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: Panels, and the metrics that each of them shows.
PANELS = {
    "accuracy": ("accuracy",),
    "loss": ("loss",),
    "goodness": ("goodness_positive", "goodness_negative"),
    "separation": ("separation",),
}

Curve = tuple[str, list[float], bool]


def learning_curve(metrics: Sequence[str]) -> str:
    """Draw what a run's epochs were like.

    Parameters
    ----------
    metrics : sequence of str
        One JSON object per epoch, as `metrics.jsonl` holds them.

    Returns
    -------
    str
        An SVG document with one panel per figure; that of the goodness has dashed lines for wrong labels.
    """
    records = [json.loads(line) for line in metrics]
    panels: list[str] = []
    for title, names in PANELS.items():
        curves = [curve for name in names if records and name in records[0] for curve in _curves(records, name)]
        if curves:
            panels.append(_panel(title, curves, len(panels) * PANEL_HEIGHT))
    height = max(1, len(panels)) * PANEL_HEIGHT + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-label="Learning curve" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n'
    )
    foot = f'<text x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{height - 8}" text-anchor="middle">epoch</text>\n</svg>\n'
    return head + "".join(panels) + foot


def _curves(records: Sequence[dict[str, object]], name: str) -> list[Curve]:
    """Return the curves of a metric: one, or one per layer."""
    dashed = name.endswith("negative")
    suffix = ", wrong label" if dashed else ""
    columns = [record[name] if isinstance(record[name], list) else [record[name]] for record in records]
    single = not isinstance(records[0][name], list)
    series = [list(map(float, values)) for values in zip(*columns, strict=True)]
    if single:
        return [(str(records[0].get(f"{name}_on", name)), series[0], dashed)]
    return [(f"layer {index}{suffix}", values, dashed) for index, values in enumerate(series)]


def _panel(title: str, curves: Sequence[Curve], offset: int) -> str:
    """Draw one figure over the epochs."""
    values = [value for _, series, _ in curves for value in series]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    top, bottom, right = offset + TOP, offset + PANEL_HEIGHT - BOTTOM + TOP, WIDTH - RIGHT
    n_epochs = len(curves[0][1])
    lines = [
        f'<text x="{LEFT}" y="{top - 6}" font-weight="bold">{escape(title)}</text>',
        f'<path d="M{LEFT} {top}V{bottom}H{right}" fill="none" stroke="#666"/>',
        f'<text x="{LEFT - 6}" y="{top + 8}" text-anchor="end">{high:.4g}</text>',
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">{low:.4g}</text>',
        f'<text x="{LEFT}" y="{bottom + 14}" text-anchor="middle">1</text>',
        f'<text x="{right}" y="{bottom + 14}" text-anchor="middle">{n_epochs}</text>',
    ]
    layers = sorted({name.split(",")[0] for name, _, _ in curves})
    for index, (name, series, dashed) in enumerate(curves):
        places = [
            (
                LEFT + (right - LEFT) * epoch / max(1, n_epochs - 1),
                bottom - (bottom - top) * (value - low) / (high - low),
            )
            for epoch, value in enumerate(series)
        ]
        colour = COLOURS[layers.index(name.split(",")[0]) % len(COLOURS)]
        style = f'stroke="{colour}" stroke-width="1.8"' + (' stroke-dasharray="5 3"' if dashed else "")
        lines.append(f'<path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in places)}" fill="none" {style}/>')
        y = top + 8 + 15 * index
        lines.append(f'<path d="M{right + 8} {y - 4}h18" {style}/><text x="{right + 30}" y="{y}">{escape(name)}</text>')
    return "\n".join(lines) + "\n"
