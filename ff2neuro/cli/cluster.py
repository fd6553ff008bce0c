"""Options that spread a run over processes or a cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ff2neuro.cli.options import machine_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ff2neuro.hardware.backend import Backend

__all__ = ["cluster_options", "machine_of"]

F = TypeVar("F", bound=Callable[..., Any])


def cluster_options(function: F) -> F:
    """Add ``--processes`` and ``--scheduler`` to a command (see `machine_of`)."""
    for option in (
        click.option("--scheduler", metavar="ADDRESS", help="Run in shards on the workers of this Dask scheduler."),
        click.option("--processes", type=int, help="Run in shards on so many processes; an interrupted run goes on."),
    ):
        function = option(function)
    return function


def machine_of(name: str, options: "Mapping[str, Any]", store: Path | None = None) -> "Backend":
    """Return a machine as the options want it, spread over processes if they say so.

    Parameters
    ----------
    name : str
        Name of a backend.
    options : mapping
        Values of `cluster_options` and `ff2neuro.cli.options.machine_options`.
    store : Path, optional
        Directory that keeps finished shards; by default one beside the recording.

    Returns
    -------
    Backend
        Not yet started.

    Raises
    ------
    ConfigurationError
        If there is no such backend, it has no such setting, or processes and scheduler make no sense.
    BackendMissingError
        If shards are asked for and dask.distributed is not installed.
    """
    from ff2neuro.hardware.backend import get_backend

    settings = machine_settings(options)
    if options["processes"] is None and options["scheduler"] is None:
        return get_backend(name, **settings)
    from ff2neuro.hardware.sharding import ShardedBackend

    return ShardedBackend(name, options["processes"], options["scheduler"], settings=settings, store=store)
