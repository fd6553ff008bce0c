"""Streams that cannot be written to: the exit code must stay that of the command."""

import os
import sys
from contextlib import suppress
from typing import TextIO

import click

__all__ = ["complain", "open_closed_streams", "silence"]


def silence(stream: TextIO) -> None:
    """Send what a stream still holds, and all that follows, nowhere: the interpreter flushes it at exit.

    Parameters
    ----------
    stream : TextIO
        Standard output or standard error.
    """
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def complain(message: str) -> None:
    """Print to standard error; where that is impossible too, the exit code has to do.

    Parameters
    ----------
    message : str
        What to say.
    """
    try:
        click.echo(message, err=True)
    except OSError:
        silence(sys.stderr)


def open_closed_streams() -> None:
    """Open streams that the caller closed, as ``2>&-`` does: Python has None for them, which nobody can print to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
