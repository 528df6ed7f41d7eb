"""What every discriminator is, of whichever family, and what it may say of images."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import Self

from fooling.pretrained import Pretrained

_Maybe = TypeVar("_Maybe", Tensor, Tensor | None)


class Verdict(NamedTuple):
    """What a discriminator says of images, where that is more than the scores."""

    scores: Tensor
    """Logits (n,), high for real."""

    class_logits: Tensor | None = None
    """Logits (n, num_classes) of the classes that the data has."""

    features: Tensor | None = None
    """What the last layer looks at: (n, features)."""


class Discriminator(Pretrained, saved_as=None):
    """Images (n, channels, image_size, image_size) in [0, 1], and labels int64 (n,) where it tells classes, to scores
    (n,), which are logits, high for real; or to a Verdict, where there is more to say.

    The base of all families. Called itself, as in Discriminator(width=8), it makes a DCGAN's;
    Discriminator.from_pretrained loads whichever family was saved.

    num_classes: how many classes it tells; 0 for one without, which is given no labels.
    """

    num_classes: int = 0

    def __new__(cls, *args: Any, **options: Any) -> Self:
        # As pathlib.Path makes a PosixPath. By its name, since that file stands on this one.
        return super().__new__(import_module("gan.networks.dcgan").DCGANDiscriminator if cls is Discriminator else cls)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor | Verdict:
        raise NotImplementedError


def verdict_of(discriminator: nn.Module, images: Tensor, labels: Tensor | None = None) -> Verdict:
    """What a discriminator, whichever, says of images (n, c, h, w) in [0, 1]; all in float32 at least.

    labels: int64 (n,), handed on to a discriminator that takes them; None for one that takes none.
    """
    said = discriminator(images) if labels is None else discriminator(images, labels)
    scores, class_logits, features = said if isinstance(said, Verdict) else Verdict(said)
    return Verdict(_precise(scores), _precise(class_logits), _precise(features))


def _precise(tensor: _Maybe) -> _Maybe:
    return tensor.float() if tensor is not None and tensor.dtype in (torch.bfloat16, torch.float16) else tensor


class PreciseLinear(nn.Linear):
    """A linear layer in the precision of its weights, whatever autocast says: after 16, bfloat16 has 16.125."""

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype))
