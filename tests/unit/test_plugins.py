"""Machines of other packages: found by entry point, imported only when asked for."""

import sys

import pytest

from ff2neuro.errors import BackendError, ConfigurationError
from ff2neuro.hardware.backend import available_backends, get_backend

GOOD = """
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
class Machine(ReferenceBackend):
    name = "abacus"
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put packages on the path that look as pip leaves them."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def add(package, name, source=GOOD):
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source)
        metadata = tmp_path / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[ff2neuro.backends]\n{name} = {module}:Machine\n")

    yield add
    for name in set(sys.modules) - before:
        if name.startswith("abacus"):
            del sys.modules[name]


def test_plugins_are_listed_after_our_own_machines(install):
    install("abacus-maker", "abacus")
    names = available_backends()
    assert names.index("abacus") > names.index("lava")


def test_a_plugin_is_built_by_its_name(install):
    install("abacus-maker", "abacus")
    assert type(get_backend("abacus")).__module__ == "abacus_maker"


def test_a_broken_plugin_is_an_error_that_names_its_package(install):
    install("abacus-maker", "abacus", "import a_module_that_nobody_has")
    message = r"backend 'abacus' of abacus-maker .*ModuleNotFoundError.*a_module_that_nobody_has.*repair or uninstall"
    with pytest.raises(BackendError, match=message):
        get_backend("abacus")


def test_a_broken_plugin_harms_no_other_machine(install):
    install("abacus-maker", "abacus", "import a_module_that_nobody_has")
    assert "abacus" in available_backends()
    assert get_backend("reference").name == "reference"
    assert "abacus_maker" not in sys.modules


def test_two_packages_that_claim_one_name_are_refused(install):
    install("abacus-maker", "abacus")
    install("abacus-rival", "abacus")
    assert available_backends().count("abacus") == 1
    with pytest.raises(ConfigurationError, match=r"2 packages claim backend 'abacus': abacus-maker .*abacus-rival"):
        get_backend("abacus")


def test_a_package_that_claims_a_name_of_ours_is_refused(install):
    install("abacus-maker", "reference")
    with pytest.raises(ConfigurationError, match="'reference' is ff2neuro's own and also claimed by abacus-maker"):
        get_backend("reference")
    assert get_backend("snntorch").name == "snntorch"


def test_what_is_no_machine_is_refused(install):
    install("abacus-maker", "abacus", "Machine = dict")
    with pytest.raises(BackendError, match=r"is not a class derived from ff2neuro\.hardware\.backend\.Backend"):
        get_backend("abacus")


def test_a_machine_that_calls_itself_otherwise_is_refused(install):
    install("abacus-maker", "counting-frame")
    with pytest.raises(BackendError, match=r"'counting-frame' of abacus-maker .* calls itself 'abacus'"):
        get_backend("counting-frame")
