"""The generator and the discriminator of DCGAN (Radford et al. 2016, arXiv:1511.06434), for any of several sizes.

Images are [0, 1] at both ends; the [-1, 1] of the papers stays inside.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from gan.networks.arguments import conditioning_of, kept, require_whole, resolutions
from gan.networks.batch_norm import WholeBatchNorm2d
from gan.networks.conditioning import (
    ClassAffine,
    Concatenation,
    DiscriminatorConditioning,
    GeneratorConditioning,
    Head,
    through,
)
from gan.networks.convolutions import Conv2d, ConvTranspose2d
from gan.networks.discriminator import Discriminator, PreciseLinear, Verdict
from gan.networks.generator import Generator, ToMaps, in_unit_range
from gan.networks.spectral_norm import with_spectral_norm

__all__ = ["DCGANDiscriminator", "DCGANGenerator", "Discriminator", "Generator", "Normalization", "resolutions"]

Normalization = Literal["batch", "none"]


class DCGANGenerator(Generator, saved_as="Generator"):
    """Latents (n, latent_dim), standard normal, to images (n, channels, image_size, image_size) in [0, 1].

    The structure of Radford et al. 2016 (DCGAN, figure 1): a projection to 4 x 4, then transposed convolutions, each of
    which doubles the side and halves the features, down to `width` before the image. At 64 pixels, width=128,
    latent_dim=100 and kernel_size=5 give the paper's table; width=64 and kernel_size=4 the PyTorch example's.

    image_size: 28, 32, 64, 128 (any side that is 4 or 7 doubled at least once). Raises UserError for another.
    normalization: "batch" after every layer but the last, as in the paper, or "none".
    num_classes: how many classes the images have, of which it then draws the one that it is asked for.
    conditioning: how it is asked, "concatenation" (the default) or "normalization"; see gan/networks/conditioning.py.
    """

    def __init__(
        self,
        *,
        image_size: int = 28,
        channels: int = 1,
        latent_dim: int = 64,
        width: int = 32,
        kernel_size: int = 4,
        normalization: Normalization = "batch",
        num_classes: int | None = None,
        conditioning: GeneratorConditioning | None = None,
    ):
        super().__init__()
        self.config = kept(locals())
        self.latent_dim, self.num_classes = latent_dim, num_classes or 0
        sides = resolutions(image_size)
        require_whole(channels=channels, latent_dim=latent_dim, width=width, kernel_size=kernel_size)
        features = width * 2 ** (len(sides) - 2)
        bias = normalization == "none"  # BatchNorm has a bias of its own
        conditioning = conditioning_of(num_classes, conditioning, default="concatenation")
        self.joined = Concatenation(self.num_classes, latent_dim) if conditioning == "concatenation" else None
        given = latent_dim * 2 if self.joined else latent_dim
        layers = [nn.Linear(given, features * 4 * 4, bias=bias), ToMaps(features, 4)]
        for before, after in pairwise(sides):
            layers += _normalize(features, normalization)
            layers += [ClassAffine(self.num_classes, features)] if conditioning == "normalization" else []
            layers.append(nn.ReLU())
            last = after == image_size
            out = channels if last else features // 2
            kernel, padding, odd = _kernel(kernel_size, before, after)
            layers.append(ConvTranspose2d(features, out, kernel, 2, padding, output_padding=odd, bias=bias or last))
            features = out
        self.layers = nn.Sequential(*layers)
        _initialise(self, normalization)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        self.require_labels(labels)
        x = latents if self.joined is None else self.joined(latents, labels)
        return in_unit_range(through(self.layers, x, labels))


class DCGANDiscriminator(Discriminator, saved_as="Discriminator"):
    """Images (n, channels, image_size, image_size) in [0, 1] to scores (n,): logits, high for real.

    The generator mirrored (Radford et al. 2016): strided convolutions halve the side and double the features from
    `width` on, down to 4 x 4, with LeakyReLU 0.2 between them, and what is left is flattened into the score.

    normalization: "batch" after every layer but the first and the last, as in the paper, or "none", which penalties on
    the gradient need to be per image (R3GAN, Huang et al. 2024, do without).
    spectral_norm: stretch no image by more than 1 in any layer (see gan.networks.spectral_norm).
    blocks: 3 x 3 convolutions after each halving but the last, of which the paper has none.
    num_classes: how many classes the images have, which it is then told, or tells by itself.
    conditioning: "projection" (the default) or "auxiliary"; see gan.networks.conditioning.Head.
    """

    def __init__(
        self,
        *,
        image_size: int = 28,
        channels: int = 1,
        width: int = 32,
        kernel_size: int = 4,
        normalization: Normalization = "none",
        spectral_norm: bool | None = None,
        blocks: int | None = None,
        num_classes: int | None = None,
        conditioning: DiscriminatorConditioning | None = None,
    ):
        super().__init__()
        self.config = kept(locals())
        self.num_classes = num_classes or 0
        sides = resolutions(image_size)[::-1]
        require_whole(channels=channels, width=width, kernel_size=kernel_size, blocks=1 if blocks is None else blocks)
        layers: list[nn.Module] = []
        features = channels
        for before, after in pairwise(sides):
            first = before == image_size
            out = width if first else features * 2
            kernel, padding, _ = _kernel(kernel_size, after, before)
            layers.append(Conv2d(features, out, kernel, 2, padding, bias=normalization == "none" or first))
            layers += [] if first else _normalize(out, normalization)
            # The last map is flattened before its LeakyReLU, not after: the gradient of a flattened map comes with the
            # channels outermost, and elementwise kernels take twenty times as long where two layouts meet.
            layers += [nn.Flatten()] if after == sides[-1] else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            features = out
            for _ in range(blocks or 0) if after != sides[-1] else ():
                layers.append(Conv2d(features, features, 3, 1, 1, bias=normalization == "none"))
                layers += [*_normalize(features, normalization), nn.LeakyReLU(0.2, inplace=True)]
        conditioning = conditioning_of(num_classes, conditioning, default="projection")
        if conditioning is None:
            layers += [PreciseLinear(features * 4 * 4, 1), nn.Flatten(0)]
        self.layers = nn.Sequential(*layers)
        self.head = Head(features * 4 * 4, self.num_classes, conditioning) if conditioning else None
        _initialise(self, normalization)
        if spectral_norm:
            with_spectral_norm(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor | Verdict:
        x = self.layers(images * 2 - 1)
        return x if self.head is None else self.head(x, labels)


def _kernel(kernel_size: int, small: int, large: int) -> tuple[int, int, int]:
    """Kernel, padding and output padding of the stride-2 layer between two sides, either way."""
    if large % 2 and kernel_size % 2 == 0:  # an even kernel cannot be centred on an odd side
        kernel_size -= 1
    padding = (kernel_size - 1) // 2
    return kernel_size, padding, large - ((small - 1) * 2 - 2 * padding + kernel_size)


def _normalize(features: int, normalization: Normalization) -> list[nn.Module]:
    return [WholeBatchNorm2d(features)] if normalization == "batch" else []


def _initialise(network: nn.Module, normalization: Normalization) -> None:
    """N(0, 0.02) as in the DCGAN paper, section 4; He et al. 2015 where no normalisation makes up for its smallness."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            if normalization == "batch":
                nn.init.normal_(module.weight, 0, 0.02)
            else:
                # A transposed convolution keeps its inputs where others keep their outputs.
                mode: Literal["fan_in", "fan_out"] = "fan_out" if isinstance(module, nn.ConvTranspose2d) else "fan_in"
                nn.init.kaiming_normal_(module.weight, a=0.2, mode=mode)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02)
