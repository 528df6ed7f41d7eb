import math

import pytest
import torch
from torch import nn

from gan.losses import LOSSES, NonSaturating, RelativisticPairing
from gan.penalties import ZeroCentered

REAL, FAKE = torch.tensor([1.5, -0.3]), torch.tensor([-2.0, 0.7])


def sigmoid(t: float) -> float:
    return 1 / (1 + math.exp(-t))


def test_non_saturating_is_the_papers_cross_entropy():
    expected = [-math.log(sigmoid(r)) - math.log(1 - sigmoid(f)) for r, f in zip([1.5, -0.3], [-2.0, 0.7], strict=True)]
    assert NonSaturating().discriminator(REAL, FAKE).tolist() == pytest.approx(expected)
    assert NonSaturating().generator(None, FAKE).tolist() == pytest.approx([-math.log(sigmoid(f)) for f in (-2.0, 0.7)])


def test_relativistic_pairing_sees_only_differences_within_a_pair():
    loss = RelativisticPairing()
    expected = [-math.log(sigmoid(1.5 + 2.0)), -math.log(sigmoid(-0.3 - 0.7))]
    assert loss.discriminator(REAL, FAKE).tolist() == pytest.approx(expected)
    torch.testing.assert_close(loss.discriminator(REAL + 5, FAKE + 5), loss.discriminator(REAL, FAKE))
    torch.testing.assert_close(loss.generator(REAL, FAKE), loss.discriminator(FAKE, REAL))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_each_player_is_pulled_the_right_way(loss):
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    real_pull, fake_pull = torch.autograd.grad(loss.discriminator(real, fake).sum(), (real, fake))
    assert (real_pull < 0).all() and (fake_pull > 0).all()
    (pull,) = torch.autograd.grad(loss.generator(real if loss.generator_needs_real else None, fake).sum(), fake)
    assert (pull < 0).all()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_losses_stay_finite_and_keep_a_gradient_at_extreme_scores(loss):
    real, fake = torch.tensor([-1e4]), torch.tensor([1e4], requires_grad=True)
    value = loss.discriminator(real, fake)
    assert value.isfinite().all()
    assert torch.autograd.grad(value.sum(), fake)[0].item() == pytest.approx(1)


def test_the_penalty_of_a_linear_score_is_known():
    """Of s(x) = w . (2x - 1), the gradient in the papers' [-1, 1] units is w whatever x is: gamma / 2 |w|^2."""
    weights = torch.randn(1, 2, 4, 4)
    images = torch.rand(3, 2, 4, 4, requires_grad=True)
    scores = ((2 * images - 1) * weights).sum((1, 2, 3))
    expected = 3.0 / 2 * weights.square().sum()
    torch.testing.assert_close(ZeroCentered(3.0)(scores, images), expected.expand(3))


def test_the_penalty_can_be_differentiated_again():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0)).double()
    images = torch.rand(2, 1, 3, 3, dtype=torch.double)

    def penalty(weight: torch.Tensor) -> torch.Tensor:
        x = images.clone().requires_grad_()
        scores = torch.func.functional_call(network, {"1.weight": weight}, x)
        return ZeroCentered(1.0)(scores, x)

    assert torch.autograd.gradcheck(penalty, network[1].weight.detach().clone().requires_grad_())
