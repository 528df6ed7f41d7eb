import pytest
import torch

from fooling.audit.walkout import walk_out


@pytest.fixture(scope="module")
def walk(lenet, digits):
    images, labels = digits[0][:60], digits[1][:60]
    with torch.no_grad():
        sure = lenet(images).softmax(1).gather(1, labels[:, None])[:, 0] >= 0.99
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    return images, labels, noise, sure, walk_out(lenet, images, labels, noise, steps=40)


def test_a_walk_goes_far_and_never_loses_the_certainty(walk, lenet):
    images, labels, noise, sure, result = walk
    with torch.no_grad():
        confidences = lenet(result.images).softmax(1).gather(1, labels[:, None])[:, 0]
    assert (confidences[sure] >= 0.99 - 1e-5).all()
    assert result.images.min() >= 0 and result.images.max() <= 1
    # Further than straight ahead gets: the walk goes round what is in its way.
    straight = torch.zeros(len(images))
    for share in torch.linspace(0, 1, 101):
        with torch.no_grad():
            p = lenet(images + share * (noise - images)).softmax(1).gather(1, labels[:, None])[:, 0]
        straight[(p >= 0.99) & (straight >= share - 0.0101)] = share
    assert result.walked[sure].mean() > straight[sure].mean() + 0.05


def test_walked_is_the_share_of_the_distance(walk):
    images, _, noise, sure, result = walk
    left = (result.images - noise).flatten(1).norm(dim=1) / (images - noise).flatten(1).norm(dim=1)
    torch.testing.assert_close(result.walked, 1 - left)
    assert (result.walked[sure] > 0.1).all() and (result.walked <= 1).all()


def test_an_image_that_it_is_not_sure_of_does_not_move(lenet, digits):
    images, wrong = digits[0][:4], (digits[1][:4] + 1) % 10
    result = walk_out(lenet, images, wrong, torch.zeros_like(images), steps=3)
    assert result.images.equal(images) and result.walked.tolist() == [0, 0, 0, 0]
