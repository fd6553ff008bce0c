"""Configurations that ship with the package, as TOML files beside this one."""

import difflib
from importlib.resources import files
from pathlib import Path

from ff2neuro.errors import ConfigurationError
from ff2neuro.learning.config import TrainingConfig

__all__ = ["PRESETS", "load_config"]

#: Names of the shipped configurations.
PRESETS = ("fast", "mlp", "paper")


def load_config(name_or_path: str) -> TrainingConfig:
    """Read a shipped configuration, or one from a file.

    Parameters
    ----------
    name_or_path : str
        Name of a preset, or path of a TOML file.

    Returns
    -------
    TrainingConfig
        The configuration.

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
    return TrainingConfig.load(path)
