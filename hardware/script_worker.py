"""A program in a machine's own Python that is asked once per chunk: arrays in, arrays out, in files."""

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import BackendError
from ff2neuro.hardware.own_environment import OwnEnvironment
from ff2neuro.inputs import InputSource
from ff2neuro.progress import progress_bar
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter

__all__ = ["ask", "record_chunks"]

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


def record_chunks(
    header: RecordingHeader,
    inputs: InputSource,
    out: Path | None,
    images_per_chunk: int,
    simulate: Callable[[Array], dict[str, Array]],
) -> Recording:
    """Simulate all images, a chunk at a time, and record them.

    Parameters
    ----------
    header : RecordingHeader
        What will be recorded.
    inputs : InputSource
        All images.
    out : Path or None
        Where to; in memory by default.
    images_per_chunk : int
        Images that are simulated at once.
    simulate : callable
        Returns the spikes of every layer for the events of some images.

    Returns
    -------
    Recording
        Open for reading.
    """
    with RecordingWriter(header, out) as writer, progress_bar(header.backend, inputs.n_images, "images") as bar:
        for start, events in inputs.chunks(images_per_chunk):
            writer.write_inputs(start, events)
            writer.write(start, simulate(events))
            bar.advance(len(events))
    return writer.finish()
