"""What ``ff2neuro validate`` judges: a recording, made now or earlier, and the images that it is of."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ff2neuro.cli.cluster import machine_of
from ff2neuro.cli.options import first_samples, load_training_images
from ff2neuro.errors import ConfigurationError

if TYPE_CHECKING:
    import nir

    from ff2neuro.data import Dataset
    from ff2neuro.networks import SpikingNetwork
    from ff2neuro.recording import Recording
    from ff2neuro.validation import Sweep, SweepRequest
    from ff2neuro.validation.trained import TrainedNetwork

__all__ = [
    "DEFAULT_BACKEND",
    "Judged",
    "deployments",
    "judged",
    "require_known_targets",
    "require_one_source",
    "require_sweeps",
    "sweeps",
]

DEFAULT_BACKEND = "reference"
#: Training images that conversions of a sweep are calibrated on, as `ff2neuro export` takes by default.
N_CALIBRATION = 1000


@dataclass(frozen=True, eq=False)
class Judged:
    """A recording with what it is of.

    Attributes
    ----------
    recording : Recording
        Under all label hypotheses.
    neutral : Recording or None
        Under the neutral label; None where an earlier recording is judged.
    path : Path
        File of `recording`.
    images, labels : ndarray of shape (n_images, n_pixels), (n_images,)
        What was presented, and its classes.
    """

    recording: "Recording"
    neutral: "Recording | None"
    path: Path
    images: Any
    labels: Any


def require_one_source(options: dict[str, Any]) -> None:
    """Refuse both a recording to judge and a machine to run on, or how to use one.

    Parameters
    ----------
    options : dict
        Values of the command's options.

    Raises
    ------
    ConfigurationError
        If both are given.
    """
    if options["recording_file"] is None:
        return
    # Sweeps run on a machine in any case.
    of_machine = ("backend",) if options["sweep"] else ("backend", "lanes", "workers", "processes", "scheduler")
    for name in of_machine:
        if options[name] is not None:
            raise ConfigurationError(
                f"--{name} {options[name]} and --recording {options['recording_file']} exclude each other; give one"
            )


@contextmanager
def judged(
    graph: "nir.NIRGraph", spiking: "SpikingNetwork", data: "Dataset", options: dict[str, Any]
) -> "Iterator[Judged]":
    """Open or make what is to be judged.

    Parameters
    ----------
    graph, spiking : nir.NIRGraph, SpikingNetwork
        What a NIR file holds.
    data : Dataset
        Where the images come from.
    options : dict
        Values of the command's options, and ``file``, the NIR file.

    Yields
    ------
    Judged
        Recordings, closed and, if made now, removed in the end.
    """
    from tempfile import TemporaryDirectory

    from ff2neuro.coding import encode
    from ff2neuro.recording import Recording
    from ff2neuro.validation.neutral import neutral_source
    from ff2neuro.validation.run_config import run_config

    images, labels = data.split("test")
    if options["recording_file"] is not None:
        with Recording.open(options["recording_file"]) as recording:
            n_samples = options["samples"] or recording.header.n_images
            images, labels = (first_samples(values, n_samples) for values in (images, labels))
            yield Judged(recording, None, options["recording_file"], images, labels)
        return
    images, labels = (first_samples(values, options["samples"]) for values in (images, labels))
    config = run_config(spiking)
    # Recordings are temporary; shards of an interrupted run must not be.
    store = options["file"].with_name(f".{options['file'].name}.shards")
    machine = machine_of(options["backend"] or DEFAULT_BACKEND, options, store)
    with TemporaryDirectory(prefix="ff2neuro-") as directory:
        files = [Path(directory) / f"{name}.h5" for name in ("neutral", "labels")]
        with machine:
            source = encode(spiking.input_code, images, spiking.n_time_steps)
            recording = machine.run(graph, source, config, files[1])
            neutral = machine.run(graph, neutral_source(spiking, images), config, files[0])
        with recording, neutral:
            yield Judged(recording, neutral, files[1], images, labels)


def require_sweeps(
    options: dict[str, Any], trained: "TrainedNetwork", spiking: "SpikingNetwork"
) -> "list[SweepRequest]":
    """Read the sweeps that the options ask for, and refuse what cannot be swept.

    Parameters
    ----------
    options : dict
        Values of the command's options.
    trained, spiking : AnalogNetwork or SpikingNetwork, SpikingNetwork
        The model, and its conversion.

    Returns
    -------
    list of SweepRequest
        One for each ``--sweep``.

    Raises
    ------
    ConfigurationError
        If there is no such parameter, a value is out of its range, or the model's training fixed it.
    """
    from ff2neuro.validation import SweepRequest
    from ff2neuro.validation.sweep_points import require_sweepable

    requests = [SweepRequest.parse(text) for text in options["sweep"]]
    for request in requests:
        require_sweepable(request, trained, spiking)
    return requests


def sweeps(
    trained: "TrainedNetwork", spiking: "SpikingNetwork", found: Judged, options: dict[str, Any]
) -> "tuple[Sweep, ...]":
    """Run the sweeps that the options ask for.

    Parameters
    ----------
    trained, spiking : AnalogNetwork or SpikingNetwork, SpikingNetwork
        The two networks.
    found : Judged
        Images and labels.
    options : dict
        Values of the command's options.

    Returns
    -------
    tuple of Sweep
        One for each ``--sweep``.
    """
    from ff2neuro.validation import run_sweep

    requests = require_sweeps(options, trained, spiking)
    if not requests:
        return ()
    calibration = load_training_images(trained, options, N_CALIBRATION)
    with machine_of(options["backend"] or DEFAULT_BACKEND, options) as machine:
        return tuple(
            run_sweep(
                request,
                trained,
                spiking,
                (found.images, found.labels),
                calibration,
                machine,
                seed=options["seed"],
            )
            for request in requests
        )


def require_known_targets(options: dict[str, Any]) -> None:
    """Refuse machines that are not known, or that nothing would be said of.

    Parameters
    ----------
    options : dict
        Values of the command's options.

    Raises
    ------
    ConfigurationError
        If a name is unknown, or no report is asked for.
    """
    from ff2neuro.hardware.targets import load_target

    for name in options["target"]:
        load_target(name)
    if options["target"] and options["report_dir"] is None:
        raise ConfigurationError("--target says in the report what a machine would need; pass --report DIR as well")


def deployments(graph: "nir.NIRGraph", spiking: "SpikingNetwork", found: Judged, options: dict[str, Any]) -> list[str]:
    """Say where the network goes on the machines that the options name, and what it would cost there.

    Parameters
    ----------
    graph, spiking : nir.NIRGraph, SpikingNetwork
        What a NIR file holds.
    found : Judged
        The recording whose operations are counted.
    options : dict
        Values of the command's options.

    Returns
    -------
    list of str
        Several lines for each ``--target``.
    """
    from ff2neuro.cli.deployment import deployment, deployment_text
    from ff2neuro.hardware.beyond_nir import configured_chain
    from ff2neuro.validation.run_config import run_config

    chain = configured_chain(graph, run_config(spiking))
    counted = found.path if found.recording.input_events is not None else None
    return [deployment_text(deployment(chain, name, counted)) for name in options["target"]]
