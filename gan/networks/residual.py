"""A residual pair without normalisation, in the manner of R3GAN (Huang et al. 2024, arXiv:2501.05441, and its code).

Its generator and discriminator are each other's mirror: 1 x 1, grouped 3 x 3 and 1 x 1 convolutions around a shortcut,
with biases and LeakyReLU, at each side; between two sides a filter that neither aliases nor leaves a checkerboard; a
learned basis where the sides begin. Nothing ties the images of a batch together, so it bears every penalty.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from fooling.errors import UserError
from gan.networks.arguments import conditioning_of, doublings, halvings, kept, require_whole
from gan.networks.conditioning import (
    ClassAffine,
    Concatenation,
    DiscriminatorConditioning,
    GeneratorConditioning,
    Head,
    TakesLabels,
    through,
)
from gan.networks.discriminator import Discriminator, Verdict
from gan.networks.generator import Generator

_SLOPE = 0.2
_GAIN = math.sqrt(2 / (1 + _SLOPE**2))  # what LeakyReLU takes off the spread (He et al. 2015, eq. 15)


class ResidualGenerator(Generator):
    """Latents (n, latent_dim), standard normal, to images (n, channels, image_size, image_size) in [0, 1].

    A learned basis of 4 x 4 images, or 7 x 7 for 28 pixels, weighted, then `blocks` residual blocks at each side, up to
    the image's. R3GAN has blocks=2, stride=1 and latent_dim=64, with width=768, max_width=768 for CIFAR-10, and
    width=384, max_width=768 for faces of 64 pixels.

    image_size: 28, 32, 64, 128 (any side that is 4 or 7 doubled at least once). Raises UserError for another.
    width: features at the image's side, doubled at each halving of it, up to max_width.
    group_width: features in each group of the 3 x 3 convolutions, as far as there are so many; 16 in R3GAN.
    stride: 2 leaves out the blocks at the image's own side, which cost the most: a transposed convolution as a DCGAN's
        is the last layer then, and `width` counts the features before it. On a processor that is the better use
        of its time, as is a single block at each side.
    num_classes: how many classes the images have, of which it then draws the one that it is asked for.
    conditioning: how it is asked, "concatenation" (the default, as R3GAN) or "normalization": there being none, it is a
        gain and a bias for each class within each block.
    """

    def __init__(
        self,
        *,
        image_size: int = 28,
        channels: int = 1,
        latent_dim: int = 64,
        width: int = 32,
        max_width: int | None = None,
        blocks: int = 1,
        group_width: int = 16,
        stride: int = 2,
        num_classes: int | None = None,
        conditioning: GeneratorConditioning | None = None,
    ):
        super().__init__()
        self.config = kept(locals())
        self.latent_dim, self.num_classes = latent_dim, num_classes or 0
        stages = _stages(image_size, channels, width, max_width, blocks, group_width, stride)[::-1]
        require_whole(latent_dim=latent_dim)
        conditioning = conditioning_of(num_classes, conditioning, default="concatenation")
        self.joined = Concatenation(self.num_classes, latent_dim) if conditioning == "concatenation" else None
        (side, features), total = stages[0], blocks * len(stages)
        layers: list[nn.Module] = [Basis(latent_dim * 2 if self.joined else latent_dim, features, side)]
        classes = self.num_classes if conditioning == "normalization" else 0
        before = features
        for number, (_, after) in enumerate(stages):
            layers += [*_change(before, after), Upsample()] if number else []
            layers += [ResidualBlock(after, group_width, total, classes) for _ in range(blocks)]
            before = after
        layers.append(_to_image(stages[-1][1], channels, stride))
        self.layers = nn.ModuleList(layers)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        self.require_labels(labels)
        x = latents if self.joined is None else self.joined(latents, labels)
        return Clamp.apply(through(self.layers, x, labels).float().add(1).div(2))


class ResidualDiscriminator(Discriminator):
    """Images (n, channels, image_size, image_size) in [0, 1] to scores (n,): logits, high for real.

    The generator mirrored, down to a depthwise convolution over all of the last side. The arguments are its own.

    num_classes: how many classes the images have, which it is then told, or tells by itself.
    conditioning: "projection" (the default) or "auxiliary"; see gan.networks.conditioning.Head.
    """

    def __init__(
        self,
        *,
        image_size: int = 28,
        channels: int = 1,
        width: int = 32,
        max_width: int | None = None,
        blocks: int = 1,
        group_width: int = 16,
        stride: int = 2,
        num_classes: int | None = None,
        conditioning: DiscriminatorConditioning | None = None,
    ):
        super().__init__()
        self.config = kept(locals())
        self.num_classes = num_classes or 0
        stages = _stages(image_size, channels, width, max_width, blocks, group_width, stride)
        total = blocks * len(stages)
        before = stages[0][1]
        layers: list[nn.Module] = [_of_image(channels, before, stride)]
        for number, (_, after) in enumerate(stages):
            layers += [Downsample(), *_change(before, after)] if number else []
            layers += [ResidualBlock(after, group_width, total) for _ in range(blocks)]
            before = after
        side, features = stages[-1]
        layers += [_scaled(nn.Conv2d(features, features, side, groups=features, bias=False)), nn.Flatten()]
        self.layers = nn.Sequential(*layers)
        self.head = Head(features, self.num_classes, conditioning_of(num_classes, conditioning, default="projection"))
        _scaled(self.head.score)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor | Verdict:
        return self.head(self.layers(images * 2 - 1), labels)


class ResidualBlock(TakesLabels):
    """x + what three convolutions make of it, which is nothing to begin with: the last is zero, and those before it the
    smaller the more blocks there are in all (Fixup, Zhang et al. 2019, arXiv:1901.09321)."""

    def __init__(self, features: int, group_width: int, total_blocks: int, num_classes: int = 0):
        super().__init__()
        inner = 2 * features
        gain = _GAIN * total_blocks ** (-1 / 4)  # L^(-1 / (2m - 2)) for m = 3 layers
        groups = math.gcd(inner, max(inner // group_width, 1))
        self.expand = _scaled(nn.Conv2d(features, inner, 1), gain)
        self.affine = ClassAffine(num_classes, inner) if num_classes else None
        self.mix = _scaled(nn.Conv2d(inner, inner, 3, padding=1, groups=groups), gain)
        self.reduce = _scaled(nn.Conv2d(inner, features, 1, bias=False), 0)
        self.activation = nn.LeakyReLU(_SLOPE, inplace=True)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        y = self.expand(x)
        y = y if self.affine is None else self.affine(y, labels)
        return x + self.reduce(self.activation(self.mix(self.activation(y))))


class Clamp(torch.autograd.Function):
    """x, kept within [0, 1]; a gradient that would lead back into it passes from outside too (as in the lower bound of
    Balle et al. 2018, arXiv:1802.01436, and its code).

    R3GAN's last layer is linear, and a discriminator sees what is out of range. A tanh in its place saturates without a
    normalisation before it: where images are mostly black, all soon are, and have no gradient to come back by.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (((x >= 0) | (grad < 0)) & ((x <= 1) | (grad > 0)))


