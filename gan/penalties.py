"""One small object per gradient penalty on the discriminator.

Each gives per-sample penalties (n,), linear in gamma, that can be differentiated again. Gradients are taken with
respect to images in [0, 1], while the papers' are in [-1, 1], where they are half as long: halved here, they make gamma
and the lengths mean what they mean there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, cast, get_args

import torch
from torch import Tensor

from fooling.errors import UserError
from fooling.options.imported import current_directory_first, imported, names_an_object
from fooling.options.settings import Settings
from fooling.options.types import did_you_mean, listed
from gan.draws import Draws

PenaltyName = Literal["r1+r2", "r1", "r2", "wgan-gp", "dragan"]


@dataclass
class PenaltyConfig(Settings):
    """What holds the discriminator's gradient; see gan.penalties."""

    kind: PenaltyName | str = "r1+r2"
    """r1 on reals and r2 on fakes want a slope of 0, wgan-gp between the two and dragan around reals one of 1. Also a
    penalty of your own as package.module:Class."""

    gamma: float = 0.1
    """Its weight; 0 leaves it out. In their papers wgan-gp and dragan have 10."""

    final_gamma: float | None = None
    """The weight at the end. Default: as at the start."""

    every: int = 4
    """Steps from one penalty to the next, weighed up accordingly; 1 is every step."""


@dataclass
class Seen:
    """What a discriminator's step has, for a penalty to work with."""

    reals: Tensor
    """(n, c, h, w) in [0, 1], before augmentation; a leaf that requires grad."""

    fakes: Tensor
    """As `reals`."""

    real_scores: Tensor
    """(n,), float32, computed from `reals`."""

    fake_scores: Tensor
    """(n,), float32, computed from `fakes`."""

    score: Callable[[Tensor], Tensor]
    """Another pass of the discriminator, from images (n, c, h, w) to scores (n,), labels and augmentation within."""

    draws: Draws | None = None
    """Random numbers for each image."""


class Penalty(Protocol):
    """What a step asks of a penalty."""

    def of(self, seen: Seen) -> Tensor: ...


@dataclass(frozen=True)
class ZeroCentered:
    """gamma / 2 times the squared norm of the score's gradient, summed over C, H and W.

    Called with scores (n,) and the images (n, c, h, w) that they were computed from, it is R1 on real images and R2 on
    fakes (Mescheder et al. 2018, eq. 9 and 10). In a step it is both (R3GAN, Huang et al. 2024, section 2.2).
    """

    gamma: float

    def __call__(self, scores: Tensor, images: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
        return self.gamma / 2 * gradient.square().sum((1, 2, 3)) / 4

    def of(self, seen: Seen) -> Tensor:
        return self(seen.real_scores, seen.reals) + self(seen.fake_scores, seen.fakes)


@dataclass(frozen=True)
class R1:
    """ZeroCentered on the reals alone (Mescheder et al. 2018, eq. 9)."""

    gamma: float

    def of(self, seen: Seen) -> Tensor:
        return ZeroCentered(self.gamma)(seen.real_scores, seen.reals)


@dataclass(frozen=True)
class R2:
    """ZeroCentered on the fakes alone (Mescheder et al. 2018, eq. 10)."""

    gamma: float

    def of(self, seen: Seen) -> Tensor:
        return ZeroCentered(self.gamma)(seen.fake_scores, seen.fakes)


@dataclass(frozen=True)
class WassersteinGradient:
    """WGAN-GP: the gradient shall have length 1 on the lines between reals and fakes (Gulrajani et al. 2017, eq. 3).

    gamma (|grad D(t x + (1 - t) G(z))| - 1)^2, t even in [0, 1] for each pair; the paper's lambda, 10, is gamma.
    """

    gamma: float

    def of(self, seen: Seen) -> Tensor:
        t, reals, fakes = _draws(seen, "wgan-gp").uniform(1, 1, 1), seen.reals.detach(), seen.fakes.detach()
        return self.gamma * _off_unit_slope(seen, t * reals + (1 - t) * fakes)


@dataclass(frozen=True)
class DRAGAN:
    """The gradient shall have length 1 around the reals (Kodali et al. 2017, section 2.3, and its code).

    gamma (|grad D(x + t d)| - 1)^2, with d half the standard deviation of the pixels times noise even in [0, 1], and t
    even in [0, 1] for each image; the paper's lambda, 10, is gamma. As in the code the noise only brightens. The
    deviation is each image's own, where the code has one for the batch: it is about the same, and a batch may be shared
    among processes.
    """

    gamma: float

    def of(self, seen: Seen) -> Tensor:
        draws, reals = _draws(seen, "dragan"), seen.reals.detach()
        deviation = reals.std((1, 2, 3), correction=0, keepdim=True)
        away = deviation / 2 * draws.uniform(*reals.shape[1:])
        return self.gamma * _off_unit_slope(seen, reals + draws.uniform(1, 1, 1) * away)


def penalty_named(name: PenaltyName | str, gamma: float) -> Penalty:
    """The penalty of that name and weight, or one of your own: package.module:Class, called with gamma.

    Raises UserError, or MissingFile for a module that is not there, for a name that is none and an object that is no
    penalty.
    """
    if name in _PENALTIES:
        return _PENALTIES[name](gamma)
    if not names_an_object(name):
        guess = did_you_mean(name, _PENALTIES)
        known = listed([*get_args(PenaltyName), "package.module:Class"])
        raise UserError(f"penalty.kind must be {known}, got {name!r}{guess}")
    make = imported(name)
    with current_directory_first():
        try:
            made = make(gamma)
        except Exception as error:  # whatever somebody else's code raises
            said = " ".join(str(error).split())
            raise UserError(f"{name}({gamma:g}) failed with {type(error).__name__}: {said}") from error
    if not hasattr(made, "of"):
        raise UserError(f"{name} is no penalty: it has no method `of`; gan/penalties.py shows what one has")
    return cast(Penalty, made)


_PENALTIES: dict[str, Callable[[float], Penalty]] = {
    "r1+r2": ZeroCentered,
    "r1": R1,
    "r2": R2,
    "wgan-gp": WassersteinGradient,
    "dragan": DRAGAN,
}


def _off_unit_slope(seen: Seen, images: Tensor) -> Tensor:
    """The squared distance from 1 of the length of the score's gradient at images (n, c, h, w): (n,)."""
    images = images.requires_grad_()
    (gradient,) = torch.autograd.grad(seen.score(images).sum(), images, create_graph=True)
    # vector_norm has the gradient 0 where there is none, as on flat ground; a root would have NaN.
    return (torch.linalg.vector_norm(gradient, dim=(1, 2, 3)) / 2 - 1).square()


def _draws(seen: Seen, name: str) -> Draws:
    if seen.draws is None:
        raise UserError(f"{name} draws at random: give the step draws, such as gan.draws.Draws(seed, len(reals))")
    return seen.draws
