"""How an image and a label hypothesis become input events."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ff2neuro.errors import NetworkError
from ff2neuro.files import Tree
from ff2neuro.networks.labels import LabelCodes

__all__ = ["InputCode", "InputCoding"]

InputCoding = Literal["constant", "regular", "bernoulli"]

#: Largest graded input that Lava's first Dense takes (8 message bits).
MAX_GRADED_INPUT = 255


@dataclass(frozen=True, eq=False)
class InputCode:
    """How an image and a label hypothesis become input events.

    Attributes
    ----------
    coding : {"constant", "regular", "bernoulli"}
        Graded integers, the same at every step; evenly spaced spikes; or spikes drawn with a probability.
    scale : float
        Mean input per step that stands for a pixel of 1: ``2**bits - 1`` for constant coding, the spike rate of a
        full pixel for the others.
    label_codes : LabelCodes
        Codes of the classes.
    image_shape : tuple of int
        Shape of an image.
    seed : int
        Seed of Bernoulli coding.

    Raises
    ------
    NetworkError
        If the scale does not suit the coding, or the label's amplitude is beyond what the coding can carry.
    """

    coding: InputCoding
    scale: float
    label_codes: LabelCodes
    image_shape: tuple[int, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if self.coding not in get_args(InputCoding):
            raise NetworkError(f"unknown input coding {self.coding!r}; known are {', '.join(get_args(InputCoding))}")
        if not self.image_shape or min(self.image_shape) < 1:
            raise NetworkError(f"images have shape {self.image_shape}; all their axes must be at least 1 long")
        limit = MAX_GRADED_INPUT if self.coding == "constant" else 1
        if not 0 < self.scale <= limit:
            raise NetworkError(f"input scale is {self.scale}; {self.coding} coding takes more than 0 and up to {limit}")
        if self.label_amplitude > limit or self.label_amplitude <= 0:
            raise NetworkError(
                f"the label code's amplitude is {self.label_amplitude} (strength {self.label_codes.strength} at scale "
                f"{self.scale}); {self.coding} coding takes more than 0 and up to {limit}: lower the label strength "
                "or the input bits"
            )

    @property
    def n_pixels(self) -> int:
        """Number of pixels of an image."""
        return int(np.prod(self.image_shape))

    @property
    def n_inputs(self) -> int:
        """Number of input channels: pixels and label code."""
        return self.n_pixels + self.label_codes.length

    @property
    def label_amplitude(self) -> float:
        """Mean input per step of a one in a label code; an integer for constant coding."""
        amplitude = self.label_codes.strength * self.scale
        return float(round(amplitude)) if self.coding == "constant" else float(amplitude)

    def to_tree(self) -> Tree:
        """Return what a file holds of this code."""
        return {
            "coding": self.coding,
            "scale": float(self.scale),
            "label_codes": self.label_codes.to_tree(),
            "image_shape": np.asarray(self.image_shape, dtype=np.int64),
            "seed": int(self.seed),
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> "InputCode":
        """Build a code from what a file holds."""
        return cls(
            coding=tree["coding"],
            scale=float(tree["scale"]),
            label_codes=LabelCodes.from_tree(tree["label_codes"]),
            image_shape=tuple(int(size) for size in tree["image_shape"]),
            seed=int(tree["seed"]),
        )
