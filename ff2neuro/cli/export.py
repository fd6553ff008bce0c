"""``ff2neuro export``: convert a trained network and write it as NIR, or for lava-dl's netx."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ff2neuro.cli.conversion import conversion_options, convert_network, number_of_bits
from ff2neuro.cli.fine_tuning import FINE_TUNING, fine_tuned, fine_tuning_options
from ff2neuro.cli.options import (
    DEFAULT_NETX,
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
    from ff2neuro.converters.nir_graph import Dialect
    from ff2neuro.networks import SpikingNetwork

__all__ = ["command"]

#: Choices of a conversion: parameters, and how they are typed.
_CONVERSION = {
    "neuron": "--neuron",
    "leak": "--leak",
    "initial_potential": "--initial-potential",
    "weight_scale": "--weight-scale",
    "reset": "--reset",
    "readout": "--readout",
    "max_spikes_per_step": "--max-spikes-per-step",
    "n_time_steps": "--steps",
    "input_coding": "--input-coding",
    "input_bits": "--input-bits",
}


@click.command("export")
@click.argument("source", type=click.Path(path_type=Path), default=DEFAULT_RUN, metavar="[RUN|FILE.nir]")
@click.option("--target", type=click.Choice(["nir", "netx"]), default="nir", show_default=True, help="File format.")
@click.option(
    "--dialect",
    type=click.Choice(["portable", "native"]),
    default="portable",
    show_default=True,
    help="How NIR's neurons are written: so that several readers agree, or literally.",
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
@fine_tuning_options
@click.option("--dt", type=float, default=1e-4, show_default=True, help="Length of a time step [s].")
@click.option(
    "--calibration", "n_calibration", type=int, default=1000, show_default=True, help="Training images to calibrate on."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help=f"File to write [default: RUN/{DEFAULT_NIR}, RUN/{DEFAULT_NETX}]."
)
@data_options
@seed_option
@force_option
@json_option
def command(source: Path, target: str, out: Path | None, force: bool, as_json: bool, **options: Any) -> None:
    """Convert a network to spiking neurons and write it as a NIR file, or as a netx file for lava-dl.

    RUN is a directory that `ff2neuro train` wrote; thresholds are balanced on images that it was trained on. With
    --fine-tune the converted network goes on learning on them; validate still compares it with RUN's own model. Given
    a FILE.nir instead, its real weights are quantised; to netx, a FILE.nir that was exported before is translated.

    A netx file is loaded in lava-dl 0.6.0 with netx.hdf5.Network(FILE, reset_interval=STEPS, reset_offset=1), and for
    constant input coding also input_message_bits=8; the command ends with that call.
    """
    if target == "netx":
        _refuse_given({"dialect": "--dialect"}, "says how NIR is written, and this is a netx file")
    if source.suffix == ".nir":
        default = source.with_suffix(".net") if target == "netx" else None
        out = out or default or source.with_name(f"{source.stem}-{options['weight_bits']}bit.nir")
        require_writable(out, force=force)
        document = _translate_file(source, out) if target == "netx" else _quantise_file(source, out, options)
    else:
        default = source / (DEFAULT_NETX if target == "netx" else DEFAULT_NIR)
        out = out or default
        model = require_run(source)
        # A second export into the run directory replaces the first: both are made from the same model.
        require_writable(out, force=force or out == default)
        document = _export_run(model, out, target, options)
    answer(document, _text(document), as_json=as_json)


def _export_run(model: Path, out: Path, target: str, options: dict[str, Any]) -> dict[str, Any]:
    """Convert the model of a run directory, or quantise it if it is a spiking network already."""
    from ff2neuro.networks import SpikingNetwork, load_network

    trained = load_network(model)
    records: list[dict[str, Any]] = []
    if isinstance(trained, SpikingNetwork):
        bits = number_of_bits(options["weight_bits"])
        network = _quantise_network(trained, bits, options)
    else:
        if options["tuning_epochs"] is not None:
            _require_tunable(options)
        config, network = convert_network(trained, options)
        if options["tuning_epochs"] is not None:
            # What the format cannot say is refused before anything is learnt.
            with TemporaryDirectory(prefix="ff2neuro-") as directory:
                _write(network, Path(directory) / out.name, target, options["dialect"])
        network, records = fine_tuned(trained, network, out, options)
        bits = config.weight_bits
    return {
        "file": str(out),
        **_write(network, out, target, options["dialect"]),
        "n_time_steps": network.n_time_steps,
        "weight_bits": bits,
        "reset": network.reset,
        **({"fine_tuning": records} if records else {}),
        "notes": list(network.notes),
    }


def _require_tunable(options: dict[str, Any]) -> None:
    """Refuse what fine-tuning does not know, before anything is converted."""
    if options["readout"] != "counts":
        raise ConfigurationError(
            f"--fine-tune learns on spike counts, and --readout is {options['readout']}; leave one of them out"
        )
    if options["max_spikes_per_step"] != 1:
        raise ConfigurationError(
            "--fine-tune knows the response of neurons that send one spike in a step, and --max-spikes-per-step is "
            f"{options['max_spikes_per_step']}; leave one of them out"
        )


def _write(network: "SpikingNetwork", out: Path, target: str, dialect: "Dialect") -> dict[str, Any]:
    return _write_netx(network, out) if target == "netx" else _write_nir(network, out, dialect)


def _write_nir(network: "SpikingNetwork", out: Path, dialect: "Dialect") -> dict[str, Any]:
    from ff2neuro.converters.nir_file import write_network

    return {"dialect": dialect, "nodes": list(write_network(network, out, dialect).nodes)}


def _write_netx(network: "SpikingNetwork", out: Path) -> dict[str, Any]:
    from ff2neuro.converters.netx_file import loading_call, write_netx

    write_netx(network, out)
    return {"load": loading_call(network, out)}


def _translate_file(source: Path, out: Path) -> dict[str, Any]:
    """Write the network of a NIR file, as it is, as a netx file."""
    from ff2neuro.converters.nir_file import read_network

    _refuse_given(
        {
            **_CONVERSION,
            **FINE_TUNING,
            "weight_bits": "--weight-bits",
            "dt": "--dt",
            "n_calibration": "--calibration",
        },
        f"is fixed by {source}",
    )
    _, network = read_network(source)
    return {
        "file": str(out),
        **_write_netx(network, out),
        "n_time_steps": network.n_time_steps,
        "reset": network.reset,
        "notes": list(network.notes),
    }


def _refuse_given(options: dict[str, str], why: str) -> None:
    """Refuse options that were typed although they could change nothing."""
    context = click.get_current_context()
    for name, option in options.items():
        if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            raise ConfigurationError(f"{option} {why}; omit it")


def _quantise_network(network: "SpikingNetwork", bits: int | None, options: dict[str, Any]) -> "SpikingNetwork":
    """Quantise a network that was trained as a spiking one; training fixed all but weight bits and dt."""
    from ff2neuro.converters.leaky import quantise_network

    _refuse_given(_CONVERSION, "is fixed by the Hebbian training of this network")
    _refuse_given(FINE_TUNING, "needs a network that was trained with --learning analog; this one learnt in spikes")
    if bits is None:
        provenance = {**network.provenance, "model_checksum": network.checksum}
        return replace(network, dt=options["dt"], provenance=provenance)
    images = load_training_images(network, options, options["n_calibration"])
    return quantise_network(network, images, bits, options["dt"])


def _quantise_file(source: Path, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Quantise the weights of a graph that was made elsewhere."""
    from ff2neuro.converters.nir_file import read_nir, write_graph
    from ff2neuro.converters.requantisation import quantise_graph

    _refuse_given(FINE_TUNING, "needs a run directory, whose model and data it goes on with")
    _refuse_given(_CONVERSION, "needs a run directory; of a graph of others only the weights are quantised")
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
    kind = f"{document['dialect']} NIR" if "dialect" in document else "netx"
    lines = [f"wrote {document['file']} ({kind}, read back and compared)"]
    lines += [f"  {note}" for note in document["notes"]]
    if "load" in document:
        lines += ["load it in lava-dl 0.6.0:", "  from lava.lib.dl import netx", f"  network = {document['load']}"]
    return "\n".join(lines)
