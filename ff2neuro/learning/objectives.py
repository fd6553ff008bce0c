r"""Local objectives of Forward-Forward layers, with their gradients written down.

Both probabilities are sigmoids of a *logit* z of the layer's activity h:

- sigmoid: :math:`z = \alpha (\lVert h \rVert^2 - \theta)`, so :math:`\partial z / \partial h = 2 \alpha h`;
- symmetric: :math:`P = (G_+ + \epsilon) / (G_+ + G_- + 2 \epsilon)` is :math:`\sigma(z)` with
  :math:`z = \ln(G_+ + \epsilon) - \ln(G_- + \epsilon)`, so :math:`\partial z / \partial h` is
  :math:`2 h / (G_+ + \epsilon)` in the positive half and :math:`-2 h / (G_- + \epsilon)` in the negative one.

Losses compare the logits of the positive and the negative presentation of an image, :math:`z_p` and :math:`z_n`:

- cross-entropy: mean of :math:`\mathrm{softplus}(-z_p)` and :math:`\mathrm{softplus}(z_n)` (arXiv 2212.13345);
- symba: :math:`\mathrm{softplus}(z_n - z_p)`, where only the difference counts (SymBa, arXiv 2303.08418);
- swish: :math:`d \, \sigma(d)` with :math:`d = z_n - z_p`, which pushes pairs apart until a margin is reached
  (github.com/dah33/explore_forward_forward).

Peer normalisation (github.com/loeweX/Forward-Forward) adds the variance over the neurons of their mean activities on
the positive presentations of the batch; the published code takes a running mean, which would be one more state.

A loss is a function of logits alone, so its gradient is the activity times one modulator per half of the layer: the
weight update is a modulated Hebbian product of input and activity (arXiv 2406.16479, section 3), and needs no other
layer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

from ff2neuro.learning.limits import Loss
from ff2neuro.networks.goodness import Probability

__all__ = ["EPSILON", "LocalGradient", "Objective"]

#: The paper's constant in the symmetric probability (its implementation, arXiv 2406.16479). It keeps the gradient of a
#: silent half finite; inference does without.
EPSILON = 0.01


@dataclass(frozen=True)
class LocalGradient:
    """Loss of one layer on a batch, and its gradient.

    Attributes
    ----------
    loss : Tensor, shape ()
        Mean over the presentations (cross-entropy) or over the pairs of them.
    gradient : Tensor of shape (2 * batch_size, n_neurons)
        Derivative of `loss` by the activity.
    goodness : Tensor of shape (2 * batch_size,)
        Squared Euclidean norm of the activity.
    """

    loss: Tensor
    gradient: Tensor
    goodness: Tensor


@dataclass(frozen=True)
class Objective:
    """What every layer minimises by itself.

    Attributes
    ----------
    probability : {"symmetric", "sigmoid"}
        Which probability.
    alpha, theta : float
        Slope and threshold of the sigmoid.
    loss : {"cross-entropy", "symba", "swish"}
        Which loss.
    peer_normalization : float
        Weight of the peer normalisation; 0 for none.
    """

    probability: Probability
    alpha: float = 6.0
    theta: float = 2.0
    loss: Loss = "cross-entropy"
    peer_normalization: float = 0.0

    def local_gradient(self, h: Tensor) -> LocalGradient:
        """Return loss and gradient of one layer.

        Parameters
        ----------
        h : Tensor of shape (2 * batch_size, n_neurons)
            Activity; the first half of the rows belongs to positive presentations, the second to negative ones.

        Returns
        -------
        LocalGradient
            Loss, derivative of the loss by `h`, and goodness.
        """
        halves, energies = self._energies(h)
        z, dz_over_h = self._logit(energies)
        loss, dloss_by_dz = _LOSSES[self.loss](z)
        gradient = halves * (dloss_by_dz[:, None] * dz_over_h)[:, :, None]
        gradient = gradient.view_as(h)
        if self.peer_normalization:
            penalty, slope = _peer_normalization(h[: len(h) // 2])
            loss = loss + self.peer_normalization * penalty
            gradient[: len(h) // 2].add_(slope, alpha=self.peer_normalization)
        return LocalGradient(loss, gradient, energies.sum(dim=1))

    def logits(self, h: Tensor) -> Tensor:
        """Return the logit of the probability that a presentation is positive.

        Parameters
        ----------
        h : Tensor of shape (n, n_neurons)
            Activity.

        Returns
        -------
        Tensor of shape (n,)
            Logits.
        """
        return self._logit(self._energies(h)[1])[0]

    def _energies(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the activity, cut into the groups whose energies make the logit, and those energies."""
        groups = h.view(len(h), 2 if self.probability == "symmetric" else 1, -1)
        return groups, torch.linalg.vector_norm(groups, dim=2).square_()

    def _logit(self, energies: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logit, and by what the activity of each half is multiplied to give its derivative."""
        if self.probability == "symmetric":
            shifted = energies + EPSILON
            logarithm = shifted.log()
            slope = 2 / shifted
            slope[:, 1].neg_()
            return logarithm[:, 0] - logarithm[:, 1], slope
        return self.alpha * (energies[:, 0] - self.theta), torch.full_like(energies, 2 * self.alpha)


def _cross_entropy(z: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of sigmoid(z): its mean and its derivative, safe for logits of any size."""
    signed = z.clone()
    signed[: len(z) // 2].neg_()
    slope = torch.sigmoid(signed) / len(z)
    slope[: len(z) // 2].neg_()
    return softplus(signed).mean(), slope


def _symba(z: Tensor) -> tuple[Tensor, Tensor]:
    """Softplus of the difference of a pair's logits: its mean and its derivative."""
    difference = _differences(z)
    return softplus(difference).mean(), _pair_slopes(torch.sigmoid(difference))


def _swish(z: Tensor) -> tuple[Tensor, Tensor]:
    """Swish of the difference of a pair's logits: its mean and its derivative."""
    difference = _differences(z)
    p = torch.sigmoid(difference)
    return silu(difference).mean(), _pair_slopes(p * (1 + difference * (1 - p)))


def _peer_normalization(h: Tensor) -> tuple[Tensor, Tensor]:
    """Variance of the neurons' mean activities, and its derivative by the activity of each presentation."""
    means = h.mean(dim=0)
    deviations = means - means.mean()
    # A silent neuron has no derivative: ReLU passes none.
    return deviations.square().mean(), (h > 0) * deviations * (2 / h.numel())


def _differences(z: Tensor) -> Tensor:
    """Return by how much the negative presentation of each image seems the more positive one."""
    pairs = z.view(2, -1)
    return pairs[1] - pairs[0]


def _pair_slopes(slope: Tensor) -> Tensor:
    return torch.cat([-slope, slope]).div_(len(slope))


_LOSSES = {"cross-entropy": _cross_entropy, "symba": _symba, "swish": _swish}
