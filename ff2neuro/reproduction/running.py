"""Training one network after the other, or several at a time; each can be stopped and gone on with after any epoch."""

import json
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import active_children, get_context
from pathlib import Path

from ff2neuro.data import Dataset, load_dataset
from ff2neuro.errors import FileFormatError, NetworkError
from ff2neuro.files import write_text
from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.learning.hebbian.state import HebbianState
from ff2neuro.learning.run_directory import RunDirectory
from ff2neuro.networks import save_model
from ff2neuro.progress import Progress, progress_bar
from ff2neuro.reproduction.analog_setting import AnalogSetting
from ff2neuro.reproduction.plan import Experiment, Hyperparameters

__all__ = ["DataSource", "Result", "load_result", "run_all"]


@dataclass(frozen=True)
class DataSource:
    """Where a process finds the images.

    Attributes
    ----------
    name : str
        Name of a known data set.
    data_dir : Path or None
        As for `ff2neuro.data.load_dataset`.
    n_train, n_test : int or None
        Number of images, from the first on; None for all.
    """

    name: str
    data_dir: Path | None
    n_train: int | None
    n_test: int | None

    def load(self) -> Dataset:
        """Return the images.

        Raises
        ------
        DatasetError
            If they cannot be had.
        """
        data = load_dataset(self.name, self.data_dir)
        if self.n_train is None and self.n_test is None:
            return data
        train, test = slice(self.n_train), slice(self.n_test)
        arrays = (data.x_train[train], data.y_train[train], data.x_test[test], data.y_test[test])
        return Dataset(data.name, *arrays, data.image_shape, data.n_classes)


@dataclass(frozen=True)
class Result:
    """What became of an experiment.

    Attributes
    ----------
    name, setting, hyperparameters : str
        As in `Experiment`.
    accuracies : tuple of float
        Share of test images that were classified right, after each epoch.
    failure : str
        Why training broke off; empty if it did not.
    """

    name: str
    setting: str
    accuracies: tuple[float, ...]
    failure: str = ""
    hyperparameters: Hyperparameters = "published"

    def to_json(self) -> str:
        """Return the result as a JSON document."""
        return json.dumps(asdict(self), indent=2) + "\n"


def load_result(directory: Path) -> Result | None:
    """Return the result that a directory holds.

    Parameters
    ----------
    directory : Path
        Directory of an experiment.

    Returns
    -------
    Result or None
        None if it has not come to its end.
    """
    path = directory / "result.json"
    if not path.exists():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    return Result(**{**values, "accuracies": tuple(values["accuracies"])})


def run_all(
    experiments: Iterable[Experiment], source: DataSource, out: Path, *, jobs: int, description: str
) -> list[Result]:
    """Train all networks that have not been trained.

    Parameters
    ----------
    experiments : iterable of Experiment
        What to train.
    source : DataSource
        Images.
    out : Path
        Directory that holds one directory per experiment.
    jobs : int
        Number of processes.
    description : str
        What is being done, for the progress on stderr.

    Returns
    -------
    list of Result
        One per experiment, in their order.

    Raises
    ------
    FF2NeuroError
        As the trainers, but for training that diverges: that is a result.
    """
    every = list(experiments)
    out.mkdir(parents=True, exist_ok=True)
    waiting = [experiment for experiment in every if load_result(out / experiment.name) is None]
    with progress_bar(description, len(every), "networks") as progress:
        progress.advance(len(every) - len(waiting))
        if jobs == 1 or len(waiting) < 2:
            data = source.load() if waiting else None
            for experiment in waiting:
                assert data is not None
                _report(progress, _run(experiment, data, out / experiment.name))
        else:
            _run_in_processes(waiting, source, out, jobs, progress)
    results = [load_result(out / experiment.name) for experiment in every]
    return [result for result in results if result is not None]


def _report(progress: Progress, result: Result) -> None:
    progress.advance(1, **({"accuracy": result.accuracies[-1]} if result.accuracies else {}))


def _run_in_processes(waiting: list[Experiment], source: DataSource, out: Path, jobs: int, progress: Progress) -> None:
    # Started afresh: a fork would inherit the threads of PyTorch and Numba in an unknown state.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_load, initargs=(source,)) as pool:
        futures = [pool.submit(_run_in_worker, experiment, out / experiment.name) for experiment in waiting]
        try:
            for future in as_completed(futures):
                _report(progress, future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # Checkpoints are written whole or not at all, so nothing is lost but the epochs that are running.
            for worker in active_children():
                worker.terminate()
            raise


_worker_data: list[Dataset] = []


def _load(source: DataSource) -> None:
    """Load the images once per process, and leave the other cores to the other processes."""
    import numba

    numba.set_num_threads(1)
    _worker_data.append(source.load())


def _run_in_worker(experiment: Experiment, directory: Path) -> Result:
    if isinstance(experiment.config, AnalogSetting):
        import torch

        torch.set_num_threads(1)
    return _run(experiment, _worker_data[0], directory)


def _run(experiment: Experiment, data: Dataset, directory: Path) -> Result:
    """Train one network, with the test accuracy after every epoch."""
    config, curve, failure = experiment.config, list[float](), ""
    directory.mkdir(exist_ok=True)
    try:
        if isinstance(config, HebbianConfig):
            _train_hebbian(config, data, directory, curve)
        else:
            _train_analog(config, data, directory, curve)
    except NetworkError as error:
        failure = str(error)
    result = Result(experiment.name, experiment.setting, tuple(curve), failure, experiment.hyperparameters)
    write_text(directory / "result.json", result.to_json())
    return result


def _train_hebbian(config: HebbianConfig, data: Dataset, directory: Path, curve: list[float]) -> None:
    """Train with a checkpoint after every epoch; `curve` takes the accuracies."""
    from ff2neuro.learning.hebbian.trainer import HebbianTrainer

    files = RunDirectory(directory)
    state = files.load_state() if files.checkpoint.exists() else None
    if state is not None and not isinstance(state, HebbianState):
        raise FileFormatError(f"{files.checkpoint} is of an analog network; remove {directory}")
    trainer = HebbianTrainer(data, config, state)
    if state is None:
        files.begin(trainer.state())
    # Accuracies are written before the checkpoint, so there may be one more than epochs that count.
    curve += _curve(directory)[: trainer.epoch]
    while not trainer.finished:
        trainer.run_epoch()
        curve.append(float((trainer.scores(data.x_test, trainer.epoch).argmax(axis=1) == data.y_test).mean()))
        write_text(directory / "test-accuracy.json", json.dumps(curve) + "\n")
        files.save_progress(trainer.state())
    files.finish(trainer.network(), trainer.metrics)


def _train_analog(setting: AnalogSetting, data: Dataset, directory: Path, curve: list[float]) -> None:
    """Train from the beginning: it takes a minute, so there is nothing to go on with."""
    from ff2neuro.reproduction.analog import AnalogTraining

    training = AnalogTraining(setting, data)
    for _ in range(setting.epochs):
        training.run_epoch()
        curve.append(float((training.network().predict(data.x_test) == data.y_test).mean()))
    save_model(training.network(), directory / "model.h5")


def _curve(directory: Path) -> list[float]:
    path = directory / "test-accuracy.json"
    return [float(value) for value in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []
