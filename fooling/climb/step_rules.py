"""How a climb turns a gradient into a step: one small object for each rule, all of them image by image.

Each maps gradients (n, ...) to directions of about unit size, so that `step_size` has a meaning; `select` follows the
images when some leave the batch.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from fooling.climb.per_image import PerImage
from fooling.errors import UserError

RuleName = Literal["plain", "sign", "std", "mean-abs", "l2", "momentum", "adam"]

_TINY = 1e-12  # keeps 0 / 0 at 0 without touching any gradient that is alive


class StepRule(PerImage):
    """Base: gradients (n, ...) to directions of the same shape; what it remembers of each image it keeps in tensors."""

    def __call__(self, gradient: Tensor) -> Tensor:
        raise NotImplementedError


class Plain(StepRule):
    """The gradient itself."""

    def __call__(self, gradient: Tensor) -> Tensor:
        return gradient


class Sign(StepRule):
    """Its sign: the longest step in an L-inf ball (Goodfellow et al. 2014, arXiv:1412.6572, section 4)."""

    def __call__(self, gradient: Tensor) -> Tensor:
        return gradient.sign()


class Std(StepRule):
    """Divided by its standard deviation over the image."""

    def __call__(self, gradient: Tensor) -> Tensor:
        return gradient / _like(gradient, gradient.flatten(1).std(1) + _TINY)


class MeanAbs(StepRule):
    """Divided by its mean absolute value over the image, as in DeepDream."""

    def __call__(self, gradient: Tensor) -> Tensor:
        return gradient / _like(gradient, gradient.flatten(1).abs().mean(1) + _TINY)


class UnitL2(StepRule):
    """Divided by its L2 norm over the image: the longest step in an L2 ball."""

    def __call__(self, gradient: Tensor) -> Tensor:
        return gradient / _like(gradient, torch.linalg.vector_norm(gradient.flatten(1), dim=1) + _TINY)


class Momentum(StepRule):
    """The sign of a running sum of gradients, each divided by its mean absolute value (MI-FGSM: Dong et al. 2018,
    arXiv:1710.06081, equations 6 and 7, with mu = 0.9)."""

    def __init__(self) -> None:
        self.velocity: Tensor | float = 0.0

    def __call__(self, gradient: Tensor) -> Tensor:
        self.velocity = 0.9 * self.velocity + MeanAbs()(gradient)
        return self.velocity.sign()


class Adam(StepRule):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1) with beta = (0.9, 0.999)."""

    def __init__(self) -> None:
        self.mean: Tensor | float = 0.0
        self.square: Tensor | float = 0.0
        self.count = 0

    def __call__(self, gradient: Tensor) -> Tensor:
        self.count += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient.square()
        mean, square = self.mean / (1 - 0.9**self.count), self.square / (1 - 0.999**self.count)
        return mean / (square.sqrt() + 1e-8)


_RULES: dict[RuleName, type[StepRule]] = {
    "plain": Plain, "sign": Sign, "std": Std, "mean-abs": MeanAbs, "l2": UnitL2, "momentum": Momentum, "adam": Adam,
}  # fmt: skip


def make_rule(name: RuleName | StepRule) -> StepRule:
    """A new step rule of that name, with nothing remembered; a rule of the caller's own is taken as it is."""
    if isinstance(name, PerImage):
        return name
    if name not in _RULES:
        raise UserError(f"unknown step {name!r}: expected one of {', '.join(get_args(RuleName))}")
    return _RULES[name]()


class VariedRule(StepRule):
    """A step of its own for each image: its size (n,), its momentum (n,), by default 0, and its rule: those that are
    `normalised`, bool (n,), have a root mean square of the size, the others, by default all, are its sign."""

    def __init__(self, sizes: Tensor, normalised: Tensor | None = None, momenta: Tensor | None = None):
        self.sizes = sizes
        self.normalised = torch.zeros_like(sizes, dtype=torch.bool) if normalised is None else normalised
        self.momenta = torch.zeros_like(sizes) if momenta is None else momenta
        self.velocity: Tensor | float = 0.0

    def __call__(self, gradient: Tensor) -> Tensor:
        sizes, normalised, momenta = (_like(gradient, v) for v in (self.sizes, self.normalised, self.momenta))
        self.velocity = momenta * self.velocity + MeanAbs()(gradient)
        rms = self.velocity.flatten(1).square().mean(1).sqrt() + _TINY
        return sizes * torch.where(normalised, self.velocity / _like(gradient, rms), self.velocity.sign())


def _like(gradient: Tensor, values: Tensor) -> Tensor:
    """Values (n,), one for each image, of as many dimensions as the gradients (n, ...)."""
    return values.view(-1, *[1] * (gradient.dim() - 1))
