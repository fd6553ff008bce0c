"""The ``ff2neuro`` group: finds commands lazily and turns errors into exit codes."""

import signal
import sys
import traceback
from importlib import import_module
from typing import Any

import click

from ff2neuro._version import __version__
from ff2neuro.cli.streams import complain, open_closed_streams, silence
from ff2neuro.errors import FF2NeuroError

__all__ = ["cli", "main"]

# Help texts stand here so that `ff2neuro --help` imports no command, and with it no framework.
COMMANDS = {
    "train": "Train a network with the Forward-Forward Algorithm.",
    "export": "Convert a network to spiking neurons and write it as NIR, or for lava-dl.",
    "run": "Run a NIR file on a machine and record its spikes.",
    "validate": "Judge whether the spiking network does what the analog one did.",
    "inspect": "Describe a run directory or a NIR file.",
    "reproduce": "Repeat the experiments of the paper, published and measured figures side by side.",
    "backends": "List the machines that can run a graph, and install them.",
}

EXIT_BAD_INPUT = 2
#: Python's own choice, 1, would read as a failed verdict; this is EX_SOFTWARE of sysexits.h.
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 128 + signal.SIGINT


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"ff2neuro.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


# \b keeps click from joining the lines of the example.
DESCRIPTION = """Forward-Forward networks on neuromorphic hardware.

Train a network, convert it to spiking neurons, export it as a NIR graph, run it in the Lava simulator, and prove that
the spiking network still does what the analog one did.

\b
  ff2neuro train
  ff2neuro export --target nir
  ff2neuro validate --backend lava

Exit codes: 0 done or verdict passed, 1 verdict failed, 2 wrong usage or bad input, 3 a backend is missing or failed,
70 a defect of ff2neuro, 130 interrupted.
"""


@click.group(
    cls=LazyGroup,
    help=DESCRIPTION,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="ff2neuro")
def cli() -> None:
    """Do nothing of its own; the commands do."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    Parameters
    ----------
    arguments : list of str, optional
        Arguments without the program's name; by default those of this process.
    """
    open_closed_streams()
    # A terminated run must unwind like an interrupted one: workers stopped, temporary files removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    """Run the command line and return its exit code."""
    try:
        result: Any = cli.main(arguments, prog_name="ff2neuro", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except FF2NeuroError as error:
        complain(f"Error: {error}")
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        try:
            error.show()
        except OSError:
            silence(sys.stderr)
        return EXIT_BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        complain("Interrupted.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does; nothing is wrong.
        silence(sys.stdout)
        return 0
    except OSError as error:
        complain(f"Error: {error.filename or 'a file or the output'}: {error.strerror or error}")
        if error.filename is None:
            silence(sys.stdout)
        return EXIT_BAD_INPUT
    except Exception:
        complain(traceback.format_exc())
        complain("This is a defect of ff2neuro, not of your input; please report it with the lines above.")
        return EXIT_DEFECT
