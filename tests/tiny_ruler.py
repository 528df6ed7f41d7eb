"""A ruler of tiny images that is made at once: its network looks at four corners, and its classes are the brightest."""

import torch

from fooling.images import Images, to_float
from gan.metrics.ruler import Ruler


class Corners:
    kind, digest, size, classes = "corners", "c0", 4, 4
    name = words = "corners-v1"

    def features(self, images):
        return to_float(images)[:, 0, ::7, ::7].flatten(1)

    def probabilities(self, features):
        return (features * 20).softmax(1)


def cornered(count, seed):
    """Images of 8 pixels, with one corner brighter than the others: its number is the label."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (count,), generator=generator)
    images = torch.randint(100, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    corner = torch.randint(150, 255, (count,), generator=generator, dtype=torch.uint8)
    images[torch.arange(count), 0, labels // 2 * 7, labels % 2 * 7] = corner
    return Images(images, labels, tuple("abcd"))


def tiny_ruler(root, train=1500, test=1000, **options):
    return Ruler(Corners(), cornered(train, 1), cornered(test, 2), name="corners", root=root, **options)
