"""Label codes: how a class hypothesis is written into the input of a Forward-Forward network."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.errors import ConfigurationError, NetworkError
from ff2neuro.files import Tree, readonly

__all__ = ["LabelCodes", "labels_beside_activity", "one_hot_label_codes", "random_label_codes"]

#: Draws after which distinct random codes are given up.
MAX_DRAWS = 1000


@dataclass(frozen=True, eq=False)
class LabelCodes:
    """One binary code per class, appended to the pixels.

    Attributes
    ----------
    codes : ndarray of shape (n_classes, code_length)
        Zeros and ones.
    strength : float
        Value that a one has in the input, where pixels lie in [0, 1].

    Raises
    ------
    NetworkError
        If the codes are not a matrix of zeros and ones, two classes share one, or the strength is not positive.
    """

    codes: npt.NDArray[np.float32]
    strength: float = 1.0

    def __post_init__(self) -> None:
        codes = readonly(self.codes, np.float32)
        object.__setattr__(self, "codes", codes)
        if codes.ndim != 2 or codes.shape[0] < 1 or not np.isin(codes, (0.0, 1.0)).all():
            raise NetworkError(
                f"label codes have shape {codes.shape}; they must be a matrix (class, bit) of zeros and ones"
            )
        if len(np.unique(codes, axis=0)) < len(codes):
            raise NetworkError("two classes share one label code; every class needs a code of its own")
        if not (np.isfinite(self.strength) and self.strength > 0):
            raise NetworkError(f"label strength is {self.strength}; it must be a positive number")

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.codes.shape[0])

    @property
    def length(self) -> int:
        """Number of input channels that a code takes."""
        return int(self.codes.shape[1])

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """Codes as they stand in the input: shape (n_classes, code_length), 0 or `strength`."""
        return self.codes * np.float32(self.strength)

    def to_tree(self) -> Tree:
        """Return what a file holds of these codes."""
        return {"codes": self.codes.astype(np.uint8), "strength": float(self.strength)}

    @classmethod
    def from_tree(cls, tree: Tree) -> "LabelCodes":
        """Build codes from what a file holds."""
        return cls(codes=tree["codes"], strength=float(tree["strength"]))


def labels_beside_activity(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return label codes as they stand beside a layer's activity of unit length.

    Parameters
    ----------
    values : ndarray of shape (n_codes, code_length)
        Codes as they stand in the network's input.

    Returns
    -------
    ndarray of float32, shape (n_codes, code_length)
        Codes of unit length, too; one without ones stays so.
    """
    length = np.linalg.norm(values.astype(np.float64), axis=1, keepdims=True)
    return (values / np.where(length > 0, length, 1)).astype(np.float32)


def random_label_codes(
    n_classes: int, length: int, density: float, rng: np.random.Generator, strength: float = 1.0
) -> LabelCodes:
    """Draw random binary codes, distinct and none empty.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    length : int
        Number of bits of a code.
    density : float
        Probability of a one; the paper uses 0.3 on 100 bits (arXiv 2406.16479).
    rng : numpy.random.Generator
        Source of chance.
    strength : float
        As in `LabelCodes`.

    Returns
    -------
    LabelCodes
        The codes.

    Raises
    ------
    ConfigurationError
        If `density` is not in (0, 1), `length` is below 1, or no distinct codes turn up because there are more
        classes than the codes can tell apart.
    """
    if length < 1:
        raise ConfigurationError(f"label code length is {length}; it must be at least 1")
    if not 0 < density < 1:
        raise ConfigurationError(f"label code density is {density}; it must lie between 0 and 1")
    for _ in range(MAX_DRAWS):
        codes = (rng.random((n_classes, length)) < density).astype(np.float32)
        if codes.any(axis=1).all() and len(np.unique(codes, axis=0)) == n_classes:
            return LabelCodes(codes, strength)
    raise ConfigurationError(
        f"{n_classes} classes found no distinct label codes of {length} bits at density {density}; "
        "make the codes longer or use one-hot codes"
    )


def one_hot_label_codes(n_classes: int, strength: float = 1.0) -> LabelCodes:
    """Return one bit per class.

    Parameters
    ----------
    n_classes : int
        Number of classes, and of bits.
    strength : float
        As in `LabelCodes`.

    Returns
    -------
    LabelCodes
        The codes.
    """
    codes: npt.NDArray[Any] = np.eye(n_classes, dtype=np.float32)
    return LabelCodes(codes, strength)
