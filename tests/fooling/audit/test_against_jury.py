"""The attack on a classifier and on its jury: it finds what only one of them sees."""

import pytest
import torch

from fooling.audit.against_jury import attack_with_jury
from fooling.audit.attacks import SURE
from fooling.classifiers.frozen import probabilities
from fooling.classifiers.jury import Jury

TARGETS = torch.arange(12) % 10


@pytest.fixture(scope="module")
def starts():
    return torch.rand(12, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_it_leads_to_what_the_classifier_alone_sees(lenet, softmax, starts):
    jury = Jury({"a": softmax, "b": softmax, "c": softmax}, quorum=2, confidence=0)
    ended = attack_with_jury(lenet, jury, starts, TARGETS, steps=40)
    assert ended.images.min() >= 0 and ended.images.max() <= 1 and ended.targets.equal(TARGETS)
    p = probabilities(lenet, ended.images).gather(1, TARGETS[:, None])[:, 0]
    assert ended.sure.equal(p >= SURE) and ended.sure.float().mean() > 0.8
    assert ended.rubbish.float().mean() > 0.8  # whoever is held out is one of them
    figures = ended.figures()
    assert figures["misled_by_jury"] < 0.2 and figures["misled_rubbish"] <= figures["misled_sure"]


def test_a_jury_of_the_network_itself_is_not_misled(lenet, starts):
    """Nobody can be sure of what he does not see."""
    ended = attack_with_jury(lenet, Jury({"a": lenet, "b": lenet}, quorum=2), starts, TARGETS, steps=20)
    assert not ended.rubbish.any() and ended.by_jury[ended.sure].all() and ended.by_held_out[ended.sure].all()


def test_each_image_is_attacked_as_it_would_be_alone(lenet, softmax, starts):
    jury = Jury({"a": softmax, "b": lenet, "c": softmax}, quorum=2)
    together = attack_with_jury(lenet, jury, starts, TARGETS, steps=10)
    alone = attack_with_jury(lenet, jury, starts[:1], TARGETS[:1], steps=10)
    torch.testing.assert_close(alone.images, together.images[:1], atol=1e-4, rtol=0)


def test_nothing_of_the_networks_changes(lenet, softmax, starts):
    before = {name: tensor.clone() for name, tensor in softmax.state_dict().items()}
    jury = Jury({"a": softmax, "b": softmax}, quorum=2)
    attack_with_jury(lenet, jury, starts[:2], TARGETS[:2], steps=3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in softmax.state_dict().items())
    assert all(p.grad is None for network in (lenet, softmax) for p in network.parameters())
