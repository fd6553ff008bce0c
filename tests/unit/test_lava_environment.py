"""Finding and making the interpreter that has Lava; no Lava is needed here."""

import json
import stat
import sys

import pytest

from ff2neuro.errors import BackendError, BackendMissingError, ConfigurationError
from ff2neuro.hardware.lava_backend import environment
from ff2neuro.hardware.lava_backend.environment import find_interpreter, install_lava, lava_status


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """A machine without Lava, and without Python 3.10 or a uv that could fetch it."""
    monkeypatch.delenv(environment.PYTHON_VARIABLE, raising=False)
    monkeypatch.setenv(environment.ENVIRONMENT_VARIABLE, str(tmp_path / "lava"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    this_python = interpreter(tmp_path / "path" / "python", version=(3, 11, 7))
    monkeypatch.setattr(sys, "executable", str(this_python))
    return tmp_path / "lava"


def interpreter(path, version=(3, 10, 9), lava=None, then="exit 1"):
    """Write a program that answers the question for versions and does nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = json.dumps([list(version), lava])
    path.write_text(
        f"#!/bin/sh\nif [ \"$1\" = -c ]; then echo '{answer}'; exit 0; fi\necho 'no room left' >&2\n{then}\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def complete(directory, **options):
    interpreter(directory / "bin" / "python", **options)
    (directory / environment.COMPLETE).write_text("{}\n")


def test_missing_environment_names_the_command_that_makes_it(directory):
    with pytest.raises(
        BackendMissingError, match=r"no environment in .*lava; install it: ff2neuro backends install lava"
    ):
        find_interpreter()
    assert lava_status() == environment.LavaStatus(False, None, None, f"no environment in {directory}")


def test_complete_environment_is_found(directory):
    complete(directory, lava="0.10.0")
    assert find_interpreter() == str(directory / "bin" / "python")
    assert lava_status().installed
    assert lava_status().version == "0.10.0"


def test_unfinished_environment_is_not_used(directory):
    interpreter(directory / "bin" / "python", lava="0.10.0")
    (directory / environment.UNFINISHED).touch()
    with pytest.raises(BackendMissingError, match=r"unfinished in .*; install it"):
        find_interpreter()


def test_environment_whose_interpreter_is_gone_is_not_used(directory):
    complete(directory, lava="0.10.0")
    (directory / "bin" / "python").unlink()
    with pytest.raises(BackendMissingError, match="which does not run; install it"):
        find_interpreter()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lava": None}, "a Python 3.10.9 without lava-nc; install lava-nc 0.10.0 there, name another interpreter, or"),
        ({"lava": "0.9.0"}, "which has lava-nc 0.9.0; needed is 0.10.0; install lava-nc 0.10.0 there"),
    ],
)
def test_named_interpreter_without_the_right_lava_is_refused(tmp_path, monkeypatch, options, message):
    monkeypatch.setenv(environment.PYTHON_VARIABLE, str(interpreter(tmp_path / "python", **options)))
    with pytest.raises(BackendMissingError, match=message):
        find_interpreter()


def test_named_interpreter_comes_before_the_environment(directory, tmp_path, monkeypatch):
    complete(directory, lava="0.10.0")
    named = interpreter(tmp_path / "python", lava="0.10.0")
    monkeypatch.setenv(environment.PYTHON_VARIABLE, str(named))
    assert find_interpreter() == str(named)


def test_modules_of_this_python_are_kept_from_the_other(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert "PYTHONPATH" not in environment.child_environment()
    monkeypatch.setenv(environment.PYTHON_VARIABLE, str(tmp_path / "python"))
    assert environment.child_environment()["PYTHONPATH"] == "/somewhere"


def test_installing_what_is_there_does_nothing(directory):
    complete(directory, lava="0.10.0")
    said = []
    assert install_lava(progress=said.append).installed
    assert said == [f"lava-nc 0.10.0 is there already: environment {directory}"]


def test_installing_beside_a_named_interpreter_is_refused(tmp_path, monkeypatch, directory):
    monkeypatch.setenv(environment.PYTHON_VARIABLE, str(interpreter(tmp_path / "python")))
    with pytest.raises(ConfigurationError, match=r"would never be used .*unset FF2NEURO_LAVA_PYTHON first"):
        install_lava()
    assert not directory.exists()


def test_files_of_others_are_left_alone(directory):
    directory.mkdir()
    (directory / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigurationError, match=r"holds files that .* did not make; name an empty place in FF2NEURO"):
        install_lava()
    assert (directory / "thesis.tex").read_text() == "years of work"


def test_no_python_is_an_error_with_advice(directory):
    with pytest.raises(BackendError, match=r"Python 3\.10 only and none was found .*--python PATH"):
        install_lava()
    assert not directory.exists()


@pytest.mark.parametrize("version", [(3, 11, 7), (3, 1, 0), (2, 7, 18)])
def test_python_of_another_version_is_refused(tmp_path, version, directory):
    python = interpreter(tmp_path / "python", version=version)
    with pytest.raises(ConfigurationError, match=r"is not a Python 3\.10 that runs; Lava needs one: name another"):
        install_lava(str(python))
    assert not directory.exists()


def test_python_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"is not a Python 3\.10 that runs"):
        install_lava(str(tmp_path / "nothing"))


def test_shim_without_a_python_behind_it_is_passed_over(tmp_path):
    """pyenv puts a python3.10 on PATH that fails unless that version is chosen."""
    shim = tmp_path / "path" / "python3.10"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.10: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    real = interpreter(tmp_path / "pyenv" / "versions" / "3.10.9" / "bin" / "python")
    with pytest.raises(BackendError, match=rf"failed at `{real} -m venv .*`:\nno room left"):
        install_lava()


def test_failed_installation_is_made_anew(tmp_path, directory):
    python = interpreter(tmp_path / "python")
    for _ in range(2):
        with pytest.raises(BackendError, match="no room left"):
            install_lava(str(python))
        assert [path.name for path in directory.iterdir()] == [environment.UNFINISHED]
        (directory / "half-written").mkdir()
        (directory / "half-written").rmdir()


def test_requirements_are_exact():
    lines = [line for line in environment.REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    assert f"lava-nc=={environment.LAVA_VERSION}" in lines
    assert all("==" in line for line in lines)
