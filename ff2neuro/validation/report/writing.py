"""The directory that holds a report."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ff2neuro.errors import OutputError
from ff2neuro.files import write_text

__all__ = ["FILES", "require_report_directory", "write_report"]

#: What a report directory holds.
FILES = ("report.html", "report.md", "verdict.json")


def require_report_directory(directory: Path, *, force: bool) -> None:
    """Refuse a place where no report can be written, before any work is done for it.

    Parameters
    ----------
    directory : Path
        Where it shall be; `write_report` makes it if its parent exists.
    force : bool
        Whether an earlier report may be replaced.

    Raises
    ------
    OutputError
        If `directory` is a file, holds a report and `force` is false, or cannot be made or written.
    """
    if directory.exists() and not directory.is_dir():
        raise OutputError(f"report directory {directory} is a file; name a directory")
    if any((directory / name).exists() for name in FILES) and not force:
        raise OutputError(f"{directory} holds a report already; name another directory, or pass --force")
    place = directory if directory.exists() else directory.parent
    if not place.is_dir():
        raise OutputError(f"report directory {directory} cannot be made: {place} does not exist; create it first")
    if not os.access(place, os.W_OK):
        raise OutputError(f"report directory {directory}: {place} cannot be written; choose another place")


def write_report(directory: Path, html: str, markdown: str, document: Mapping[str, object]) -> list[Path]:
    """Write the files of a report.

    Parameters
    ----------
    directory : Path
        Checked by `require_report_directory`; made if it does not exist.
    html, markdown : str
        The two texts.
    document : mapping
        The verdict as JSON.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    try:
        directory.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"report directory {directory} cannot be made: {error.strerror}; choose another") from error
    contents = (html, markdown, json.dumps(document, indent=2, allow_nan=False) + "\n")
    paths = [directory / name for name in FILES]
    for path, content in zip(paths, contents, strict=True):
        write_text(path, content)
    return paths
