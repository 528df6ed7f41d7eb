"""Is a generator copying? Its samples beside the training images that are nearest to them.

Features are float (n, d), from whichever network the images were shown to: a figure means nothing without its name.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gan.metrics.precision_recall import squared_distances

_NEAR = 0.01  # the share of the test images that are called near to a training image


@dataclass(frozen=True)
class Copying:
    """How near samples come to the training images, next to how near the test images come, which nobody copied.

    ratio: the median distance of a sample to its nearest training image over that of a test image: 1 where samples are
        as new as real images, 0 where each is a copy, above 1 where they are unlike the data.
    share: of the samples, those nearer to a training image than all but one in a hundred test images are: 0.01 is
        chance, and more of them are copies of something, whatever the others are.
    """

    ratio: float
    share: float


def copying(samples: Tensor, test: Tensor) -> Copying:
    """What the distances of samples (n,) and of test images (m,) to their nearest training image say; see nearest."""
    test = test.to(samples)
    near = test.quantile(_NEAR) if len(test) * _NEAR >= 1 else test.min()
    middle = test.median().clamp(min=torch.finfo(test.dtype).tiny)
    return Copying((samples.median() / middle).item(), (samples < near).float().mean().item())


def nearest(features: Tensor, training: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row of features (n, d) the distance to the nearest row of training (m, d), and which that is: (n,)."""
    found = [block.min(1) for block in squared_distances(features, training)]
    return torch.cat([f.values for f in found]).sqrt(), torch.cat([f.indices for f in found])
