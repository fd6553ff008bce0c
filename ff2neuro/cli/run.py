"""``ff2neuro run``: run a NIR file on a machine and record its spikes."""

from pathlib import Path
from typing import Any

import click

from ff2neuro.cli.cluster import cluster_options, machine_of
from ff2neuro.cli.early_exit import contest_of
from ff2neuro.cli.events import input_events
from ff2neuro.cli.options import answer, data_options, force_option, json_option, machine_options
from ff2neuro.files import require_writable

__all__ = ["command"]


@click.command("run")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.nir")
@click.option("--backend", default="reference", show_default=True, help="A machine of `ff2neuro backends`.")
@click.option(
    "--input",
    "input_file",
    type=click.Path(path_type=Path),
    help="Input events instead of a data set: a .npy file of shape (image, [hypothesis,] step, channel).",
)
@click.option("--split", type=click.Choice(["train", "test"]), default="test", show_default=True)
@click.option("--samples", type=int, help="Number of images, from the first on [default: all].")
@click.option(
    "--record",
    type=click.Choice(["counts", "spikes"]),
    help="What to write of every neuron [default: what the file is read out by, else counts].",
)
@click.option("--states", is_flag=True, help="Record u and v after every step as well.")
@click.option(
    "--early-exit", is_flag=True, help="Simulate hypotheses no further that cannot win any more (reference backend)."
)
@click.option("--dt", type=float, help="Length of a time step [s] [default: the file's, else 1e-4].")
@click.option("--time-limit", type=float, help="Give a machine up after so many seconds without progress.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Recording to write (HDF5).")
@machine_options
@cluster_options
@data_options
@force_option
@json_option
def command(file: Path, backend: str, out: Path, force: bool, as_json: bool, **options: Any) -> None:
    """Run FILE.nir on a machine and write what its neurons did to a recording."""
    from ff2neuro.converters.nir_file import read_nir
    from ff2neuro.validation.run_config import run_config

    require_writable(out, force=force)
    content = read_nir(file)
    inputs = input_events(content, options)
    contest = contest_of(content, options) if options["early_exit"] else None
    config = run_config(
        content.network,
        dt=options["dt"],
        record=options["record"],
        states=options["states"],
        time_limit=options["time_limit"],
        early_exit=contest.bounds() if contest else None,
    )
    machine = machine_of(backend, options)
    with machine, machine.run(content.graph, inputs, config, out) as recording:
        header = recording.header
        means = {
            name: float(recording.counts(name, partial=True).mean()) if header.n_images else 0.0
            for name in recording.layer_names
        }
        decided = contest.outcome(recording) if contest else None
    document = {
        "file": str(out),
        "backend": {"name": header.backend, "version": header.backend_version},
        "arithmetic": header.arithmetic,
        "n_images": header.n_images,
        "n_hypotheses": header.n_hypotheses,
        "n_time_steps": header.n_time_steps,
        "layers": [
            {"name": name, "n_neurons": size, "spikes_per_neuron": means[name]} for name, size in header.layers.items()
        ],
    }
    if decided is not None:
        document["early_exit"] = decided
    answer(document, _text(document), as_json=as_json)


def _text(document: dict[str, Any]) -> str:
    backend = document["backend"]
    lines = [
        f"ran {document['n_images']} images x {document['n_hypotheses']} hypotheses x {document['n_time_steps']} steps "
        f"on {backend['name']} {backend['version']} ({document['arithmetic']} arithmetic)"
    ]
    lines += [
        f"  {layer['name']}: {layer['n_neurons']} neurons, {layer['spikes_per_neuron']:.3f} spikes per neuron and "
        "presentation"
        for layer in document["layers"]
    ]
    if "early_exit" in document:
        decided = document["early_exit"]
        lines.append(
            f"  early exit: {decided['n_stopped']} of {document['n_images'] * document['n_hypotheses']} presentations "
            f"stopped, {decided['steps_left_out']:.1%} of the steps left out; accuracy {decided['accuracy']:.2%}"
        )
    return "\n".join([*lines, f"wrote {document['file']}"])
