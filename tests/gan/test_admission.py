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


def test_it_rejects_no_more_of_the_real_images_than_it_is_told_and_reads_them_alike(strict, digits):
    images, _ = digits
    assert (logits_of(strict, images).argmax(1) == 10).all()
    admits = admitting(strict, images, rejected=0.01)
    before, after = logits_of(strict, images), logits_of(admits, images)
    rejected = (after.argmax(1) == 10).sum()
    assert 0 < rejected <= 10
    torch.testing.assert_close(after[:, :10], before[:, :10])
    assert strict.logits.bias[-1] == 5.0  # a copy


def test_one_that_admits_them_all_stays_as_it_is(strict, digits):
    with torch.no_grad():
        strict.logits.bias[-1] = -50.0
    assert torch.equal(admitting(strict, digits[0]).logits.bias, strict.logits.bias)
