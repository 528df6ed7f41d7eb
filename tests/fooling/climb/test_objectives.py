"""An objective is one number for each image, of that image alone, and means what it says."""

import contextlib

import pytest
import torch
from torch import nn
from torch.autograd.functional import jacobian

from fooling.classifiers.activations import watched
from fooling.classifiers.networks import LeNet
from fooling.climb.criteria import Confident, Misclassified
from fooling.climb.objectives import (
    L2,
    Channel,
    Confusion,
    Distance,
    Logit,
    LogProbability,
    Margin,
    Objective,
    Probability,
    Reject,
    TotalVariation,
    Unit,
)
from fooling.errors import UserError

N = 4
TARGETS = torch.tensor([3, 0, 9, 3])
IMAGES = torch.rand(N, 1, 28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
STARTS = torch.rand(N, 1, 28, 28, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture(scope="module")
def classifier():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LeNet(reject_class=True).double().eval().requires_grad_(False)


ALL = {
    "logit": Logit(3),
    "logits": Logit(TARGETS),
    "log-probability": LogProbability(TARGETS),
    "probability": Probability(TARGETS),
    "margin": Margin(TARGETS),
    "confusion": Confusion(5, TARGETS),
    "reject": Reject(),
    "channel": Channel("relu1", 3),
    "dense channel": Channel("hidden", 7),
    "unit": Unit("conv2", 3, 1, 2),
    "distance": Distance(),
    "distance to images": Distance(STARTS.flip(0)),
    "total variation": TotalVariation(),
    "L2": L2(),
    "sum": Logit(TARGETS) - 0.1 * TotalVariation() + Unit("relu3", 5) / 2,
}
EACH = pytest.mark.parametrize("objective", ALL.values(), ids=ALL)


@EACH
def test_a_score_depends_on_its_own_image_alone(classifier, objective):
    slopes = jacobian(lambda images: objective(classifier, images, STARTS), IMAGES).flatten(2).abs().sum(2)
    assert slopes.shape == (N, N)
    assert torch.equal(slopes, slopes.diag().diag())
    assert "unit" in str(objective).lower() or (slopes.diag() > 0).all()


@EACH
def test_selecting_images_selects_their_scores(classifier, objective):
    scores = objective(classifier, IMAGES, STARTS)
    for which in (torch.tensor([2, 0]), torch.tensor([False, True, True, False]), slice(1, 3)):
        some = objective.select(which)(classifier, IMAGES[which], STARTS[which])
        torch.testing.assert_close(some, scores[which])


def test_the_scores_are_what_they_are_called(classifier):
    logits = classifier(IMAGES)
    p = logits.softmax(1)
    rows = torch.arange(N)

    def check(objective, expected):
        torch.testing.assert_close(objective(classifier, IMAGES, STARTS), expected)

    check(Logit(3), logits[:, 3])
    check(Logit(TARGETS), logits[rows, TARGETS])
    check(Probability(TARGETS), p[rows, TARGETS])
    check(LogProbability(TARGETS), p[rows, TARGETS].log())
    check(Confusion(1, 2), (p[:, 1] * p[:, 2]).log() / 2)
    check(Reject(), logits[:, 10])
    check(Distance(), (IMAGES - STARTS).flatten(1).norm(dim=1))
    check(L2(), IMAGES.square().sum((1, 2, 3)))
    conv1 = classifier.conv1(2 * IMAGES - 1)
    check(Channel("conv1", 2), conv1[:, 2].mean((1, 2)))
    check(Unit("conv1", 2, 5, 7), conv1[:, 2, 5, 7])
    ramp = torch.arange(6.0).view(1, 1, 2, 3).double()  # neighbours differ by 1 across and 3 down
    with watched(nn.Flatten()) as look:
        assert TotalVariation().score(look(ramp)).item() == 4 * 1 + 3 * 3


@pytest.mark.parametrize("target", range(11))
def test_the_margin_is_positive_exactly_for_the_winner(classifier, target):
    winner = classifier(IMAGES).argmax(1)
    assert torch.equal(Margin(target)(classifier, IMAGES) > 0, winner == target)


def test_objectives_are_a_vector_space(classifier):
    a, b = Logit(TARGETS), TotalVariation()
    x, y = a(classifier, IMAGES), b(classifier, IMAGES)
    for made, expected in (
        (a + b, x + y), (a - b, x - y), (-a, -x), (2 * a, 2 * x), (a * 3, 3 * x), (a / 4, x / 4),
        (sum([a, b, a]), 2 * x + y), (2 * (a - 0.5 * b) - a, x - y),
    ):  # fmt: skip
        torch.testing.assert_close(made(classifier, IMAGES), expected)


def test_only_objectives_and_numbers_combine():
    for wrong in (lambda: Logit(3) + 1, lambda: Logit(3) - 1, lambda: Logit(3) * Logit(4), lambda: Logit(3) * "2"):
        with pytest.raises(TypeError):
            wrong()


def test_a_distance_has_no_slope_at_its_start_and_no_nan():
    images = STARTS.clone().requires_grad_()
    with watched(nn.Flatten()) as look:
        Distance().score(look(images, STARTS)).sum().backward()
    assert torch.equal(images.grad, torch.zeros_like(images))


SHOWN = {
    "Logit(3)": Logit(3),
    "Logit([3, 0, 9, 3])": Logit(TARGETS),
    "Margin([1, 1, 1, 1, ... 9 in all])": Margin([1] * 9),
    "Logit(3) - 0.1 * TotalVariation()": Logit(3) - 0.1 * TotalVariation(),
    "-2 * Unit('conv1', 0, 3, 4) + L2()": -2 * Unit("conv1", 0, 3, 4) + L2(),
    "Confident(3, 0.99)": Confident(3),
    "Distance(<4 x 1 x 28 x 28>)": Distance(STARTS),
}


@pytest.mark.parametrize("text", SHOWN)
def test_an_objective_shows_how_it_was_written(text):
    assert repr(SHOWN[text]) == text


REFUSED = {
    "class too high": (Logit(11), "no class 11: the classifier has 11 classes, 0 to 10"),
    "class below zero": (Probability(-1), "no class -1"),
    "one of many": (Margin([0, 1, 2, 12]), "no class 12"),
    "second of two": (Confusion(0, 12), "no class 12"),
    "inside a sum": (L2() + 2 * Logit(12), "no class 12"),
    "too few targets": (Logit([1, 2]), "2 entries for 4 images"),
    "too few images": (Distance(STARTS[:3]), "3 entries for 4 images"),
    "unknown layer": (Channel("conv9", 0), "no layer 'conv9' in LeNet: known are conv1, relu1, pool1, conv2"),
    "unknown channel": (Channel("conv1", 16), r"no \[16\] in layer 'conv1'.*\(16, 24, 24\)"),
    "unknown unit": (Unit("conv1", 0, 24, 0), r"no \[0, 24, 0\]"),
    "a map, not a unit": (Unit("conv1", 0), "not one: give 2 more"),
    "no starts": (Distance(), "needs starts"),
}


@pytest.mark.parametrize("objective, message", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_scored_is_refused_in_one_line(classifier, objective, message):
    with pytest.raises(UserError, match=message) as caught:
        objective(classifier, IMAGES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("target", [0.5, [0.5], torch.zeros(2, 2, dtype=torch.int64), "three", True, None], ids=repr)
def test_a_target_is_a_whole_number_for_each_image(target):
    with pytest.raises(UserError, match="target"):
        Logit(target)


def test_reject_needs_a_reject_class():
    with pytest.raises(UserError, match="reject_class=True"):
        Reject()(LeNet(), torch.rand(1, 1, 28, 28))


def test_hooks_are_gone_afterwards_even_after_an_error(classifier):
    for objective in (Channel("conv1", 0), Channel("conv1", 99), Channel("conv1", 0) + Channel("nowhere", 0)):
        with contextlib.suppress(UserError):
            objective(classifier, IMAGES)
        assert not any(module._forward_hooks for module in classifier.modules())


def test_the_target_of_a_sum_is_its_first_positive_one(classifier):
    assert (Logit(3) - Logit(7)).target_class(classifier) == 3
    assert (L2() - Logit(7) + Margin(2)).target_class(classifier) == 2
    assert (-Logit(7)).target_class(classifier) is None
    assert Reject().target_class(classifier) == 10


def test_criteria_read_the_same_forward_pass(classifier):
    with watched(classifier) as look:
        outputs = look(IMAGES)
    winner = outputs.logits.argmax(1)
    highest = outputs.probabilities.amax(1)
    assert Confident(winner, highest.min().item() - 1e-6)(outputs).all()
    assert not Confident(winner, highest.max().item() + 1e-6)(outputs).any()
    assert Misclassified((winner + 1) % 11)(outputs).all() and not Misclassified(winner)(outputs).any()
    with pytest.raises(UserError, match="between 0 and 1"):
        Confident(3, 1.0)


def test_an_objective_of_ones_own_needs_only_a_score(classifier):
    class Brightness(Objective):
        def __init__(self, weights):
            self.weights = weights

        def score(self, outputs):
            return self.weights * outputs.images.mean((1, 2, 3))

    weights = torch.arange(4.0)
    mine = 2 * Brightness(weights)
    torch.testing.assert_close(mine(classifier, IMAGES), 2 * weights * IMAGES.mean((1, 2, 3)))
    torch.testing.assert_close(
        mine.select(slice(2, 4))(classifier, IMAGES[2:]), 2 * weights[2:] * IMAGES[2:].mean((1, 2, 3))
    )
