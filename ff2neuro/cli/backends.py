"""``ff2neuro backends``: list the machines that can run a graph, and install them."""

import click

from ff2neuro.cli.options import answer, json_option

__all__ = ["command"]


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
    from ff2neuro.hardware.lava_backend.environment import lava_status

    lava = lava_status()
    note = f"Lava CPU simulator, fixed point ({lava.python})" if lava.installed else lava.reason
    return [
        _row("reference", __version__, "NumPy, bit-exact to Lava's fixed-point models; double precision otherwise"),
        _row("lava", lava.version if lava.installed else None, note),
        _row("snntorch", version("snntorch"), "snnTorch's own NIR reader, single precision"),
        _brian2_loihi_row(),
        *_plugin_rows(),
    ]


def _brian2_loihi_row() -> dict[str, str | bool | None]:
    from ff2neuro.errors import BackendMissingError
    from ff2neuro.hardware.brian2_loihi_backend.backend import VERSION, find_interpreter

    try:
        return _row("brian2-loihi", VERSION, f"emulator of Loihi 1, small integer graphs ({find_interpreter()})")
    except BackendMissingError as error:
        return _row("brian2-loihi", None, str(error))


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
@click.argument("name", type=click.Choice(["lava"]))
@click.option("--python", "python", help="A Python 3.10 to build the environment with [default: looked for].")
@json_option
def install(name: str, python: str | None, as_json: bool) -> None:
    """Make the environment of a machine: Lava runs on Python 3.10 only, so it gets one of its own."""
    from ff2neuro.hardware.lava_backend.environment import install_lava

    status = install_lava(python, lambda line: click.echo(line, err=True))
    document = {"name": name, "installed": status.installed, "version": status.version, "python": status.python}
    answer(document, f"{name} {status.version} is installed: {status.python}", as_json=as_json)
