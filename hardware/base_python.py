"""The Python 3.10 that machines with an environment of their own are built on, and how such a Python is asked."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from ff2neuro.errors import BackendError, ConfigurationError

__all__ = ["PYTHON_VERSION", "base_interpreter", "foreign_environment", "probe"]

#: The last version that lava-nc runs on and xylosim is built for.
PYTHON_VERSION = "3.10"
#: Seconds after which a candidate interpreter is taken to be broken.
PROBE_LIMIT = 60.0

_PROBE = (
    "import json, sys\n"
    "try:\n"
    "    import importlib.metadata as metadata\n"
    "    found = metadata.version(sys.argv[1])\n"
    "except Exception:\n"
    "    found = None\n"
    "print(json.dumps([list(sys.version_info[:3]), found]))\n"
)


def foreign_environment(*, own_paths: bool = False) -> dict[str, str]:
    """Return the environment variables for an interpreter of another version.

    Parameters
    ----------
    own_paths : bool
        Whether the paths to modules are passed on: they are the user's business for an interpreter that the user
        named, and would make any other one import what it cannot run.

    Returns
    -------
    dict of str to str
        Variables.
    """
    variables = dict(os.environ)
    if not own_paths:
        variables.pop("PYTHONPATH", None)
    variables.pop("PYTHONHOME", None)
    return variables


def probe(python: str, distribution: str, variables: dict[str, str]) -> tuple[tuple[int, ...], str | None] | None:
    """Return the versions of an interpreter and of a package in it.

    Asked by running it: a shim on PATH may stand for a version that is not installed.

    Parameters
    ----------
    python : str
        Path of the interpreter.
    distribution : str
        Name of the package.
    variables : dict of str to str
        Environment variables to run it with.

    Returns
    -------
    tuple, or None
        Version of Python and of the package, which is None if it is not there; None if the candidate does not run.
    """
    try:
        answer = subprocess.run(
            [python, "-c", _PROBE, distribution], capture_output=True, text=True, timeout=PROBE_LIMIT, env=variables
        )
        version, found = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return tuple(version), found


def base_interpreter(python: str | None, machine: str, progress: Callable[[str], None]) -> str:
    """Return a Python 3.10 to build an environment on.

    Parameters
    ----------
    python : str, optional
        The one to take; by default one is looked for.
    machine : str
        Name of the backend that needs it.
    progress : callable
        Called with a sentence at every stage.

    Returns
    -------
    str
        Its path.

    Raises
    ------
    ConfigurationError
        If `python` is no Python 3.10 that runs.
    BackendError
        If none is found.
    """
    if python is not None:
        if not _is_right(python):
            raise ConfigurationError(
                f"{python} is not a Python {PYTHON_VERSION} that runs; {machine} needs one: name another"
            )
        return python
    for candidate in _candidates():
        if _is_right(candidate):
            return candidate
    found = _from_uv(progress)
    if found is None:
        raise BackendError(
            f"backend {machine!r} is installed on Python {PYTHON_VERSION} only and none was found (PATH, pyenv, uv); "
            f"install it, or install uv, which can fetch it (pip install uv), or name one: "
            f"ff2neuro backends install {machine} --python PATH"
        )
    return found


def _candidates() -> Iterator[str]:
    yield sys.executable
    on_path = shutil.which(f"python{PYTHON_VERSION}")
    if on_path:
        yield on_path
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(path) for path in sorted(root.glob(f"versions/{PYTHON_VERSION}.*/bin/python"), reverse=True))


def _is_right(python: str) -> bool:
    found = probe(python, "pip", foreign_environment())
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
        if answer.returncode == 0 and _is_right(answer.stdout.strip()):
            return answer.stdout.strip()
    return None
