"""Thresholds from a TOML file, so that a gate can lie beside the code that it guards.

::

    [gate]
    max_accuracy_drop_pp = 0.5
    min_latent_agreement = 0.95
"""

import difflib
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ff2neuro.errors import ConfigurationError, FileFormatError
from ff2neuro.validation.thresholds import Thresholds

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["read_gate"]

TABLE = "gate"


def read_gate(path: Path) -> Thresholds:
    """Read thresholds from a file.

    Parameters
    ----------
    path : Path
        TOML file with a table ``[gate]``; keys that it leaves out keep the defaults of `Thresholds`.

    Returns
    -------
    Thresholds
        The gate.

    Raises
    ------
    FileFormatError
        If the file does not exist, or is no TOML.
    ConfigurationError
        If it has no ``[gate]``, a key is unknown (the nearest known one is named), or a value is out of its range.
    """
    table = _read(path).get(TABLE)
    if not isinstance(table, dict):
        raise ConfigurationError(f"gate file {path} has no table [{TABLE}]; add one with the thresholds")
    known = [field.name for field in fields(Thresholds)]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise ConfigurationError(f"gate file {path}: unknown key {key!r} in [{TABLE}]; {hint}")
    try:
        return replace(Thresholds(), **table)
    except ConfigurationError as error:
        raise ConfigurationError(f"gate file {path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"gate file {path} is no TOML: {error}; correct it") from error
    except OSError as error:
        raise FileFormatError(f"gate file {path} cannot be read: {error.strerror}; check the path") from error
