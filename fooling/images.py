"""What every tensor of images must be, and what is done to one without a network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fooling.errors import UserError


def check_images(images: Tensor, numbers: Tensor | None = None) -> None:
    """Raise UserError unless images are float (n, c, h, w) in [0, 1]; it names the first image that is not.

    numbers: (n,), what to call them in the message. Default: 0 to n - 1.
    """
    if images.dim() != 4 or not images.is_floating_point():
        raise UserError(f"images must be float (n, c, h, w) in [0, 1], got {images.dtype} {tuple(images.shape)}")
    low, high = images.aminmax() if images.numel() else (torch.zeros(()), torch.ones(()))
    if not (low >= 0 and high <= 1):  # written so that NaN is caught as well
        flat = images.flatten(1)
        index = int((~((flat >= 0) & (flat <= 1))).any(1).nonzero()[0])
        low, high = flat[index].aminmax()
        number = index if numbers is None else int(numbers[index])
        raise UserError(f"image {number} is outside [0, 1]: its values go from {low:g} to {high:g}")


def check_fit(classifier: nn.Module, images: Tensor) -> None:
    """Raise UserError unless these are images, and of the shape that the classifier says it takes (input_shape)."""
    check_images(images)
    takes = getattr(classifier, "input_shape", None)
    if takes is not None and images.shape[1:] != tuple(takes):
        got, expected = (" x ".join(map(str, shape)) for shape in (images.shape[1:], takes))
        raise UserError(f"the images are {got}, the classifier takes {expected} (channels x height x width)")


def blurred(images: Tensor, sigma: Tensor | float) -> Tensor:
    """Images (n, c, h, w) through a Gaussian of width `sigma` in pixels, one for all or (n,), edges reflected."""
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
