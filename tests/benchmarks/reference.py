"""The peer: a DCGAN trained as the PyTorch examples train it, for the speed and quality benchmarks to run against.

Radford et al.'s networks at 64 pixels (width 64, kernel 4, latents of 100, BatchNorm in both), non-saturating
loss, Adam 2e-4 with beta1 0.5, batch 128, float32; the data set decoded, resized and normalised image by image by two
DataLoader workers; the discriminator's gradients computed in the generator's step too, and losses read at every step.
These are the example's own defaults.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from fooling.images import Images
from gan.networks.dcgan import Discriminator, Generator

BATCH = 128


class ImagesOneByOne(Dataset):
    """A data set as torchvision serves it: a PIL image for each index, then the transforms."""

    def __init__(self, data: Images, image_size: int):
        self.images = data.images.numpy()
        steps = [transforms.Resize(image_size), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.fromarray(self.images[index, 0]))


def endless(loader: DataLoader) -> Iterator[Any]:
    """Its batches, one pass after the other."""
    while True:
        yield from loader


class Reference:
    """The example's training loop; call `step` as often as wanted."""

    def __init__(self, data: Images, *, image_size: int = 64, workers: int = 2):
        torch.manual_seed(0)
        shape = dict(image_size=image_size, channels=1, width=64, kernel_size=4, normalization="batch")
        self.generator = Generator(latent_dim=100, **shape)
        self.discriminator = Discriminator(**shape)
        self.optimizers = [
            torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n in (self.discriminator, self.generator)
        ]
        self.criterion = nn.BCEWithLogitsLoss()
        self.loader = DataLoader(
            ImagesOneByOne(data, image_size), batch_size=BATCH, shuffle=True, num_workers=workers, drop_last=True,
            persistent_workers=workers > 0,
        )  # fmt: skip
        self._batches = endless(self.loader)

    def step(self) -> tuple[float, float]:
        reals = (next(self._batches) + 1) / 2  # our networks take [0, 1]
        ones, zeros = torch.ones(len(reals)), torch.zeros(len(reals))
        self.discriminator.zero_grad()
        real_loss = self.criterion(self.discriminator(reals), ones)
        real_loss.backward()
        fakes = self.generator(torch.randn(len(reals), 100))
        fake_loss = self.criterion(self.discriminator(fakes.detach()), zeros)
        fake_loss.backward()
        self.optimizers[0].step()
        self.generator.zero_grad()
        generator_loss = self.criterion(self.discriminator(fakes), ones)
        generator_loss.backward()
        self.optimizers[1].step()
        return (real_loss + fake_loss).item(), generator_loss.item()

    def train_for(self, seconds: float, report: Callable[[int], None] = lambda step: None) -> int:
        """Train so long; returns the images seen."""
        end, step = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            self.step()
            step += 1
            report(step)
        return step * BATCH
