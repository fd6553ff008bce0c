"""The gate: how far the spiking network may lie from the analog one."""

import math
from dataclasses import dataclass, fields

from ff2neuro.errors import ConfigurationError

__all__ = ["Thresholds"]

#: Largest and smallest sensible value of every threshold.
_LIMITS = {
    "max_accuracy_drop_pp": (0.0, 100.0),
    "min_prediction_agreement": (0.0, 1.0),
    "min_latent_agreement": (-1.0, 1.0),
    "min_cka": (0.0, 1.0),
    "max_replay_mismatch": (0.0, 1.0),
    "max_faults": (0.0, float("inf")),
}


@dataclass(frozen=True)
class Thresholds:
    """Limits that a verdict checks; None switches a check off.

    Attributes
    ----------
    max_accuracy_drop_pp : float or None
        How many percentage points of accuracy the spiking network may lose. One that gains passes.
    min_prediction_agreement : float or None
        Lowest share of images that both networks put into the same class.
    min_latent_agreement : float or None
        Lowest mean cosine between analog and spiking latents, in every layer.
    min_cka : float or None
        Lowest linear centred kernel alignment, in every layer.
    max_replay_mismatch : float or None
        Largest share of spikes (or counts) by which the recording may differ from a simulation of the file; 0 where
        the machine promises exactness.
    max_faults : float or None
        How many faults may be found; those are the findings that no rounding explains.

    Raises
    ------
    ConfigurationError
        If a value is not a number, or out of its range.
    """

    max_accuracy_drop_pp: float | None = 1.0
    min_prediction_agreement: float | None = None
    min_latent_agreement: float | None = None
    min_cka: float | None = None
    max_replay_mismatch: float | None = None
    max_faults: float | None = 0

    def __post_init__(self) -> None:
        for name, value in self.to_json().items():
            if value is None:
                continue
            low, high = _LIMITS[name]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ConfigurationError(f"{name} is {value!r}; it must be a number between {low:g} and {high:g}")
            if not low <= value <= high:
                raise ConfigurationError(f"{name} is {value}; it must lie between {low:g} and {high:g}")

    def to_json(self) -> dict[str, float | None]:
        """Return the thresholds by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
