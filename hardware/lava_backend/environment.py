"""The Python environment in which Lava lives, apart from this one.

lava-nc 0.10.0, the last release, runs on Python 3.10 only. Its environment is either one that this module makes (in
``FF2NEURO_LAVA_ENV``, by default the user's data directory) or a ready interpreter that the user names in
``FF2NEURO_LAVA_PYTHON``.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from ff2neuro.errors import BackendError, BackendMissingError, ConfigurationError
from ff2neuro.files import write_text

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "LAVA_VERSION",
    "PYTHON_VARIABLE",
    "LavaStatus",
    "environment_directory",
    "find_interpreter",
    "install_lava",
    "lava_status",
]

#: The version whose arithmetic `ff2neuro.dynamics` reproduces.
LAVA_VERSION = "0.10.0"
PYTHON_VERSION = "3.10"
#: Names a ready interpreter that has Lava.
PYTHON_VARIABLE = "FF2NEURO_LAVA_PYTHON"
#: Names the directory of the environment that `install_lava` makes.
ENVIRONMENT_VARIABLE = "FF2NEURO_LAVA_ENV"
INSTALL_COMMAND = "ff2neuro backends install lava"

#: Wants torch for layers that dense networks do not have, so its own requirements are left out.
LAVA_DL = "lava-dl==0.6.0"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
#: Written last: an environment without it is unfinished.
COMPLETE = ".ff2neuro-complete.json"
#: Written first: says that the directory is ours to remove.
UNFINISHED = ".ff2neuro-unfinished"
#: Seconds after which a candidate interpreter is taken to be broken.
PROBE_LIMIT = 60.0

_PROBE = (
    "import json, sys\n"
    "try:\n"
    "    import importlib.metadata as metadata\n"
    "    lava = metadata.version('lava-nc')\n"
    "except Exception:\n"
    "    lava = None\n"
    "print(json.dumps([list(sys.version_info[:3]), lava]))\n"
)


@dataclass(frozen=True)
class LavaStatus:
    """Whether Lava is there.

    Attributes
    ----------
    installed : bool
        Whether the backend can be started.
    version : str or None
        Version of lava-nc that was found.
    python : str or None
        Interpreter that would run it.
    reason : str
        Why it cannot be started, or where it was found.
    """

    installed: bool
    version: str | None
    python: str | None
    reason: str


def environment_directory() -> Path:
    """Return where `install_lava` makes the environment."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named).absolute() if named else Path(platformdirs.user_data_dir("ff2neuro", False)) / "lava-environment"


def lava_status() -> LavaStatus:
    """Look for Lava, without starting it.

    Returns
    -------
    LavaStatus
        What was found.
    """
    named = os.environ.get(PYTHON_VARIABLE)
    if named:
        return _status_of(named, f"{PYTHON_VARIABLE} names {named}")
    directory = environment_directory()
    if not (directory / COMPLETE).is_file():
        unfinished = (directory / UNFINISHED).is_file()
        what = "unfinished" if unfinished else "no environment"
        return LavaStatus(False, None, None, f"{what} in {directory}")
    return _status_of(str(directory / "bin" / "python"), f"environment {directory}")


def find_interpreter() -> str:
    """Return the interpreter that has Lava.

    Returns
    -------
    str
        Path of the interpreter.

    Raises
    ------
    BackendMissingError
        If there is none, or it has no Lava, or another version of it; the message says what to do.
    """
    status = lava_status()
    if status.installed and status.python:
        return status.python
    if os.environ.get(PYTHON_VARIABLE):
        advice = f"install lava-nc {LAVA_VERSION} there, name another interpreter, or unset {PYTHON_VARIABLE}"
    else:
        advice = f"install it: {INSTALL_COMMAND}"
    raise BackendMissingError(f"backend 'lava' is not installed: {status.reason}; {advice}")


def install_lava(python: str | None = None, progress: Callable[[str], None] = lambda line: None) -> LavaStatus:
    """Make the environment, unless it is there already.

    Parameters
    ----------
    python : str, optional
        A Python 3.10 to build on; by default one is looked for.
    progress : callable
        Called with a sentence at every stage.

    Returns
    -------
    LavaStatus
        Of the finished environment.

    Raises
    ------
    ConfigurationError
        If `python` is no Python 3.10, the directory holds something else, or `FF2NEURO_LAVA_PYTHON` names an
        interpreter without Lava.
    BackendError
        If no Python 3.10 is found or a package cannot be installed.
    """
    status = lava_status()
    if status.installed:
        progress(f"lava-nc {status.version} is there already: {status.reason}")
        return status
    if os.environ.get(PYTHON_VARIABLE):
        raise ConfigurationError(
            f"{status.reason}; Lava would never be used from an environment made here: "
            f"unset {PYTHON_VARIABLE} first, and pass that interpreter with --python if it is a Python {PYTHON_VERSION}"
        )
    directory = environment_directory()
    _clear(directory)
    base = _base_interpreter(python, progress)
    return _make(directory, base, progress)


