"""The generator and the discriminator of DCGAN (Radford et al. 2016, arXiv:1511.06434), for any of several sizes.

Images are [0, 1] at both ends; the [-1, 1] of the papers stays inside.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from fooling.errors import UserError
from fooling.pretrained import Pretrained
from gan.latent import draw_latents
from gan.networks.batch_norm import WholeBatchNorm2d

Normalization = Literal["batch", "none"]


class Generator(Pretrained):
    """Latents (n, latent_dim), standard normal, to images (n, channels, image_size, image_size) in [0, 1].

    The structure of Radford et al. 2016 (DCGAN, figure 1): a projection to 4 x 4, then transposed convolutions, each of
    which doubles the side and halves the features, down to `width` before the image. At 64 pixels, width=128,
    latent_dim=100 and kernel_size=5 give the paper's table; width=64 and kernel_size=4 the PyTorch example's.

    image_size: 28, 32, 64, 128 (any side that is 4 or 7 doubled at least once). Raises UserError for another.
    normalization: "batch" after every layer but the last, as in the paper, or "none".
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
    ):
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.latent_dim = latent_dim
        sides = resolutions(image_size)
        _check(channels=channels, latent_dim=latent_dim, width=width, kernel_size=kernel_size)
        features = width * 2 ** (len(sides) - 2)
        bias = normalization == "none"  # BatchNorm has a bias of its own
        layers = [nn.Linear(latent_dim, features * 4 * 4, bias=bias), nn.Unflatten(1, (features, 4, 4))]
        for before, after in pairwise(sides):
            layers += [*_normalize(features, normalization), nn.ReLU()]
            last = after == image_size
            out = channels if last else features // 2
            kernel, padding, odd = _kernel(kernel_size, before, after)
            layers.append(nn.ConvTranspose2d(features, out, kernel, 2, padding, output_padding=odd, bias=bias or last))
            features = out
        self.layers = nn.Sequential(*layers)
        _initialise(self, normalization)

    def forward(self, latents: Tensor) -> Tensor:
        # In float32 whatever autocast says: in bfloat16 the slope of tanh is 0 below -3.47, and what is black stays so.
        return self.layers(latents).float().tanh().add(1).div(2)

    @torch.no_grad()
    def sample(
        self,
        count: int | None = None,
        *,
        seed: int = 0,
        latents: Tensor | None = None,
        truncation: float = 1.0,
        batch_size: int = 256,
    ) -> Tensor:
        """Images of any count, made in batches: float32 (count, channels, image_size, image_size) in [0, 1] on the CPU.

        The same seed gives the same images whatever the batch size, and a larger count begins with those of a smaller.

        count: how many. Default: as many as there are latents, or 64.
        latents: float32 (count, latent_dim) to use in place of those that the seed gives.
        truncation: the latents are scaled by it. Shorter ones than it was trained with smear: on MNIST from .7 on.

        Raises UserError for a count or batch size below 1 and for latents of another shape.
        """
        dim = self.latent_dim
        if latents is None:
            count = 64 if count is None else count
            _check(count=count, batch_size=batch_size)
            latents = draw_latents(count, dim, seed)
        elif latents.ndim != 2 or latents.shape != (count or len(latents), dim):
            raise UserError(f"latents must have shape ({count or 'count'}, {dim}), got {tuple(latents.shape)}")
        _check(batch_size=batch_size)
        training, device = self.training, next(self.parameters()).device
        self.eval()  # the statistics of a batch would tie its images to each other
        try:
            batches = (latents * truncation).split(batch_size)
            return torch.cat([self(batch.to(device)).float().cpu() for batch in batches])
        finally:
            self.train(training)


class Discriminator(Pretrained):
    """Images (n, channels, image_size, image_size) in [0, 1] to scores (n,): logits, high for real.

    The generator mirrored (Radford et al. 2016): strided convolutions halve the side and double the features from
    `width` on, down to 4 x 4, with LeakyReLU 0.2 between them, and what is left is flattened into the score.

    normalization: "batch" after every layer but the first and the last, as in the paper, or "none", which penalties on
    the gradient need to be per image (R3GAN, Huang et al. 2024, do without).
    """

    def __init__(
        self,
        *,
        image_size: int = 28,
        channels: int = 1,
        width: int = 32,
        kernel_size: int = 4,
        normalization: Normalization = "none",
    ):
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        sides = resolutions(image_size)[::-1]
        _check(channels=channels, width=width, kernel_size=kernel_size)
        layers: list[nn.Module] = []
        features = channels
        for before, after in pairwise(sides):
            first = before == image_size
            out = width if first else features * 2
            kernel, padding, _ = _kernel(kernel_size, after, before)
            layers.append(nn.Conv2d(features, out, kernel, 2, padding, bias=normalization == "none" or first))
            layers += [] if first else _normalize(out, normalization)
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            features = out
        self.layers = nn.Sequential(*layers, nn.Flatten(), _Score(features * 4 * 4, 1), nn.Flatten(0))
        _initialise(self, normalization)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images * 2 - 1)


class _Score(nn.Linear):
    """A linear layer in the precision of its weights, whatever autocast says: after 16, bfloat16 has 16.125."""

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype))


def resolutions(image_size: int) -> list[int]:
    """The sides that the networks pass through, smallest first: [4, 7, 14, 28] for 28, [4, 8, 16, 32, 64] for 64.

    Raises UserError for a size that is not 4 or 7 doubled at least once.
    """
    sides = [image_size]
    while sides[0] > 7 and sides[0] % 2 == 0:
        sides.insert(0, sides[0] // 2)
    if sides[0] == 7:
        sides.insert(0, 4)  # 7 to 4 by the same stride of 2
    if sides[0] != 4 or image_size < 8:
        raise UserError(f"image_size {image_size} is impossible here: expected 28, 32, 64 or 128 (4 or 7, doubled)")
    return sides


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


def _check(**numbers: int) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 1:
            raise UserError(f"{name} must be a whole number of at least 1, got {number}")
