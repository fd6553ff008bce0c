"""Fetching files once, from the first mirror that has them intact."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ff2neuro.errors import DatasetError, OutputError
from ff2neuro.files import atomic_path

__all__ = ["cache_directory", "fetch", "is_intact"]

#: Seconds to wait for a mirror to connect, and between two pieces of a file.
TIMEOUT = 30.0

CACHE_VARIABLE = "FF2NEURO_CACHE_DIR"


def cache_directory() -> Path:
    """Return where downloads are kept: ``FF2NEURO_CACHE_DIR``, by default the user's cache directory."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("ff2neuro"))


def is_intact(path: Path, sha256: str) -> bool:
    """Return whether a file is there, can be read and has the SHA-256 checksum (hexadecimal) that it should have."""
    import pooch

    try:
        return path.is_file() and pooch.file_hash(str(path)) == sha256
    except OSError:
        return False


def fetch(name: str, files: Mapping[str, str], mirrors: Sequence[str], directory: Path) -> dict[str, Path]:
    """Download the files of a dataset that are not in a directory yet.

    Parameters
    ----------
    name : str
        Name of the dataset, for messages.
    files : mapping of str to str
        For every file name its SHA-256 checksum, hexadecimal.
    mirrors : sequence of str
        Addresses that hold the files, each ending in a slash, tried in turn.
    directory : Path
        Where to keep them; made if it does not exist. A file appears there whole and verified, or not at all, also
        when several processes download at once.

    Returns
    -------
    dict of str to Path
        For every file name the path of the intact file.

    Raises
    ------
    DatasetError
        If no mirror gives a file intact.
    OutputError
        If the directory cannot be written, or the disk is full.
    """
    paths = {filename: directory / filename for filename in files}
    wanted = [filename for filename, sha256 in files.items() if not is_intact(paths[filename], sha256)]
    if wanted:
        _make_directory(directory)
    for filename in wanted:
        _fetch_file(name, filename, files[filename], mirrors, paths[filename])
    return paths


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cache directory {directory} cannot be made: {error.strerror}; name another in {CACHE_VARIABLE}"
        ) from error
    if not os.access(directory, os.W_OK):
        raise OutputError(f"cache directory {directory} cannot be written; name another in {CACHE_VARIABLE}")


def _fetch_file(name: str, filename: str, sha256: str, mirrors: Sequence[str], path: Path) -> None:
    failures = []
    for mirror in mirrors:
        url = mirror + filename
        print(f"{name}: downloading {url}", file=sys.stderr, flush=True)
        try:
            with atomic_path(path) as temporary:
                _download(url, temporary)
                if not is_intact(temporary, sha256):
                    raise DatasetError(f"wrong checksum, {temporary.stat().st_size} bytes came")
        except OutputError:
            raise
        except (OSError, DatasetError) as error:
            failures.append(f"{url} ({_reason(error)})")
        else:
            return
    raise DatasetError(
        f"{filename} of {name} could not be downloaded; tried {'; '.join(failures)}. Try again later, or put the files "
        f"of {name} into a directory {name}/ and name its parent in FF2NEURO_DATA_DIR or with --data-dir"
    )


def _download(url: str, path: Path) -> None:
    import pooch
    from tqdm import tqdm

    # A total is given because pooch asks whether the bar is true, which tqdm refuses to say without one.
    bar = tqdm(total=1, unit="B", unit_scale=True, file=sys.stderr, leave=False, disable=not sys.stderr.isatty())
    # `identity`: a mirror that marks .gz files as compressed transfers would hand over their unpacked content.
    downloader = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"})
    with bar:
        downloader(url, str(path), None)


def _reason(error: Exception) -> str:
    """Return in a few words why a mirror failed; the library's own texts are long and nested."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the transfer broke off"
    if isinstance(error, requests.ConnectionError):
        return "the host cannot be reached"
    return str(error)
