"""What a sweep found, as values."""

from dataclasses import dataclass

__all__ = ["Sweep", "SweepPoint"]


@dataclass(frozen=True)
class SweepPoint:
    """Figures of one conversion, or of one strength of a disturbance. None means: not computed.

    Attributes
    ----------
    value : int, float or str
        Value of the parameter.
    accuracy : float or None
        Accuracy of the spiking network, between 0 and 1.
    accuracy_drop_pp : float or None
        Analog minus spiking accuracy in percentage points; the analog network sees the undisturbed images.
    prediction_agreement : float or None
        Share of images that both put into the same class.
    cosines : tuple of float
        Mean cosine between analog and spiking latents of every layer.
    synops_per_sample : float or None
        Synaptic operations that an image costs over all its label hypotheses.
    error : str or None
        Why the point could not be measured.
    """

    value: float | str
    accuracy: float | None
    accuracy_drop_pp: float | None
    prediction_agreement: float | None
    cosines: tuple[float | None, ...]
    synops_per_sample: float | None
    error: str | None = None


@dataclass(frozen=True)
class Sweep:
    """Figures along one parameter.

    Attributes
    ----------
    parameter : str
        What was varied.
    n_samples : int
        Number of images at each point.
    points : tuple of SweepPoint
        In the order that was asked for.
    """

    parameter: str
    n_samples: int
    points: tuple[SweepPoint, ...]
