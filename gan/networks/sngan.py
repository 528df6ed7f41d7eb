"""The residual networks of SNGAN (Miyato et al. 2018, arXiv:1802.05957, appendix B.4), for any of several sizes.

At 32 pixels they are the paper's of CIFAR-10, and at 28 the same on sides of 7, 14 and 28; at 128 the paper's of
ImageNet, and at 64 those without one block in each, as in mimicry (Lee & Town 2020, arXiv:2005.02494).

Images are [0, 1] at both ends.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from gan.networks.arguments import conditioning_of, doublings, halvings, kept, require_whole
from gan.networks.batch_norm import WholeBatchNorm2d
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
from gan.networks.generator import Generator, ToMaps, in_unit_range
from gan.networks.spectral_norm import with_spectral_norm


class SNGANGenerator(Generator):
    """Latents (n, latent_dim), standard normal, to images (n, channels, image_size, image_size) in [0, 1].

    A projection to 4 x 4, or 7 x 7 for 28 pixels, then residual blocks with batch normalisation, each of which doubles
    the side. The paper's of CIFAR-10 is width=256, max_width=256, latent_dim=128; width=64, max_width=1024 that of 64
    and 128 pixels.

    image_size: 28, 32, 64, 128 (any side that is 4 or 7 doubled at least once). Raises UserError for another.
    width: features at the image's side, doubled at each halving of it, up to max_width.
    num_classes: how many classes the images have, of which it then draws the one that it is asked for.
    conditioning: how it is asked, "normalization" (the default, as in Miyato & Koyama 2018, arXiv:1802.05637, section
        4) or "concatenation".
    """

    def __init__(
        self,
        *,
        image_size: int = 28,
        channels: int = 1,
        latent_dim: int = 64,
        width: int = 32,
        max_width: int | None = None,
        num_classes: int | None = None,
        conditioning: GeneratorConditioning | None = None,
    ):
        super().__init__()
        self.config = kept(locals())
        self.latent_dim, self.num_classes = latent_dim, num_classes or 0
        require_whole(channels=channels, latent_dim=latent_dim)
        sides = halvings(image_size)
        features = doublings(width, max_width, len(sides))[::-1]
        conditioning = conditioning_of(num_classes, conditioning, default="normalization")
        self.joined = Concatenation(self.num_classes, latent_dim) if conditioning == "concatenation" else None
        classes = self.num_classes if conditioning == "normalization" else 0
        start = nn.Linear(latent_dim * 2 if self.joined else latent_dim, features[0] * sides[-1] ** 2)
        self.layers = nn.ModuleList(
            [
                _xavier(start),
                ToMaps(features[0], sides[-1]),
                *(GeneratorBlock(before, after, classes) for before, after in pairwise(features)),
                WholeBatchNorm2d(width),
                nn.ReLU(inplace=True),
                _xavier(nn.Conv2d(width, channels, 3, padding=1)),
            ]
        )

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        self.require_labels(labels)
        x = latents if self.joined is None else self.joined(latents, labels)
        return in_unit_range(through(self.layers, x, labels))


class SNGANDiscriminator(Discriminator):
    """Images (n, channels, image_size, image_size) in [0, 1] to scores (n,): logits, high for real.

    Residual blocks under spectral normalisation, then the sum over the sides. The paper's of CIFAR-10 is width=128,
    max_width=128; width=64, max_width=1024 that of 64 and 128 pixels.

    width: features after the first block, doubled at each halving of the side, up to max_width.
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
        num_classes: int | None = None,
        conditioning: DiscriminatorConditioning | None = None,
    ):
        super().__init__()
        self.config = kept(locals())
        self.num_classes = num_classes or 0
        require_whole(channels=channels)
        halvings(image_size)  # refuses what no generator can have
        halved, kept_whole = (2, 2) if image_size <= 32 else (5, int(image_size >= 128))
        features = doublings(width, max_width, halved)
        blocks = [DiscriminatorBlock(channels, features[0], first=True)]
        blocks += [DiscriminatorBlock(before, after) for before, after in pairwise(features)]
        blocks += [DiscriminatorBlock(features[-1], features[-1], halve=False) for _ in range(kept_whole)]
        self.layers = nn.Sequential(*blocks, nn.ReLU(inplace=True))
        self.head = Head(
            features[-1], self.num_classes, conditioning_of(num_classes, conditioning, default="projection")
        )
        with_spectral_norm(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor | Verdict:
        return self.head(self.layers(images * 2 - 1).sum((2, 3)), labels)


class GeneratorBlock(TakesLabels):
    """Twice the side: normalisation, ReLU, doubling and 3 x 3 convolution, normalisation, ReLU and 3 x 3 convolution,
    beside a shortcut. Normalisation is followed by a gain and a bias of each class, where there are any."""

    def __init__(self, before: int, after: int, num_classes: int = 0):
        super().__init__()
        self.first, self.second = _normalization(before, num_classes), _normalization(after, num_classes)
        # Without biases: whatever is the same in all images, the next normalisation of each takes away again.
        self.widen = _xavier(nn.Conv2d(before, after, 3, padding=1, bias=False), math.sqrt(2))
        self.mix = _xavier(nn.Conv2d(after, after, 3, padding=1, bias=False), math.sqrt(2))
        self.shortcut = _xavier(nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        y = self.widen(_doubled(relu(through(self.first, x, labels))))
        y = self.mix(relu(through(self.second, y, labels)))
        return y + _doubled(self.shortcut(x))  # pixel by pixel, so that it may come first, on a quarter of them


class DiscriminatorBlock(nn.Module):
    """Half the side: ReLU, 3 x 3 convolution, ReLU, 3 x 3 convolution and mean over 2 x 2, beside a shortcut. The first
    of all begins without ReLU."""

    def __init__(self, before: int, after: int, *, first: bool = False, halve: bool = True):
        super().__init__()
        inner = after if first else before
        self.is_first, self.halve = first, halve
        self.widen = _xavier(nn.Conv2d(before, inner, 3, padding=1), math.sqrt(2))
        self.mix = _xavier(nn.Conv2d(inner, after, 3, padding=1), math.sqrt(2))
        self.shortcut = _xavier(nn.Conv2d(before, after, 1)) if halve or before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.mix(relu(self.widen(x if self.is_first else relu(x))))
        if not self.halve:
            return y + self.shortcut(x)
        return avg_pool2d(y, 2) + self.shortcut(avg_pool2d(x, 2))


def _normalization(features: int, num_classes: int) -> nn.ModuleList:
    affine = [ClassAffine(num_classes, features)] if num_classes else []
    return nn.ModuleList([WholeBatchNorm2d(features), *affine])


def _doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2, mode="nearest")


def _xavier(layer: nn.Linear | nn.Conv2d, gain: float = 1) -> nn.Module:
    """The layer, its weights new and uniform (Glorot & Bengio 2010, eq. 16, times the gain) and its biases 0."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
