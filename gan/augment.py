"""What the discriminator is shown in place of an image: the image moved, cut, recoloured or mirrored.

Where there are few images the discriminator learns them by heart; shown each in many forms it cannot. Reals and fakes
are changed alike and gradients pass through, so that the generator is asked for images that are like the data after
the change, not for changed ones (Zhao et al. 2020, DiffAugment, arXiv:2006.10738; Karras et al. 2020, ADA,
arXiv:2006.06676).

An augmentation is a pure function of images (n, c, h, w) in [0, 1], of its `numbers` evenly from [0, 1) for each image,
(n, numbers), and of the probability with which an image is changed; at probability 0 it is the identity. Whatever comes
in from outside an image is grey, the 0 of images in [-1, 1], as in DiffAugment. Colours may leave [0, 1] a little and
are not cut off there, as in both papers: where they were, no gradient would pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor

from fooling.errors import UserError, require_positive
from fooling.options.settings import Settings
from gan.draws import Draws

_GREY = 0.5
_PIXELS = (1, 2, 3)


@dataclass
class AugmentConfig(Settings):
    """What is done to every image, real or made, that the discriminator sees; see gan.augment."""

    policy: list[Literal["translation", "cutout", "colour", "flip", "affine"]] = field(default_factory=list)
    """What is done, in this order; nothing by default. colour is brightness, saturation and contrast; affine turns,
    scales, shears and moves a little; flip is never for digits."""

    probability: float = 1.0
    """With which each of these is done to an image; at most, where the scores decide on it."""

    final_probability: float | None = None
    """The probability at the end. Default: as at the start."""

    target: float = 0.0
    """ADA: the probability rises from 0 while the mean sign of the scores of reals is above this, and falls while it is
    below. The paper has .6; 0 turns it off. Where scores have no zero, as in relativistic, signs are those of real less
    fake, which are surer: about .75 is there what .6 is."""

    kimg: float = 500.0
    """ADA: thousands of images in which the probability can rise from 0 to 1."""

    def __post_init__(self) -> None:
        for name in ("probability", "final_probability"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise UserError(f"augment.{name} must be from 0 to 1, got {getattr(self, name)}")
        if not 0 <= self.target < 1:
            raise UserError(f"augment.target must be at least 0 and below 1, got {self.target}")
        if self.target and self.final_probability is not None:
            raise UserError("augment.final_probability does not go with augment.target, by which the scores decide")
        if self.target and not self.policy:
            raise UserError(
                "augment.target needs something to do: name it, such as augment.policy [translation, cutout]"
            )
        require_positive(**{"augment.kimg": self.kimg})


class Augmentation(Protocol):
    """What changes images, each by itself."""

    @property
    def numbers(self) -> int:
        """How many random numbers it takes for each image."""
        ...

    def __call__(self, images: Tensor, numbers: Tensor, probability: float | Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Flip:
    """Left and right change places in half of the images that it is done to."""

    numbers: ClassVar[int] = 1

    def __call__(self, images: Tensor, numbers: Tensor, probability: float | Tensor) -> Tensor:
        return _where(numbers[:, 0] < probability / 2, images.flip(3), images)


@dataclass(frozen=True)
class Translation:
    """A move by a whole number of pixels, up to `share` of the side, along each axis."""

    share: float = 1 / 8
    numbers: ClassVar[int] = 3

    def __call__(self, images: Tensor, numbers: Tensor, probability: float | Tensor) -> Tensor:
        moved = images
        for dim, number in ((2, numbers[:, 1]), (3, numbers[:, 2])):
            farthest = int(images.shape[dim] * self.share)
            moved = _moved(moved, _whole(number, 2 * farthest + 1) - farthest, dim)
        return _where(numbers[:, 0] < probability, moved, images)


@dataclass(frozen=True)
class Affine:
    """Turned by up to `angle` radians, scaled and sheared by up to `share`, and moved by up to as much of the side: the
    geometric transformations of ADA (appendix B), no wider than a digit stays what it is. Pixels are interpolated, and
    from outside comes the nearest of the edge."""

    angle: float = 0.2
    share: float = 0.1
    numbers: ClassVar[int] = 6

    def __call__(self, images: Tensor, numbers: Tensor, probability: float | Tensor) -> Tensor:
        height, width = images.shape[2:]
        most = numbers.new_tensor([self.angle, self.share, self.share, self.share * width, self.share * height])
        angle, scale, shear, right, down = ((2 * numbers[:, 1:] - 1) * most).T[:, :, None, None]
        y, x = (torch.arange(side, device=images.device) - (side - 1) / 2 for side in (height, width))
        y, x = y[:, None], x[None, :] + shear * y[:, None]
        cosine, sine = (1 + scale) * angle.cos(), (1 + scale) * angle.sin()
        changed = _interpolated(images, sine * x + cosine * y + down, cosine * x - sine * y + right)
        return _where(numbers[:, 0] < probability, changed, images)


@dataclass(frozen=True)
class Cutout:
    """A rectangle of `share` of either side turns grey; its middle may be anywhere, so part of it may be outside."""

    share: float = 1 / 2
    numbers: ClassVar[int] = 3

    def __call__(self, images: Tensor, numbers: Tensor, probability: float | Tensor) -> Tensor:
        cut = (numbers[:, 0] < probability)[:, None, None]
        for dim, number in ((2, numbers[:, 1]), (3, numbers[:, 2])):
            side = images.shape[dim]
            size = int(side * self.share)
            first = _whole(number, side + 1 - size % 2)[:, None] - size // 2
            places = torch.arange(side, device=images.device)
            inside = (places >= first) & (places < first + size)
            cut = cut & (inside[:, :, None] if dim == 2 else inside[:, None, :])
        return images.masked_fill(cut[:, None], _GREY)


@dataclass(frozen=True)
class Brightness:
    """A number from -1/4 to 1/4 is added to all of an image: 1/2 of images in [-1, 1]."""

    numbers: ClassVar[int] = 2

    def __call__(self, images: Tensor, numbers: Tensor, probability: float | Tensor) -> Tensor:
        return _where(numbers[:, 0] < probability, images + (_column(numbers, 1) - 0.5) / 2, images)


@dataclass(frozen=True)
class Saturation:
    """Colours go away from the grey of their pixel by a factor from 0 to 2. Of grey images nothing changes."""

    numbers: ClassVar[int] = 2

    def __call__(self, images: Tensor, numbers: Tensor, probability: float | Tensor) -> Tensor:
        grey = images.mean(1, keepdim=True)
        return _where(numbers[:, 0] < probability, grey + (images - grey) * (2 * _column(numbers, 1)), images)


@dataclass(frozen=True)
class Contrast:
    """All of an image goes away from its mean by a factor from 1/2 to 3/2."""

    numbers: ClassVar[int] = 2

    def __call__(self, images: Tensor, numbers: Tensor, probability: float | Tensor) -> Tensor:
        mean = images.mean(_PIXELS, keepdim=True)
        return _where(numbers[:, 0] < probability, mean + (images - mean) * (0.5 + _column(numbers, 1)), images)


class Chain:
    """One augmentation after the other, each with numbers of its own, so that each is done or not by itself."""

    def __init__(self, augmentations: Sequence[Augmentation]):
        self.augmentations = tuple(augmentations)
        self.numbers = sum(augmentation.numbers for augmentation in self.augmentations)

    def __call__(self, images: Tensor, numbers: Tensor, probability: float | Tensor) -> Tensor:
        own = numbers.split([augmentation.numbers for augmentation in self.augmentations], dim=1)
        for augmentation, part in zip(self.augmentations, own, strict=True):
            images = augmentation(images, part, probability)
        return images


def augmentation_of(config: AugmentConfig, image_shape: tuple[int, int, int]) -> Augmentation | None:
    """What a configuration names, for images of this shape (c, h, w); None where it names nothing."""
    channels = image_shape[0]
    named: dict[str, list[Augmentation]] = {
        "flip": [Flip()],
        "translation": [Translation()],
        "affine": [Affine()],
        "cutout": [Cutout()],
        "colour": [Brightness(), *([Saturation()] if channels > 1 else []), Contrast()],
    }
    chosen = [augmentation for name in config.policy for augmentation in named[name]]
    return Chain(chosen) if chosen else None


class AdaptiveProbability:
    """ADA: as much augmentation as keeps the discriminator from learning the data by heart (Karras et al. 2020, 3).

    r_t = E[sign(D(x))] (eq. 1) tells how sure of reals it is: near 0 it cannot tell, near 1 it knows them all. At every
    step the probability goes up or down, as r_t is above or below config.target, and fast enough to get from 0 to 1 in
    config.kimg; the paper's decides at every fourth step. It starts at 0, and stays between that and
    config.probability.

    probability: a scalar on the device of the signs. Nothing here waits for a GPU.
    """

    def __init__(self, config: AugmentConfig):
        self.config = config
        self.probability = torch.zeros(())

    def update(self, mean_sign: Tensor, images: int) -> None:
        """After a step on so many images. mean_sign: r_t, a scalar, of all processes; see gan.losses.sign_of_reals."""
        step = (mean_sign.detach() - self.config.target).sign() * (images / (self.config.kimg * 1000))
        before = self.probability.to(mean_sign.device, non_blocking=True)
        self.probability = (before + step).clamp(0, self.config.probability)

    def state_dict(self) -> dict[str, Any]:
        return {"probability": self.probability}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.probability = state["probability"].clone()


_WRITTEN = ("mnist", "stacked-mnist", "kmnist", "emnist-letters", "emnist-digits", "svhn")


def refuse_flips_of_writing(data_name: str, setting: str) -> None:
    """Raise UserError, which names the setting, for a data set whose images mean something else in a mirror."""
    if data_name in _WRITTEN:
        raise UserError(f"{setting} is not for {data_name}: mirrored digits and letters are none")


def flip_reals(images: Tensor, draws: Draws) -> Tensor:
    """Images (n, c, h, w), half of them mirrored, at random: a data set that bears it is twice as large then."""
    return Flip()(images, draws.uniform(Flip.numbers), 1.0)


def _where(is_done: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    """The changed images, where it is done (n,)."""
    return torch.where(is_done[:, None, None, None], changed, images)


def _column(numbers: Tensor, column: int) -> Tensor:
    return numbers[:, column, None, None, None]


def _whole(number: Tensor, count: int) -> Tensor:
    """A whole number below `count` out of one in [0, 1)."""
    return (number * count).long().clamp(max=count - 1)  # just below 1, the product may be rounded up


def _moved(images: Tensor, by: Tensor, dim: int) -> Tensor:
    """Images moved by whole numbers of pixels (n,) along one dimension."""
    side = images.shape[dim]
    source = torch.arange(side, device=images.device) - by[:, None]
    source = source[:, None, :, None] if dim == 2 else source[:, None, None, :]
    moved = images.gather(dim, source.clamp(0, side - 1).expand_as(images))
    return torch.where((source >= 0) & (source < side), moved, _GREY)


def _interpolated(images: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """The images between their pixels, at (n, h, w) places counted in pixels from the middle."""
    # By hand: torch's grid_sample cannot be differentiated twice, as penalties need it.
    height, width = images.shape[2:]
    y, x = ((at + (side - 1) / 2).clamp(0, side - 1) for at, side in ((y, height), (x, width)))
    top, left = y.floor().clamp(max=height - 2), x.floor().clamp(max=width - 2)
    lower, righter = (y - top)[:, None], (x - left)[:, None]
    first, pixels = (top * width + left).long().flatten(1)[:, None].expand(-1, images.shape[1], -1), images.flatten(2)
    corner = [pixels.gather(2, first + offset).view_as(images) for offset in (0, 1, width, width + 1)]
    upper, under = (a + righter * (b - a) for a, b in (corner[:2], corner[2:]))
    return upper + lower * (under - upper)
