"""Training with files: a run directory that is sound at every moment, whatever ends the process."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ff2neuro.data import Dataset
from ff2neuro.errors import ConfigurationError, NetworkError
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.state import HebbianState
from ff2neuro.learning.run_directory import RunDirectory
from ff2neuro.learning.state import TrainingState
from ff2neuro.networks import AnalogNetwork, SpikingNetwork
from ff2neuro.progress import progress_bar

if TYPE_CHECKING:
    from ff2neuro.learning.hebbian.trainer import HebbianTrainer
    from ff2neuro.learning.trainer import ForwardForwardTrainer

__all__ = ["train_in_directory"]


def train_in_directory(
    dataset: Dataset,
    config: TrainingConfig | HebbianConfig,
    directory: RunDirectory,
    *,
    state: TrainingState | HebbianState | None = None,
    force: bool = False,
    data_file: Path | None = None,
) -> AnalogNetwork | SpikingNetwork:
    """Train a network, with a checkpoint after every epoch and the model at the end.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    config : TrainingConfig or HebbianConfig
        Hyperparameters, whose kind decides between the two trainers.
    directory : RunDirectory
        Where the files go.
    state : TrainingState or HebbianState, optional
        Where to go on from, as `RunDirectory.load_state` gives it; by default training begins.
    force : bool
        Whether an earlier run in `directory` may be replaced.
    data_file : Path, optional
        The user's own file that `dataset` came from.

    Returns
    -------
    AnalogNetwork or SpikingNetwork
        The trained network, as the model file holds it.

    Raises
    ------
    ConfigurationError, DatasetError
        If configuration, data and state do not go together; nothing has been written then.
    NetworkError
        If training diverged; nothing is left of the run then.
    OutputError
        If a file cannot be written, or `directory` holds something else.
    """
    if state is None:
        directory.require_free(force=force)
    trainer = _trainer(dataset, config, state, str(data_file.resolve()) if data_file else "")
    with ExitStack() as cleanup:
        if state is None:
            # Until there is a first checkpoint the directory is of no use to anybody.
            cleanup.callback(directory.discard)
            directory.begin(trainer.state())
        try:
            _run_epochs(trainer, config, directory, cleanup)
        except NetworkError:
            directory.discard()
            raise
        network = trainer.network()
        directory.finish(network, trainer.metrics)
        cleanup.pop_all()
    return network


def _trainer(
    dataset: Dataset,
    config: TrainingConfig | HebbianConfig,
    state: TrainingState | HebbianState | None,
    data_file: str,
) -> "ForwardForwardTrainer | HebbianTrainer":
    """Return the trainer of a configuration's kind, which imports only the framework that it needs."""
    if isinstance(config, HebbianConfig):
        from ff2neuro.learning.hebbian.trainer import HebbianTrainer

        if isinstance(state, TrainingState):
            raise _other_kind("analog", "hebbian")
        return HebbianTrainer(dataset, config, state, data_file)
    from ff2neuro.learning.trainer import ForwardForwardTrainer

    if isinstance(state, HebbianState):
        raise _other_kind("hebbian", "analog")
    return ForwardForwardTrainer(dataset, config, state, data_file)


def _other_kind(was: str, now: str) -> ConfigurationError:
    return ConfigurationError(
        f"training cannot be resumed: learning was {was} and is now {now}; give the same again, or start anew with "
        "--force"
    )


def _run_epochs(
    trainer: "ForwardForwardTrainer | HebbianTrainer",
    config: TrainingConfig | HebbianConfig,
    directory: RunDirectory,
    cleanup: ExitStack,
) -> None:
    with progress_bar("training", config.epochs, "epochs") as progress:
        progress.advance(trainer.epoch)
        while not trainer.finished:
            metrics = trainer.run_epoch()
            directory.save_progress(trainer.state())
            cleanup.pop_all()
            progress.advance(1, **_figures(metrics))


def _figures(metrics: dict[str, Any]) -> dict[str, float]:
    """Return what the progress bar shows of an epoch: figures of the last layer, and the accuracy."""
    names = {"loss": "loss", "goodness_positive": "goodness", "goodness_negative": "wrong_label", "separation": "sep"}
    shown = {short: metrics[name][-1] for name, short in names.items() if name in metrics}
    return {**shown, "accuracy": metrics["accuracy"]}
