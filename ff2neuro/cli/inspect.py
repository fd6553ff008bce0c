"""``ff2neuro inspect``: describe a run directory or a NIR file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ff2neuro.cli.deployment import deploy
from ff2neuro.cli.options import DEFAULT_RUN, answer, json_option, require_run

if TYPE_CHECKING:
    from ff2neuro.converters.nir_file import NirFile
    from ff2neuro.hardware.chain import Chain
    from ff2neuro.networks import SpikingNetwork

__all__ = ["command"]

_STATUS = {
    "same": "runs, same spikes",
    "differs": "runs, other spikes",
    "fails": "does not run",
}


@click.command("inspect")
@click.argument("source", type=click.Path(path_type=Path), default=DEFAULT_RUN, metavar="[RUN|FILE.nir]")
@click.option("--dt", type=float, help="Length of a time step [s] [default: the file's, else 1e-4].")
@click.option("--target", help="Show where FILE.nir goes on a machine, such as loihi1 or loihi2.")
@click.option(
    "--recording",
    type=click.Path(path_type=Path),
    help="With --target: estimate energy and latency from what this recording of `ff2neuro run` counted.",
)
@json_option
def command(source: Path, dt: float | None, target: str | None, recording: Path | None, as_json: bool) -> None:
    """Describe a network: layers, parameters, how it came to be, and what was approximated.

    For FILE.nir also say which NIR readers run it, and which of them give the same spikes.
    """
    if target is not None or recording is not None:
        deploy(source, dt, target, recording, as_json=as_json)
        return
    document = _describe_file(source, dt) if _is_nir(source) else _describe_run(source)
    answer(document, _text(document), as_json=as_json)


def _is_nir(source: Path) -> bool:
    """Say whether a NIR file is meant, which need not exist."""
    return not source.is_dir() and (source.is_file() or source.suffix == ".nir")


def _describe_run(run: Path) -> dict[str, Any]:
    from ff2neuro.networks import SpikingNetwork, load_network

    network = load_network(require_run(run))
    code: Any
    more: dict[str, Any] = {}
    if isinstance(network, SpikingNetwork):
        kind, code, shapes = "spiking network", network.input_code, [layer.weight.shape for layer in network.layers]
        more = {**_presentation(network), "notes": list(network.notes)}
    else:
        kind, code, shapes = "analog network", network, [weight.shape for weight in network.weights]
    return {
        "kind": kind,
        "file": str(run / "model.h5"),
        "image_shape": list(code.image_shape),
        "n_classes": code.label_codes.n_classes,
        "label_code_length": code.label_codes.length,
        "probability": network.head.probability,
        "voting_layers": list(network.head.voting_layers),
        **more,
        "layers": [
            {"name": f"layer {index}", "n_inputs": int(shape[1]), "n_neurons": int(shape[0])}
            for index, shape in enumerate(shapes)
        ],
        "provenance": dict(network.provenance),
    }


def _describe_file(path: Path, dt: float | None) -> dict[str, Any]:
    from ff2neuro.converters.nir_file import read_nir
    from ff2neuro.hardware.chain import read_chain
    from ff2neuro.hardware.fixed_point import why_not_fixed_point

    content = read_nir(path)
    network = content.network
    step = dt or (network.dt if network else 1e-4)
    chain = read_chain(content.graph, step, network.reset if network else "zero")
    obstacle = why_not_fixed_point(chain)
    document: dict[str, Any] = {
        "kind": "NIR graph",
        "file": str(path),
        "nir_version": content.nir_version,
        "dt": step,
        "n_inputs": chain.n_inputs,
        "layers": _layers(chain),
        "fixed_point": obstacle is None,
        "fixed_point_obstacle": obstacle,
        **_portability(content, step),
    }
    if network is not None:
        document |= {
            "dialect": content.dialect,
            **_presentation(network),
            "gains": [layer.gain for layer in network.layers],
            "notes": list(network.notes),
            "provenance": dict(network.provenance),
        }
    return document


def _presentation(network: "SpikingNetwork") -> dict[str, Any]:
    """Say how a network is presented with images, and read out."""
    return {
        "n_time_steps": network.n_time_steps,
        "reset": network.reset,
        "max_spikes_per_step": network.max_spikes_per_step,
        "input_coding": network.input_code.coding,
        "input_scale": network.input_code.scale,
        "readout": network.readout,
        "output_trace": network.trace.to_tree() if network.trace is not None else None,
    }


def _portability(content: "NirFile", dt: float) -> dict[str, Any]:
    """Say what NIR readers make of the file."""
    from ff2neuro.hardware.portability import statements, type_error
    from ff2neuro.validation.run_config import run_config

    return {
        "nir_type_error": type_error(content.graph),
        "readers": [
            {
                "name": found.reader.name,
                "version": found.reader.version,
                "dt": dt,
                "status": found.status,
                "reasons": list(found.reasons),
                "call": found.reader.call.replace("DT", f"{dt:g}"),
            }
            for found in statements(content.graph, run_config(content.network, dt=dt))
        ],
    }


def _layers(chain: "Chain") -> list[dict[str, Any]]:
    return [
        {
            "name": layer.name,
            "n_inputs": int(layer.weight.shape[1]),
            "n_neurons": layer.n_neurons,
            "neuron": layer.kind,
            "weight_range": _range(layer.weight),
            "v_threshold_range": _range(layer.neurons.v_threshold) if layer.spiking else None,
            "leak_per_step": float(1 - layer.neurons.mem_decay.min()),
            "biased": bool(layer.bias.any()),
        }
        for layer in chain.layers
    ]


def _range(values: Any) -> list[float]:
    return [float(values.min()), float(values.max())]


def _text(document: dict[str, Any]) -> str:
    lines = [f"{document['file']}: {document['kind']}"]
    nested = ("kind", "file", "layers", "notes", "provenance", "readers")
    named = ("name", "n_inputs", "n_neurons")
    lines += [f"  {key}: {_words(value)}" for key, value in document.items() if key not in nested and value is not None]
    for layer in document["layers"]:
        figures = [f"{key} {value}" for key, value in layer.items() if key not in named and value is not None]
        lines.append("  " + ", ".join([f"{layer['name']}: {layer['n_inputs']} -> {layer['n_neurons']}", *figures]))
    for reader in document.get("readers", []):
        lines.append(f"  {reader['name']} {reader['version']}: {_STATUS[reader['status']]} (dt {reader['dt']:g} s)")
        lines += [f"    {reason}" for reason in reader["reasons"]]
    lines += [f"  note: {note}" for note in document.get("notes", [])]
    lines += [f"  {key}: {value}" for key, value in document["provenance"].items()] if "provenance" in document else []
    return "\n".join(lines)


def _words(value: Any) -> str:
    return ", ".join(f"{key} {part}" for key, part in value.items()) if isinstance(value, dict) else str(value)
