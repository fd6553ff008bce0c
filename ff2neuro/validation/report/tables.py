"""The tables that both forms of a report share: headings and rows of text."""

from dataclasses import dataclass

from ff2neuro.analysis.statistics import Interval
from ff2neuro.validation.goodness import Quartiles
from ff2neuro.validation.sweep_figures import Sweep
from ff2neuro.validation.verdict import Verdict

__all__ = [
    "Table",
    "drop_sentence",
    "model_sentence",
    "number",
    "percent",
    "percent_interval",
    "sweep_table",
    "tables",
]

#: Figures of a layer: what a reader sees, and the field of `LayerFigures`.
_AGREEMENT = (
    ("cosine", "cosine"),
    ("shuffled images", "cosine_shuffled"),
    ("CKA", "cka"),
    ("Pearson", "pearson"),
    ("RSA", "rsa"),
    ("neighbours shared", "neighbour_overlap"),
    ("activity bias", "activity_bias"),
    ("activity RMS error", "activity_rms_error"),
    ("gain over the file's", "gain_ratio"),
)
_SIDES = (
    ("Hoyer", "hoyer_{}"),
    ("Hoyer, plain", "hoyer_{}_plain"),
    ("Hoyer, predicted label", "hoyer_{}_predicted"),
    ("separability", "separability_{}"),
    ("separability, predicted label", "separability_{}_predicted"),
    ("Hoyer, neutral label", "hoyer_{}_neutral"),
    ("separability, neutral label", "separability_{}_neutral"),
)


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    name : str
        Short name for the code that places it.
    caption : str
        What it shows.
    heading : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
        The cells.
    """

    name: str
    caption: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(verdict: Verdict) -> dict[str, Table]:
    """Return the tables of a verdict by name.

    Parameters
    ----------
    verdict : Verdict
        What to show.

    Returns
    -------
    dict of str to Table
        ``checks``, ``accuracy``, ``classes``, ``agreement``, ``sides``, ``goodness`` and ``neurons``.
    """
    made = (_checks(verdict), _accuracy(verdict), _classes(verdict), *_layers(verdict))
    return {table.name: table for table in made}


def _checks(verdict: Verdict) -> Table:
    # Failed ones first: that is what a reader came for.
    ordered = sorted(verdict.checks, key=lambda check: check.passed)
    rows = tuple(
        (check.figure, number(check.value), f"{check.relation} {check.limit:g}", "passed" if check.passed else "FAILED")
        for check in ordered
    )
    return Table("checks", "Gate", ("figure", "found", "limit", "outcome"), rows)


def _accuracy(verdict: Verdict) -> Table:
    rows = [
        (
            name,
            percent(side.accuracy),
            percent_interval(side.accuracy_interval),
            str(side.n_correct),
            str(side.n_ties),
            number(None if side.margin_quartiles is None else side.margin_quartiles[1]),
        )
        for name, side in (("analog", verdict.analog), ("spiking", verdict.spiking))
    ]
    heading = ("network", "accuracy", "95 % interval", "correct", "ties", "median margin")
    return Table("accuracy", f"Accuracy on {verdict.n_samples} images", heading, tuple(rows))


def _classes(verdict: Verdict) -> Table:
    rows = tuple(
        (str(row["label"]), str(row["n_samples"]), percent(row["analog"]), percent(row["spiking"]))
        for row in verdict.classes
    )
    return Table("classes", "Accuracy per class", ("class", "images", "analog", "spiking"), rows)


def _layers(verdict: Verdict) -> tuple[Table, ...]:
    agreement = tuple((layer.name, *(number(getattr(layer, key)) for _, key in _AGREEMENT)) for layer in verdict.layers)
    sides = tuple(
        (layer.name, side, *(number(getattr(layer, key.format(side))) for _, key in _SIDES))
        for layer in verdict.layers
        for side in ("analog", "spiking")
    )
    goodness = tuple(
        (
            layer.name,
            number(layer.goodness_rank_correlation),
            quartiles(layer.margin_quartiles_analog),
            quartiles(layer.margin_quartiles_spiking),
        )
        for layer in verdict.layers
    )
    neurons = tuple(
        (
            layer.name,
            str(layer.n_neurons),
            str(layer.n_silent_analog),
            str(layer.n_silent_spiking),
            str(layer.n_saturated),
        )
        for layer in verdict.layers
    )
    return (
        Table("agreement", "Agreement of latents", ("layer", *(name for name, _ in _AGREEMENT)), agreement),
        Table("sides", "Latents of both networks", ("layer", "network", *(name for name, _ in _SIDES)), sides),
        Table(
            "goodness",
            "Goodness: how alike both rank the classes, and by how much the true class leads",
            ("layer", "rank correlation", "margin quartiles, analog", "margin quartiles, spiking"),
            goodness,
        ),
        Table("neurons", "Neurons", ("layer", "neurons", "silent analog", "silent spiking", "saturated"), neurons),
    )


def number(value: float | None) -> str:
    """Return a figure as text, a count without decimals; "not computed" where there is none."""
    if value is None:
        return "not computed"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def quartiles(values: Quartiles | None) -> str:
    """Return quartiles as text."""
    return "not computed" if values is None else " / ".join(f"{value:.3f}" for value in values)


def sweep_table(sweep: Sweep) -> Table:
    """Return the points of a sweep as a table.

    Parameters
    ----------
    sweep : Sweep
        What to show.

    Returns
    -------
    Table
        One row per point.
    """
    n_layers = max([len(point.cosines) for point in sweep.points], default=0)
    rows = tuple(
        (
            str(point.value),
            point.error or percent(point.accuracy),
            "" if point.accuracy_drop_pp is None else f"{point.accuracy_drop_pp:.2f}",
            "" if point.error else percent(point.prediction_agreement),
            *("" if point.error else number(cosine) for cosine in point.cosines or (None,) * n_layers),
            "" if point.synops_per_sample is None else f"{point.synops_per_sample:,.0f}",
        )
        for point in sweep.points
    )
    cosines = tuple(f"cosine, layer {index}" for index in range(n_layers))
    heading = (sweep.parameter, "accuracy", "drop [points]", "same prediction", *cosines, "synaptic operations")
    return Table("sweep", f"Sweep of {sweep.parameter} on {sweep.n_samples} images", heading, rows)


def percent(value: float | None) -> str:
    """Return a share as per cent."""
    return "not computed" if value is None else f"{100 * value:.2f} %"


def percent_interval(interval: Interval | None) -> str:
    """Return an interval of shares as per cent."""
    return "not computed" if interval is None else f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f} %"


def model_sentence(verdict: Verdict) -> str | None:
    """Say what is called analog where no analog network was trained; None where one was."""
    if verdict.model_kind == "analog":
        return None
    return (
        "The network learned in spiking neurons. What is called analog here is its own execution in floating point, on "
        "the same input events."
    )


def drop_sentence(verdict: Verdict) -> str:
    """Return what the accuracy drop is and what chance could do to it."""
    sentence = f"Accuracy drop: {verdict.accuracy_drop_pp:.2f} percentage points"
    if verdict.accuracy_drop_interval_pp is not None:
        low, high = verdict.accuracy_drop_interval_pp
        sentence += f" (95 % bootstrap interval {low:.2f} to {high:.2f})"
    if verdict.mcnemar_p_value is not None:
        sentence += f"; McNemar's exact test: p = {verdict.mcnemar_p_value:.3g}"
    return f"{sentence}. Same prediction on {percent(verdict.prediction_agreement)} of the images."
