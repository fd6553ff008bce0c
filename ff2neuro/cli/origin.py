"""Where a result comes from: what was typed, and which files it was made of."""

import hashlib
import shlex
from pathlib import Path

import click
from click.core import ParameterSource

__all__ = ["origin", "typed_command"]


def origin(*paths: Path) -> dict[str, str]:
    """Return the SHA-256 of files by their names.

    Parameters
    ----------
    *paths : Path
        The files.

    Returns
    -------
    dict of str to str
        Checksums as hexadecimal strings.
    """
    return {f"sha256 of {path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def typed_command() -> str:
    """Return the command line of the command that is running, without what only chose its output.

    Returns
    -------
    str
        To be typed again as it stands.
    """
    context = click.get_current_context()
    words = ["ff2neuro", str(context.command.name)]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        typed = context.get_parameter_source(parameter.name or "") == ParameterSource.COMMANDLINE
        if not typed or value is None or parameter.name in {"as_json", "force"}:
            continue
        if isinstance(parameter, click.Argument):
            words.append(str(value))
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [parameter.opts[-1], str(one)]
    return shlex.join(words)
