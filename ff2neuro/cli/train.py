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
from ff2neuro.learning.centering import center_note
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.initial import initial_label_codes
from ff2neuro.learning.limits import (
    Device,
    LabelCoding,
    LabelLayers,
    LayerNormalization,
    Loss,
    MatmulPrecision,
    Negatives,
    Schedule,
)
from ff2neuro.learning.presets import PRESETS, load_config
from ff2neuro.learning.run_directory import RunDirectory
from ff2neuro.learning.shifts import shift_note
from ff2neuro.networks.goodness import Probability
from ff2neuro.networks.trace import TraceKind

if TYPE_CHECKING:
    from ff2neuro.data import Dataset
    from ff2neuro.learning.hebbian.state import HebbianState
    from ff2neuro.learning.state import TrainingState
    from ff2neuro.networks import AnalogNetwork, SpikingNetwork

__all__ = ["command"]


def _whole_numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Read whole numbers with commas between them."""
    try:
        return None if value is None else tuple(int(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no list of whole numbers; write them as 200,200") from error


#: Type, or form, and meaning of every hyperparameter of the two kinds of learning.
_HYPERPARAMETERS: dict[str, tuple[Any, str]] = {
    "layers": ("N[,N..]", "Neurons of every layer."),
    "probability": (click.Choice(get_args(Probability)), "Probability that a presentation is positive."),
    "alpha": (float, "Slope of the sigmoid probability."),
    "theta": (float, "Threshold of the sigmoid probability."),
    "loss": (click.Choice(get_args(Loss)), "What every layer minimises."),
    "negatives": (click.Choice(get_args(Negatives)), "How wrong labels are drawn."),
    "epochs": (int, "Passes over the training images."),
    "batch_size": (int, "Images per update."),
    "learning_rate": (float, "First step size of Adam, or the rate of the Hebbian rule."),
    "schedule": (click.Choice(get_args(Schedule)), "How the step size falls."),
    "label_code": (click.Choice(get_args(LabelCoding)), "Code of the label in the input."),
    "label_length": (int, "Bits of a random label code."),
    "label_density": (float, "Share of ones in a random label code."),
    "label_strength": (float, "Input of a one in the label code; a full pixel is 1."),
    "label_layers": (click.Choice(get_args(LabelLayers)), "Layers that take the label code."),
    "max_shift": (float, "Random shift of training images, as a share of their height and width."),
    "layer_normalization": (
        click.Choice(get_args(LayerNormalization)),
        "What is scaled to unit length between layers.",
    ),
    "voting_layers": ("N[,N..]", "Layers that vote, counted from 0."),
    "validation_fraction": (float, "Share of the training images held out to judge the epochs."),
    "patience": (int, "Epochs without better held-out accuracy before training stops; 0 for never."),
    "peer_normalization": (float, "Weight of the term that evens out the neurons' mean activity; 0 for none."),
    "one_pass_updates": (int, "Updates of the head for classification in one pass; 0 for no head."),
    "device": (click.Choice(get_args(Device)), "Where training runs."),
    "matmul_precision": (click.Choice(get_args(MatmulPrecision)), "Float32 products, or bfloat16 ones if possible."),
    "seed": (int, "Source of all chance."),
    "threads": (int, "CPU threads, 0 for all or PyTorch's choice."),
    "trace": (click.Choice(get_args(TraceKind)), "Output trace."),
    "trace_decay": (float, "Share of a trace that is left after a step."),
    "trace_factor": (float, "Spikes that make an accumulating trace of 1."),
    "membrane_decay": (float, "Share of the membrane potential that is left after a step."),
    "threshold": (float, "Firing threshold."),
    "top_k": (int, "Neurons that may spike in a step, 0 for all."),
    "noise": (float, "Noise in the comparison of winners."),
    "epsilon": (float, "Smoothing of the symmetric probability."),
    "eligibility_rate": (float, "Share of the eligibility trace that an update replaces."),
    "n_time_steps": (int, "Time steps per presentation."),
    "first_update": (int, "First step that changes weights, counted from 0."),
    "rest_steps": (int, "Steps without input after a presentation."),
    "input_strength": (float, "Spike probability per step of a full pixel."),
}


#: Meaning of the hyperparameters that are on or off, all of analog learning.
_SWITCHES = {
    "normalize-input": "Scale the first layer's input to unit length [default: on].",
    "center-input": "Learn on images less the mean image [default: off].",
}


def _hyperparameter_options(function: Any) -> Any:
    """Add one option per hyperparameter; none has a default, so that a configuration file's value can stand."""
    analog, hebbian = TrainingConfig().to_mapping(), HebbianConfig().to_mapping()
    for name, text in _SWITCHES.items():
        function = click.option(f"--{name}/--no-{name}", default=None, help=text)(function)
    for name, (kind, text) in reversed(_HYPERPARAMETERS.items()):
        text = f"{text[:-1]} [{_defaults(analog.get(name), hebbian.get(name))}]."
        form: dict[str, Any] = (
            {"metavar": kind, "callback": _whole_numbers} if isinstance(kind, str) else {"type": kind}
        )
        function = click.option(f"--{name.replace('_', '-')}", name, help=text, **form)(function)
    return function


