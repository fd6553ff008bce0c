"""Options that several commands share, and how a command answers."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ff2neuro.cli.streams import silence
from ff2neuro.errors import ConfigurationError, FileFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from ff2neuro.data import Dataset
    from ff2neuro.networks import AnalogNetwork, SpikingNetwork

__all__ = [
    "DEFAULT_NETX",
    "DEFAULT_NIR",
    "DEFAULT_RUN",
    "DEFAULT_SEED",
    "answer",
    "data_of",
    "data_options",
    "first_samples",
    "force_option",
    "json_option",
    "load_data",
    "load_training_images",
    "machine_options",
    "machine_settings",
    "require_export",
    "require_run",
    "seed_option",
]

F = TypeVar("F", bound=Callable[..., Any])

#: Where `train` writes and the other commands look when no RUN is named.
DEFAULT_RUN = Path("ff2neuro-run")
#: Where `export` writes and `run`, `validate` look when no FILE is named, inside the run directory.
DEFAULT_NIR = "network.nir"
#: Where `export --target netx` writes, inside the run directory.
DEFAULT_NETX = "network.net"
#: Data set of a first run: it ships with scikit-learn.
DEFAULT_DATASET = "digits"
DEFAULT_SEED = 1

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, nothing else.")
force_option = click.option("--force", is_flag=True, help="Replace what an earlier command wrote.")
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=DEFAULT_SEED, show_default=True, help="Source of all chance."
)


def data_options(function: F) -> F:
    """Add ``--dataset``, ``--data`` and ``--data-dir`` to a command (see `load_data`)."""
    for option in (
        click.option(
            "--data-dir",
            type=click.Path(path_type=Path),
            help="Directory with the original data files [default: $FF2NEURO_DATA_DIR, else download].",
        ),
        click.option(
            "--data",
            "data_file",
            type=click.Path(path_type=Path),
            help="Own data: a .npz file with x_train, y_train, x_test, y_test.",
        ),
        click.option("--dataset", help="digits, mnist, fashion-mnist or kmnist."),
    ):
        function = option(function)
    return function


def machine_options(function: F) -> F:
    """Add ``--lanes`` and ``--workers`` to a command (see `machine_settings`)."""
    for option in (
        click.option("--workers", type=int, help="Lava: number of worker processes [default: 1]."),
        click.option(
            "--lanes",
            type=int,
            help="Lava: presentations side by side in one network; 1 takes official processes only, slowly.",
        ),
    ):
        function = option(function)
    return function


def machine_settings(options: "Mapping[str, Any]") -> dict[str, int]:
    """Return the settings of a machine that the user gave, for ``get_backend``.

    Parameters
    ----------
    options : mapping
        Values of `machine_options`.

    Returns
    -------
    dict of str to int
        Only those that were given, so that each machine keeps its own defaults.
    """
    return {name: options[name] for name in ("lanes", "workers") if options[name] is not None}


def load_data(dataset: str | None, data_file: Path | None, data_dir: Path | None, default: str) -> "Dataset":
    """Load the data that the options name.

    Parameters
    ----------
    dataset : str or None
        Name of a known data set.
    data_file : Path or None
        The user's own file.
    data_dir : Path or None
        Where known data sets lie.
    default : str
        Name, or path of a .npz file, that is taken if neither `dataset` nor `data_file` is given.

    Returns
    -------
    Dataset
        The data.

    Raises
    ------
    ConfigurationError
        If both are given.
    DatasetError
        If the data cannot be had or are damaged.
    """
    from ff2neuro.data import load_dataset, load_npz

    if dataset is not None and data_file is not None:
        raise ConfigurationError(f"--dataset {dataset} and --data {data_file} exclude each other; give one")
    if dataset is None and data_file is None:
        dataset, data_file = (None, Path(default)) if default.endswith(".npz") else (default, None)
    if data_file is not None:
        return load_npz(data_file)
    assert dataset is not None
    return load_dataset(dataset, data_dir=data_dir)


def data_of(provenance: "Mapping[str, str | int | float]") -> str:
    """Return the name or file of the data that a network was trained on.

    Parameters
    ----------
    provenance : mapping
        Provenance of the network.

    Returns
    -------
    str
        Name of a known data set or path of a .npz file, fit for `load_data`.
    """
    return str(provenance.get("data_file") or provenance.get("dataset") or DEFAULT_DATASET)


def load_training_images(
    network: "AnalogNetwork | SpikingNetwork", options: "Mapping[str, Any]", n_images: int
) -> "npt.NDArray[np.float32]":
    """Draw calibration images from the training part of a network's data.

    Parameters
    ----------
    network : AnalogNetwork or SpikingNetwork
        Network whose provenance names the data, unless the options do.
    options : mapping
        Values of `data_options` and ``seed``.
    n_images : int
        How many images; fewer if there are fewer.

    Returns
    -------
    ndarray of shape (n_images, n_pixels)
        Drawn without replacement: files are often sorted by class, so the first ones would not do.

    Raises
    ------
    ConfigurationError
        If `n_images` is below 1.
    DatasetError
        If the data cannot be had, or are not of the network's size.
    """
    import numpy as np

    if n_images < 1:
        raise ConfigurationError(f"--calibration is {n_images}; at least one image is needed")
    default = data_of(network.provenance)
    dataset = load_data(options["dataset"], options["data_file"], options["data_dir"], default)
    images, _ = dataset.split("train")
    network.check_images(images)
    order = np.random.default_rng(options["seed"]).permutation(len(images))[:n_images]
    return images[np.sort(order)]


def first_samples(values: Any, n_samples: int | None) -> Any:
    """Return the first samples of an array.

    Parameters
    ----------
    values : ndarray of shape (n, ...)
        Images, labels or events.
    n_samples : int or None
        How many; None for all.

    Returns
    -------
    ndarray of shape (n_samples, ...)
        The first of them.

    Raises
    ------
    ConfigurationError
        If there are not so many, or fewer than one is asked for.
    """
    if n_samples is None:
        return values
    if not 1 <= n_samples <= len(values):
        raise ConfigurationError(f"--samples is {n_samples}; there are {len(values)}: ask for 1 to {len(values)}")
    return values[:n_samples]


def require_run(run: Path) -> Path:
    """Return the model file of a run directory.

    Parameters
    ----------
    run : Path
        Directory that `ff2neuro train` wrote.

    Returns
    -------
    Path
        Its model file.

    Raises
    ------
    FileFormatError
        If there is no such directory, or no model in it.
    """
    model = run / "model.h5"
    if run.is_file():
        raise FileFormatError(f"{run} is a file; name the run directory, which `ff2neuro train` wrote, in its place")
    if not run.exists():
        raise FileFormatError(f"run directory {run} does not exist; train a network first: ff2neuro train --out {run}")
    if not model.exists():
        raise FileFormatError(f"{run} holds no model.h5; train a network first: ff2neuro train --out {run}")
    return model


def require_export(run: Path) -> Path:
    """Return the NIR file that `export` wrote into a run directory.

    Parameters
    ----------
    run : Path
        Directory that `ff2neuro train` wrote.

    Returns
    -------
    Path
        Its NIR file.

    Raises
    ------
    FileFormatError
        If the run has not been exported.
    """
    file = run / DEFAULT_NIR
    if not file.exists():
        raise FileFormatError(f"{file} does not exist; export the run first: ff2neuro export {run} --target nir")
    return file


def answer(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print the result of a command on stdout.

    Parameters
    ----------
    document : dict
        The result for machines.
    text : str
        The result for people.
    as_json : bool
        Which of the two to print.
    """
    try:
        click.echo(json.dumps(document, indent=2, allow_nan=False) if as_json else text)
    except BrokenPipeError:
        # The reader has gone, as `| head` does; the exit code still has to say whether a verdict passed.
        silence(sys.stdout)
