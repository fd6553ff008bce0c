"""Machines of other packages, found by entry point.

A package offers a machine in its own metadata; nothing has to be registered here::

    [options.entry_points]
    ff2neuro.backends =
        my_machine = my_package.backend:MyBackend

Nothing of a plug-in is imported before it is asked for by name, so a broken one harms nobody else.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ff2neuro.errors import BackendError, ConfigurationError

__all__ = ["ENTRY_POINT_GROUP", "load_plugin", "origin_of", "plugin_names", "plugins_named"]

#: Group of entry points under which packages offer machines.
ENTRY_POINT_GROUP = "ff2neuro.backends"


def plugin_names() -> list[str]:
    """Return the names of all machines that installed packages offer, in alphabetical order.

    Returns
    -------
    list of str
        Each name once, even if several packages claim it.
    """
    return sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)})


def plugins_named(name: str) -> list[EntryPoint]:
    """Return what installed packages offer under a name.

    Parameters
    ----------
    name : str
        Name of a machine.

    Returns
    -------
    list of EntryPoint
        None, one, or as many as there are packages that claim the name.
    """
    return sorted(entry_points(group=ENTRY_POINT_GROUP, name=name), key=origin_of)


def origin_of(point: EntryPoint) -> str:
    """Say where an entry point comes from.

    Parameters
    ----------
    point : EntryPoint
        Entry point of an installed package.

    Returns
    -------
    str
        The package and what it names, such as ``"my-package (my_package.backend:MyBackend)"``.
    """
    return f"{point.dist.name if point.dist else 'a package without a name'} ({point.value})"


def load_plugin(name: str, base: type) -> Any:
    """Import the class behind a name and build the machine.

    Parameters
    ----------
    name : str
        Name that at least one package claims.
    base : type
        Class that the machine must be derived from.

    Returns
    -------
    object
        An instance of `base`.

    Raises
    ------
    ConfigurationError
        If several packages claim the name.
    BackendError
        If the plug-in cannot be imported or built, is no machine, or calls itself by another name.
    """
    points = plugins_named(name)
    if len(points) > 1:
        claims = ", ".join(origin_of(point) for point in points)
        raise ConfigurationError(f"{len(points)} packages claim backend {name!r}: {claims}; uninstall all but one")
    [point] = points
    try:
        kind = point.load()
        machine: Any = kind() if isinstance(kind, type) and issubclass(kind, base) else None
    except Exception as error:
        # Whatever a stranger's module raises, the user must learn which package to repair.
        raise BackendError(
            f"backend {name!r} of {origin_of(point)} cannot be loaded: {type(error).__name__}: {error}; "
            "repair or uninstall that package"
        ) from error
    if machine is None:
        raise BackendError(
            f"backend {name!r} of {origin_of(point)} is not a class derived from {base.__module__}.{base.__name__}; "
            "tell its authors"
        )
    if machine.name != name:
        raise BackendError(
            f"backend {name!r} of {origin_of(point)} calls itself {machine.name!r}; both names must be the same: "
            "tell its authors"
        )
    return machine
