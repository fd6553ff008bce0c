"""``ff2neuro export``: convert a trained network and write it as NIR."""

from pathlib import Path
from typing import Any

import click

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

__all__ = ["command"]


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
@click.option("--neuron", type=click.Choice(["if"]), default="if", show_default=True, help="Neuron model.")
@click.option(
    "--reset",
    type=click.Choice(["zero", "subtract"]),
    default="zero",
    show_default=True,
    help="What a spike does to the membrane potential; NIR can say only zero.",
)
@click.option("--steps", "n_time_steps", type=int, default=32, show_default=True, help="Time steps per presentation.")
@click.option("--weight-bits", default="8", show_default=True, help="Width of an integer weight (2 to 8), or none.")
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


def _weight_bits(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal():
        raise ConfigurationError(f"--weight-bits is {text!r}; it must be a number from 2 to 8, or none")
    return int(text)


def _export_run(model: Path, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Convert the model of a run directory."""
    from ff2neuro.converters.nir_file import write_network
    from ff2neuro.converters.rate import ConversionConfig, convert
    from ff2neuro.networks import load_model

    config = ConversionConfig(
        n_time_steps=options["n_time_steps"],
        weight_bits=_weight_bits(options["weight_bits"]),
        reset=options["reset"],
        input_coding=options["input_coding"],
        input_bits=options["input_bits"],
        dt=options["dt"],
        seed=options["seed"],
    )
    analog = load_model(model)
    images = load_training_images(analog, options, options["n_calibration"])
    network = convert(analog, images, config)
    graph = write_network(network, out, options["dialect"])
    return {
        "file": str(out),
        "dialect": options["dialect"],
        "nodes": list(graph.nodes),
        "n_time_steps": network.n_time_steps,
        "weight_bits": config.weight_bits,
        "reset": network.reset,
        "notes": list(network.notes),
    }


def _quantise_file(source: Path, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Quantise the weights of a graph that was made elsewhere."""
    from ff2neuro.converters.nir_file import read_nir, write_graph
    from ff2neuro.converters.requantisation import quantise_graph

    bits = _weight_bits(options["weight_bits"])
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
