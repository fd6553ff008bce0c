"""Refusing to compare what does not belong together."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import ConfigurationError, DatasetError
from ff2neuro.inputs import InputSource, count_events, digest_events
from ff2neuro.networks import AnalogNetwork, SpikingNetwork
from ff2neuro.recording import Recording
from ff2neuro.validation.trained import TrainedNetwork, label_codes, widths

__all__ = ["require_data", "require_inputs", "require_match", "require_recording", "same_inputs"]

Array = npt.NDArray[Any]

#: Input events that are in memory at once.
EVENTS_PER_CHUNK = 2**25


def require_match(trained: TrainedNetwork, spiking: SpikingNetwork) -> None:
    """Refuse a network that cannot have been made of the trained one.

    Parameters
    ----------
    trained : AnalogNetwork or SpikingNetwork
        The model of a run.
    spiking : SpikingNetwork
        What a NIR file holds.

    Raises
    ------
    ConfigurationError
        If layers, classes, image size, voting layers or readout differ; the message says which.
    """
    code, codes = spiking.input_code, label_codes(trained)
    made = "validate the file that was exported from this run"
    n_pixels = trained.n_pixels if isinstance(trained, AnalogNetwork) else trained.input_code.n_pixels
    if widths(spiking) != widths(trained):
        raise ConfigurationError(
            f"the NIR file has layers of {_list(widths(spiking))} neurons, the run's model {_list(widths(trained))}; "
            f"{made}"
        )
    if (code.n_pixels, code.label_codes.n_classes) != (n_pixels, codes.n_classes):
        raise ConfigurationError(
            f"the NIR file takes {code.n_pixels} pixels and {code.label_codes.n_classes} classes, the run's model "
            f"{n_pixels} and {codes.n_classes}; {made}"
        )
    if spiking.head.voting_layers != trained.head.voting_layers:
        raise ConfigurationError(
            f"in the NIR file the layers {_list(spiking.head.voting_layers)} vote, in the run's model "
            f"{_list(trained.head.voting_layers)}; {made}"
        )
    own = None if isinstance(trained, AnalogNetwork) else trained
    if (spiking.trace is None) != (own is None or own.trace is None):
        read = "spike counts" if own is None else own.readout
        raise ConfigurationError(f"the NIR file is read out by {spiking.readout}, the run's model by {read}; {made}")


def require_recording(spiking: SpikingNetwork, recording: Recording) -> None:
    """Refuse a recording that is not of a network, or lacks what its readout needs.

    Parameters
    ----------
    spiking : SpikingNetwork
        What a NIR file holds.
    recording : Recording
        What a machine did.

    Raises
    ------
    ConfigurationError
        If layers, hypotheses, time steps or the most spikes in a step differ, or spike counts are not enough; the
        message says which.
    """
    header = recording.header
    for what, recorded, expected in (
        ("layers of neurons", _list(header.layers.values()), _list(widths(spiking))),
        ("label hypotheses", header.n_hypotheses, spiking.input_code.label_codes.n_classes),
        ("time steps", header.n_time_steps, spiking.n_time_steps),
        ("most spikes in a step", header.max_spikes_per_step, spiking.max_spikes_per_step),
    ):
        if recorded != expected:
            raise ConfigurationError(
                f"the recording has {what}: {recorded}, the NIR file {expected}; run this file again: ff2neuro run"
            )
    if spiking.needs_bins and header.kind != "spikes":
        raise ConfigurationError(
            f"the recording holds spike counts; the NIR file is read out by {spiking.readout}, which needs the spikes "
            "of every step: run it again with --record spikes"
        )


def require_data(trained: TrainedNetwork, recording: Recording, images: Array, labels: Array) -> None:
    """Refuse images and labels that do not belong to the model and the recording.

    Parameters
    ----------
    trained : AnalogNetwork or SpikingNetwork
        The model.
    recording : Recording
        What a machine did with the images.
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].
    labels : ndarray of int, shape (n_images,)
        Their classes.

    Raises
    ------
    DatasetError
        If there are no images, or they are of another size than the model's, or labels are missing or beyond its
        classes.
    ConfigurationError
        If the recording holds another number of images.
    """
    n_classes = label_codes(trained).n_classes
    if len(images) == 0:
        raise DatasetError("there are no images to judge by; give at least one")
    trained.check_images(images)
    if labels.shape != (len(images),):
        raise DatasetError(f"there are {len(images)} images and labels of shape {labels.shape}; give one label each")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= n_classes:
        raise DatasetError(
            f"labels lie in {labels.min()}..{labels.max()}; the model knows the classes 0..{n_classes - 1}"
        )
    if recording.header.n_images != len(images):
        raise ConfigurationError(
            f"the recording holds {recording.header.n_images} images, given are {len(images)}; "
            "pass the number that was recorded with --samples"
        )


def require_inputs(recording: Recording, source: InputSource) -> npt.NDArray[np.int64]:
    """Refuse a recording of other input than the one that it is held against.

    Parameters
    ----------
    recording : Recording
        What a machine did. One that does not say of what is taken on trust.
    source : InputSource
        What it should have been given.

    Returns
    -------
    ndarray of int, shape (n_images,)
        Number of input events of every image of `source`.

    Raises
    ------
    ConfigurationError
        If they differ; the message says from which image on, or that the order does.
    """
    per_image = source.n_hypotheses * source.n_inputs * (1 if source.constant else source.n_time_steps)
    parts = [
        (digest_events(events), count_events(events, source.n_time_steps))
        for _, events in source.chunks(max(1, EVENTS_PER_CHUNK // per_image))
    ]
    recorded = recording.input_digests
    if recorded is not None:
        difference = same_inputs(recorded, np.concatenate([digests for digests, _ in parts]))
        if difference:
            raise ConfigurationError(
                f"the recording is not of these images: {difference}; judge it with the data, split and file that it "
                "was made with, or run the file again: ff2neuro run"
            )
    return np.concatenate([n_events for _, n_events in parts])


def same_inputs(first: Array, second: Array) -> str | None:
    """Say how two lists of input digests differ.

    Parameters
    ----------
    first, second : ndarray of shape (n_images, n_bytes)
        As `Recording.input_digests` gives them.

    Returns
    -------
    str or None
        The difference in words; None if there is none.
    """
    differing = np.flatnonzero((first != second).any(axis=1))
    if not differing.size:
        return None
    sides = [sorted(row.tobytes() for row in side) for side in (first, second)]
    if sides[0] == sides[1]:
        return f"they are the same, but in another order from image {differing[0]} on"
    return f"the input of {differing.size} of {len(first)} differs, first of image {differing[0]}"


def _list(sizes: Any) -> str:
    return ", ".join(str(size) for size in sizes)
