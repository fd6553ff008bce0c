"""Training with files: a run directory that is sound at every moment, whatever ends the process."""

from contextlib import ExitStack
from pathlib import Path

from ff2neuro.data import Dataset
from ff2neuro.errors import NetworkError
from ff2neuro.learning.config import TrainingConfig
from ff2neuro.learning.run_directory import RunDirectory
from ff2neuro.learning.state import TrainingState
from ff2neuro.learning.trainer import ForwardForwardTrainer
from ff2neuro.networks import AnalogNetwork
from ff2neuro.progress import progress_bar

__all__ = ["train_in_directory"]


def train_in_directory(
    dataset: Dataset,
    config: TrainingConfig,
    directory: RunDirectory,
    *,
    state: TrainingState | None = None,
    force: bool = False,
    data_file: Path | None = None,
) -> AnalogNetwork:
    """Train a network, with a checkpoint after every epoch and the model at the end.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    config : TrainingConfig
        Hyperparameters.
    directory : RunDirectory
        Where the files go.
    state : TrainingState, optional
        Where to go on from, as `RunDirectory.load_state` gives it; by default training begins.
    force : bool
        Whether an earlier run in `directory` may be replaced.
    data_file : Path, optional
        The user's own file that `dataset` came from.

    Returns
    -------
    AnalogNetwork
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
    trainer = ForwardForwardTrainer(dataset, config, state, str(data_file.resolve()) if data_file else "")
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


def _run_epochs(
    trainer: ForwardForwardTrainer, config: TrainingConfig, directory: RunDirectory, cleanup: ExitStack
) -> None:
    with progress_bar("training", config.epochs, "epochs") as progress:
        progress.advance(trainer.epoch)
        while not trainer.finished:
            metrics = trainer.run_epoch()
            directory.save_progress(trainer.state())
            cleanup.pop_all()
            progress.advance(loss=metrics["loss"][-1], accuracy=metrics["accuracy"])
