"""A second network can be asked on the way: it has a say in what is climbed and in when a climb has arrived."""

import pytest
import torch

from fooling.classifiers.activations import Outputs
from fooling.classifiers.frozen import frozen, probabilities
from fooling.classifiers.networks import LeNet, SoftmaxRegression
from fooling.climb.ascent import ascend
from fooling.climb.criteria import Confident
from fooling.climb.objectives import LogProbability
from fooling.climb.parametrizations import Pixels
from fooling.climb.second_opinion import AskedIf, AskedOf
from fooling.errors import UserError


def of_half(rows: slice) -> SoftmaxRegression:
    """Says 1 of images whose half is light, and 0 where it is dark."""
    network, weight = SoftmaxRegression(image_size=8, num_classes=2), torch.zeros(2, 8, 8)
    weight[1, rows] = 1.0
    network.load_state_dict({"logits.weight": weight.flatten(1), "logits.bias": torch.tensor([16.0, 0.0])})
    return network.eval()


TOP, BOTTOM = of_half(slice(0, 4)), of_half(slice(4, 8))
IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 1, 0])


def test_the_score_is_that_of_the_other_network():
    asked = AskedOf(BOTTOM, LogProbability(LABELS))
    torch.testing.assert_close(asked(TOP, IMAGES), LogProbability(LABELS)(BOTTOM, IMAGES))
    which = torch.tensor([2, 0])
    torch.testing.assert_close(asked.select(which)(TOP, IMAGES[which]), asked(TOP, IMAGES)[which])
    both = LogProbability(0) + 2 * asked
    torch.testing.assert_close(both(TOP, IMAGES), LogProbability(0)(TOP, IMAGES) + 2 * asked(TOP, IMAGES))
    assert both.target_class(TOP) == 0 and asked.target_class(TOP) is None


def test_its_classes_are_the_other_networks():
    rejecting = LeNet(reject_class=True)
    digits = torch.rand(2, 1, 28, 28)
    AskedOf(rejecting, LogProbability(10))(LeNet(), digits)
    for asked in (AskedOf(LeNet(), LogProbability(10)), AskedIf(LeNet(), Confident(10))):
        with pytest.raises(UserError, match="no class 10: the classifier has 10 classes"):
            asked.check(2, 11)


def test_a_criterion_and_another_hold_where_both_do():
    light, dark = torch.ones(1, 4, 8), torch.zeros(1, 4, 8)
    images = torch.stack([torch.cat(pair, 1) for pair in ((light, light), (light, dark), (dark, light), (dark, dark))])
    arrived = Confident(1, 0.9) & AskedIf(BOTTOM, Confident(torch.tensor([0, 0, 0, 0]), 0.9))
    assert arrived(Outputs(images, TOP(images))).tolist() == [False, True, False, False]
    some = arrived.select(torch.tensor([1, 2]))
    assert some(Outputs(images[1:3], TOP(images[1:3]))).tolist() == [True, False]


def test_a_climb_gives_the_classifier_one_class_and_the_other_network_another():
    """All pixels are one shade at first, and pulled apart."""
    starts, other = Pixels.grey(3, shape=(1, 8, 8)), AskedOf(BOTTOM, LogProbability(0))
    until = Confident(1, 0.99) & AskedIf(BOTTOM, Confident(0, 0.99))
    with frozen(BOTTOM):
        end = ascend(TOP, LogProbability(1) + other, starts, until=until, steps=50, step_size=0.02)
    assert end.success.all()
    assert (probabilities(TOP, end.images)[:, 1] > 0.98).all() and (
        probabilities(BOTTOM, end.images)[:, 0] > 0.98
    ).all()
    assert all(weight.requires_grad and weight.grad is None for weight in BOTTOM.parameters())
