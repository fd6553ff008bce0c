"""A verdict as one HTML file: no network, no scripts, readable on a phone, in print, light and dark."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

import numpy as np

from ff2neuro.validation.report.elements import KEY, class_filter, figure, grid, table_element
from ff2neuro.validation.report.material import Disagreement, LayerMaterial, Material
from ff2neuro.validation.report.png import heat_map_uri
from ff2neuro.validation.report.svg import bars, histogram, intervals, line, scatter
from ff2neuro.validation.report.sweep_section import sweep_section
from ff2neuro.validation.report.tables import Table, drop_sentence, model_sentence, number, tables
from ff2neuro.validation.subsamples import (
    MAX_ALIGNED_PRESENTATIONS,
    MAX_NEIGHBOUR_IMAGES,
    MAX_NEUTRAL_IMAGES,
    MAX_RANKED_IMAGES,
    MAX_SHUFFLED_IMAGES,
)
from ff2neuro.validation.verdict import Verdict

__all__ = ["render_html"]

_SUBSAMPLES = (
    f"Of many images, spread evenly over all, {MAX_NEIGHBOUR_IMAGES} stand for all where neighbours are sought "
    f"(separability, neighbours shared), {MAX_RANKED_IMAGES} where distances are ranked (RSA), {MAX_NEUTRAL_IMAGES} "
    f"under the neutral label, {MAX_SHUFFLED_IMAGES} as shuffled images, and {MAX_ALIGNED_PRESENTATIONS} presentations "
    "for CKA; all other figures are those of every image under every label hypothesis."
)


def render_html(
    verdict: Verdict,
    material: Material,
    notes: Sequence[str] = (),
    provenance: Mapping[str, str | int | float] | None = None,
    commands: Sequence[str] = (),
    machines: Sequence[str] = (),
) -> str:
    """Return a verdict as a self-contained page.

    Parameters
    ----------
    verdict : Verdict
        What to say.
    material : Material
        What to draw.
    notes : sequence of str
        Approximations of the conversion.
    provenance : mapping, optional
        How networks and files came to be.
    commands : sequence of str
        What to type to get the same verdict again.
    machines : sequence of str
        What the network would need on some machines, and cost there: several lines of text for each.

    Returns
    -------
    str
        An HTML document.
    """
    made = tables(verdict)
    parts = [
        _verdict(verdict, made),
        _accuracy(verdict, material, made),
        _layers(verdict, material, made),
        _spikes(verdict, material),
        sweep_section(verdict),
        _disagreements(verdict, material),
        _machines(machines),
        _origin(notes, provenance or {}, commands),
    ]
    style = files("ff2neuro.validation.report").joinpath("style.css").read_text(encoding="utf-8")
    title = f"ff2neuro verdict: {'passed' if verdict.passed else 'failed'}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # An icon inside the page keeps browsers from asking a server for one.
        f'<link rel="icon" href="data:,">\n<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n'
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _verdict(verdict: Verdict, made: Mapping[str, Table]) -> str:
    outcome, rest = verdict.headline.split(":", 1)
    failed = "".join(f'<li class="failing">{escape(str(check))}</li>' for check in verdict.failed_checks)
    findings = "".join(
        f'<li class="failing">{escape(finding)}</li>' if finding in verdict.faults else f"<li>{escape(finding)}</li>"
        for finding in verdict.findings
    )
    sentence = model_sentence(verdict)
    gate = table_element(made["checks"]) if verdict.checks else "<p>No thresholds were set.</p>"
    return (
        "<h1>Does the spiking network still do what the trained one did?</h1>"
        f'<div class="verdict{"" if verdict.passed else " failed"}"><p><strong>{outcome}</strong>:{escape(rest)}</p>'
        + (f"<ul>{failed}</ul>" if failed else "")
        + f"<p>{escape(drop_sentence(verdict))}</p></div>"
        + (f"<p>{escape(sentence)}</p>" if sentence else "")
        + (f"<h2>What else was found</h2><ul>{findings}</ul>" if findings else "")
        + f"<h2>Gate</h2>{gate}"
    )


def _accuracy(verdict: Verdict, material: Material, made: Mapping[str, Table]) -> str:
    rows = [
        (name, side.accuracy, side.accuracy_interval, name)
        for name, side in (("analog", verdict.analog), ("spiking", verdict.spiking))
    ]
    said = f"analog {100 * verdict.analog.accuracy:.2f} %, spiking {100 * verdict.spiking.accuracy:.2f} %"
    names = [str(row["label"]) for row in verdict.classes]
    analog, spiking = (np.array([row[side] or 0.0 for row in verdict.classes]) for side in ("analog", "spiking"))
    curve = line(
        material.curve_steps,
        100 * material.curve_accuracy,
        "time steps",
        "accuracy [%]",
        f"Accuracy over time steps, from {100 * material.curve_accuracy[0]:.1f} % after {material.curve_steps[0]} "
        f"to {100 * material.curve_accuracy[-1]:.1f} % after {material.curve_steps[-1]}",
        guide=100 * verdict.analog.accuracy,
    )
    source = " (simulated from the file)" if material.simulated else ""
    shorter = " Presentations cut short are read by counts, whole ones by times." if material.by_times else ""
    figures = (
        figure(intervals(rows, f"Accuracies with 95 % intervals: {said}"), "Accuracy with 95 % intervals (Wilson)."),
        figure(bars(analog, spiking, names, "Accuracy per class"), f"{KEY} Accuracy per class."),
        figure(
            curve,
            f"Accuracy if the presentation ended early, on {material.n_stepped} images{source}. Dashed: analog "
            f"accuracy on all images.{shorter}",
        ),
        *_margins(verdict),
    )
    synops = f"<p>Synaptic operations per image, over all label hypotheses: {verdict.synops_per_sample:,.0f}.</p>"
    classes = f"<details><summary>Accuracy per class as a table</summary>{table_element(made['classes'])}</details>"
    return f"<h2>Accuracy</h2>{table_element(made['accuracy'])}{grid(figures)}{synops}{classes}"


def _margins(verdict: Verdict) -> tuple[str, ...]:
    if verdict.margins is None:
        return ()
    made = verdict.margins
    said = "Images by the score of their true class minus the highest of the others, for both networks"
    drawn = histogram(np.array(made.edges), np.array(made.analog), np.array(made.spiking), "margin", said)
    return (figure(drawn, f"{KEY} Images by their margin: right of 0 the true class wins."),)


def _layers(verdict: Verdict, material: Material, made: Mapping[str, Table]) -> str:
    head = "<h2>Layers</h2>" + "".join(
        table_element(made[name]) for name in ("agreement", "sides", "goodness", "neurons")
    )
    labels = sorted({int(label) for label in material.labels})
    head += f"<p>{_SUBSAMPLES}</p>"
    head += class_filter("points", labels, "Classes in the plots below")
    return head + "".join(
        f"<h3>{escape(layer.name)}</h3>{grid(_layer_figures(layer, material, figures.cosine))}"
        for layer, figures in zip(material.layers, verdict.layers, strict=True)
    )


def _layer_figures(layer: LayerMaterial, material: Material, cosine: float | None) -> tuple[str, ...]:
    peak = float(max(layer.pairs.max(initial=0), 1e-12))
    ranges = ((0.0, peak), (0.0, peak))
    said = f"Spiking against analog activity of {layer.name}; mean cosine {number(cosine)}"
    pairs = scatter(layer.pairs, "analog activity", "spiking activity", said, diagonal=True, ranges=ranges)
    flat = layer.embedding.reshape(-1, 2)
    plane = tuple((float(flat[:, axis].min()), float(flat[:, axis].max())) for axis in (0, 1))
    embeddings = [
        scatter(
            points,
            "component 1",
            "component 2",
            f"{side} latents of {layer.name} on two principal components, coloured by class",
            classes=material.labels,
            ranges=(plane[0], plane[1]),
            tips=[f"image {index}, class {label}" for index, label in enumerate(material.labels)],
        )
        for side, points in zip(("Analog", "Spiking"), layer.embedding, strict=True)
    ]
    brightest = float(layer.class_means.max(initial=0))
    maps = [
        f'<img class="map" alt="{side} latents of {escape(layer.name, quote=True)}: mean activity per class" '
        f'src="{heat_map_uri(means, brightest)}">'
        for side, means in zip(("Analog", "Spiking"), layer.class_means, strict=True)
    ]
    return (
        figure(pairs, "Single neurons on single images under the true label; on the dashed line both agree."),
        figure(embeddings[0], "Analog latents under the true label, coloured by class."),
        figure(embeddings[1], "Spiking latents on the same two principal components."),
        figure(maps[0], "Analog: one row per class, one column per neuron, mean activity.", wide=True),
        figure(maps[1], "Spiking, on the same scale.", wide=True),
    )


def _spikes(verdict: Verdict, material: Material) -> str:
    source = "Simulated from the file, since only counts were recorded." if material.simulated else "As recorded."
    figures = [
        figure(
            f'<img class="map" alt="Spikes of {escape(layer.name, quote=True)}: {int(raster.sum())} in '
            f'{len(raster)} steps" src="{heat_map_uri(raster.T.astype(float))}">',
            f"{escape(layer.name)}: one row per neuron, one column per time step.",
            wide=True,
        )
        for layer, raster in zip(verdict.layers, material.raster, strict=True)
    ]
    return f"<h2>Spikes of the first image under its true label</h2><p>{source}</p>{grid(figures)}"


def _disagreements(verdict: Verdict, material: Material) -> str:
    if not material.disagreements:
        return "<h2>Disagreeing images</h2><p>Both networks put every image into the same class.</p>"
    shown = f"{len(material.disagreements)} of {verdict.n_disagreements}"
    figures = [_disagreement(entry) for entry in material.disagreements]
    labels = sorted({entry.label for entry in material.disagreements})
    boxes = class_filter("images", labels, "True classes of the images below")
    said = f"<p>Shown: {shown}. {KEY} Score of every class.</p>"
    return f"<h2>Disagreeing images</h2>{said}{boxes}{grid(figures)}"


def _disagreement(entry: Disagreement) -> str:
    names = [str(label) for label in range(entry.scores.shape[1])]
    said = f"Scores of image {entry.index}: analog prefers {entry.analog}, spiking {entry.spiking}"
    first = f"{escape(entry.first_layer)} votes differently first" if entry.first_layer else "only the sum differs"
    caption = f"Image {entry.index}, class {entry.label}: analog says {entry.analog}, spiking {entry.spiking}; {first}."
    picture = ""
    if entry.pixels.ndim == 2:
        alt = f"Image {entry.index}, class {entry.label}"
        picture = f'<img class="sample" alt="{alt}" src="{heat_map_uri(entry.pixels, 1.0)}">'
    return figure(
        picture + bars(entry.scores[0], entry.scores[1], names, said, marked=entry.label),
        caption,
        name=f"t{entry.label % 10}",
    )


def _machines(machines: Sequence[str]) -> str:
    texts = "".join(f"<pre>{escape(text)}</pre>" for text in machines)
    return f"<h2>Mapping and energy</h2>{texts}" if texts else ""


def _origin(notes: Sequence[str], provenance: Mapping[str, str | int | float], commands: Sequence[str]) -> str:
    parts = []
    if notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        parts.append(f"<h2>Notes of the conversion</h2><ul>{items}</ul>")
    if commands:
        typed = escape("\n".join(commands))
        parts.append(f"<h2>To repeat it</h2><pre>{typed}</pre>")
    if provenance:
        items = "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in provenance.items())
        parts.append(f"<h2>Provenance</h2><dl>{items}</dl>")
    return "".join(parts)
