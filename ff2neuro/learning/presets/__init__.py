"""Configurations that ship with the package, as TOML files beside this one."""

import difflib
import re
from importlib.resources import files
from pathlib import Path

from ff2neuro.errors import ConfigurationError
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.hebbian.config import HebbianConfig

__all__ = ["PRESETS", "load_config"]

#: Names of the shipped configurations.
PRESETS = ("fast", "mlp", "paper")

_HEBBIAN = re.compile(r"^\s*learning\s*=\s*[\"']hebbian[\"']", re.MULTILINE)


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
    # A run directory's config.toml names its kind of learning; analog configurations may leave it out.
    kind = HebbianConfig if _HEBBIAN.search(text) else TrainingConfig
    return kind.from_toml(text, f"configuration {path}")
