"""What every generator is, of whichever family, and how images are drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Self

from fooling.errors import UserError
from fooling.pretrained import Pretrained
from gan.latent import draw_latents
from gan.networks.arguments import require_whole


class Generator(Pretrained, saved_as=None):
    """Latents (n, latent_dim), standard normal, and labels int64 (n,) where it draws classes, to images float32
    (n, channels, image_size, image_size) in [0, 1].

    The base of all families. Called itself, as in Generator(width=8), it makes a DCGAN; Generator.from_pretrained loads
    whichever family was saved. A network of your own is a subclass that sets `config` (see Pretrained) and:

    latent_dim: the length of a latent.
    num_classes: how many classes it draws; 0 for one without, which is given no labels.
    """

    latent_dim: int
    num_classes: int = 0

    def __new__(cls, *args: Any, **options: Any) -> Self:
        # As pathlib.Path makes a PosixPath. By its name, since that file stands on this one.
        return super().__new__(import_module("gan.networks.dcgan").DCGANGenerator if cls is Generator else cls)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    def require_labels(self, labels: Tensor | None) -> None:
        """Raise UserError for labels where there are no classes, and for none where there are."""
        if (labels is None) == bool(self.num_classes):
            needs = f"needs labels, of {self.num_classes} classes" if self.num_classes else "has no classes: no labels"
            raise UserError(f"this generator {needs}")

    @torch.no_grad()
    def sample(
        self,
        count: int | None = None,
        *,
        seed: int = 0,
        latents: Tensor | None = None,
        labels: int | Sequence[int] | Tensor | None = None,
        truncation: float = 1.0,
        batch_size: int = 256,
    ) -> Tensor:
        """Images of any count, made in batches: float32 (count, channels, image_size, image_size) in [0, 1] on the CPU.

        The same seed gives the same images whatever the batch size, and a larger count begins with those of a smaller.

        count: how many. Default: as many as there are latents or labels, or 64.
        latents: float32 (count, latent_dim) to use in place of those that the seed gives.
        labels: the class of each image, or one for all, such as range(10) or 3. Default: every class in turn.
        truncation: the latents are scaled by it. Shorter ones than it was trained with smear: on MNIST from .7 on.

        Raises UserError for a count or batch size below 1, for latents of another shape, for labels of another number,
        that are no class, or where the generator has no classes.
        """
        if latents is not None and (latents.ndim != 2 or latents.shape != (count or len(latents), self.latent_dim)):
            wanted = f"({count or 'count'}, {self.latent_dim})"
            raise UserError(f"latents must have shape {wanted}, got {tuple(latents.shape)}")
        if count is None:
            given = labels if latents is None else latents
            count = 64 if given is None or isinstance(given, int) else len(given)
        require_whole(count=count, batch_size=batch_size)
        latents = draw_latents(count, self.latent_dim, seed) if latents is None else latents
        classes = self._classes_of(labels, count)
        training, device = self.training, next(self.parameters()).device
        self.eval()  # the statistics of a batch would tie its images to each other
        try:
            batches = zip((latents * truncation).split(batch_size), classes.split(batch_size), strict=True)
            return torch.cat([self._drawn(*(part.to(device) for part in batch)).float().cpu() for batch in batches])
        finally:
            self.train(training)

    def _drawn(self, latents: Tensor, classes: Tensor) -> Tensor:
        return self(latents, classes) if self.num_classes else self(latents)

    def _classes_of(self, labels: int | Sequence[int] | Tensor | None, count: int) -> Tensor:
        """The class of each image, int64 (count,): zeros, which nobody reads, where there are none."""
        if labels is None:
            return torch.arange(count) % max(self.num_classes, 1)
        if not self.num_classes:
            raise UserError("this generator was trained without classes: it takes no labels")
        try:
            classes = torch.as_tensor(labels if isinstance(labels, Tensor | int) else list(labels))
        except (TypeError, ValueError, RuntimeError):  # no numbers, or lists of different lengths
            classes = torch.empty(0)
        classes = classes.expand(count) if classes.ndim == 0 else classes
        if classes.ndim != 1 or classes.is_floating_point() or classes.dtype == torch.bool:
            raise UserError(f"labels must be whole numbers, one for each image, got {labels!r}")
        if len(classes) != count:
            raise UserError(f"{count} images need as many labels, got {len(classes)}")
        if not 0 <= int(classes.min()) <= int(classes.max()) < self.num_classes:
            wrong = next(int(label) for label in classes if not 0 <= label < self.num_classes)
            raise UserError(f"labels must be from 0 to {self.num_classes - 1}, got {wrong}")
        return classes.to("cpu", torch.int64)


class ToMaps(nn.Unflatten):
    """The first layer's output (n, features * side * side) to maps (n, features, side, side), channels innermost, as
    the convolutions after it lay out theirs: elementwise kernels take twenty times as long where two layouts meet, as
    they would in the gradient."""

    def __init__(self, features: int, side: int):
        super().__init__(1, (features, side, side))

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).contiguous(memory_format=torch.channels_last)


def in_unit_range(x: Tensor) -> Tensor:
    """What a generator's last layer gives, to images in [0, 1].

    In float32 whatever autocast says: in bfloat16 the slope of tanh is 0 below -3.47, and what is black stays so.
    """
    return x.float().tanh().add(1).div(2)