def _defaults(analog: Any, hebbian: Any) -> str:
    """Say what an option is if it is not given, and to which kind of learning it belongs."""
    shown = {
        kind: ",".join(map(str, value)) or "all" if isinstance(value, list) else str(value)
        for kind, value in (("analog", analog), ("hebbian", hebbian))
        if value is not None
    }
    if len(shown) == 2 and shown["analog"] == shown["hebbian"]:
        return f"default: {shown['analog']}"
    both = "; ".join(f"{kind}: {value}" for kind, value in shown.items())
    return f"default: {both}" if len(shown) == 2 else f"{next(iter(shown))} only, default: {next(iter(shown.values()))}"


@click.command("train")
@click.option(
    "--config", "source", metavar="PRESET|FILE.toml", help=f"Hyperparameters: {', '.join(PRESETS)}, or a file."
)
@data_options
@click.option(
    "--learning",
    type=click.Choice(["analog", "hebbian"]),
    help="Gradients in ReLU neurons, or the modulated Hebbian rule in spiking ones [default: analog].",
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
    learning: str | None,
    out: Path,
    resume: bool,
    force: bool,
    as_json: bool,
    **hyperparameters: Any,
) -> None:
    """Train a network with the Forward-Forward Algorithm."""
    if resume and force:
        raise ConfigurationError("--resume and --force exclude each other; give one")
    directory = RunDirectory(out)
    state = directory.load_state() if resume else None
    config = _configuration(source, learning, hyperparameters, state)
    if state is None:
        directory.require_free(force=force)
    data = load_data(dataset, data_file, data_dir, state.data_source if state else DEFAULT_DATASET)
    for note in _notes(config, data):
        click.echo(f"Note: {note}.", err=True)
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
    source: str | None,
    learning: str | None,
    hyperparameters: dict[str, Any],
    state: "TrainingState | HebbianState | None",
) -> TrainingConfig | HebbianConfig:
    """Return the configuration: defaults, overridden by preset, file or the resumed run, overridden by options."""
    start = HebbianConfig() if learning == "hebbian" else TrainingConfig()
    base: TrainingConfig | HebbianConfig = load_config(source) if source else state.config if state else start
    kind = "hebbian" if isinstance(base, HebbianConfig) else "analog"
    if learning not in (None, kind):
        raise ConfigurationError(f"--learning is {learning}, but the configuration is for {kind} learning; omit one")
    given = {name: value for name, value in hyperparameters.items() if value is not None}
    foreign = [name for name in given if name not in base.to_mapping()]
    if foreign:
        other = "analog" if kind == "hebbian" else "hebbian"
        option = f"--{foreign[0].replace('_', '-')}"
        raise ConfigurationError(f"{option} belongs to {other} learning, not to {kind}; omit it, or pass --learning")
    return base.replace(**given)


def _notes(config: TrainingConfig | HebbianConfig, data: "Dataset") -> list[str]:
    """Return what is in the configuration, but does not apply to the data."""
    if isinstance(config, HebbianConfig):
        return []
    codes = initial_label_codes(config, data.n_classes)
    notes = (shift_note(data.image_shape, config.max_shift), center_note(config, codes))
    return [note for note in notes if note is not None]


def _document(
    network: "AnalogNetwork | SpikingNetwork",
    data: "Dataset",
    config: TrainingConfig | HebbianConfig,
    directory: RunDirectory,
) -> dict[str, Any]:
    images, labels = data.split("test")
    return {
        "run": str(directory.path),
        "files": [str(file) for file in directory.files if file.exists()],
        "dataset": data.name,
        "learning": network.provenance["learning"],
        "layers": list(config.layers),
        "epochs": int(network.provenance["epochs_done"]),
        "seed": config.seed,
        "test": {
            "accuracy": _accuracy(network, config, images, labels),
            "n_samples": len(labels),
            **_one_pass_accuracy(network, images, labels),
        },
        "notes": list(getattr(network, "notes", ())),
    }


def _accuracy(network: "AnalogNetwork | SpikingNetwork", config: Any, images: Any, labels: Any) -> float:
    """Classify by label sweep; a spiking network with the arithmetic that it was trained in."""
    from ff2neuro.networks import SpikingNetwork

    if isinstance(network, SpikingNetwork):
        from ff2neuro.learning.hebbian.evaluation import evaluate_network

        return evaluate_network(network, config, images).accuracy(labels)
    return float((network.predict(images) == labels).mean())


def _one_pass_accuracy(network: "AnalogNetwork | SpikingNetwork", images: Any, labels: Any) -> dict[str, float]:
    """Classify in one pass, if the network can and its activity is not that of simulated spikes."""
    from ff2neuro.networks import AnalogNetwork

    if not isinstance(network, AnalogNetwork) or network.one_pass is None:
        return {}
    return {"one_pass_accuracy": float((network.predict_one_pass(images) == labels).mean())}


def _text(document: dict[str, Any]) -> str:
    layers = ", ".join(str(width) for width in document["layers"])
    test = document["test"]
    return (
        f"trained {document['epochs']} epochs on {document['dataset']}, neurons per layer: {layers}\n"
        f"test accuracy {test['accuracy']:.2%} on {test['n_samples']} images\n"
        + (f"in one pass {test['one_pass_accuracy']:.2%}\n" if "one_pass_accuracy" in test else "")
        + "".join(f"  {note}\n" for note in document["notes"])
        + f"wrote {', '.join(document['files'])}"
    )
