"""Adam (arXiv 1412.6980) on gradients that are given rather than found by autograd."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

__all__ = ["Adam"]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """The two moments of every weight, and the step that follows from them.

    `torch.optim.Adam` takes the same steps, but imports PyTorch's compiler at the first one, which costs more time than
    training on a small data set.

    Parameters
    ----------
    weights : sequence of Tensor
        What is optimised, in place.
    first_moments, second_moments : sequence of Tensor, optional
        Moments to go on from; by default zero.
    step : int
        Steps done already.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        first_moments: Sequence[Tensor] = (),
        second_moments: Sequence[Tensor] = (),
        step: int = 0,
    ) -> None:
        self._weights = list(weights)
        self.first_moments = list(first_moments) or [torch.zeros_like(weight) for weight in weights]
        self.second_moments = list(second_moments) or [torch.zeros_like(weight) for weight in weights]
        self._steps = [torch.tensor(float(step), device=weight.device) for weight in weights]

    @property
    def step(self) -> int:
        """Number of steps done."""
        return int(self._steps[0])

    def update(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """Take one step.

        Parameters
        ----------
        gradients : sequence of Tensor
            Derivative of each weight's own loss, in the order of the weights.
        learning_rate : float
            Step size.
        """
        adam(
            self._weights,
            list(gradients),
            self.first_moments,
            self.second_moments,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=BETA_1,
            beta2=BETA_2,
            lr=learning_rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )
