"""``ff2neuro validate``: run the spiking network, compare it with the trained one, judge."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ff2neuro.cli.against import judge_machines, require_fitting_options
from ff2neuro.cli.cluster import cluster_options
from ff2neuro.cli.judged import (
    DEFAULT_BACKEND,
    deployments,
    judged,
    require_known_targets,
    require_one_source,
    require_sweeps,
    sweeps,
)
from ff2neuro.cli.options import (
    DEFAULT_RUN,
    answer,
    data_of,
    data_options,
    force_option,
    json_option,
    load_data,
    machine_options,
    require_export,
    require_run,
    seed_option,
)
from ff2neuro.cli.origin import origin, typed_command
from ff2neuro.errors import ConfigurationError
from ff2neuro.files import require_writable, write_text

if TYPE_CHECKING:
    from ff2neuro.data import Dataset
    from ff2neuro.networks import SpikingNetwork
    from ff2neuro.validation import Thresholds, Verdict
    from ff2neuro.validation.report.material import Material
    from ff2neuro.validation.trained import TrainedNetwork

__all__ = ["command"]


@click.command(name="validate")
@click.argument("run", type=click.Path(path_type=Path), default=DEFAULT_RUN)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--backend", help=f"Machine to run on [default: {DEFAULT_BACKEND}].")
@click.option(
    "--recording",
    "recording_file",
    type=click.Path(path_type=Path),
    help="Judge this recording of `ff2neuro run` instead of running anything.",
)
@click.option("--samples", type=int, help="Use the first N images of the test split [default: all].")
@machine_options
@cluster_options
@data_options
@click.option(
    "--gate",
    "gate_file",
    type=click.Path(path_type=Path),
    help="TOML file with thresholds; the options below go first.",
)
@click.option("--max-accuracy-drop", type=float, help="In percentage points [default: 1.0].")
@click.option("--min-prediction-agreement", type=float, help="Lowest share of equal predictions, 0 to 1.")
@click.option("--min-latent-agreement", type=float, help="Lowest mean cosine of latents, in every layer.")
@click.option("--min-cka", type=float, help="Lowest linear centred kernel alignment, in every layer.")
@click.option("--max-replay-mismatch", type=float, help="Share of spikes that may differ from a simulation of FILE.")
@click.option("--max-faults", type=int, help="Findings that no rounding explains [default: 0].")
@click.option(
    "--sweep",
    multiple=True,
    help="Measure at several values, such as steps=2,4,8; also weight_bits, input_coding, input_bits, "
    "max_spikes_per_step, noise, dead_neurons, stuck_neurons. May be given again.",
)
@click.option("--junit", "junit_file", type=click.Path(path_type=Path), help="Write the checks as JUnit XML too.")
@click.option("--report", "report_dir", type=click.Path(path_type=Path), help="Write HTML, Markdown and JSON there.")
@click.option("--target", multiple=True, help="Say in the report what this machine would need. May be given again.")
@click.option("--against", help="Instead compare machines spike for spike, such as lava,reference; RUN is not needed.")
@click.option(
    "--input", "input_file", type=click.Path(path_type=Path), help="With --against: a .npy file of input events."
)
@click.option("--dt", type=float, help="With --against: length of a time step [s] [default: the file's, else 1e-4].")
@click.option("--max-count-distance", type=float, help="With --against: limit where machines round differently.")
@seed_option
@force_option
@json_option
def command(run: Path, file: Path | None, as_json: bool, **options: Any) -> None:
    """Judge whether the spiking network in FILE does what the trained one in RUN did.

    RUN is a directory that `ff2neuro train` wrote [default: ff2neuro-run], FILE a NIR file that `ff2neuro export` made
    of it [default: network.nir inside RUN]. The images are the test split of the run's own data set.

    A network of `--learning hebbian` is compared with its own float execution: trained weights and decay, no noise, the
    same input events. The figures called analog are then those of that execution.

    With --against, FILE alone may be any NIR file, and every spike of several machines is compared.

    Exit code 0: the verdict passed; 1: it failed.
    """
    from ff2neuro.converters.nir_file import read_network
    from ff2neuro.networks import load_network
    from ff2neuro.validation import render_junit, render_text, trained_model, validate
    from ff2neuro.validation.report import gather

    require_fitting_options(options)
    if options["against"] is not None:
        judge_machines(file or (require_export(run) if run.is_dir() else run), options, as_json=as_json)
        return
    thresholds = _thresholds(options)
    require_one_source(options)
    require_known_targets(options)
    _require_writable(options)
    trained = load_network(require_run(run))
    file = file or require_export(run)
    graph, spiking = read_network(file)
    require_sweeps(options, trained, spiking)
    _require_comparable(trained, spiking, run, file)
    data = load_data(options["dataset"], options["data_file"], options["data_dir"], data_of(trained.provenance))
    _warn_of_other_data(trained, data)
    options |= {"run": run, "file": file}
    with judged(graph, spiking, data, options) as found, trained_model(trained, found.images) as model:
        parts = model, spiking, found.recording, found.images, found.labels
        verdict = validate(*parts, thresholds, found.neutral)
        verdict = replace(verdict, sweeps=sweeps(trained, spiking, found, options))
        if options["report_dir"] is not None:
            machines = deployments(graph, spiking, found, options)
            _write_report(verdict, gather(verdict, *parts), spiking, machines, options)
    if options["junit_file"] is not None:
        write_text(options["junit_file"], render_junit(verdict))
    answer(verdict.to_json(), render_text(verdict), as_json=as_json)
    if not verdict.passed:
        raise click.exceptions.Exit(1)


def _write_report(
    verdict: "Verdict", material: "Material", spiking: "SpikingNetwork", machines: list[str], options: dict[str, Any]
) -> None:
    from ff2neuro.validation.report import render_html, render_markdown, write_report

    provenance = {**origin(options["run"] / "model.h5", options["file"]), **spiking.provenance}
    html = render_html(verdict, material, spiking.notes, provenance, [typed_command()], machines)
    write_report(options["report_dir"], html, render_markdown(verdict), verdict.to_json())


def _require_comparable(trained: "TrainedNetwork", spiking: "SpikingNetwork", run: Path, file: Path) -> None:
    """Refuse to compare a file with a model that it was not made from: the run may have been trained again since."""
    from ff2neuro.networks import SpikingNetwork
    from ff2neuro.validation.float_execution import float_graph
    from ff2neuro.validation.matching import require_match

    made_from = spiking.provenance.get("model_checksum")
    if made_from is not None and made_from != trained.checksum:
        raise ConfigurationError(
            f"{file} was exported from another model than {run / 'model.h5'} holds now; export the run again: "
            f"ff2neuro export {run} --target nir"
        )
    require_match(trained, spiking)
    if isinstance(trained, SpikingNetwork):
        # What no graph can say cannot be executed either.
        float_graph(trained)


def _warn_of_other_data(trained: "TrainedNetwork", data: "Dataset") -> None:
    trained_on = trained.provenance.get("dataset_checksum")
    if trained_on is not None and trained_on != data.checksum:
        click.echo(f"Note: {data.name} is not the data that the network was trained on.", err=True)


def _require_writable(options: dict[str, Any]) -> None:
    """Refuse outputs that cannot be written before any work is done."""
    from ff2neuro.validation.report import require_report_directory

    if options["junit_file"] is not None:
        require_writable(options["junit_file"], force=options["force"])
    if options["report_dir"] is not None:
        require_report_directory(options["report_dir"], force=options["force"])


def _thresholds(options: dict[str, Any]) -> "Thresholds":
    """Thresholds of the gate file, or the default ones, with those of the options over them."""
    from ff2neuro.validation import Thresholds, read_gate

    gate = read_gate(options["gate_file"]) if options["gate_file"] is not None else Thresholds()
    given = {
        "max_accuracy_drop_pp": options["max_accuracy_drop"],
        "min_prediction_agreement": options["min_prediction_agreement"],
        "min_latent_agreement": options["min_latent_agreement"],
        "min_cka": options["min_cka"],
        "max_replay_mismatch": options["max_replay_mismatch"],
        "max_faults": options["max_faults"],
    }
    return replace(gate, **{name: value for name, value in given.items() if value is not None})
