"""What a classifier learns of generated images, measured on real ones."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F

from fooling.classifiers.networks import LeNet
from fooling.classifiers.train import accuracy
from fooling.data.batches import Batches
from fooling.images import Images
from fooling.run.optimizer import new_adam, new_network, update
from fooling.run.progress import Count
from fooling.run.schedules import one_cycle
from fooling.seeds import seed_of

_IMAGES_SEEN, _BATCH, _PEAK_RATE = 180_000, 128, 3e-3


def classification_accuracy_score(
    samples: Images, test: Images, *, seed: int = 0, device: torch.device | str = "cpu", images_seen: int = _IMAGES_SEEN
) -> float:
    """The part, 0 to 1, of real test images that a classifier has right which was trained on generated ones alone
    (Ravuri & Vinyals 2019, section 3): what a generator leaves out or mixes up, its pupil does not know.

    A LeNet here, where the paper has a ResNet-50, at a one-cycle rate and in float32: compare it with that of as many
    real images. The same seed gives the same classifier.

    samples: generated images with the labels that they were made for. images_seen: by the classifier, in training.

    Raises UserError for images below 16 pixels, which are too small for a LeNet.
    """
    channels, image_size = samples.images.shape[1:3]
    make = partial(LeNet, image_size=image_size, channels=channels, num_classes=len(test.class_names))
    classifier = new_network(make, seed_of(seed, "classification accuracy"), torch.device(device))
    optimizer, batches = new_adam(classifier, _PEAK_RATE), Batches(samples, device, seed=seed)
    steps = max(1, images_seen // _BATCH)
    with Count("teaching a classifier with samples", steps, "steps") as count:
        for step in range(steps):
            images, labels = batches.take_labelled(step * _BATCH, _BATCH)
            F.cross_entropy(classifier(images), labels).backward()
            update(optimizer, one_cycle(_PEAK_RATE, step / steps))
            count.add()
    return accuracy(classifier, test)
