r"""The claim of arXiv 2406.16479 as code: the gradient of a Forward-Forward layer *is* a modulated Hebbian product.

For h = ReLU(W x) with goodness :math:`G = \lVert h \rVert^2` and the loss :math:`-\log P` of a positive presentation,
:math:`-\log(1 - P)` of a negative one,

.. math:: -\frac{\partial L}{\partial W} = 2 \alpha \, (M \circ h) \, x^\top, \qquad M_\sigma = 1 - y - P_\sigma,

with alpha = 1 for the symmetric probability, whose M stands in `ff2neuro.learning.hebbian.oracle.modulator`. The
derivation is in docs/hebbian.md. PyTorch's automatic differentiation gives the left side, so that nothing of the right
side enters it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ff2neuro.learning.hebbian.oracle import modulator
from ff2neuro.networks.goodness import Probability

__all__ = ["Equivalence", "gradient_and_hebbian_product"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Equivalence:
    """Both sides of the equation.

    Attributes
    ----------
    descent : ndarray of shape (n_out, n_in)
        Negative gradient of the summed loss.
    hebbian : ndarray of shape (n_out, n_in)
        Modulated Hebbian product times the same constant.
    """

    descent: npt.NDArray[np.float64]
    hebbian: npt.NDArray[np.float64]

    @property
    def relative_difference(self) -> float:
        """Largest difference over the largest entry."""
        return float(np.abs(self.descent - self.hebbian).max() / np.abs(self.descent).max())


def gradient_and_hebbian_product(
    weight: Array,
    inputs: Array,
    negative: Array,
    probability: Probability,
    alpha: float = 1.0,
    theta: float = 0.0,
    epsilon: float = 0.01,
) -> Equivalence:
    """Compute the gradient of the loss of one layer, and the modulated Hebbian product.

    Parameters
    ----------
    weight : ndarray of shape (n_out, n_in)
        W.
    inputs : ndarray of shape (n, n_in)
        x of every presentation.
    negative : ndarray of shape (n,)
        y: 0 for a positive presentation, 1 for a negative one.
    probability : {"symmetric", "sigmoid"}
        Which probability.
    alpha, theta : float
        Slope and threshold of the sigmoid one.
    epsilon : float
        Smoothing of the symmetric one, (G+ + epsilon) / (G + 2 epsilon).

    Returns
    -------
    Equivalence
        Equal up to rounding.
    """
    descent = _descent(weight, inputs, negative, probability, alpha, theta, epsilon)
    h = np.maximum(inputs @ weight.T, 0)
    factor = modulator(h, negative, probability, alpha, theta, epsilon)
    if probability == "symmetric":
        # The published modulator divides by G + epsilon where the derivative has G + 2 epsilon.
        G = (h**2).sum(axis=1, keepdims=True)
        factor = factor * (G + epsilon) / (G + 2 * epsilon)
    slope = alpha if probability == "sigmoid" else 1.0
    return Equivalence(descent, 2 * slope * (factor * h).T @ inputs)


def _descent(
    weight: Array, inputs: Array, negative: Array, probability: Probability, alpha: float, theta: float, epsilon: float
) -> npt.NDArray[np.float64]:
    """Negative gradient of the loss by automatic differentiation, in double precision."""
    import torch

    W = torch.tensor(weight, dtype=torch.float64, requires_grad=True)
    energies = torch.relu(torch.tensor(inputs, dtype=torch.float64) @ W.T).square()
    y = torch.tensor(np.asarray(negative), dtype=torch.float64)
    if probability == "sigmoid":
        positive = torch.sigmoid(alpha * (energies.sum(dim=1) - theta))
    else:
        half = energies.shape[1] // 2
        first, second = energies[:, :half].sum(dim=1), energies[:, half:].sum(dim=1)
        positive = (first + epsilon) / (first + second + 2 * epsilon)
    loss = -((1 - y) * positive.log() + y * (1 - positive).log()).sum()
    torch.autograd.backward(loss)
    assert W.grad is not None
    return -W.grad.numpy()
