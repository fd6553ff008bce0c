"""``ff2neuro inspect``: describe a run directory or a NIR file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ff2neuro.cli.options import DEFAULT_RUN, answer, json_option, require_run

if TYPE_CHECKING:
    from ff2neuro.hardware.chain import Chain

__all__ = ["command"]


@click.command("inspect")
@click.argument("source", type=click.Path(path_type=Path), default=DEFAULT_RUN, metavar="[RUN|FILE.nir]")
@click.option("--dt", type=float, help="Length of a time step [s] [default: the file's, else 1e-4].")
@json_option
def command(source: Path, dt: float | None, as_json: bool) -> None:
    """Describe a network: layers, parameters, how it came to be, and what was approximated."""
    document = _describe_file(source, dt) if source.is_file() else _describe_run(source)
    answer(document, _text(document), as_json=as_json)


def _describe_run(run: Path) -> dict[str, Any]:
    from ff2neuro.networks import load_model

    network = load_model(require_run(run))
    return {
        "kind": "analog network",
        "file": str(run / "model.h5"),
        "image_shape": list(network.image_shape),
        "n_classes": network.n_classes,
        "label_code_length": network.label_codes.length,
        "probability": network.head.probability,
        "voting_layers": list(network.head.voting_layers),
        "layers": [
            {"name": f"layer {index}", "n_inputs": int(weight.shape[1]), "n_neurons": int(weight.shape[0])}
            for index, weight in enumerate(network.weights)
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
    }
    if network is not None:
        document |= {
            "dialect": content.dialect,
            "n_time_steps": network.n_time_steps,
            "reset": network.reset,
            "input_coding": network.input_code.coding,
            "input_scale": network.input_code.scale,
            "gains": [layer.gain for layer in network.layers],
            "notes": list(network.notes),
            "provenance": dict(network.provenance),
        }
    return document


def _layers(chain: "Chain") -> list[dict[str, Any]]:
    return [
        {
            "name": layer.name,
            "n_inputs": int(layer.weight.shape[1]),
            "n_neurons": layer.n_neurons,
            "weight_range": [float(layer.weight.min()), float(layer.weight.max())],
            "v_threshold_range": [float(layer.neurons.v_threshold.min()), float(layer.neurons.v_threshold.max())],
            "leak_per_step": float(1 - layer.neurons.mem_decay.min()),
            "biased": bool(layer.bias.any()),
        }
        for layer in chain.layers
    ]


def _text(document: dict[str, Any]) -> str:
    lines = [f"{document['file']}: {document['kind']}"]
    nested = ("kind", "file", "layers", "notes", "provenance")
    named = ("name", "n_inputs", "n_neurons")
    lines += [f"  {key}: {value}" for key, value in document.items() if key not in nested and value is not None]
    for layer in document["layers"]:
        figures = [f"{key} {value}" for key, value in layer.items() if key not in named]
        lines.append("  " + ", ".join([f"{layer['name']}: {layer['n_inputs']} -> {layer['n_neurons']}", *figures]))
    lines += [f"  note: {note}" for note in document.get("notes", [])]
    lines += [f"  {key}: {value}" for key, value in document["provenance"].items()] if "provenance" in document else []
    return "\n".join(lines)
