"""Real NIR readers against the reference, on each node and dialect, and against what `ff2neuro inspect` states."""

import json
import os
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec

import nir
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.conformance import trained
from benchmarks.conformance.cases import CASES, events_for, random_case
from benchmarks.conformance.observation import observe, observe_backend, reference_spikes
from benchmarks.conformance.readers import READERS as RUNNERS
from benchmarks.conformance.table import DOCUMENT, with_tables
from ff2neuro.hardware.chain import read_chain
from ff2neuro.hardware.lava_backend.backend import LavaBackend
from ff2neuro.hardware.portability import statement, statements, type_error
from ff2neuro.hardware.reader_rules import READERS

N_RANDOM = 20


@pytest.fixture(scope="module", params=RUNNERS)
def reader(request):
    """Return the name of a reader; skip one that is missing, unless FF2NEURO_REQUIRE_READERS=1 says it must not be."""
    if find_spec(request.param) is None:
        missing = f"{request.param} is not installed: pip install --no-deps -r tests/cross_simulator/readers.txt"
        if os.environ.get("FF2NEURO_REQUIRE_READERS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return request.param


@pytest.fixture(scope="module")
def lava_machine(lava):
    with LavaBackend() as machine:
        yield machine


def test_readers_are_of_the_versions_that_are_stated(reader):
    (stated,) = (each for each in READERS if each.name == reader)
    assert version(reader) == stated.version


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_readers_do_what_is_stated(case, reader):
    seen = observe(case, reader)
    stated = statement(reader, case.stored(), case.config)
    assert seen.status == stated.status, f"{seen} is not what is stated: {stated.reasons}"


@pytest.mark.parametrize("leaky", [False, True], ids=["IF", "LIF"])
@pytest.mark.parametrize("seed", range(N_RANDOM))
def test_portable_graphs_give_the_same_spikes(seed, leaky, reader):
    """Both kinds equal the float reference; without a leak that is the fixed-point reference as well."""
    case = random_case(seed, leaky)
    expected = reference_spikes(case)
    assert all(spikes.any() for spikes in expected.values())
    assert statement(reader, case.stored(), case.config).status == "same"
    seen = observe(case, reader)
    assert (seen.status, seen.n_different) == ("same", 0)
    if not leaky:
        fixed = reference_spikes(case, "fixed")
        assert all(np.array_equal(fixed[name], spikes) for name, spikes in expected.items())


def test_a_trained_network_gives_the_same_spikes(digits_run, reader, tmp_path):
    arguments = [str(digits_run / "network.nir"), "--dataset", "digits", "--samples", "30", "--machine", reader]
    result = CliRunner().invoke(trained.main, [*arguments, "--out", str(tmp_path / "rows.json")])
    assert result.exit_code == 0, result.output
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert (row["n_images"], row["n_presentations"], row["n_different"]) == (30, 300, 0)
    assert row["n_bins"] > row["n_spikes"] > 0


@pytest.mark.lava
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_lava_does_what_is_stated(case, lava_machine):
    (stated,) = (each for each in statements(case.stored(), case.config) if each.reader.name == "lava")
    seen = observe_backend(case, lava_machine)
    assert seen.status == stated.status, f"{seen} is not what is stated: {stated.reasons}"


@pytest.mark.lava
@pytest.mark.parametrize(
    ("seed", "leaky"), [*((seed, False) for seed in range(N_RANDOM)), *((seed, True) for seed in range(5))]
)
def test_lava_equals_the_fixed_point_reference(seed, leaky, lava_machine):
    case = random_case(seed, leaky)
    seen = observe_backend(case, lava_machine, reference_spikes(case, "fixed"))
    assert (seen.status, seen.n_different) == ("same", 0)


def test_cases_tell_readers_apart():
    """A graph on which nothing happens could not show a difference."""
    for case in CASES:
        silent = [name for name, spikes in reference_spikes(case).items() if not spikes.any()]
        assert not [name for name in silent if not name.startswith("li_")], case.name
        assert events_for(case.graph).any()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_type_check_of_nir_is_foretold(case, tmp_path):
    path = tmp_path / "graph.nir"
    nir.write(path, case.graph)
    if type_error(case.stored()) is None:
        nir.read(path)
    else:
        with pytest.raises(ValueError, match=r"type|shape"):
            nir.read(path)


def test_tables_in_the_documents_are_current():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: python -m benchmarks.conformance --write"


def test_neurons_that_do_not_start_at_rest_travel_to_no_other_reader():
    portable = next(case for case in CASES if case.name == "portable IF")
    sizes = read_chain(portable.stored(), portable.dt).layer_sizes

    def stated(start):
        v_init = {name: np.full(size, start) for name, size in sizes.items()}
        return {
            each.reader.name: each for each in statements(portable.stored(), replace(portable.config, v_init=v_init))
        }

    for reader, found in stated(0.5).items():
        assert (found.status == "same") == (reader == "lava")
        assert reader == "lava" or found.status == "fails" or "other potentials than 0" in found.reasons[0]
    assert stated(1 / 128)["lava"].status == "fails"
    assert "an initial potential is no multiple of 1/64" in stated(1 / 128)["lava"].reasons[0]