def _make(directory: Path, base: str, progress: Callable[[str], None]) -> LavaStatus:
    """Make the environment in place, for one that was moved would not work, and mark it complete last."""
    progress(f"making {directory} with {base}")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / UNFINISHED).touch()
    interpreter = str(directory / "bin" / "python")
    _call([base, "-m", "venv", str(directory)])
    progress(f"installing lava-nc {LAVA_VERSION} and what it needs (about 400 MB)")
    _call([interpreter, "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)])
    _call([interpreter, "-m", "pip", "install", "--quiet", "--no-deps", LAVA_DL])
    progress("checking that Lava starts")
    _call([interpreter, "-c", "import lava.magma.runtime.runtime, lava.proc.lif.process"])
    status = _status_of(interpreter, f"environment {directory}")
    if not status.installed:
        raise BackendError(f"{status.reason}; remove {directory} and try again")
    write_text(directory / COMPLETE, json.dumps({"lava-nc": status.version, "base": base}) + "\n")
    (directory / UNFINISHED).unlink()
    return status


def _status_of(python: str, where: str) -> LavaStatus:
    found = _probe(python)
    if found is None:
        return LavaStatus(False, None, python, f"{where}, which does not run")
    version, lava = found
    if lava is None:
        return LavaStatus(False, None, python, f"{where}, a Python {'.'.join(map(str, version))} without lava-nc")
    if lava != LAVA_VERSION:
        return LavaStatus(False, lava, python, f"{where}, which has lava-nc {lava}; needed is {LAVA_VERSION}")
    return LavaStatus(True, lava, python, where)


def _probe(python: str) -> tuple[tuple[int, ...], str | None] | None:
    """Return the versions of Python and lava-nc, or None if the candidate does not run.

    Asked by running it: a shim on PATH may stand for a version that is not installed.
    """
    try:
        answer = subprocess.run(
            [python, "-c", _PROBE], capture_output=True, text=True, timeout=PROBE_LIMIT, env=child_environment()
        )
        version, lava = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return tuple(version), lava


def child_environment() -> dict[str, str]:
    """Return the environment variables for an interpreter of another version.

    Paths to modules of this interpreter would make that one import what it cannot run. For an interpreter that the
    user named, they are the user's business.
    """
    variables = dict(os.environ)
    if not os.environ.get(PYTHON_VARIABLE):
        variables.pop("PYTHONPATH", None)
    variables.pop("PYTHONHOME", None)
    return variables


def _clear(directory: Path) -> None:
    """Remove an environment that is unfinished or of another version; refuse to touch anything else."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise ConfigurationError(f"{directory} is not a directory; name another place in {ENVIRONMENT_VARIABLE}")
    ours = (directory / UNFINISHED).exists() or (directory / COMPLETE).exists()
    if not ours and any(directory.iterdir()):
        raise ConfigurationError(
            f"{directory} holds files that `{INSTALL_COMMAND}` did not make; "
            f"name an empty place in {ENVIRONMENT_VARIABLE}, or remove it"
        )
    shutil.rmtree(directory)


def _base_interpreter(python: str | None, progress: Callable[[str], None]) -> str:
    """Return a Python 3.10 to build the environment on."""
    if python is not None:
        if not _is_python_310(python):
            raise ConfigurationError(
                f"{python} is not a Python {PYTHON_VERSION} that runs; Lava needs one: name another"
            )
        return python
    for candidate in _candidates():
        if _is_python_310(candidate):
            return candidate
    found = _from_uv(progress)
    if found is None:
        raise BackendError(
            f"Lava runs on Python {PYTHON_VERSION} only and none was found (PATH, pyenv, uv); install it, or install "
            f"uv, which can fetch it (pip install uv), or name one: {INSTALL_COMMAND} --python PATH"
        )
    return found


def _candidates() -> Iterator[str]:
    yield sys.executable
    on_path = shutil.which(f"python{PYTHON_VERSION}")
    if on_path:
        yield on_path
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(path) for path in sorted(root.glob(f"versions/{PYTHON_VERSION}.*/bin/python"), reverse=True))


def _is_python_310(python: str) -> bool:
    found = _probe(python)
    return found is not None and ".".join(map(str, found[0][:2])) == PYTHON_VERSION


def _from_uv(progress: Callable[[str], None]) -> str | None:
    """Return a Python 3.10 that uv knows of or can download."""
    on_path = shutil.which("uv")
    command = [on_path] if on_path else [sys.executable, "-m", "uv"] if find_spec("uv") else None
    if command is None:
        return None
    for attempt in (None, "install"):
        if attempt:
            progress(f"downloading Python {PYTHON_VERSION} with uv")
            answer = subprocess.run([*command, "python", attempt, PYTHON_VERSION], capture_output=True, text=True)
            if answer.returncode:
                progress(f"uv could not: {answer.stderr.strip()[-500:]}")
                return None
        answer = subprocess.run([*command, "python", "find", PYTHON_VERSION], capture_output=True, text=True)
        if answer.returncode == 0 and _is_python_310(answer.stdout.strip()):
            return answer.stdout.strip()
    return None


def _call(command: list[str]) -> None:
    """Run a command of the installation; its own words become the error."""
    answer = subprocess.run(command, capture_output=True, text=True, env=child_environment())
    if answer.returncode:
        words = (answer.stderr.strip() or answer.stdout.strip())[-2000:]
        raise BackendError(f"making Lava's environment failed at `{' '.join(command)}`:\n{words}")
