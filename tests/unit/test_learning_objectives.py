"""Local gradients against autograd, for every probability."""

import pytest
import torch

from ff2neuro.learning.objectives import EPSILON, Objective

PROBABILITIES = ("symmetric", "sigmoid")
LOSSES = ("cross-entropy", "symba", "swish")


def probability_of(h, objective):
    """Write the probability as the paper does, so that autograd can find its derivative."""
    if objective.probability == "sigmoid":
        return torch.sigmoid(objective.alpha * ((h**2).sum(dim=1) - objective.theta))
    positive, negative = (h[:, : h.shape[1] // 2] ** 2).sum(dim=1), (h[:, h.shape[1] // 2 :] ** 2).sum(dim=1)
    return (positive + EPSILON) / (positive + negative + 2 * EPSILON)


def loss_of(h, objective):
    p = probability_of(h, objective)
    n_pairs = len(h) // 2
    if objective.loss == "cross-entropy":
        return -(torch.cat([p[:n_pairs].log(), (1 - p[n_pairs:]).log()])).mean()
    z = torch.logit(p)
    difference = z[n_pairs:] - z[:n_pairs]
    if objective.loss == "symba":
        return (1 + difference.exp()).log().mean()
    return (difference / (1 + (-difference).exp())).mean()


@pytest.fixture
def weight_and_input():
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(14, 9, generator=generator, dtype=torch.float64) / 3
    return weight, torch.rand(10, 9, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("probability", PROBABILITIES)
@pytest.mark.parametrize(("alpha", "theta"), [(1.0, 2.0), (2.0, 0.5)])
def test_local_update_is_the_gradient_that_autograd_finds(loss, probability, alpha, theta, weight_and_input):
    weight, x = weight_and_input
    objective = Objective(probability, alpha, theta, loss)
    weight.requires_grad_()
    expected = loss_of(torch.relu(x @ weight.T), objective)
    expected.backward()
    with torch.no_grad():
        local = objective.local_gradient(torch.relu(x @ weight.T))
        update = local.gradient.T @ x
    torch.testing.assert_close(local.loss, expected.detach(), rtol=1e-7, atol=0)
    assert (update - weight.grad).norm() <= 1e-6 * weight.grad.norm()
    assert weight.grad.norm() > 0


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_update_is_a_modulated_hebbian_product(probability, weight_and_input):
    weight, x = weight_and_input
    h = torch.relu(x @ weight.T)
    gradient = Objective(probability).local_gradient(h).gradient
    modulator = torch.where(h > 0, gradient / h, torch.nan).view(len(h), 2, -1)
    for half in modulator.unbind(dim=1):
        spread = half.nan_to_num(-torch.inf).amax(dim=1) - half.nan_to_num(torch.inf).amin(dim=1)
        assert (spread.abs() < 1e-12).all()


def test_sigmoid_modulator_is_the_papers(weight_and_input):
    weight, x = weight_and_input
    h = torch.relu(x @ weight.T)
    objective = Objective("sigmoid", alpha=1.0, theta=2.0)
    p = probability_of(h, objective)
    y = torch.cat([torch.zeros(5), torch.ones(5)])
    expected = -2 * (1 - y - p)[:, None] * h / len(h)
    torch.testing.assert_close(objective.local_gradient(h).gradient, expected)


def test_goodness_is_the_squared_euclidean_norm(weight_and_input):
    weight, x = weight_and_input
    h = torch.relu(x @ weight.T)
    for probability in PROBABILITIES:
        torch.testing.assert_close(Objective(probability).local_gradient(h).goodness, (h**2).sum(dim=1))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("probability", PROBABILITIES)
@pytest.mark.parametrize("size", [0.0, 1e-12, 1e4, 1e12])
def test_extreme_activity_gives_finite_gradients(loss, probability, size):
    h = torch.full((4, 6), size)
    h[3] = 0
    local = Objective(probability, alpha=6.0, loss=loss).local_gradient(h)
    assert torch.isfinite(local.loss)
    assert torch.isfinite(local.gradient).all()


def test_goodness_rises_for_positives_and_falls_for_negatives(weight_and_input):
    weight, x = weight_and_input
    h = torch.relu(x @ weight.T)
    stepped = h - 0.1 * Objective("sigmoid").local_gradient(h).gradient
    change = (stepped**2).sum(dim=1) - (h**2).sum(dim=1)
    assert (change[:5] > 0).all()
    assert (change[5:] < 0).all()


def test_peer_normalisation_adds_its_own_gradient(weight_and_input):
    weight, x = weight_and_input
    objective, strength = Objective("symmetric", peer_normalization=0.7), 0.7
    weight.requires_grad_()
    h = torch.relu(x @ weight.T)
    means = h[:5].mean(dim=0)
    expected = loss_of(h, objective) + strength * ((means - means.mean()) ** 2).mean()
    expected.backward()
    with torch.no_grad():
        local = objective.local_gradient(torch.relu(x @ weight.T))
    torch.testing.assert_close(local.loss, expected.detach(), rtol=1e-7, atol=0)
    assert (local.gradient.T @ x - weight.grad).norm() <= 1e-6 * weight.grad.norm()
    plain = Objective("symmetric").local_gradient(h.detach()).gradient
    assert not torch.allclose(local.gradient, plain)
