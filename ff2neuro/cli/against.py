"""``ff2neuro validate --against``: several machines, one graph, spike for spike."""

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ff2neuro.cli.events import input_events
from ff2neuro.cli.options import answer
from ff2neuro.errors import ConfigurationError

__all__ = ["judge_machines", "require_fitting_options"]

_OF_MACHINES = {"against", "input_file", "dt", "max_count_distance"}
_OF_BOTH = {"run", "file", "samples", "dataset", "data_file", "data_dir", "seed", "force", "as_json"}


def require_fitting_options(options: dict[str, Any]) -> None:
    """Refuse options that were typed and could change nothing: with --against those of the verdict, else the reverse.

    Parameters
    ----------
    options : dict
        Values of the command's options.

    Raises
    ------
    ConfigurationError
        If there is one; the message names it.
    """
    context = click.get_current_context()
    comparing = options["against"] is not None
    for parameter in context.command.params:
        name = parameter.name or ""
        typed = context.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if not typed or name in _OF_BOTH or (name in _OF_MACHINES) == comparing:
            continue
        option = parameter.opts[-1]
        if comparing:
            raise ConfigurationError(f"{option} is for the verdict on a run, --against compares machines; omit one")
        raise ConfigurationError(f"{option} is for --against, which compares machines; add that or omit {option}")


def judge_machines(file: Path, options: dict[str, Any], *, as_json: bool) -> None:
    """Run a NIR file on several machines, compare their spikes and print the outcome.

    Parameters
    ----------
    file : Path
        Any NIR file.
    options : dict
        Values of the command's options.
    as_json : bool
        Whether to print JSON.

    Raises
    ------
    click.exceptions.Exit
        With exit code 1 if machines differ that must not.
    """
    from ff2neuro.converters.nir_file import read_nir
    from ff2neuro.validation.machines import compare_machines, render_machines
    from ff2neuro.validation.run_config import run_config

    content = read_nir(file)
    network = content.network
    source = input_events(content, {**options, "split": "test"})
    config = run_config(network, dt=options["dt"])
    names = [name.strip() for name in options["against"].split(",")]
    comparisons = compare_machines(content.graph, source, names, config, options["max_count_distance"])
    passed = all(comparison.passed for comparison in comparisons)
    document = {
        "format": "ff2neuro-comparison",
        "format_version": 1,
        "passed": passed,
        "file": str(file),
        "comparisons": [comparison.to_json() for comparison in comparisons],
    }
    answer(document, render_machines(comparisons), as_json=as_json)
    if not passed:
        raise click.exceptions.Exit(1)
