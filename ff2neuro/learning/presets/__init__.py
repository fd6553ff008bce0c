"""Configurations that ship with the package, as TOML files beside this one."""

import difflib
from importlib.resources import files
from pathlib import Path
from typing import Any

from ff2neuro.errors import ConfigurationError
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.toml_config import parse_toml

__all__ = ["PRESETS", "load_config"]

#: Names of the shipped configurations.
PRESETS = ("fast", "mlp", "paper")


def load_config(name_or_path: str) -> TrainingConfig | HebbianConfig:
    """Read a shipped configuration, or one from a file.

    Parameters
    ----------
    name_or_path : str
        Name of a preset, or path of a TOML file.

    Returns
    -------
    TrainingConfig or HebbianConfig
        The configuration; the latter if it says ``learning = "hebbian"``.

    Raises
    ------
    ConfigurationError
        If there is neither, or what it holds is refused.
    """
    if name_or_path in PRESETS:
        text = (files(__name__) / f"{name_or_path}.toml").read_text(encoding="utf-8")
        return TrainingConfig.from_toml(text, f"preset {name_or_path}")
    path = Path(name_or_path)
    if not path.exists() and not path.suffix:
        near = difflib.get_close_matches(name_or_path, PRESETS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigurationError(
            f"there is no preset and no file {name_or_path!r}; {hint}Presets are {', '.join(PRESETS)}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"configuration {path} cannot be read: {error}; name a TOML file") from error
    return _config_of(parse_toml(text, f"configuration {path}"), f"configuration {path}")


def _config_of(mapping: dict[str, Any], source: str) -> TrainingConfig | HebbianConfig:
    """Build the configuration of the kind of learning that it names; analog ones may leave it out."""
    learning = mapping.get("learning", "analog")
    if learning == "hebbian":
        return HebbianConfig.from_mapping(mapping, source)
    if learning != "analog":
        raise ConfigurationError(f"{source}: learning is {learning!r}; known are analog, hebbian")
    return TrainingConfig.from_mapping({name: mapping[name] for name in mapping if name != "learning"}, source)
