"""``ff2neuro backends``: list the machines that can run a graph, and install them."""

from importlib import import_module
from typing import TYPE_CHECKING

import click

from ff2neuro.cli.options import answer, json_option

if TYPE_CHECKING:
    from ff2neuro.hardware.own_environment import OwnEnvironment

__all__ = ["command"]

#: Machines with an environment of their own, and where it is described.
_ENVIRONMENTS = {
    "lava": ("ff2neuro.hardware.lava_backend.environment", "LAVA"),
    "brian2-loihi": ("ff2neuro.hardware.brian2_loihi_backend.backend", "BRIAN2_LOIHI"),
    "xylosim": ("ff2neuro.hardware.xylosim_backend.backend", "XYLOSIM"),
}


@click.group("backends", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the machines that can run a graph, and whether they are installed."""
    if ctx.invoked_subcommand is None:
        rows = _rows()
        text = "\n".join(f"{row['name']:15} {row['version'] or 'missing':10} {row['note']}" for row in rows)
        answer({"backends": rows}, text, as_json=as_json)


def _rows() -> list[dict[str, str | bool | None]]:
    from importlib.metadata import version

    from ff2neuro._version import __version__

    return [
        _row("reference", __version__, "NumPy, bit-exact to Lava's fixed-point models; double precision otherwise"),
        _own_row("lava", "Lava CPU simulator, fixed point"),
        _row("snntorch", version("snntorch"), "snnTorch's own NIR reader, single precision"),
        _own_row("brian2-loihi", "emulator of Loihi 1, small integer graphs"),
        _own_row("xylosim", "simulator of Xylo, small graphs of CubaLIF"),
        *_plugin_rows(),
    ]


def _own_row(name: str, note: str) -> dict[str, str | bool | None]:
    """Row of a machine with an environment of its own."""
    status = _environment(name).status()
    if not status.installed:
        return _row(name, None, status.reason)
    return _row(name, status.version, f"{note} ({status.python})")


def _environment(name: str) -> "OwnEnvironment":
    module, attribute = _ENVIRONMENTS[name]
    environment: OwnEnvironment = getattr(import_module(module), attribute)
    return environment


def _plugin_rows() -> list[dict[str, str | bool | None]]:
    """Machines of other packages; what is wrong with one stands in its row."""
    from ff2neuro.errors import FF2NeuroError
    from ff2neuro.hardware.backend import get_backend
    from ff2neuro.hardware.plugins import origin_of, plugin_names, plugins_named

    def row(name: str) -> dict[str, str | bool | None]:
        try:
            return _row(name, get_backend(name).version, f"plug-in {origin_of(plugins_named(name)[0])}")
        except FF2NeuroError as error:
            return _row(name, None, str(error))

    return [row(name) for name in plugin_names()]


def _row(name: str, version: str | None, note: str) -> dict[str, str | bool | None]:
    return {"name": name, "installed": version is not None, "version": version, "note": note}


@command.command("install")
@click.argument("name", type=click.Choice(list(_ENVIRONMENTS)))
@click.option("--python", "python", help="A Python 3.10 to build the environment with [default: looked for].")
@click.option("--force", is_flag=True, help="Make the environment anew where it is there.")
@json_option
def install(name: str, python: str | None, force: bool, as_json: bool) -> None:
    """Make the environment of a machine: these run on Python 3.10, each with one of its own."""
    status = _environment(name).install(python, lambda line: click.echo(line, err=True), force=force)
    document = {"name": name, "installed": status.installed, "version": status.version, "python": status.python}
    answer(document, f"{name} {status.version} is installed: {status.python}", as_json=as_json)
