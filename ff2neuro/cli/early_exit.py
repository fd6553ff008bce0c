"""What ``ff2neuro run --early-exit`` must know beyond the machine: whose scores decide, and what came of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ff2neuro.cli.events import input_images
from ff2neuro.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from ff2neuro.converters.nir_file import NirFile
    from ff2neuro.hardware.early_exit import ScoreBounds
    from ff2neuro.networks import SpikingNetwork
    from ff2neuro.recording import Recording

__all__ = ["Contest", "contest_of"]


@dataclass(frozen=True, eq=False)
class Contest:
    """Label hypotheses of the images of a data set.

    Attributes
    ----------
    network : SpikingNetwork
        Network whose readout gives the scores.
    energy : ndarray of shape (n_images, n_hypotheses)
        Squared length of its input.
    labels : ndarray of int, shape (n_images,)
        Classes of the images.
    """

    network: "SpikingNetwork"
    energy: "npt.NDArray[Any]"
    labels: "npt.NDArray[Any]"

    def bounds(self) -> "ScoreBounds":
        """Return what bounds the scores; see `ff2neuro.coding.score_bounds`."""
        from ff2neuro.coding import score_bounds

        return score_bounds(self.network, self.energy)

    def outcome(self, recording: "Recording") -> dict[str, Any]:
        """Return how many presentations were stopped, the share of steps left out, and the accuracy.

        Parameters
        ----------
        recording : Recording
            What the machine did.

        Returns
        -------
        dict
            ``n_stopped``, ``steps_left_out`` (0 to 1) and ``accuracy`` (0 to 1).
        """
        from ff2neuro.coding import scores_after_early_exit
        from ff2neuro.networks import predict_from_scores

        steps, n_time_steps = recording.steps, recording.header.n_time_steps
        predictions, _ = predict_from_scores(scores_after_early_exit(self.network, recording, self.energy))
        return {
            "n_stopped": int((steps < n_time_steps).sum()),
            "steps_left_out": float(1 - steps.mean() / n_time_steps),
            "accuracy": float((predictions == self.labels).mean()),
        }


def contest_of(content: "NirFile", options: "Mapping[str, Any]") -> Contest:
    """Return the contest between the label hypotheses of a run.

    Parameters
    ----------
    content : NirFile
        What is to be run.
    options : mapping
        As `ff2neuro.cli.events.input_events` takes them.

    Returns
    -------
    Contest
        With the images that the run takes.

    Raises
    ------
    ConfigurationError
        If the file does not say how hypotheses are scored, or the input is no data set.
    DatasetError, FileFormatError
        If the data cannot be read.
    """
    from ff2neuro.coding import input_energy

    if content.network is None or options["input_file"] is not None:
        raise ConfigurationError(
            "--early-exit compares the scores of label hypotheses, so it needs a file exported by ff2neuro and the "
            "images of a data set rather than --input"
        )
    images, labels = input_images(content.network, options)
    return Contest(content.network, input_energy(content.network.input_code, images), labels)
