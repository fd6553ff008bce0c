import json
import struct
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from ff2neuro.coding import encode
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.errors import OutputError
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.networks import AnalogNetwork, GoodnessHead, one_hot_label_codes
from ff2neuro.validation import Sweep, SweepPoint, validate
from ff2neuro.validation.report import (
    gather,
    render_html,
    render_markdown,
    require_report_directory,
    write_report,
)
from ff2neuro.validation.report.png import png_bytes
from ff2neuro.validation.report.svg import bars, histogram, intervals, line, scatter

N_STEPS, N_IMAGES = 9, 40


SWEEP = Sweep(
    "steps",
    7,
    (
        SweepPoint(2, 0.5, 12.5, 0.75, (0.9, 0.8), 1000.0),
        SweepPoint(4, 0.6, 2.5, 0.85, (0.95, 0.9), 2000.0),
        SweepPoint(8, None, None, None, (), None, "currents <leave> the range"),
    ),
)


class Case:
    """A network, what a simulation made of it, and the verdict."""

    def __init__(self, kind, shape=(3, 4)):
        rng = np.random.default_rng(9)
        weights = (rng.normal(size=(12, 12 + 3)), rng.normal(size=(8, 12)))
        head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=(0, 1))
        self.analog = AnalogNetwork(weights, one_hot_label_codes(3), head, image_shape=shape)
        self.images = rng.random((N_IMAGES, 12), dtype=np.float32)
        self.labels = self.analog.predict(self.images)
        self.spiking = convert(self.analog, self.images, ConversionConfig(n_time_steps=N_STEPS))
        source = encode(self.spiking.input_code, self.images, N_STEPS)
        self.recording = ReferenceBackend().run(to_nir(self.spiking), source, RunConfig(record=kind))
        parts = self.analog, self.spiking, self.recording, self.images, self.labels
        self.verdict = replace(validate(*parts), sweeps=(SWEEP,))
        self.material = gather(self.verdict, *parts)


@pytest.fixture(scope="module", params=["counts", "spikes"])
def case(request):
    return Case(request.param)


