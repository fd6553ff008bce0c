"""What every kind of configuration shares: names and values, TOML, and the comparison of two of them."""

import dataclasses
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import tomli_w

from ff2neuro.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["TomlConfig", "parse_toml", "require_same_training"]

#: Source of values that come from no file.
UNNAMED = "the configuration"

Config = TypeVar("Config", bound="TomlConfig")


class TomlConfig:
    """Base of frozen dataclasses of hyperparameters, which check their values when they are made."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def replace(self: Config, **changes: Any) -> Config:
        """Return a copy with some values changed, checked anew."""
        return self.from_mapping({**self.to_mapping(), **changes})

    def to_mapping(self) -> dict[str, Any]:
        """Return names and values, with lists for tuples, as TOML writes them."""
        values = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_mapping(cls: type[Config], mapping: Mapping[str, Any], source: str = UNNAMED) -> Config:
        """Build a configuration from names and values; those that are missing take their defaults.

        Parameters
        ----------
        mapping : mapping
            Names and values.
        source : str
            Where they come from, for messages.

        Returns
        -------
        TomlConfig
            The configuration.

        Raises
        ------
        ConfigurationError
            If a name is unknown, or a value is refused.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in mapping:
            if name not in known:
                nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
                raise ConfigurationError(
                    f"{source} has an unknown key {name!r}; did you mean {nearest!r}? Known are {', '.join(known)}"
                )
        try:
            return cls(**mapping)
        except ConfigurationError as error:
            if source == UNNAMED:
                raise
            raise ConfigurationError(f"{source}: {error}") from error

    def to_toml(self) -> str:
        """Return the configuration as TOML."""
        return tomli_w.dumps(self.to_mapping())

    @classmethod
    def from_toml(cls: type[Config], text: str, source: str = UNNAMED) -> Config:
        """Read a configuration from TOML.

        Parameters
        ----------
        text : str
            What `to_toml` wrote, or a part of it.
        source : str
            Where it comes from, for messages.

        Returns
        -------
        TomlConfig
            The configuration.

        Raises
        ------
        ConfigurationError
            If `text` is no TOML, names a key that is unknown, or holds a value that is refused.
        """
        return cls.from_mapping(parse_toml(text, source), source)

    @classmethod
    def load(cls: type[Config], path: Path) -> Config:
        """Read a configuration from a TOML file.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        TomlConfig
            The configuration.

        Raises
        ------
        ConfigurationError
            If the file cannot be read, or `from_toml` refuses what it holds.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"configuration {path} cannot be read: {error}; name a TOML file") from error
        return cls.from_toml(text, f"configuration {path}")


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """Return names and values that a TOML text holds.

    Parameters
    ----------
    text : str
        The text.
    source : str
        Where it comes from, for messages.

    Returns
    -------
    dict
        Names and values.

    Raises
    ------
    ConfigurationError
        If `text` is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source} is no valid TOML: {error}; mend that line") from error


def require_same_training(before: tuple[TomlConfig, str, str], now: tuple[TomlConfig, str, str]) -> None:
    """Refuse to go on with another configuration or data set.

    Parameters
    ----------
    before, now : (config, dataset name, dataset checksum)
        What training began with, and what it is to go on with.

    Raises
    ------
    ConfigurationError
        If any of them differs; the message says in what.
    """
    (config, name, checksum), (new_config, new_name, new_checksum) = before, now
    ours, theirs = config.to_mapping(), new_config.to_mapping()
    differences = [f"{key} was {ours[key]!r} and is now {theirs[key]!r}" for key in ours if ours[key] != theirs[key]]
    # The same images and labels in a file that was moved are the same data set.
    if checksum != new_checksum:
        differences.append(
            f"the data set was {name} (checksum {checksum[:12]}) and is now {new_name} (checksum {new_checksum[:12]})"
        )
    if differences:
        raise ConfigurationError(
            f"training cannot be resumed: {'; '.join(differences)}; give the same again, or start anew with --force"
        )
