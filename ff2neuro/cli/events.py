"""What is fed to a NIR file: events of a file, or images of a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ff2neuro.cli.options import data_of, first_samples, load_data
from ff2neuro.errors import ConfigurationError, DatasetError, FileFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from ff2neuro.converters.nir_file import NirFile
    from ff2neuro.inputs import InputSource
    from ff2neuro.networks import SpikingNetwork

__all__ = ["input_events", "input_images"]


def input_events(content: "NirFile", options: "Mapping[str, Any]") -> "InputSource":
    """Return the input of a run: events from a file, or a data set encoded as the exported network wants it.

    Parameters
    ----------
    content : NirFile
        What is to be run.
    options : mapping
        Values of ``input_file``, ``samples``, ``split`` and of `ff2neuro.cli.options.data_options`.

    Returns
    -------
    InputSource
        Events of the first ``samples`` images.

    Raises
    ------
    ConfigurationError
        If images are to be encoded for a file that does not say how, or there are not so many.
    DatasetError, FileFormatError
        If data or events cannot be read, or have another shape.
    """
    from ff2neuro.coding import encode

    network = content.network
    if options["input_file"] is not None:
        return _events_from_file(options["input_file"], options["samples"])
    if network is None:
        raise ConfigurationError("the NIR file was not exported by ff2neuro, so images cannot be encoded; pass --input")
    images, _ = input_images(network, options)
    return encode(network.input_code, images, network.n_time_steps)


def input_images(
    network: "SpikingNetwork", options: "Mapping[str, Any]"
) -> "tuple[npt.NDArray[Any], npt.NDArray[Any]]":
    """Return the images of a run, and their labels.

    Parameters
    ----------
    network : SpikingNetwork
        What is to be run.
    options : mapping
        As `input_events` takes them.

    Returns
    -------
    images : ndarray of shape (n_images, n_pixels)
        Pixels in [0, 1].
    labels : ndarray of int, shape (n_images,)
        Their classes.

    Raises
    ------
    ConfigurationError
        If there are not so many.
    DatasetError, FileFormatError
        If the data cannot be read.
    """
    default = data_of(network.provenance)
    dataset = load_data(options["dataset"], options["data_file"], options["data_dir"], default)
    images, labels = dataset.split(options["split"])
    return first_samples(images, options["samples"]), first_samples(labels, options["samples"])


def _events_from_file(path: Path, n_samples: int | None) -> "InputSource":
    """Read input events from a .npy file."""
    import numpy as np

    from ff2neuro.inputs import InputSource

    if not path.exists():
        raise FileFormatError(f"input file {path} does not exist; check the path")
    try:
        events = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise FileFormatError(f"input file {path} cannot be read as .npy: {error}") from error
    if not isinstance(events, np.ndarray) or events.ndim not in (3, 4) or events.dtype.kind not in "buif":
        shape = getattr(events, "shape", "of several arrays")
        raise DatasetError(
            f"input file {path} holds {shape}; it must be numbers of shape (image, [hypothesis,] step, channel)"
        )
    events = events[:, None] if events.ndim == 3 else events
    return InputSource.from_array(first_samples(events, n_samples))
