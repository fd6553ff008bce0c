"""Finding and making the interpreter that has Lava; no Lava is needed here."""

import json
import signal
import stat
import sys
import threading
import time

import pytest

from ff2neuro.errors import BackendError, BackendMissingError, ConfigurationError
from ff2neuro.hardware.brian2_loihi_backend.backend import BRIAN2_LOIHI
from ff2neuro.hardware.lava_backend.environment import LAVA
from ff2neuro.hardware.own_environment import COMPLETE, UNFINISHED, EnvironmentStatus


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """A machine without Lava, and without Python 3.10 or a uv that could fetch it."""
    monkeypatch.delenv(LAVA.python_variable, raising=False)
    monkeypatch.setenv(LAVA.directory_variable, str(tmp_path / "lava"))
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
    (directory / COMPLETE).write_text("{}\n")


def test_missing_environment_names_the_command_that_makes_it(directory):
    with pytest.raises(
        BackendMissingError, match=r"no environment in .*lava; install it: ff2neuro backends install lava"
    ):
        LAVA.find_interpreter()
    assert LAVA.status() == EnvironmentStatus(False, None, None, f"no environment in {directory}")


def test_complete_environment_is_found(directory):
    complete(directory, lava="0.10.0")
    assert LAVA.find_interpreter() == str(directory / "bin" / "python")
    assert LAVA.status().installed
    assert LAVA.status().version == "0.10.0"


def test_unfinished_environment_is_not_used(directory):
    interpreter(directory / "bin" / "python", lava="0.10.0")
    (directory / UNFINISHED).touch()
    with pytest.raises(BackendMissingError, match=r"unfinished in .*; install it"):
        LAVA.find_interpreter()


def test_environment_whose_interpreter_is_gone_is_not_used(directory):
    complete(directory, lava="0.10.0")
    (directory / "bin" / "python").unlink()
    with pytest.raises(BackendMissingError, match="which does not run; install it"):
        LAVA.find_interpreter()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lava": None}, "a Python 3.10.9 without lava-nc; install lava-nc 0.10.0 there, name another interpreter, or"),
        ({"lava": "0.9.0"}, "which has lava-nc 0.9.0; needed is 0.10.0; install lava-nc 0.10.0 there"),
    ],
)
def test_named_interpreter_without_the_right_lava_is_refused(tmp_path, monkeypatch, options, message):
    monkeypatch.setenv(LAVA.python_variable, str(interpreter(tmp_path / "python", **options)))
    with pytest.raises(BackendMissingError, match=message):
        LAVA.find_interpreter()


def test_named_interpreter_comes_before_the_environment(directory, tmp_path, monkeypatch):
    complete(directory, lava="0.10.0")
    named = interpreter(tmp_path / "python", lava="0.10.0")
    monkeypatch.setenv(LAVA.python_variable, str(named))
    assert LAVA.find_interpreter() == str(named)


def test_modules_of_this_python_are_kept_from_the_other(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert "PYTHONPATH" not in LAVA.variables()
    monkeypatch.setenv(LAVA.python_variable, str(tmp_path / "python"))
    assert LAVA.variables()["PYTHONPATH"] == "/somewhere"


def test_installing_what_is_there_does_nothing(directory):
    complete(directory, lava="0.10.0")
    said = []
    assert LAVA.install(progress=said.append).installed
    assert said == [f"lava-nc 0.10.0 is there already: environment {directory}"]


def test_installing_beside_a_named_interpreter_is_refused(tmp_path, monkeypatch, directory):
    monkeypatch.setenv(LAVA.python_variable, str(interpreter(tmp_path / "python")))
    with pytest.raises(ConfigurationError, match=r"would never be used: unset FF2NEURO_LAVA_PYTHON first"):
        LAVA.install()
    assert not directory.exists()


def test_files_of_others_are_left_alone(directory):
    directory.mkdir()
    (directory / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigurationError, match=r"holds files that .* did not make; name an empty place in FF2NEURO"):
        LAVA.install()
    assert (directory / "thesis.tex").read_text() == "years of work"


def test_no_python_is_an_error_with_advice(directory):
    with pytest.raises(BackendError, match=r"on Python 3\.10 only and none was found .*install lava --python PATH"):
        LAVA.install()
    assert not directory.exists()


@pytest.mark.parametrize("version", [(3, 11, 7), (3, 1, 0), (2, 7, 18)])
def test_python_of_another_version_is_refused(tmp_path, version, directory):
    python = interpreter(tmp_path / "python", version=version)
    with pytest.raises(ConfigurationError, match=r"is not a Python 3\.10 that runs; lava needs one: name another"):
        LAVA.install(str(python))
    assert not directory.exists()


def test_python_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"is not a Python 3\.10 that runs"):
        LAVA.install(str(tmp_path / "nothing"))


