"""A program in a machine's own Python that is asked once per chunk: arrays in, arrays out, in files."""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import BackendError
from ff2neuro.hardware.own_environment import OwnEnvironment

__all__ = ["ask"]

Array = npt.NDArray[Any]


def ask(
    environment: OwnEnvironment, python: str, script: Path, request: Mapping[str, Array], time_limit: float | None
) -> dict[str, Array]:
    """Run ``script REQUEST.npz ANSWER.npz`` and return what it answered.

    Parameters
    ----------
    environment : OwnEnvironment
        Where the machine lives.
    python : str
        Its interpreter.
    script : Path
        The program.
    request : mapping of str to ndarray
        What it is asked.
    time_limit : float or None
        Seconds after which it is ended.

    Returns
    -------
    dict of str to ndarray
        The answer.

    Raises
    ------
    BackendError
        If there is no answer, with the program's own words, or none in time.
    """
    name = environment.backend
    with tempfile.TemporaryDirectory(prefix=f"ff2neuro-{name}-") as directory:
        question, reply = Path(directory, "request.npz"), Path(directory, "answer.npz")
        np.savez(question, allow_pickle=False, **request)
        try:
            done = subprocess.run(
                [python, str(script), str(question), str(reply)],
                capture_output=True,
                text=True,
                timeout=time_limit,
                env=environment.variables(),
                cwd=directory,
            )
        except subprocess.TimeoutExpired as error:
            raise BackendError(
                f"{name} did not answer within {time_limit:g} s; allow more with --time-limit"
            ) from error
        if done.returncode or not reply.exists():
            raise BackendError(f"{name} failed with exit code {done.returncode}:\n{done.stderr.strip()[-2000:]}")
        with np.load(reply, allow_pickle=False) as answer:
            return dict(answer)
