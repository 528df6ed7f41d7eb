"""A classifier with a reject class tells real from fake by it, and stays a classifier."""

import pytest
import torch
from torch.nn.functional import softplus

from fooling.classifiers.load import load_classifier
from fooling.classifiers.networks import LeNet, SoftmaxRegression
from fooling.errors import UserError
from gan.losses import NonSaturating
from gan.networks.classifying_discriminator import ClassifyingDiscriminator
from gan.networks.discriminator import Discriminator
from gan.networks.make import DiscriminatorConfig, make_discriminator
from gan.penalties import R1, Seen


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return ClassifyingDiscriminator(num_classes=3, image_size=16, class_names=["a", "b", "c"])


def test_an_image_is_real_with_the_probability_of_its_being_of_any_class(network):
    images = torch.rand(5, 1, 16, 16)
    verdict, logits = network(images), network.classifier(images)
    torch.testing.assert_close(verdict.scores.sigmoid(), 1 - logits.softmax(1)[:, 3])
    assert torch.equal(verdict.class_logits, logits[:, :3])
    torch.testing.assert_close(network.classifier.logits(verdict.features), logits)


def test_the_non_saturating_loss_of_it_is_l_unsupervised(network):
    real, fake = torch.rand(2, 5, 1, 16, 16)
    with torch.no_grad():
        # Salimans et al. 2016, section 5, in the form of their code: of the logits with that of "none" taken away.
        lse_real, lse_fake = ((x[:, :3] - x[:, 3:]).logsumexp(1) for x in map(network.classifier, (real, fake)))
        expected = -lse_real + softplus(lse_real) + softplus(lse_fake)
        got = NonSaturating().discriminator(network(real).scores, network(fake).scores)
    torch.testing.assert_close(got, expected)


def test_its_gradient_can_be_penalised(network):
    real, fake = (torch.rand(4, 1, 16, 16).requires_grad_() for _ in range(2))
    seen = Seen(real, fake, network(real).scores, network(fake).scores, lambda x: network(x).scores, None)
    penalty = R1(gamma=1.0).of(seen)
    assert penalty.shape == (4,) and (penalty > 0).all()
    gradient = torch.autograd.grad(penalty.sum(), network.classifier.conv1.weight)[0]
    assert gradient.abs().max() > 0


def test_saved_it_is_the_same_network_and_its_classifier_is_one_of_fooling(network, tmp_path):
    images = torch.rand(2, 1, 16, 16)
    again = Discriminator.from_pretrained(network.save_pretrained(tmp_path / "discriminator"))
    assert type(again) is ClassifyingDiscriminator and torch.equal(again(images).scores, network(images).scores)
    classifier = load_classifier(network.classifier.save_pretrained(tmp_path / "classifier"))
    assert type(classifier) is LeNet and classifier.reject_class and classifier.class_names == ("a", "b", "c")
    assert torch.equal(classifier(images), network.classifier(images))


def test_a_configuration_makes_it_of_the_classes_that_the_data_has():
    config = DiscriminatorConfig(network="classifier", classifier="softmax")
    made = make_discriminator(config, image_size=16, channels=1, num_classes=2, class_names=("cat", "dog"))
    assert type(made.classifier) is SoftmaxRegression and made.classifier.class_names == ("cat", "dog")
    with pytest.raises(UserError, match=r"discriminator\.classifier softmax is nothing for dcgan"):
        make_discriminator(DiscriminatorConfig(classifier="softmax"), image_size=16, channels=1, num_classes=2)


def test_data_without_classes_is_refused():
    with pytest.raises(UserError, match="classifier needs data with classes"):
        ClassifyingDiscriminator()


def test_its_scores_have_all_their_digits_whatever_the_precision(network):
    with torch.autocast("cpu", torch.bfloat16):
        verdict = network(torch.rand(2, 1, 16, 16))
    assert verdict.scores.dtype == verdict.class_logits.dtype == torch.float32