class Tags(HTMLParser):
    """Refuses tags that do not match."""

    VOID = frozenset({"meta", "link", "img", "br", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parse(html):
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    return tags


def test_material_shows_the_latents_of_the_verdict(case):
    material = case.material
    rows = np.arange(N_IMAGES)
    analog = case.analog.latents(case.images)
    for index, layer in enumerate(material.layers):
        true = analog[index][rows, case.labels]
        for label in np.unique(case.labels):
            np.testing.assert_allclose(layer.class_means[0, label], true[case.labels == label].mean(axis=0), rtol=1e-5)
        counts = case.recording.counts(layer.name)[rows, case.labels] * case.spiking.layers[index].gain
        label = case.labels[0]
        np.testing.assert_allclose(layer.class_means[1, label], counts[case.labels == label].mean(axis=0), rtol=1e-5)
        assert set(layer.pairs[:, 0]) <= set(true.ravel())


def test_embedding_keeps_distances_of_a_plane(case):
    """Latents that lie in a plane are drawn without distortion."""
    from scipy.spatial.distance import pdist

    from ff2neuro.validation.report.material import _principal_components

    rng = np.random.default_rng(0)
    latents = (rng.normal(size=(20, 2)) @ rng.normal(size=(2, 7))).reshape(2, 10, 7)
    drawn = _principal_components(latents).reshape(20, 2)
    np.testing.assert_allclose(pdist(drawn), pdist(latents.reshape(20, 7)), rtol=1e-8)


def test_raster_is_the_first_image_under_its_true_label(case):
    source = encode(case.spiking.input_code, case.images[:1], N_STEPS)
    run = ReferenceBackend().run(to_nir(case.spiking), source, RunConfig(record="spikes"))
    for raster, name in zip(case.material.raster, run.layer_names, strict=True):
        np.testing.assert_array_equal(raster, run.spikes(name)[0, case.labels[0]])
    assert case.material.simulated is (case.recording.header.kind == "counts")


def test_curve_ends_at_the_accuracy_of_the_verdict(case):
    assert case.material.curve_steps[0] == 1
    assert case.material.curve_steps[-1] == N_STEPS
    assert case.material.n_stepped == N_IMAGES
    assert case.material.curve_accuracy[-1] == pytest.approx(case.verdict.spiking.accuracy)


def test_disagreements_carry_scores_that_explain_them(case):
    drawn = case.material.disagreements
    assert len(drawn) == min(24, case.verdict.n_disagreements)
    assert len(drawn) > 0
    for entry in drawn:
        assert entry.scores[0].argmax() == entry.analog
        assert entry.scores[1].argmax() == entry.spiking
        assert entry.analog != entry.spiking
        np.testing.assert_array_equal(entry.pixels.ravel(), case.images[entry.index])


def test_page_is_well_formed_and_self_contained(case):
    notes, provenance = ["layer 0: <8> bits & more"], {"config": 'a = "<b>"'}
    tags = parse(render_html(case.verdict, case.material, notes, provenance, ["ff2neuro validate 'a b'"]))
    sources = [attributes.get(key, "") for _, attributes in tags.seen for key in ("src", "href")]
    assert all(not source or source.startswith("data:") for source in sources)
    assert not any(tag == "script" for tag, _ in tags.seen)
    assert all("alt" in attributes for tag, attributes in tags.seen if tag == "img")
    assert all("aria-label" in attributes for tag, attributes in tags.seen if tag == "svg")
    text = "".join(tags.text)
    for said in (notes[0], provenance["config"], "ff2neuro validate 'a b'", "layer_1_spikes"):
        assert said in text


def test_page_says_the_verdict_first(case):
    text = "".join(parse(render_html(case.verdict, case.material)).text)
    text = text[text.index("Does the spiking") :]
    outcome = "PASSED" if case.verdict.passed else "FAILED"
    assert text.index(outcome) < text.index("Gate") < text.index("Accuracy on")


def test_page_shows_sweeps_as_curves_and_table(case):
    text = "".join(parse(render_html(case.verdict, case.material)).text)
    assert "Sweep of steps on 7 images" in text
    assert "currents <leave> the range" in text
    page = render_html(case.verdict, case.material)
    assert "<title>2: 50</title>" in page
    assert "Accuracy over steps: 50.0 % at 2, 60.0 % at 4" in page
    assert "<h2>Sweeps</h2>" not in render_html(replace(case.verdict, sweeps=()), case.material)


def test_every_point_of_an_embedding_says_which_image_it_is(case):
    page = render_html(case.verdict, case.material)
    for index, label in enumerate(case.labels):
        # Two embeddings in each of two layers.
        assert page.count(f"<title>image {index}, class {label}</title>") == 4


def test_every_class_has_a_box_that_the_style_sheet_knows(case):
    page = render_html(case.verdict, case.material)
    for label in np.unique(case.labels):
        assert f'class="points-{label}" checked' in page
        assert f".points-{label}:not(:checked)" in page


def test_margins_of_all_images_are_drawn(case):
    margins = case.verdict.margins
    assert sum(margins.analog) == sum(margins.spiking) == N_IMAGES
    assert margins.edges[0] < margins.edges[-1]


def test_same_verdict_gives_the_same_page(case):
    assert render_html(case.verdict, case.material) == render_html(case.verdict, case.material)


def test_images_that_are_no_pictures_are_left_out():
    case = Case("counts", shape=(12,))
    assert case.material.disagreements
    assert 'class="sample"' not in render_html(case.verdict, case.material)


def test_markdown_has_rows_as_wide_as_their_heading(case):
    lines = render_markdown(case.verdict).splitlines()
    tables = [index for index, text in enumerate(lines) if text.startswith("| ---")]
    assert len(tables) == 7
    for index in tables:
        width = lines[index - 1].count("|")
        row = index
        while row < len(lines) and lines[row].startswith("|"):
            assert lines[row].count("|") == width
            row += 1


def test_markdown_escapes_markup(case):
    findings = ("a | b <script> *c*",)
    assert r"note: a \| b \<script\> \*c\*" in render_markdown(replace(case.verdict, findings=findings))


def test_png_decodes_to_its_pixels():
    pixels = np.random.default_rng(1).integers(0, 256, size=(3, 5, 4), dtype=np.uint8)
    content = png_bytes(pixels)
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    position, chunks = 8, {}
    while position < len(content):
        (size,) = struct.unpack(">I", content[position : position + 4])
        kind, body = content[position + 4 : position + 8], content[position + 8 : position + 8 + size]
        assert struct.unpack(">I", content[position + 8 + size : position + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        position += 12 + size
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (5, 3, 8, 6, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8).reshape(3, 1 + 5 * 4)
    assert not rows[:, 0].any()
    np.testing.assert_array_equal(rows[:, 1:].reshape(3, 5, 4), pixels)


@pytest.mark.parametrize(
    "svg",
    [
        scatter(np.zeros((0, 2)), "x", "y", "none"),
        scatter(np.ones((3, 2)), "x", "y", "all alike", diagonal=True),
        scatter(np.arange(6.0).reshape(3, 2), "<x>", "&y", '"title"', classes=np.array([0, 11, 3])),
        line(np.array([1]), np.array([50.0]), "x", "y", "a point", guide=50.0),
        line(np.array([1, 2]), np.array([[0.5, 1.0], [0.2, 0.1]]), "x", "y", "two curves"),
        histogram(np.array([-1.0, 0.0, 1.0]), np.array([0, 0]), np.array([0, 3]), "x", "one side empty"),
        bars(np.zeros(2), np.zeros(2), ["0", "1"], "nothing"),
        intervals([("a", 1.0, None, "analog"), ("b", 1.0, (1.0, 1.0), "spiking")], "no width"),
    ],
)
def test_plots_of_little_are_well_formed(svg):
    root = ET.fromstring(svg)
    assert root.get("aria-label")
    assert "nan" not in svg


def test_directory_is_made_and_filled(case, tmp_path):
    directory = tmp_path / "report"
    require_report_directory(directory, force=False)
    assert not directory.exists()
    paths = write_report(directory, "<p>", "text", case.verdict.to_json())
    assert [path.name for path in paths] == ["report.html", "report.md", "verdict.json"]
    assert json.loads(paths[2].read_text()) == case.verdict.to_json()
    with pytest.raises(OutputError, match=r"holds a report already.*--force"):
        require_report_directory(directory, force=False)
    require_report_directory(directory, force=True)


def test_file_in_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "report").write_text("mine")
    with pytest.raises(OutputError, match="is a file; name a directory"):
        require_report_directory(tmp_path / "report", force=True)


def test_directory_without_a_parent_is_refused(tmp_path):
    with pytest.raises(OutputError, match="does not exist; create it first"):
        require_report_directory(tmp_path / "a" / "report", force=False)
