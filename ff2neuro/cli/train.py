"""``ff2neuro train``: train a network with the Forward-Forward Algorithm."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from ff2neuro.cli.options import (
    DEFAULT_DATASET,
    DEFAULT_RUN,
    answer,
    data_options,
    force_option,
    json_option,
    load_data,
)
from ff2neuro.errors import ConfigurationError
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.limits import LabelCoding, Loss, Negatives, Schedule
from ff2neuro.learning.presets import PRESETS, load_config
from ff2neuro.learning.run_directory import RunDirectory
from ff2neuro.networks.goodness import Probability

if TYPE_CHECKING:
    from ff2neuro.data import Dataset
    from ff2neuro.learning.state import TrainingState
    from ff2neuro.networks import AnalogNetwork

__all__ = ["command"]


def _whole_numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Read whole numbers with commas between them."""
    try:
        return None if value is None else tuple(int(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no list of whole numbers; write them as 200,200") from error


def _hyperparameter_options(function: Any) -> Any:
    """Add one option per hyperparameter; none has a default, so that a configuration file's value can stand."""
    defaults = TrainingConfig()
    kinds: dict[str, tuple[Any, str]] = {
        "layers": ("N[,N..]", "Neurons of every layer."),
        "probability": (click.Choice(get_args(Probability)), "Probability that a presentation is positive."),
        "alpha": (float, "Slope of the sigmoid probability."),
        "theta": (float, "Threshold of the sigmoid probability."),
        "loss": (click.Choice(get_args(Loss)), "What every layer minimises."),
        "negatives": (click.Choice(get_args(Negatives)), "How wrong labels are drawn."),
        "epochs": (int, "Passes over the training images."),
        "batch_size": (int, "Images per update."),
        "learning_rate": (float, "First step size of Adam."),
        "schedule": (click.Choice(get_args(Schedule)), "How the step size falls."),
        "label_code": (click.Choice(get_args(LabelCoding)), "Code of the label in the input."),
        "label_length": (int, "Bits of a random label code."),
        "label_density": (float, "Share of ones in a random label code."),
        "label_strength": (float, "Input of a one in the label code; a full pixel is 1."),
        "max_shift": (int, "Pixels by which training images are shifted at random."),
        "voting_layers": ("N[,N..]", "Layers that vote, counted from 0 [default: all]."),
        "validation_fraction": (float, "Share of the training images held out to judge the epochs."),
        "patience": (int, "Epochs without better held-out accuracy before training stops; 0 for never."),
        "seed": (int, "Source of all chance."),
        "threads": (int, "CPU threads, 0 for PyTorch's choice."),
    }
    switch = "Scale the first layer's input to unit length [default: on]."
    function = click.option("--normalize-input/--no-normalize-input", default=None, help=switch)(function)
    for name, (kind, text) in reversed(kinds.items()):
        default = getattr(defaults, name)
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        text = text if shown == "" else f"{text[:-1]} [default: {shown}]."
        form: dict[str, Any] = (
            {"metavar": kind, "callback": _whole_numbers} if isinstance(kind, str) else {"type": kind}
        )
        function = click.option(f"--{name.replace('_', '-')}", name, help=text, **form)(function)
    return function


@click.command("train")
@click.option(
    "--config", "source", metavar="PRESET|FILE.toml", help=f"Hyperparameters: {', '.join(PRESETS)}, or a file."
)
@data_options
@click.option(
    "--learning", type=click.Choice(["analog", "hebbian"]), default="analog", show_default=True, help="Which trainer."
)
@_hyperparameter_options
@click.option("--out", type=click.Path(path_type=Path), default=DEFAULT_RUN, show_default=True, help="Run directory.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run, to the same model bit for bit.")
@force_option
@json_option
def command(
    source: str | None,
    dataset: str | None,
    data_file: Path | None,
    data_dir: Path | None,
    learning: str,
    out: Path,
    resume: bool,
    force: bool,
    as_json: bool,
    **hyperparameters: Any,
) -> None:
    """Train a network with the Forward-Forward Algorithm."""
    if learning == "hebbian":
        raise ConfigurationError("--learning is hebbian; this version trains analog networks only: omit --learning")
    if resume and force:
        raise ConfigurationError("--resume and --force exclude each other; give one")
    directory = RunDirectory(out)
    state = directory.load_state() if resume else None
    config = _configuration(source, hyperparameters, state)
    if state is None:
        directory.require_free(force=force)
    data = load_data(dataset, data_file, data_dir, state.data_source if state else DEFAULT_DATASET)
    from ff2neuro.learning.session import train_in_directory

    try:
        network = train_in_directory(data, config, directory, state=state, force=force, data_file=data_file)
    except KeyboardInterrupt:
        if directory.checkpoint.exists():
            click.echo(f"Stopped; go on with: ff2neuro train --resume --out {out}", err=True)
        raise
    document = _document(network, data, config, directory)
    answer(document, _text(document), as_json=as_json)


def _configuration(
    source: str | None, hyperparameters: dict[str, Any], state: "TrainingState | None"
) -> TrainingConfig:
    """Return the configuration: defaults, overridden by preset, file or the resumed run, overridden by options."""
    base = load_config(source) if source else state.config if state else TrainingConfig()
    return base.replace(**{name: value for name, value in hyperparameters.items() if value is not None})


def _document(
    network: "AnalogNetwork", data: "Dataset", config: TrainingConfig, directory: RunDirectory
) -> dict[str, Any]:
    images, labels = data.split("test")
    return {
        "run": str(directory.path),
        "files": [str(file) for file in directory.files if file.exists()],
        "dataset": data.name,
        "layers": list(config.layers),
        "epochs": int(network.provenance["epochs_done"]),
        "seed": config.seed,
        "test": {"accuracy": float((network.predict(images) == labels).mean()), "n_samples": len(labels)},
    }


def _text(document: dict[str, Any]) -> str:
    layers = ", ".join(str(width) for width in document["layers"])
    test = document["test"]
    return (
        f"trained {document['epochs']} epochs on {document['dataset']}, neurons per layer: {layers}\n"
        f"test accuracy {test['accuracy']:.2%} on {test['n_samples']} images\n"
        f"wrote {', '.join(document['files'])}"
    )
