"""The verdict as JSON, JUnit XML and text."""

import json
from dataclasses import replace
from importlib.resources import files
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from ff2neuro.networks import AnalogNetwork, GoodnessHead, InputCode, SpikingLayer, SpikingNetwork, one_hot_label_codes
from ff2neuro.recording import RecordingHeader, RecordingWriter
from ff2neuro.validation import Check, Thresholds, render_junit, render_text, validate


@pytest.fixture(scope="module")
def schema():
    return json.loads(files("ff2neuro.validation").joinpath("verdict.schema.json").read_text())


def judge(n_images, *, silent, gate):
    rng = np.random.default_rng(2)
    head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=(0,))
    codes = one_hot_label_codes(3)
    analog = AnalogNetwork((rng.integers(-1, 3, size=(6, 4 + 3)),), codes, head, image_shape=(4,))
    layers = (SpikingLayer(analog.weights[0], 0.5),)
    spiking = SpikingNetwork(layers, InputCode("constant", 3.0, codes, (4,)), head, n_time_steps=8)
    images = rng.integers(0, 2, size=(n_images, 4)).astype(np.float32)
    counts = analog.latents(images)[0].astype(np.uint16) * (0 if silent else 1)
    header = RecordingHeader({"layer_0_spikes": 6}, n_images, 3, 8, "counts", "by <hand>", "1", "fixed", 1e-4)
    with RecordingWriter(header) as writer:
        writer.write(0, {"layer_0_spikes": counts})
    return validate(analog, spiking, writer.finish(), images, rng.integers(0, 3, n_images), gate)


@pytest.fixture(scope="module", params=[(1, False), (1, True), (12, False), (12, True)], ids=str)
def verdict(request):
    n_images, silent = request.param
    return judge(n_images, silent=silent, gate=Thresholds(1.0, 0.5, 0.9, 0.9, max_faults=None))


def undescribed(document, schema, definitions):
    """Keys of a document that the schema does not know, with their place."""
    schema = definitions[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    for part in schema.get("anyOf", []):
        if part.get("type") == "object" and isinstance(document, dict):
            schema = part
    if isinstance(document, dict):
        for key, value in document.items():
            if key not in schema["properties"]:
                yield key
            else:
                yield from undescribed(value, schema["properties"][key], definitions)
    elif isinstance(document, list) and "items" in schema:
        for item in document:
            yield from undescribed(item, schema["items"], definitions)


def test_schema_is_one(schema):
    Draft202012Validator.check_schema(schema)


def test_every_verdict_fits_the_schema(verdict, schema):
    Draft202012Validator(schema).validate(json.loads(json.dumps(verdict.to_json(), allow_nan=False)))


def test_schema_describes_every_key(verdict, schema):
    assert list(undescribed(verdict.to_json(), schema, schema["$defs"])) == []


def test_schema_notices_a_missing_key(verdict, schema):
    document = verdict.to_json()
    del document["layers"][0]["cosine"]
    assert not Draft202012Validator(schema).is_valid(document)


def test_junit_has_one_case_per_check(verdict):
    root = ET.fromstring(render_junit(verdict))
    cases = root.findall("testsuite/testcase")
    assert len(cases) == len(verdict.checks) == 4
    failed = [case.get("name").split()[0] for case in cases if case.find("failure") is not None]
    assert failed == [check.figure for check in verdict.failed_checks]
    assert root.get("failures") == str(len(failed))


def test_junit_failure_says_value_and_limit(verdict):
    silenced = replace(verdict, checks=(Check("layer_0_spikes.cka", None, ">=", 0.9),))
    failure = ET.fromstring(render_junit(silenced)).find("testsuite/testcase/failure")
    assert failure.get("message") == "layer_0_spikes.cka is not computed, must be >= 0.9"


def test_text_says_what_was_not_computed_with_a_dash():
    text = render_text(judge(1, silent=True, gate=Thresholds(None)))
    row = next(line for line in text.splitlines() if line.startswith("layer_0_spikes") and "neurons" not in line)
    assert row.split()[1:4] == ["0.0000", "-", "-"]
