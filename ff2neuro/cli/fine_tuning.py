"""``--fine-tune`` of ``ff2neuro export``: learning continued on the spike counts that the conversion really has."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ff2neuro.cli.options import data_of, load_data
from ff2neuro.errors import ConfigurationError, FileFormatError

if TYPE_CHECKING:
    from ff2neuro.learning.finetuning import FineTuner
    from ff2neuro.learning.state import TrainingState
    from ff2neuro.networks import AnalogNetwork, SpikingNetwork

__all__ = ["FINE_TUNING", "fine_tuned", "fine_tuning_options"]

F = TypeVar("F", bound=Callable[..., Any])

#: Parameters of `fine_tuning_options`, and how they are typed.
FINE_TUNING = {"tuning_epochs": "--fine-tune", "tuning_rate": "--tuning-rate"}


def fine_tuning_options(function: F) -> F:
    """Add ``--fine-tune`` and ``--tuning-rate`` to a command (see `fine_tuned`)."""
    for option in (
        click.option("--tuning-rate", type=float, help="First step size of --fine-tune [default: a tenth of train's]."),
        click.option(
            "--fine-tune",
            "tuning_epochs",
            type=click.IntRange(min=1),
            metavar="EPOCHS",
            help="Go on learning on the converted neurons' own spike counts, and keep the epoch that does best on "
            "--held-out images. After an interruption the same command goes on.",
        ),
    ):
        function = option(function)
    return function


def fine_tuned(
    analog: "AnalogNetwork", network: "SpikingNetwork", out: Path, options: dict[str, Any]
) -> "tuple[SpikingNetwork, list[dict[str, Any]]]":
    """Fine-tune a conversion as the options say.

    Parameters
    ----------
    analog, network : AnalogNetwork, SpikingNetwork
        The model and its conversion.
    out : Path
        File that is to be written; a checkpoint lies beside it while this goes on.
    options : dict
        Values of `fine_tuning_options`, `data_options`, ``seed`` and ``n_held_out``.

    Returns
    -------
    network : SpikingNetwork
        As it came if no epochs were asked for.
    records : list of dict
        Figures on held-out images, before the first epoch and after each one.

    Raises
    ------
    ConfigurationError
        If the options do not go together.
    DatasetError
        If the data cannot be had.
    """
    if options["tuning_epochs"] is None:
        if options["tuning_rate"] is not None:
            raise ConfigurationError(f"--tuning-rate {options['tuning_rate']:g} belongs to --fine-tune; give both")
        return network, []
    from ff2neuro.learning.finetuning import FineTuner
    from ff2neuro.learning.finetuning_config import tuning_config

    data = load_data(options["dataset"], options["data_file"], options["data_dir"], data_of(analog.provenance))
    config = tuning_config(analog, options["tuning_epochs"], options["tuning_rate"], options["seed"])
    checkpoint = out.with_name(f".{out.name}.fine-tuning.h5")

    def begin(state: "TrainingState | None") -> FineTuner:
        return FineTuner(analog, network, data, config, n_held_out=options["n_held_out"], state=state)

    tuner = _resumed(begin, checkpoint) or begin(None)
    _run_epochs(tuner, checkpoint)
    result = tuner.network()
    checkpoint.unlink(missing_ok=True)
    return result, list(tuner.records)


def _resumed(begin: "Callable[[TrainingState], FineTuner]", checkpoint: Path) -> "FineTuner | None":
    """Go on from a checkpoint, if there is one of this very conversion; others are of no use any more."""
    from ff2neuro.learning.state import TrainingState, load_checkpoint

    if not checkpoint.exists():
        return None
    try:
        state = load_checkpoint(checkpoint)
        tuner = begin(state) if isinstance(state, TrainingState) else None
    except (ConfigurationError, FileFormatError) as error:
        click.echo(f"Note: what {checkpoint} holds of an earlier fine-tuning is not used: {error}", err=True)
        return None
    if tuner is not None:
        click.echo(f"Note: fine-tuning goes on after epoch {tuner.epoch}.", err=True)
    return tuner


def _run_epochs(tuner: "FineTuner", checkpoint: Path) -> None:
    from ff2neuro.learning.state import save_checkpoint
    from ff2neuro.progress import progress_bar

    with progress_bar("fine-tuning", tuner.n_epochs * tuner.n_images, "images") as progress:
        progress.advance(tuner.epoch * tuner.n_images)
        try:
            while not tuner.finished:
                record = tuner.run_epoch(progress.advance)
                save_checkpoint(tuner.state(), checkpoint)
                progress.advance(0, accuracy=record["accuracy"], loss=record["loss"][-1])
        except KeyboardInterrupt:
            if checkpoint.exists():
                click.echo(f"Stopped; the same command goes on after epoch {tuner.epoch}.", err=True)
            raise
