"""How sure a discriminator that is a classifier must be before it rejects an image."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from fooling.classifiers.frozen import logits_of
from fooling.classifiers.networks import Classifier

_REJECTED = 0.001  # of the images to train on


def admitting(classifier: Classifier, images: Tensor, rejected: float = _REJECTED) -> Classifier:
    """The same classifier, which rejects no more than this share of real images.

    A discriminator was shown as many forgeries as real images, and at the end of a good game takes either for real as
    often: as a classifier it would call a third of all test digits "none of these". Where it is used hardly anything is
    forged. By Bayes' rule that is one number, taken off the logit of "none of these", which changes nothing else; here
    it is the smallest with which no more than `rejected` of the images are.

    classifier: with a reject class, as its last. images: real ones, float (n, c, h, w) in [0, 1]; those that it was
    trained on do. Returns a copy; one that rejects few enough as it is, unchanged.
    """
    logits = logits_of(classifier, images)
    margins = logits[:, -1] - logits[:, :-1].amax(1)  # above 0: rejected
    too_many = margins.sort(descending=True).values[min(int(rejected * len(images)), len(images) - 1)]
    classifier = copy.deepcopy(classifier)
    if too_many > 0:
        with torch.no_grad():
            classifier.logits.bias[-1] -= too_many + 1e-5  # more than rounding may give back
    return classifier