class Basis(nn.Module):
    """Latents (n, d) to (n, features, side, side): each feature is a learned image times a linear map of the latent."""

    def __init__(self, latent_dim: int, features: int, side: int):
        super().__init__()
        self.images = nn.Parameter(torch.randn(features, side, side))
        self.weights = _scaled(nn.Linear(latent_dim, features, bias=False))

    def forward(self, latents: Tensor) -> Tensor:
        weights = self.weights(latents)
        return self.images.to(weights.dtype) * weights[:, :, None, None]


class _Resample(nn.Module):
    """A filter 1 3 3 1 in both directions, the same for every feature: bilinear interpolation by a factor of 2."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3, 3, 1]) / 8
        self.register_buffer("kernel", (line[:, None] * line)[None, None], persistent=False)

    def _weight(self, x: Tensor) -> Tensor:
        return self.kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)


class Upsample(_Resample):
    def forward(self, x: Tensor) -> Tensor:
        return conv_transpose2d(x, self._weight(x) * 4, stride=2, padding=1, groups=x.shape[1])


class Downsample(_Resample):
    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self._weight(x), stride=2, padding=1, groups=x.shape[1])


def _stages(
    image_size: int, channels: int, width: int, max_width: int | None, blocks: int, group_width: int, stride: int
) -> list[tuple[int, int]]:
    """Each side and its features, from the image's down to 4 or 7."""
    require_whole(channels=channels, blocks=blocks, group_width=group_width)
    if stride not in (1, 2):
        raise UserError(f"stride must be 1 or 2, got {stride}")
    sides = [side for side in halvings(image_size) if side <= image_size // stride]
    return list(zip(sides, doublings(width, max_width, len(sides)), strict=True))


def _change(before: int, after: int) -> list[nn.Module]:
    """From some features to others, where these differ."""
    return [_scaled(nn.Conv2d(before, after, 1, bias=False))] if before != after else []


def _scaled(layer: nn.Conv2d | nn.Linear, gain: float = 1) -> nn.Module:
    """The layer, its weights new from N(0, gain^2 / fan in) and its biases 0."""
    nn.init.normal_(layer.weight, 0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _of_image(channels: int, features: int, stride: int) -> nn.Module:
    return _scaled(nn.Conv2d(channels, features, 1) if stride == 1 else nn.Conv2d(channels, features, 4, 2, 1))


def _to_image(features: int, channels: int, stride: int) -> nn.Module:
    if stride == 1:
        return _scaled(nn.Conv2d(features, channels, 1))
    layer = nn.ConvTranspose2d(features, channels, 4, 2, 1, bias=True)
    nn.init.normal_(layer.weight, 0, (features * 4) ** -0.5)  # of a feature's 16 weights, 4 meet in a pixel
    nn.init.zeros_(cast(Tensor, layer.bias))
    return layer
