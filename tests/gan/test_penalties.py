import pytest
import torch
from torch import nn

from fooling.errors import MissingFile, UserError
from gan.draws import Draws
from gan.penalties import DRAGAN, R1, R2, PenaltyConfig, Seen, WassersteinGradient, ZeroCentered, penalty_named

NAMES = ["r1+r2", "r1", "r2", "wgan-gp", "dragan"]


def smooth_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0)).double()


class Doubled(Draws):
    """In the precision that finite differences need."""

    def uniform(self, *shape):
        return super().uniform(*shape).double()


def seen(score, n: int = 3, *, channels: int = 1, draws=Doubled) -> Seen:
    source = torch.Generator().manual_seed(1)
    images = (torch.rand(n, channels, 3, 3, dtype=torch.double, generator=source) for _ in range(2))
    reals, fakes = (x.requires_grad_() for x in images)
    return Seen(reals, fakes, score(reals), score(fakes), score, draws(5, n))


def slope(score, images: torch.Tensor, h: float = 1e-5) -> torch.Tensor:
    """The length of the gradient in [-1, 1] images, by central differences in [0, 1], where it is twice that."""
    found = []
    with torch.no_grad():
        for index in range(images[0].numel()):
            step = torch.zeros_like(images).flatten(1)
            step[:, index] = h
            step = step.view_as(images)
            found.append((score(images + step) - score(images - step)) / (2 * h) / 2)
    return torch.stack(found).square().sum(0).sqrt()


def by_hand(name: str, gamma: float, data: Seen) -> torch.Tensor:
    if name in ("r1+r2", "r1", "r2"):
        of = {"r1": slope(data.score, data.reals), "r2": slope(data.score, data.fakes)}
        return sum(gamma / 2 * of[part] ** 2 for part in name.split("+"))
    draws = Doubled(5, len(data.reals))
    if name == "wgan-gp":
        t = draws.uniform(1, 1, 1)
        where = t * data.reals + (1 - t) * data.fakes
    else:
        noise = draws.uniform(*data.reals.shape[1:])
        deviation = torch.stack([x.var(correction=0).sqrt() for x in data.reals])[:, None, None, None]
        where = data.reals + draws.uniform(1, 1, 1) * 0.5 * deviation * noise
    return gamma * (slope(data.score, where) - 1) ** 2


