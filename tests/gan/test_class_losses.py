"""Terms by hand; whatever a batch is shared by, its gradient is that of the whole."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fooling.errors import UserError
from gan.class_losses import (
    Classes,
    ClassLossConfig,
    DiscriminatorsAlone,
    FeatureMatching,
    labelled_step,
    terms_of,
)
from gan.config import TrainConfig
from gan.losses import NonSaturating, sign_of_reals
from gan.networks.discriminator import Verdict
from gan.networks.make import DiscriminatorConfig, GeneratorConfig

SCORES = torch.tensor([0.5, -1.0, 2.0])
ODDS = Verdict(SCORES, torch.tensor([[1.0, 3.0], [1.0, 1.0], [4.0, 1.0]]).log())
OTHER = Verdict(SCORES, torch.zeros(3, 2))
LABELS = torch.tensor([1, -1, 1])


def test_cross_entropy_of_the_classes_by_hand():
    term = Classes(weight=2.0, generator_weight=3.0)
    expected = -torch.tensor([0.75, 1.0, 0.2]).log()  # the second has no label, and adds nothing
    torch.testing.assert_close(term.discriminator(ODDS, OTHER, LABELS), 2 * expected)
    torch.testing.assert_close(term.generator(OTHER, ODDS, LABELS), 3 * expected)
    assert Classes(generator_weight=0).generator(None, OTHER, None) is None  # its generator is told no class


def test_being_sure_of_a_class_is_learned_from_every_real_image():
    term, chances = Classes(weight=0, entropy=2), torch.tensor([[0.25, 0.75], [0.5, 0.5], [0.8, 0.2]])
    expected = -2 * (chances * chances.log()).sum(1)
    torch.testing.assert_close(term.discriminator(ODDS, OTHER, LABELS), expected)
    assert Classes().discriminator(ODDS, OTHER, torch.full((3,), -1)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("verdict", "labels", "missing"), [(Verdict(SCORES), LABELS, "class logits"), (ODDS, None, "labels")]
)
def test_what_classes_need_is_said(verdict, labels, missing):
    with pytest.raises(UserError, match=f"class_loss needs {missing}"):
        Classes().discriminator(verdict, verdict, labels)


def features(*rows):
    return Verdict(torch.zeros(len(rows)), features=torch.tensor(rows))


def test_feature_matching_by_hand():
    real, fake = features([1.0, 0.0], [3.0, 0.0]), features([0.0, 1.0], [0.0, 3.0])
    losses = FeatureMatching(weight=2.0).generator(real, fake, None)
    assert losses.tolist() == [16, 16]  # twice the square of (2, -2)
    assert FeatureMatching().discriminator(real, fake, None) is None
    with pytest.raises(UserError, match="shows its features"):
        FeatureMatching().generator(real, Verdict(torch.zeros(2)), None)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_feature_matching_on_several_processes_has_the_gradient_of_the_whole_batch(processes):
    real, fake = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(0))
    fake.requires_grad_()
    (expected,) = torch.autograd.grad((fake.mean(0) - real.mean(0)).square().sum(), fake)

    def mean(local):  # of what the others have, too
        parts = zip(fake.detach().chunk(processes), real.chunk(processes), strict=True)
        everybody = [(f - r).mean(0) for f, r in parts]
        assert any(torch.equal(local, part) for part in everybody)
        return sum(everybody) / processes

    term, got = FeatureMatching(mean=mean), []
    for f, r in zip(fake.chunk(processes), real.chunk(processes), strict=True):
        losses = term.generator(Verdict(r[:, 0], features=r), Verdict(f[:, 0], features=f), None)
        torch.testing.assert_close(losses.detach(), (fake.mean(0) - real.mean(0)).square().sum().expand(len(f)))
        got.append(torch.autograd.grad(losses.mean() / processes, fake)[0])
    torch.testing.assert_close(sum(got), expected)


def test_a_discriminator_alone_learns_what_it_would_and_teaches_the_generator_nothing():
    alone, real, fake = DiscriminatorsAlone(NonSaturating()), *torch.randn(2, 5)
    assert torch.equal(alone.discriminator(real, fake), NonSaturating().discriminator(real, fake))
    assert alone.generator(None, fake).tolist() == [0] * 5 and not alone.generator_needs_real
    signs = [sign_of_reals(loss, real, fake) for loss in (alone, NonSaturating())]
    assert torch.equal(*signs)  # for the probability of an augmentation


class Telling(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, images):
        logits = self.layer(images.flatten(1))
        return Verdict(logits[:, 0], logits[:, 1:])


def test_labelled_images_add_the_gradient_of_their_classes_alone():
    images, labels = torch.rand(6, 1, 2, 2), torch.tensor([0, 1, 1, 0, 1, 0])
    network = Telling()
    figures = labelled_step(network, images, labels, weight=0.5)
    loss = F.cross_entropy(network(images).class_logits, labels) / 2
    torch.testing.assert_close(figures["labelled_loss"], loss.detach())
    expected = torch.autograd.grad(loss, list(network.parameters()))
    torch.testing.assert_close([p.grad for p in network.parameters()], list(expected))
    assert network.layer.weight.grad[0].abs().max() == 0  # nothing of being real


def test_a_configuration_asks_for_the_terms_that_the_networks_can_have():
    def names(tells, draws, **settings):
        terms = terms_of(ClassLossConfig(**settings), tells_classes=tells, draws_classes=draws)
        return [(term.name, getattr(term, "generator_weight", None)) for term in terms]

    assert names(False, True) == names(False, False) == names(True, True, weight=0, generator_weight=0) == []
    assert names(True, True) == [("class_loss", 1)] and names(True, False) == [("class_loss", 0)]
    assert names(False, False, feature_matching=2) == [("feature_matching", None)]


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match=r"class_loss\.weight must not be negative"):
        ClassLossConfig(weight=-1)
    with pytest.raises(UserError, match=r"leaves the generator class_loss\.feature_matching, which is 0"):
        ClassLossConfig(adversarial=False)


FEW = {"labels_per_class": 10, "discriminator": DiscriminatorConfig(network="classifier")}
MISFITS = {
    "matches the means of a whole batch": {"micro_batches": 2, "class_loss": ClassLossConfig(feature_matching=1)},
    "most images without the class": {**FEW, "generator": GeneratorConfig(conditioning="concatenation")},
    "that a conditioning is to tell of": {**FEW, "discriminator": DiscriminatorConfig(conditioning="projection")},
    "needs a discriminator that learns classes": {**FEW, "discriminator": DiscriminatorConfig()},
}


@pytest.mark.parametrize(("message", "settings"), MISFITS.items())
def test_settings_that_do_not_fit_each_other_are_refused(message, settings):
    with pytest.raises(UserError, match=message):
        TrainConfig(**settings)


def test_few_labels_go_with_whatever_learns_classes():
    TrainConfig(**FEW)
    TrainConfig(labels_per_class=10, discriminator=DiscriminatorConfig(conditioning="auxiliary"))
