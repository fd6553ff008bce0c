r"""The equations of Hebbian Forward-Forward learning read literally: dense arrays, one step after the other.

This is what the compiled kernels are tested against. With input spikes x, spikes s, output trace z, and y = 0 for a
positive and 1 for a negative presentation, a step is (arXiv 2406.16479)

.. math::

    v &\leftarrow \lambda v + W^\top x \\
    s &= (v > \vartheta) \wedge \text{winner}, \qquad v \leftarrow 0 \text{ where } s \\
    z &\leftarrow \text{trace}(z, s) \\
    E &\leftarrow (1 - \tau) E + \tau \langle x \, (M \circ z)^\top \rangle, \qquad W \leftarrow W + \nu E

The last line holds from the first update step on; angle brackets are the mean over the batch.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ff2neuro.learning.hebbian.config import HebbianConfig
from ff2neuro.networks.goodness import Probability

__all__ = ["WINNER_MARGIN", "DenseLayer", "modulator"]

Array = npt.NDArray[Any]

#: How far below the last winner's a potential may lie and still win.
WINNER_MARGIN = 0.001


def modulator(
    z: Array, negative: Array, probability: Probability, alpha: float = 1.0, theta: float = 0.0, epsilon: float = 0.01
) -> Array:
    r"""Return the factor M by which the Hebbian product of every neuron is multiplied.

    .. math::

        M_\sigma = 1 - y - P_\sigma, \qquad
        M_\mathrm{own} = \frac{G_\mathrm{opp} + \epsilon}{G_\mathrm{own} + \epsilon} \cdot \frac{1}{G + \epsilon},
        \qquad M_\mathrm{opp} = -\frac{1}{G + \epsilon}

    with :math:`G = G_\mathrm{own} + G_\mathrm{opp}`, *own* being the half of a presentation's polarity: the first of a
    positive one. It is the gradient of the loss (see `ff2neuro.learning.hebbian.equivalence`), up to
    :math:`(G + 2\epsilon)/(G + \epsilon)` where the published code smooths by half as much as the gradient would.

    Parameters
    ----------
    z : ndarray of shape (batch_size, n_neurons)
        Output traces.
    negative : ndarray of shape (batch_size,)
        y: 0 for a positive presentation, 1 for a negative one.
    probability : {"symmetric", "sigmoid"}
        Which probability.
    alpha, theta : float
        Slope and threshold of the sigmoid one.
    epsilon : float
        Smoothing of the symmetric one.

    Returns
    -------
    ndarray of shape (batch_size, n_neurons)
        M.
    """
    y = np.asarray(negative)[:, None]
    energies = z**2
    if probability == "sigmoid":
        factor = 1 - y - expit(alpha * (energies.sum(axis=1, keepdims=True) - theta))
        return np.broadcast_to(factor, z.shape)
    half = z.shape[1] // 2
    first = energies[:, :half].sum(axis=1, keepdims=True)
    second = energies[:, half:].sum(axis=1, keepdims=True)
    own, opposite = np.where(y == 0, first, second), np.where(y == 0, second, first)
    reward = (opposite + epsilon) / (own + epsilon) / (own + opposite + epsilon)
    penalty = -1 / (own + opposite + epsilon)
    is_own = (np.arange(z.shape[1]) < half) == (y == 0)
    factors: Array = np.where(is_own, reward, penalty)
    return factors


class DenseLayer:
    """One layer, stepped as the equations stand.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_in, n_neurons)
        W; copied.
    config : HebbianConfig
        All constants.
    index : int
        Which layer of the configuration this is.

    Attributes
    ----------
    weight, eligibility : ndarray of shape (n_in, n_neurons)
        W and E.
    v : ndarray of shape (batch_size, n_neurons)
        Membrane potentials, which survive the rest between presentations.
    """

    def __init__(self, weight: Array, config: HebbianConfig, index: int = 0) -> None:
        self.weight = np.array(weight, dtype=np.float64)
        self.eligibility = np.zeros_like(self.weight)
        self.v = np.zeros((config.batch_size, self.weight.shape[1]))
        self._config = config
        self._top_k = config.winners(index)

    def step(self, x: Array, noise: Array | float = 0.0) -> npt.NDArray[np.bool_]:
        """Advance v by one step.

        Parameters
        ----------
        x : ndarray of shape (n, n_in)
            Input spikes of the first n presentations of the batch.
        noise : ndarray of shape (n_neurons,)
            Noise in the comparison of winners.

        Returns
        -------
        ndarray of bool, shape (n, n_neurons)
            Spikes.
        """
        v = self.v[: len(x)]
        v[...] = self._config.membrane_decay * v + x @ self.weight
        compared = v + noise
        last_winner = np.sort(compared, axis=1)[:, -self._top_k, None]
        spikes: npt.NDArray[np.bool_] = (v > self._config.threshold) & (compared > last_winner - WINNER_MARGIN)
        v[spikes] = 0
        return spikes

    def update(self, x: Array, z: Array, negative: Array) -> None:
        """Change E and W by one step's modulated Hebbian product.

        Parameters
        ----------
        x : ndarray of shape (n, n_in)
            Input spikes of this step.
        z : ndarray of shape (n, n_neurons)
            Output traces after this step.
        negative : ndarray of shape (n,)
            y of every presentation.
        """
        c = self._config
        product = x.T @ (modulator(z, negative, c.probability, c.alpha, c.theta, c.epsilon) * z) / len(x)
        self.eligibility = (1 - c.eligibility_rate) * self.eligibility + c.eligibility_rate * product
        self.weight = self.weight + c.learning_rate * self.eligibility

    def train(self, spikes: Array, negative: Array, noise: Array | None = None) -> npt.NDArray[np.bool_]:
        """Learn from one batch of presentations, then rest.

        Parameters
        ----------
        spikes : ndarray of shape (n, n_time_steps, n_in)
            Input spikes.
        negative : ndarray of shape (n,)
            y of every presentation.
        noise : ndarray of shape (n_time_steps + rest_steps, n_neurons), optional
            Noise of every step, shared by the batch.

        Returns
        -------
        ndarray of bool, shape (n, n_time_steps, n_neurons)
            Spikes of this layer, without those of the rest.
        """
        c = self._config
        x_of = spikes.astype(np.float64)
        noise = np.zeros((c.n_time_steps + c.rest_steps, 1)) if noise is None else noise
        z = np.zeros((len(spikes), self.weight.shape[1]))
        output = np.zeros((*spikes.shape[:2], self.weight.shape[1]), dtype=bool)
        for t in range(c.n_time_steps):
            output[:, t] = self.step(x_of[:, t], noise[t])
            z = c.output_trace.step(z, output[:, t])
            if t >= c.first_update:
                self.update(x_of[:, t], z, negative)
        for t in range(c.rest_steps):
            self.step(np.zeros_like(x_of[:, 0]), noise[c.n_time_steps + t])
        return output

    def respond(self, spikes: Array, noise: Array | None = None) -> npt.NDArray[np.bool_]:
        """Run presentations from v = 0 without learning.

        Parameters
        ----------
        spikes : ndarray of shape (n, n_time_steps, n_in)
            Input spikes, any number of presentations.
        noise : ndarray of shape (n_time_steps, n_neurons), optional
            Noise of every step, shared by all.

        Returns
        -------
        ndarray of bool, shape (n, n_time_steps, n_neurons)
            Spikes of this layer; v of the batch in training is left untouched.
        """
        kept, self.v = self.v, np.zeros((len(spikes), self.weight.shape[1]))
        noise = np.zeros((spikes.shape[1], 1)) if noise is None else noise
        steps = [self.step(spikes[:, t].astype(np.float64), noise[t]) for t in range(spikes.shape[1])]
        self.v = kept
        return np.stack(steps, axis=1)
