import pytest
import torch

from fooling.classifiers.frozen import logits_of
from fooling.classifiers.networks import LeNet
from gan.admission import admitting


@pytest.fixture
def strict():
    """A classifier that rejects nearly everything."""
    torch.manual_seed(0)
    classifier = LeNet(reject_class=True)
    with torch.no_grad():
        classifier.logits.bias[-1] = 5.0
    return classifier


def test_it_expects_as_few_forgeries_as_it_is_told_and_reads_the_rest_alike(strict, digits):
    images, _ = digits
    assert (logits_of(strict, images).argmax(1) == 10).all()
    admits = admitting(strict, images, forged=0.01)
    before, after = logits_of(strict, images), logits_of(admits, images)
    assert after.softmax(1)[:, 10].mean().item() == pytest.approx(0.01, rel=1e-4)
    assert (after.argmax(1) == 10).float().mean() <= 0.02  # where none is likelier than any class, it has a share
    torch.testing.assert_close(after[:, :10], before[:, :10])
    assert strict.logits.bias[-1] == 5.0  # a copy


def test_one_that_admits_them_all_stays_as_it_is(strict, digits):
    with torch.no_grad():
        strict.logits.bias[-1] = -50.0
    assert torch.equal(admitting(strict, digits[0]).logits.bias, strict.logits.bias)