def test_shim_without_a_python_behind_it_is_passed_over(tmp_path):
    """pyenv puts a python3.10 on PATH that fails unless that version is chosen."""
    shim = tmp_path / "path" / "python3.10"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.10: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    real = interpreter(tmp_path / "pyenv" / "versions" / "3.10.9" / "bin" / "python")
    with pytest.raises(BackendError, match=rf"failed at `{real} -m venv .*`:\nno room left"):
        LAVA.install()


def test_failed_installation_leaves_nothing(tmp_path, directory):
    python = interpreter(tmp_path / "python")
    for _ in range(2):
        with pytest.raises(BackendError, match="no room left"):
            LAVA.install(str(python))
        assert not directory.exists()


def test_what_a_killed_installation_left_is_made_anew(tmp_path, directory):
    directory.mkdir()
    (directory / UNFINISHED).touch()
    (directory / "half-written").mkdir()
    with pytest.raises(BackendError, match="no room left"):
        LAVA.install(str(interpreter(tmp_path / "python")))
    assert not directory.exists()


def building(path, lava):
    """Write a Python 3.10 whose environments have this version of Lava."""
    made = interpreter(path.with_name("made"), lava=lava, then="exit 0")
    return interpreter(path, then=f'/bin/mkdir -p "$3/bin" && /bin/cp {made} "$3/bin/python"')


def test_environment_is_made_once_and_again_by_force(tmp_path, directory):
    python = str(building(tmp_path / "python", "0.10.0"))
    assert LAVA.install(python).installed
    assert {path.name for path in directory.iterdir()} == {"bin", COMPLETE}
    (directory / "mark").touch()
    assert LAVA.install(python).installed
    assert (directory / "mark").exists()
    assert LAVA.install(python, force=True).installed
    assert not (directory / "mark").exists()
    assert {path.name for path in directory.parent.iterdir()} >= {"lava"}
    assert not directory.with_name("lava.former").exists()


def test_force_that_fails_or_is_interrupted_leaves_the_environment_that_was_there(tmp_path, directory):
    complete(directory, lava="0.10.0")

    def interrupt(line):
        if line.startswith("making"):
            raise KeyboardInterrupt

    with pytest.raises(BackendError, match="no room left"):
        LAVA.install(str(interpreter(tmp_path / "python")), force=True)
    with pytest.raises(KeyboardInterrupt):
        LAVA.install(str(interpreter(tmp_path / "python")), interrupt, force=True)
    assert LAVA.find_interpreter() == str(directory / "bin" / "python")
    assert not directory.with_name("lava.former").exists()


def test_interrupted_installation_ends_the_programs_that_it_started(tmp_path, directory):
    """pip is started by Python's venv; were it to go on, it would write into a directory that is gone."""
    python = interpreter(tmp_path / "python", then='(/bin/sleep 0.6; /bin/mkdir -p "$3/late") & /bin/sleep 30')
    threading.Timer(0.3, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        LAVA.install(str(python))
    assert not directory.exists()
    time.sleep(0.6)
    assert not directory.exists()


def test_environment_with_another_version_than_asked_for_is_not_kept(tmp_path, directory):
    with pytest.raises(BackendError, match=r"which has lava-nc 0\.9\.0; needed is 0\.10\.0"):
        LAVA.install(str(building(tmp_path / "python", "0.9.0")))
    assert not directory.exists()


@pytest.mark.parametrize("environment", [LAVA, BRIAN2_LOIHI], ids=lambda environment: environment.backend)
def test_requirements_are_exact(environment):
    lines = [line for line in environment.requirements.read_text().splitlines() if not line.startswith("#")]
    assert f"{environment.distribution}=={environment.version}" in lines
    assert all("==" in line for line in lines)
