"""Python environments of machines that cannot live in this one: where they are, what is in them, how they are made.

A machine's environment is either one that `OwnEnvironment.install` makes or a ready interpreter that the user names.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ff2neuro.errors import BackendError, BackendMissingError, ConfigurationError
from ff2neuro.files import write_text
from ff2neuro.hardware.base_python import PYTHON_VERSION, base_interpreter, foreign_environment, probe

__all__ = ["COMPLETE", "UNFINISHED", "EnvironmentStatus", "OwnEnvironment"]

#: Written last: an environment without it is unfinished.
COMPLETE = ".ff2neuro-complete.json"
#: Written first: says that the directory is ours to remove.
UNFINISHED = ".ff2neuro-unfinished"


@dataclass(frozen=True)
class EnvironmentStatus:
    """Whether a machine is there.

    Attributes
    ----------
    installed : bool
        Whether the backend can be started.
    version : str or None
        Version that was found.
    python : str or None
        Interpreter that would run it.
    reason : str
        Why it cannot be started, or where it was found.
    """

    installed: bool
    version: str | None
    python: str | None
    reason: str


@dataclass(frozen=True)
class OwnEnvironment:
    """The environment of one machine.

    Attributes
    ----------
    backend : str
        Name of the backend.
    distribution, version : str
        The package that must be there, and the only version that will do.
    requirements : Path
        Packages with exact versions.
    check : str
        Statement that must run in a finished environment.
    size : str
        What is about to be installed, for people.
    bare : tuple of str
        Packages to install without what they ask for.
    """

    backend: str
    distribution: str
    version: str
    requirements: Path
    check: str
    size: str
    bare: tuple[str, ...] = ()

    @property
    def python_variable(self) -> str:
        """Name of the variable that names a ready interpreter."""
        return f"FF2NEURO_{self.backend.replace('-', '_').upper()}_PYTHON"

    @property
    def directory_variable(self) -> str:
        """Name of the variable that names the directory in which the environment is made."""
        return f"FF2NEURO_{self.backend.replace('-', '_').upper()}_ENV"

    @property
    def command(self) -> str:
        """Command that makes the environment."""
        return f"ff2neuro backends install {self.backend}"

    @property
    def directory(self) -> Path:
        """Where the environment is made; by default in the user's data directory."""
        named = os.environ.get(self.directory_variable)
        default = Path(platformdirs.user_data_dir("ff2neuro", False)) / f"{self.backend}-environment"
        return Path(named).absolute() if named else default

    def variables(self) -> dict[str, str]:
        """Return the environment variables to run the interpreter with."""
        return foreign_environment(own_paths=bool(os.environ.get(self.python_variable)))

    def status(self) -> EnvironmentStatus:
        """Look for the machine, without starting it.

        Returns
        -------
        EnvironmentStatus
            What was found.
        """
        named = os.environ.get(self.python_variable)
        if named:
            return self._status_of(named, f"{self.python_variable} names {named}")
        directory = self.directory
        if not (directory / COMPLETE).is_file():
            unfinished = (directory / UNFINISHED).is_file()
            what = "unfinished" if unfinished else "no environment"
            return EnvironmentStatus(False, None, None, f"{what} in {directory}")
        return self._status_of(str(directory / "bin" / "python"), f"environment {directory}")

    def find_interpreter(self) -> str:
        """Return the interpreter that has the machine.

        Returns
        -------
        str
            Path of the interpreter.

        Raises
        ------
        BackendMissingError
            If there is none, or it lacks the package, or has another version of it; the message says what to do.
        """
        status = self.status()
        if status.installed and status.python:
            return status.python
        if os.environ.get(self.python_variable):
            advice = (
                f"install {self.distribution} {self.version} there, name another interpreter, or unset "
                f"{self.python_variable}"
            )
        else:
            advice = f"install it: {self.command}"
        raise BackendMissingError(f"backend {self.backend!r} is not installed: {status.reason}; {advice}")

    def install(
        self,
        python: str | None = None,
        progress: Callable[[str], None] = lambda line: None,
        *,
        force: bool = False,
    ) -> EnvironmentStatus:
        """Make the environment, unless it is there already.

        Whatever goes wrong, the directory is as it was before.

        Parameters
        ----------
        python : str, optional
            A Python 3.10 to build on; by default one is looked for.
        progress : callable
            Called with a sentence at every stage.
        force : bool
            Whether to make it anew where it is there.

        Returns
        -------
        EnvironmentStatus
            Of the finished environment.

        Raises
        ------
        ConfigurationError
            If `python` is no Python 3.10, the directory holds something else, or the user's variable names an
            interpreter, whatever it has.
        BackendError
            If no Python 3.10 is found or a package cannot be installed.
        """
        status = self.status()
        if status.installed and not force:
            progress(f"{self.distribution} {status.version} is there already: {status.reason}")
            return status
        if os.environ.get(self.python_variable):
            raise ConfigurationError(
                f"{status.reason}; an environment made here would never be used: unset {self.python_variable} first, "
                f"and pass that interpreter with --python if it is a Python {PYTHON_VERSION}"
            )
        directory = self.directory
        self._require_ours(directory)
        base = base_interpreter(python, self.backend, progress)
        former = directory.with_name(f"{directory.name}.former")
        if directory.exists():
            shutil.rmtree(former, ignore_errors=True)
            directory.rename(former)
        try:
            status = self._make(directory, base, progress)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            if (former / COMPLETE).exists():
                former.rename(directory)
            raise
        finally:
            shutil.rmtree(former, ignore_errors=True)
        return status

    def _make(self, directory: Path, base: str, progress: Callable[[str], None]) -> EnvironmentStatus:
        """Make the environment in place, for one that was moved would not work, and mark it complete last."""
        progress(f"making {directory} with {base}")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / UNFINISHED).touch()
        interpreter = str(directory / "bin" / "python")
        self._call([base, "-m", "venv", str(directory)])
        progress(f"installing {self.distribution} {self.version} and what it needs ({self.size})")
        self._call([interpreter, "-m", "pip", "install", "--quiet", "-r", str(self.requirements)])
        if self.bare:
            self._call([interpreter, "-m", "pip", "install", "--quiet", "--no-deps", *self.bare])
        progress(f"checking that {self.backend} starts")
        self._call([interpreter, "-c", self.check])
        status = self._status_of(interpreter, f"environment {directory}")
        if not status.installed:
            raise BackendError(f"{status.reason}; remove {directory} and try again")
        write_text(directory / COMPLETE, json.dumps({self.distribution: status.version, "base": base}) + "\n")
        (directory / UNFINISHED).unlink()
        return status

    def _status_of(self, python: str, where: str) -> EnvironmentStatus:
        found = probe(python, self.distribution, self.variables())
        if found is None:
            return EnvironmentStatus(False, None, python, f"{where}, which does not run")
        version, package = found
        if package is None:
            spelled = ".".join(map(str, version))
            return EnvironmentStatus(False, None, python, f"{where}, a Python {spelled} without {self.distribution}")
        if package != self.version:
            reason = f"{where}, which has {self.distribution} {package}; needed is {self.version}"
            return EnvironmentStatus(False, package, python, reason)
        return EnvironmentStatus(True, package, python, where)

    def _require_ours(self, directory: Path) -> None:
        """Refuse to touch a directory that is neither empty nor an environment that was made here."""
        if not directory.exists():
            return
        if not directory.is_dir():
            raise ConfigurationError(f"{directory} is not a directory; name another place in {self.directory_variable}")
        ours = (directory / UNFINISHED).exists() or (directory / COMPLETE).exists()
        if not ours and any(directory.iterdir()):
            raise ConfigurationError(
                f"{directory} holds files that `{self.command}` did not make; "
                f"name an empty place in {self.directory_variable}, or remove it"
            )

    def _call(self, command: list[str]) -> None:
        """Run a command of the installation; its own words become the error."""
        # In a session of its own, so that the programs that it starts end with it and write nothing afterwards.
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.variables(),
            start_new_session=True,
        )
        try:
            out, err = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        if process.returncode:
            words = (err.strip() or out.strip())[-2000:]
            raise BackendError(f"making the environment of {self.backend!r} failed at `{' '.join(command)}`:\n{words}")
