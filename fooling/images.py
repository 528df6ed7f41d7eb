"""What an image tensor is, what is checked of one, and what is done to one without a network."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from fooling.errors import UserError


@dataclass(frozen=True)
class Images:
    """A data set in memory, or memory-mapped.

    images: uint8 (n, c, h, w), 0 to 255.
    labels: int64 (n,), indices into class_names; None where the set has no labels.
    """

    images: Tensor
    labels: Tensor | None
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | Tensor) -> Images:
        """Some of them, with their labels: a slice, indices, or for each image whether."""
        return replace(self, images=self.images[rows], labels=None if self.labels is None else self.labels[rows])

    @property
    def targets(self) -> Tensor:
        """The labels, where there must be some. Raises UserError for a set without."""
        if self.labels is None:
            raise UserError("the data set has no labels")
        return self.labels


def fingerprint_of(data: Images) -> str:
    """What tells a data set from one that has changed: a digest of how many images of which shape there are, of all
    labels and names, and of a thousand images evenly from first to last."""
    digest = hashlib.sha256(repr((data.images.dtype, tuple(data.images.shape), data.class_names)).encode())
    some = torch.linspace(0, max(len(data) - 1, 0), min(len(data), 1000)).long()
    for tensor in (data.labels, data.images[some]):
        if tensor is not None:
            digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def to_float(images: Tensor, device: torch.device | str | None = None) -> Tensor:
    """uint8 images (0 to 255) as float32 in [0, 1], same shape, converted on `device`."""
    if images.dtype != torch.uint8:
        raise UserError(f"expected uint8 images, got {images.dtype}")
    return images.to(device).to(torch.float32).div_(255)


def to_uint8(images: Tensor) -> Tensor:
    """Images in [0, 1] as uint8 (0 to 255) on the CPU, same shape; values outside [0, 1] are clipped.

    uint8 images pass through. Raises UserError for NaN, which has no colour.
    """
    images = images.detach().cpu()
    if images.dtype == torch.uint8:
        return images
    if images.isnan().any():
        raise UserError(f"cannot draw images with NaN in them, shape {tuple(images.shape)}")
    return images.float().clamp(0, 1).mul(255).round().to(torch.uint8)


def check_images(images: Tensor, numbers: Tensor | None = None) -> None:
    """Raise UserError unless images are float (n, c, h, w) in [0, 1]; it names the first image that is not.

    numbers: (n,), what to call them in the message. Default: 0 to n - 1.
    """
    if images.dim() != 4 or not images.is_floating_point():
        raise UserError(f"images must be float (n, c, h, w) in [0, 1], got {images.dtype} {tuple(images.shape)}")
    low, high = images.aminmax() if images.numel() else (torch.zeros(()), torch.ones(()))
    if not ((low >= 0) & (high <= 1)):  # so that NaN is caught as well, and a GPU waited for once
        flat = images.flatten(1)
        index = int((~((flat >= 0) & (flat <= 1))).any(1).nonzero()[0])
        low, high = flat[index].aminmax()
        number = index if numbers is None else int(numbers[index])
        raise UserError(f"image {number} is outside [0, 1]: its values go from {low:g} to {high:g}")


def blurred(images: Tensor, sigma: Tensor | float) -> Tensor:
    """Images (n, c, h, w) through a Gaussian of width `sigma` in pixels, one for all or (n,), edges reflected."""
    # By hand: torchvision's gaussian_blur has one sigma for a whole batch, and takes over ten times as long.
    n, channels, height, width = images.shape
    sigma = torch.as_tensor(sigma, dtype=images.dtype, device=images.device).expand(n)
    radius = min(math.ceil(3 * float(sigma.max())), height - 1, width - 1)
    if radius == 0:
        return images
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    kernel = (-0.5 * (offsets / sigma[:, None]).square()).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None]
    x = F.pad(images, (radius,) * 4, mode="reflect").reshape(1, n * channels, height + 2 * radius, -1)
    x = F.conv2d(x, kernel[..., None], groups=n * channels)
    return F.conv2d(x, kernel[..., None, :], groups=n * channels).view_as(images)
