"""Stacked-MNIST: three random digits as the red, green and blue of one image, a thousand classes that can be counted.

It shows what a generator leaves out. The protocol is that of PacGAN (Lin et al. 2018, arXiv:1712.04086),
after Metz et al. 2017 (arXiv:1611.02163, section 3.3.1): 128,000 images to train on, and the classes of 26,000 samples.
"""

from __future__ import annotations

from pathlib import Path

import torch

from fooling.data.named_sets import Split, read
from fooling.images import Images
from fooling.seeds import seed_of

# To train on, as in PacGAN; and to test on as many as it has samples judged, since nobody says how many.
_COUNTS = {"train": 128_000, "test": 26_000}


def stacked_mnist(split: Split, root: Path) -> Images:
    """The images, uint8 (n, 3, 28, 28), with the three digits read as a number from 0 to 999 for a label.

    Each digit is drawn by itself, with equal chances, from all digits of the split: the classes are as uneven as those
    of MNIST, and which images these are never changes. It takes a third of a second, and 300 MB for training.
    """
    digits = read("mnist", split, root)
    generator = torch.Generator().manual_seed(seed_of("stacked-mnist", split))
    which = torch.randint(len(digits), (_COUNTS[split], 3), generator=generator)
    images = digits.images[:, 0].index_select(0, which.flatten()).unflatten(0, which.shape)
    labels = (digits.targets[which] * torch.tensor([100, 10, 1])).sum(1)
    return Images(images, labels, tuple(f"{number:03}" for number in range(1000)))
