"""The loop of a climb: look, let those that have arrived leave, step along the gradient, again.

`ascend` in fooling/ascent.py is the way in; here is what it does with each chunk of images.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from fooling.data import seed_of
from fooling.errors import UserError
from fooling.images import blurred, check_images
from fooling.objectives import Objective
from fooling.outputs import Outputs, PerImage, gradient_of
from fooling.parametrizations import Parametrization

# When more than this part of the images arrive at once, a new forward pass for the others is cheaper than a backward
# pass through all of them (a convolution's gradient costs two to four times its forward pass).
_LOOK_AGAIN = 0.3


@dataclass(repr=False, eq=False)
class Climbers(PerImage):
    """The images of one chunk that are still climbing, with everything that has one entry for each of them."""

    numbers: Tensor  # int64 (n,), which images of the whole batch they are
    params: Tensor  # (n, ...)
    starts: Tensor  # images (n, c, h, w)
    objective: Objective
    until: Callable[[Outputs], Tensor] | None
    rule: PerImage  # from gradients to directions, with what it remembers of each image


class Logbook(Protocol):
    """Who is told what became of the climbers."""

    def leave(self, some: Climbers, outputs: Outputs, which: Tensor, step: int, success: Tensor) -> None:
        """Those at the positions `which` climb no more: they have arrived (success), or this was the last step."""

    def note(self, some: Climbers, outputs: Outputs, step: int) -> None:
        """They were here at this step, one of those to be traced."""


@dataclass
class Climb:
    """The settings of a climb, named as in `ascend`, and its loop."""

    forward: Callable[[Tensor, Tensor], Outputs]  # the classifier, held still: images and their starts -> Outputs
    parametrization: Parametrization
    logbook: Logbook
    steps: int
    step_size: float
    decay: float
    ball: tuple[str, float] | None
    blur: float
    jitter: int
    seed: int
    trace: Collection[int]

    def __post_init__(self) -> None:
        for name in ("steps", "blur", "jitter"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.step_size <= 0:
            raise UserError(f"step_size must be positive, got {self.step_size} (to go down, climb -objective)")
        if not 0 <= self.decay < 1:
            raise UserError(f"decay must be at least 0 and below 1, got {self.decay}")
        if self.ball is not None and (self.ball[0] not in ("linf", "l2") or self.ball[1] <= 0):
            raise UserError(f"ball must be ('linf', radius) or ('l2', radius) with radius > 0, got {self.ball!r}")
        if (self.ball or self.blur) and not self.parametrization.in_pixels:
            raise UserError(f"a ball and a blur are for Pixels, not for {type(self.parametrization).__name__}")

    @torch.no_grad()
    def run(self, some: Climbers) -> None:
        """Climb until all have arrived or the steps are used up."""
        for k in range(self.steps + 1):
            last = k == self.steps
            outputs = self.look(some, grad=not last and not self.jitter)
            if k in self.trace:
                self.logbook.note(some, outputs, k)
            arrived = self.arrived(some, outputs)
            gone = (torch.ones_like(arrived) if last else arrived).nonzero()[:, 0]
            if len(gone):
                self.logbook.leave(some, outputs, gone, k, arrived[gone])
            if len(gone) == len(arrived):
                return
            stay = (~arrived).nonzero()[:, 0] if len(gone) else slice(None)

            if self.jitter or len(gone) > _LOOK_AGAIN * len(arrived):
                some = some.select(stay)
                gradient = self.gradient(some, self.look(some, grad=True, shift=self.shift(k)))
            else:
                gradient = self.gradient(some, outputs)
                if len(gone):
                    some, gradient = some.select(stay), gradient[stay]
            some.params = self.move(some, gradient)

    def look(self, some: Climbers, *, grad: bool, shift: tuple[int, int] = (0, 0)) -> Outputs:
        """What the classifier makes of the images; with `grad`, ready for a gradient. It sees them moved by `shift`
        pixels, while an objective about the images themselves has them where they are."""
        some.params = some.params.detach().requires_grad_(grad)
        with torch.set_grad_enabled(grad):
            images = self.parametrization.image_fn(some.params).to(some.params.dtype)  # whatever autocast made of them
            check_images(images.detach(), some.numbers)
            if not any(shift):
                return self.forward(images, some.starts)
            return replace(self.forward(images.roll(shift, (2, 3)), some.starts), images=images)

    def arrived(self, some: Climbers, outputs: Outputs) -> Tensor:
        """bool (n,): for whom the criterion holds; for nobody where there is none."""
        if some.until is None:
            return torch.zeros_like(some.numbers, dtype=torch.bool)
        arrived = some.until(outputs)
        if not isinstance(arrived, Tensor) or arrived.dtype != torch.bool or arrived.shape != some.numbers.shape:
            raise UserError(f"a criterion gives bool ({len(some.numbers)},) for as many images, got {arrived!r}")
        return arrived

    def gradient(self, some: Climbers, outputs: Outputs) -> Tensor:
        """Every image's own gradient (n, ...), without touching any parameter's `.grad`."""
        with torch.enable_grad():
            total = some.objective.score(outputs).sum()
        gradient = gradient_of(total, some.params, some.objective)
        if not torch.isfinite(gradient.sum()):
            bad = ~torch.isfinite(gradient.flatten(1)).all(1)
            raise UserError(f"the gradient of {some.objective} is not finite at image {int(some.numbers[bad][0])}")
        return gradient

    def move(self, some: Climbers, gradient: Tensor) -> Tensor:
        """The params (n, ...) after one step."""
        params = some.params.detach() + self.step_size * some.rule(gradient)
        if self.decay:
            params *= 1 - self.decay
        if self.blur:
            params = blurred(params, self.blur)
        if self.ball:
            params = _into_ball(params, some.starts, *self.ball)
        return self.parametrization.clip(params)

    def shift(self, k: int) -> tuple[int, int]:
        """The jitter of step k, the same for all images so that each climbs as it would alone."""
        if not self.jitter:
            return 0, 0
        generator = torch.Generator().manual_seed(seed_of(self.seed, k))
        return tuple(torch.randint(-self.jitter, self.jitter + 1, (2,), generator=generator).tolist())


def _into_ball(images: Tensor, centres: Tensor, norm: str, radius: float) -> Tensor:
    offsets = images - centres
    if norm == "linf":
        return centres + offsets.clamp_(-radius, radius)
    lengths = torch.linalg.vector_norm(offsets.flatten(1), dim=1).clamp_min(1e-12)[:, None, None, None]
    return centres + offsets * (radius / lengths).clamp_max(1)
