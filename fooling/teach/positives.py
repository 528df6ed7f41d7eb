"""What is done to the real images of a batch before a classifier learns from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from fooling.climb.ascent import ascend
from fooling.climb.objectives import LogProbability
from fooling.climb.parametrizations import Pixels
from fooling.climb.starts import rubbish
from fooling.climb.step_rules import VariedRule
from fooling.teach.sources import Step


def shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each image (n, c, h, w) moved by up to `most` pixels down and across, black coming in at the edges."""
    n, channels, height, width = images.shape
    offsets = torch.randint(2 * most + 1, (2, n, 1), generator=generator)
    rows, columns = (offset + torch.arange(size) for offset, size in zip(offsets, (height, width), strict=True))
    padded = F.pad(images, (most,) * 4)
    return padded[
        rearrange(torch.arange(n), "n -> n 1 1 1"),
        rearrange(torch.arange(channels), "c -> 1 c 1 1"),
        rearrange(rows, "n h -> n 1 h 1"),
        rearrange(columns, "n w -> n 1 1 w"),
    ]


def perturbed(images: Tensor, labels: Tensor, radius: float, step: Step) -> Tensor:
    """This process's rows of a batch, every second image moved against its label (see _moved), in a ball whose radius
    is drawn from 0 to `radius`. It makes the network's gradients point along strokes rather than specks, which is what
    climbs then draw (Santurkar et al. 2019, arXiv:1906.09453).

    images: float (n, c, h, w), labels: int64 (n,), both of the whole batch.
    """
    radii = radius * torch.rand(len(images), generator=step.generator)
    radii[::2] = 0
    return _moved(images, labels, radii, step, by=-1.0)


def faded(
    images: Tensor, labels: Tensor, kinds: Sequence[str], step: Step, *, radius: float = 0.0
) -> tuple[Tensor, Tensor]:
    """This process's rows of images (n, c, h, w), each part of the way to an image that shows nothing, and how much of
    each is left: float (rows,), uniform in [0, 1].

    A network that learns how much is left stops being sure when a digit is walked out of. Such a walk keeps to where
    the network is still sure; so with a radius, each is moved towards its label (see _moved), in a ball whose radius is
    drawn from 0 to that, and to be believed no more than before.

    labels: int64 (n,). kinds: of what shows nothing (fooling/climb/starts.py).
    """
    n, share = len(images), step.share(len(images))
    left = torch.rand(n, generator=step.generator)
    nothing = rubbish(kinds, n, step.images, step.generator)
    by = rearrange(left, "n -> n 1 1 1")
    images = by * images + (1 - by) * nothing
    if not radius:
        return images[share], left[share]
    radii = radius * torch.rand(n, generator=step.generator)
    return _moved(images, labels, radii, step, by=1.0), left[share]


def _moved(images: Tensor, labels: Tensor, radii: Tensor, step: Step, *, by: float) -> Tensor:
    """This process's rows of images (n, c, h, w), moved by one sign step, by 1 towards their labels or by -1 against.

    The step is taken from a random point of an L-inf ball around the image, 1.25 times its radius, back into the ball
    (Wong et al. 2020, arXiv:2001.03994, algorithm 3). radii: float (n,), 0 for what shall stay as it is.
    """
    share = step.share(len(images))
    reach = rearrange(radii, "n -> n 1 1 1")
    offsets = reach * (2 * torch.rand(images.shape, generator=step.generator) - 1)
    rows = (radii[share] > 0).nonzero()[:, 0]
    own, reach, radii = images[share].clone(), reach[share][rows], radii[share][rows]
    if not len(rows):
        return own
    starts = (own[rows] + offsets[share][rows]).clamp(0, 1)
    ends = ascend(
        step.classifier, by * LogProbability(labels[share][rows]), Pixels(starts), steps=1,
        step=VariedRule(1.25 * radii), step_size=1.0, autocast=step.autocast, progress=False,
    ).images  # fmt: skip
    own[rows] = ends.clamp(own[rows] - reach, own[rows] + reach).clamp(0, 1)
    return own
