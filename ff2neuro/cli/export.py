"""``ff2neuro export``: convert a trained network and write it as NIR."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ff2neuro.cli.conversion import conversion_options, convert_network, number_of_bits
from ff2neuro.cli.options import (
    DEFAULT_NIR,
    DEFAULT_RUN,
    answer,
    data_options,
    force_option,
    json_option,
    load_training_images,
    require_run,
    seed_option,
)
from ff2neuro.errors import ConfigurationError
from ff2neuro.files import require_writable

if TYPE_CHECKING:
    from ff2neuro.networks import SpikingNetwork

__all__ = ["command"]

_FIXED_BY_HEBBIAN_TRAINING = {
    "neuron": "--neuron",
    "leak": "--leak",
    "initial_potential": "--initial-potential",
    "weight_scale": "--weight-scale",
    "reset": "--reset",
    "n_time_steps": "--steps",
    "input_coding": "--input-coding",
    "input_bits": "--input-bits",
}


@click.command("export")
@click.argument("source", type=click.Path(path_type=Path), default=DEFAULT_RUN, metavar="[RUN|FILE.nir]")
@click.option("--target", type=click.Choice(["nir"]), default="nir", show_default=True, help="File format.")
@click.option(
    "--dialect",
    type=click.Choice(["portable", "native"]),
    default="portable",
    show_default=True,
    help="How neurons are written: so that several readers agree, or literally.",
)
@conversion_options
@click.option(
    "--input-coding",
    type=click.Choice(["constant", "regular", "bernoulli"]),
    default="constant",
    show_default=True,
    help="Graded integers, evenly spaced spikes, or random spikes.",
)
@click.option("--input-bits", type=int, default=4, show_default=True, help="Width of a graded input (1 to 8).")
@click.option("--dt", type=float, default=1e-4, show_default=True, help="Length of a time step [s].")
@click.option(
    "--calibration", "n_calibration", type=int, default=200, show_default=True, help="Training images to calibrate on."
)
@click.option("--out", type=click.Path(path_type=Path), help=f"NIR file to write [default: RUN/{DEFAULT_NIR}].")
@data_options
@seed_option
@force_option
@json_option
def command(source: Path, out: Path | None, force: bool, as_json: bool, **options: Any) -> None:
    """Convert a network to spiking neurons and write it as a NIR file.

    RUN is a directory that `ff2neuro train` wrote; thresholds are balanced on images that it was trained on. Given a
    FILE.nir instead, its real weights are quantised.
    """
    if source.suffix == ".nir":
        out = out or source.with_name(f"{source.stem}-{options['weight_bits']}bit.nir")
        require_writable(out, force=force)
        document = _quantise_file(source, out, options)
    else:
        out = out or source / DEFAULT_NIR
        model = require_run(source)
        # A second export into the run directory replaces the first: both are made from the same model.
        require_writable(out, force=force or out == source / DEFAULT_NIR)
        document = _export_run(model, out, options)
    answer(document, _text(document), as_json=as_json)


def _export_run(model: Path, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Convert the model of a run directory, or quantise it if it is a spiking network already."""
    from ff2neuro.converters.nir_file import write_network
    from ff2neuro.networks import SpikingNetwork, load_network

    trained = load_network(model)
    if isinstance(trained, SpikingNetwork):
        bits = number_of_bits(options["weight_bits"])
        network = _quantise_network(trained, bits, options)
    else:
        config, network = convert_network(trained, options)
        bits = config.weight_bits
    graph = write_network(network, out, options["dialect"])
    return {
        "file": str(out),
        "dialect": options["dialect"],
        "nodes": list(graph.nodes),
        "n_time_steps": network.n_time_steps,
        "weight_bits": bits,
        "reset": network.reset,
        "notes": list(network.notes),
    }


def _quantise_network(network: "SpikingNetwork", bits: int | None, options: dict[str, Any]) -> "SpikingNetwork":
    """Quantise a network that was trained as a spiking one; training fixed all but weight bits and dt."""
    from ff2neuro.converters.leaky import quantise_network

    context = click.get_current_context()
    for name, option in _FIXED_BY_HEBBIAN_TRAINING.items():
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            raise ConfigurationError(f"{option} is fixed by the Hebbian training of this network; omit it")
    if bits is None:
        return replace(network, dt=options["dt"])
    images = load_training_images(network, options, options["n_calibration"])
    return quantise_network(network, images, bits, options["dt"])


def _quantise_file(source: Path, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Quantise the weights of a graph that was made elsewhere."""
    from ff2neuro.converters.nir_file import read_nir, write_graph
    from ff2neuro.converters.requantisation import quantise_graph

    bits = number_of_bits(options["weight_bits"])
    if bits is None:
        raise ConfigurationError("exporting a FILE.nir quantises its weights; pass --weight-bits 2 to 8")
    content = read_nir(source)
    if content.network is not None:
        raise ConfigurationError(
            f"{source} was exported by ff2neuro; export it again from its run directory with --weight-bits {bits}, "
            "which calibrates it anew"
        )
    graph, notes = quantise_graph(content.graph, bits, options["dt"])
    write_graph(graph, out)
    return {
        "file": str(out),
        "dialect": "portable",
        "nodes": list(graph.nodes),
        "weight_bits": bits,
        "reset": "zero",
        "notes": notes,
    }


def _text(document: dict[str, Any]) -> str:
    lines = [f"wrote {document['file']} ({document['dialect']} NIR, read back and compared)"]
    lines += [f"  {note}" for note in document["notes"]]
    return "\n".join(lines)