@pytest.mark.parametrize("name", NAMES)
def test_a_penalty_is_what_finite_differences_say(name):
    data = seen(smooth_network())
    got = penalty_named(name, 1.7).of(data)
    assert got.shape == (3,) and (got > 0).all()
    torch.testing.assert_close(got, by_hand(name, 1.7, data), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_penalty_is_linear_in_gamma(name):
    data = seen(smooth_network())
    once, lazy = (penalty_named(name, gamma).of(seen(data.score)) for gamma in (0.3, 4 * 0.3))
    torch.testing.assert_close(lazy, 4 * once)


@pytest.mark.parametrize("name", NAMES)
def test_a_penalty_can_be_differentiated_again(name):
    network = smooth_network()

    def penalty(weight: torch.Tensor) -> torch.Tensor:
        def score(images):
            return torch.func.functional_call(network, {"1.weight": weight}, images)

        return penalty_named(name, 1.0).of(seen(score, 2))

    assert torch.autograd.gradcheck(penalty, network[1].weight.detach().clone().requires_grad_())


@pytest.mark.parametrize("name", NAMES)
def test_each_image_has_a_penalty_of_its_own(name):
    """So that the mean over processes, or over parts, is the mean over the batch."""
    network = smooth_network()
    whole = penalty_named(name, 1.0).of(seen(network, 4))
    images = seen(network, 4)
    for draws, row in zip(images.draws.split(4), range(4), strict=True):
        reals, fakes = (x[row : row + 1].detach().requires_grad_() for x in (images.reals, images.fakes))
        one = Seen(reals, fakes, network(reals), network(fakes), network, draws)
        torch.testing.assert_close(penalty_named(name, 1.0).of(one), whole[row : row + 1])


@pytest.mark.parametrize("name", NAMES)
def test_of_a_linear_score_it_is_known(name):
    """Of s(x) = w . (2x - 1) the gradient in the papers' [-1, 1] is w, whatever x is."""
    weights = torch.randn(1, 2, 3, 3, dtype=torch.double, generator=torch.Generator().manual_seed(2))
    data = seen(lambda x: ((2 * x - 1) * weights).sum((1, 2, 3)), channels=2)
    length = weights.norm()
    expected = {"r1+r2": 3 * length**2, "wgan-gp": 3 * (length - 1) ** 2, "dragan": 3 * (length - 1) ** 2}
    torch.testing.assert_close(
        penalty_named(name, 3.0).of(data), expected.get(name, 1.5 * length**2).expand(3), rtol=1e-12, atol=0
    )


def test_zero_centered_can_be_called_on_either_half():
    data = seen(smooth_network())
    both = ZeroCentered(2.0)
    reals, fakes = both(data.real_scores, data.reals), both(data.fake_scores, data.fakes)
    assert torch.equal(R1(2.0).of(data), reals) and torch.equal(R2(2.0).of(data), fakes)
    assert torch.equal(both.of(data), reals + fakes)


@pytest.mark.parametrize("make", [WassersteinGradient, DRAGAN], ids=["wgan-gp", "dragan"])
def test_flat_ground_has_a_penalty_and_a_gradient_that_are_finite(make):
    weight = torch.zeros((), dtype=torch.double, requires_grad=True)
    penalty = make(10.0).of(seen(lambda x: (weight * x).sum((1, 2, 3))))
    assert penalty.tolist() == [10.0] * 3
    assert torch.autograd.grad(penalty.sum(), weight)[0].isfinite()


def test_what_wgan_gp_looks_at_lies_between_the_pair_and_dragans_near_the_real_one():
    looked_at = []

    def score(images):
        looked_at.append(images.detach())
        return images.square().sum((1, 2, 3))

    data = seen(score, 200)
    for make in (WassersteinGradient, DRAGAN):
        make(1.0).of(data)
    *_, between, near = looked_at
    t = (between - data.fakes) / (data.reals - data.fakes)
    assert (t.amax((1, 2, 3)) - t.amin((1, 2, 3))).max() < 1e-6  # on a line
    assert 0 <= t.min() < 0.05 and 0.95 < t.max() < 1 and t.mean().item() == pytest.approx(0.5, abs=0.05)
    away = near - data.reals
    deviations = data.reals.std((1, 2, 3), correction=0)[:, None, None, None]
    assert (away >= 0).all() and 0.4 < (away / deviations).max() < 0.5


OWN = """
class Length:
    def __init__(self, gamma):
        self.gamma = gamma
    def of(self, seen):
        return self.gamma * seen.real_scores.square()
class Nothing:
    def __init__(self, gamma): ...
def failing(gamma):
    return 1 / 0
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "their_penalties.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


def test_a_penalty_of_ones_own_is_called_with_gamma(own_module):
    data = seen(smooth_network())
    expected = 2.5 * data.real_scores.square()
    assert torch.equal(penalty_named("their_penalties:Length", 2.5).of(data), expected)


REFUSED = {
    "misspelt": ("wgan", "did you mean wgan-gp"),
    "unknown": ("r3", r"penalty.kind must be r1\+r2, r1, r2, wgan-gp, dragan or package.module:Class, got 'r3'"),
    "no module": ("nowhere:Penalty", "cannot import nowhere:Penalty"),
    "no penalty": ("their_penalties:Nothing", "it has no method `of`"),
    "fails": ("their_penalties:failing", r"their_penalties:failing\(1\) failed with ZeroDivisionError"),
}


@pytest.mark.parametrize(("name", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_penalty_is_refused_in_one_line(own_module, name, message):
    with pytest.raises(MissingFile if "nowhere" in name else UserError, match=message) as caught:
        penalty_named(name, 1.0)
    assert "\n" not in str(caught.value)


def test_a_penalty_that_draws_says_so_where_it_cannot():
    with pytest.raises(UserError, match="wgan-gp draws at random"):
        WassersteinGradient(1.0).of(seen(smooth_network(), draws=lambda *_: None))


def test_the_configuration_takes_any_name_and_its_default_is_r3gans():
    assert PenaltyConfig().kind == "r1+r2" and isinstance(penalty_named(PenaltyConfig().kind, 1.0), ZeroCentered)
    assert PenaltyConfig(kind="their_penalties:Length").kind == "their_penalties:Length"
