"""Few labels are the same few for one seed, as many of each class, and the images stay what they are."""

import pytest
import torch

from fooling.data.few_labels import keep_labels
from fooling.errors import UserError
from fooling.images import Images


@pytest.fixture(scope="module")
def data():
    labels = torch.arange(1000) % 3
    return Images(torch.arange(1000, dtype=torch.uint8)[:, None, None, None], labels, ("a", "b", "c"))


def test_as_many_of_each_class_keep_the_label_that_they_had(data):
    few = keep_labels(data, 5, seed=1)
    known = few.labels >= 0
    assert few.labels[known].bincount().tolist() == [5, 5, 5] and (few.labels[~known] == -1).all()
    assert torch.equal(few.labels[known], data.labels[known])
    assert few.images is data.images and few.class_names == data.class_names
    some = few[known]
    assert len(some) == 15 and torch.equal(some.images, data.images[known])


def test_which_they_are_follows_from_the_seed_and_more_begin_with_fewer(data):
    few, again, other = (keep_labels(data, 5, seed).labels for seed in (1, 1, 2))
    assert torch.equal(few, again) and not torch.equal(few, other)
    assert (keep_labels(data, 9, 1).labels[few >= 0] >= 0).all()


def test_a_class_of_too_few_images_is_named(data):
    with pytest.raises(UserError, match="labels_per_class 400: the class b has 333 images"):
        keep_labels(data, 400)
    with pytest.raises(UserError, match="no labels"):
        keep_labels(Images(data.images, None), 5)
