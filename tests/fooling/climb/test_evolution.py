"""Evolution fools every class without a gradient, and counts what it asked."""

import pytest
import torch
from torch import nn

from fooling.classifiers.networks import LeNet
from fooling.climb.evolution import GaussianMutation, PolynomialMutation, evolve
from fooling.climb.parametrizations import CPPN, Pixels
from fooling.errors import UserError


class Counted(nn.Module):
    """Counts the images that it is asked about, and has no gradient to climb."""

    def __init__(self, network):
        super().__init__()
        self.network, self.asked = network, 0

    def forward(self, images):
        self.asked += len(images)
        assert not images.requires_grad
        return (self.network(images) * 100).round() / 100


STARTS = {"direct": Pixels.noise, "cppn": CPPN.noise}


@pytest.mark.parametrize("noise", STARTS.values(), ids=STARTS)
def test_every_class_is_reached(lenet, noise):
    network = Counted(lenet)
    result = evolve(network, noise(200, seed=0), until=0.99)
    assert (result.confidences >= 0.99).all() and result.classes.tolist() == list(range(10))
    assert result.evaluations == network.asked - 1 < 200_000  # one more to see that they fit each other
    with torch.no_grad():
        said = network(result.images).softmax(1).diag()
    torch.testing.assert_close(said, result.confidences, atol=0.01, rtol=0)
    assert result.images.min() >= 0 and result.images.max() <= 1
    assert (result.history.diff(dim=0) >= 0).all()  # an elite yields only to a better one


def test_chosen_classes_the_same_every_time_and_no_further_than_told(lenet):
    settings = dict(classes=[3, 8], until=0.9, evaluations=1000)
    a, b = (evolve(lenet, Pixels.noise(50), seed=7, **settings) for _ in range(2))
    assert torch.equal(a.images, b.images) and a.images.shape == (2, 1, 28, 28)
    hopeless = evolve(lenet, Pixels.noise(50), classes=[3], until=1 - 1e-9, evaluations=1000, population=100)
    assert hopeless.evaluations == 1050


def test_the_classifier_is_left_as_it_was(lenet):
    network = LeNet()
    network.pool1.eval()
    modes = [module.training for module in network.modules()]
    evolve(network, Pixels.noise(5), evaluations=100)
    assert [module.training for module in network.modules()] == modes
    assert all(p.requires_grad and p.grad is None for p in network.parameters())


@pytest.mark.parametrize("mutation", [PolynomialMutation(rate=0.3), GaussianMutation(rate=0.3)], ids=repr)
def test_a_mutation_moves_a_part_of_the_numbers_either_way(mutation):
    params = torch.full((50, 1000), 0.5)
    moved = mutation(params, torch.Generator().manual_seed(0)) - params
    changed = moved != 0
    assert changed.float().mean() == pytest.approx(0.3, abs=0.01)
    assert (moved[changed] > 0).float().mean() == pytest.approx(0.5, abs=0.02)
    assert not torch.equal(changed[0], changed[1])


def test_polynomial_mutation_follows_its_formula():
    """Deb 2001: the amount is less than d with probability 1 - (1 - d)^(strength + 1), each side."""
    params = torch.zeros(100_000)
    for strength in (1.0, 15.0):
        moved = PolynomialMutation(1.0, strength)(params, torch.Generator().manual_seed(0)).abs()
        for d in (0.01, 0.05, 0.3):
            assert (moved < d).float().mean().item() == pytest.approx(1 - (1 - d) ** (strength + 1), abs=0.01)


BAD = {
    "class": (dict(classes=[10]), "no class 10"),
    "until": (dict(until=1.0), "until"),
    "population": (dict(population=0), "population"),
}


@pytest.mark.parametrize("change, message", BAD.values(), ids=BAD)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        evolve(LeNet(), Pixels.noise(3), **change)
