"""How sure a discriminator that is a classifier must be before it rejects an image."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from fooling.classifiers.frozen import logits_of
from fooling.classifiers.networks import Classifier

_FORGED = 0.001  # of what a classifier is shown where it is used
_MOST = 100.0  # that is taken off a logit


def admitting(classifier: Classifier, images: Tensor, forged: float = _FORGED) -> Classifier:
    """The same classifier, which on real images expects no more than this share to be none of its classes.

    A discriminator was shown as many forgeries as real images, and at the end of a good game takes either for real as
    often: as a classifier it would call a third of all test digits "none of these", and be sure of hardly any. Where it
    is used hardly anything is forged. By Bayes' rule that is one number, taken off the logit of "none of these", which
    changes nothing else: Saerens et al. 2002 (Neural Computation 14, section 2.2) correct a classifier so for classes
    that come more rarely than in training. Here it is the smallest with which the mean probability of "none of these"
    is at most `forged`.

    classifier: with a reject class, as its last. images: real ones, float (n, c, h, w) in [0, 1]; those that it was
    trained on do. Returns a copy; one that expects few enough as it is, unchanged.
    """
    logits = logits_of(classifier, images).double()
    scores = logits[:, :-1].logsumexp(1) - logits[:, -1]  # of being any class rather than none
    low, high = 0.0, _MOST
    if torch.sigmoid(-scores).mean() <= forged:
        high = 0.0
    while high - low > 1e-6:  # the mean falls as more is taken off
        middle = (low + high) / 2
        if torch.sigmoid(-scores - middle).mean() > forged:
            low = middle
        else:
            high = middle
    classifier = copy.deepcopy(classifier)
    with torch.no_grad():
        classifier.logits.bias[-1] -= high
    return classifier
