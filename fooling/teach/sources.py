"""Where negatives come from: images that a classifier shall learn to call "none of these".

    Noise        images that show nothing
    Pool         whatever was added to it: the fooling images of all past rounds
    Worst        where short climbs from another source end, made against the network as it is at this step
    Persistent   for Worst: climbs go on where earlier ones ended, some from fresh starts (Du and Mordatch 2019)
    Others       images of another data set (outlier exposure: Hendrycks et al. 2019, arXiv:1812.04606)
    Generated    what a generator draws

All are sources: `draw(count, step)` gives this process's rows of `count` images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from fooling.classifiers.frozen import device_of
from fooling.classifiers.networks import num_classes_of
from fooling.climb.ascent import ascend
from fooling.climb.objectives import Either, Likeliest, Objective
from fooling.climb.parametrizations import Pixels, latent_dim_of
from fooling.climb.starts import check_kinds, rubbish
from fooling.climb.step_rules import VariedRule
from fooling.errors import UserError
from fooling.images import Images, to_float

REMEMBERED = 10_000  # places of a persistent pool


@dataclass
class Step:
    """A training step, as the sources of its negatives see it.

    classifier: the network in training; sources leave its gradients and its mode alone.
    images: float (n, c, h, w) in [0, 1], the whole batch's real images, on the CPU.
    generator: of all that is drawn in this step, in the same state on every process.
    share: which rows of so many are this process's.
    gather: the rows of all processes, in order.
    autocast: the precision in which climbs are computed, or None.
    """

    classifier: nn.Module
    images: Tensor
    generator: torch.Generator
    share: Callable[[int], slice] = slice
    gather: Callable[[Tensor], Tensor] = lambda rows: rows
    autocast: torch.dtype | None = None


class Source:
    """Base: somewhere that negatives come from."""

    def draw(self, count: int, step: Step) -> Tensor:
        """This process's rows of `count` images: float (rows, c, h, w) in [0, 1], on the CPU."""
        raise NotImplementedError

    def keep(self, images: Tensor, step: Step) -> None:
        """Take note of where climbs from this process's rows of the last draw ended."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold of it."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Noise(Source):
    """Images that show nothing, of the kinds named (fooling/climb/starts.py)."""

    def __init__(self, kinds: Sequence[str]):
        check_kinds(kinds)
        self.kinds = tuple(kinds)

    def draw(self, count: int, step: Step) -> Tensor:
        return rubbish(self.kinds, count, step.images, step.generator)[step.share(count)]


class _Remembering(Source):
    """Base: a source whose images a checkpoint holds; none at first."""

    def __init__(self) -> None:
        self.images = torch.empty(0)

    def state_dict(self) -> dict[str, Any]:
        return {"images": self.images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.images = state["images"]


class Pool(_Remembering):
    """All images ever added, drawn with replacement. Empty at first, when it gives none."""

    def __len__(self) -> int:
        return len(self.images)

    def add(self, images: Tensor) -> None:
        self.images = torch.cat([self.images, images.cpu()]) if len(self) else images.cpu()

    def draw(self, count: int, step: Step) -> Tensor:
        if not len(self):
            return step.images[:0]
        return self.images[torch.randint(len(self), (count,), generator=step.generator)[step.share(count)]]


class Others(Source):
    """Images of another data set, drawn with replacement."""

    def __init__(self, data: Images):
        self.data = data

    def draw(self, count: int, step: Step) -> Tensor:
        which = torch.randint(len(self.data), (count,), generator=step.generator)[step.share(count)]
        check_shape(self.data.images.shape[1:], step.images.shape[1:])
        return to_float(self.data.images[which])


class Generated(Source):
    """What a generator makes of normal latents (n, latent_dim): any module from latents to images in [0, 1]."""

    def __init__(self, generator: nn.Module, latent_dim: int | None = None):
        self.generator, self.latent_dim = generator.eval(), latent_dim_of(generator, latent_dim)

    @torch.no_grad()
    def draw(self, count: int, step: Step) -> Tensor:
        latents = torch.randn(count, self.latent_dim, generator=step.generator)[step.share(count)]
        device = device_of(step.classifier)
        images = self.generator.to(device)(latents.to(device)).float().cpu()
        check_shape(images.shape[1:], step.images.shape[1:])
        return images


class Persistent(_Remembering):
    """Starts that remember where the climbs from them ended (Persistent(Noise(...)) inside Worst).

    fresh: where new starts come from. size: images remembered. reseed: the share of each draw that starts afresh.
    Raises UserError when more are drawn at once than are remembered.

    The replay buffer of Du and Mordatch 2019, arXiv:1903.08689, and of JEM (Grathwohl et al. 2020, arXiv:1912.03263).
    """

    def __init__(self, fresh: Source, *, size: int = REMEMBERED, reseed: float = 0.05):
        if size < 1 or not 0 <= reseed <= 1:
            raise UserError(f"a persistent pool needs size >= 1 and reseed from 0 to 1, got {size} and {reseed}")
        super().__init__()
        self.fresh, self.size, self.reseed = fresh, size, reseed
        self._drawn = torch.empty(0, dtype=torch.int64)

    def draw(self, count: int, step: Step) -> Tensor:
        if count > self.size:
            raise UserError(
                f"cannot draw {count} starts from a persistent pool of {self.size}: no two may share a place"
            )
        share = step.share(count)
        # Distinct places: which of two ends in one place stays there would depend on which thread writes last.
        self._drawn = torch.randperm(self.size, generator=step.generator)[:count]
        anew = torch.rand(count, generator=step.generator) < self.reseed
        fresh = self.fresh.draw(count, step)
        if not len(self.images):  # never climbed from: NaN
            self.images = torch.full((self.size, *fresh.shape[1:]), torch.nan)
        remembered = self.images[self._drawn[share]]
        anew = anew[share] | remembered.flatten(1).isnan().any(1)
        return torch.where(rearrange(anew, "n -> n 1 1 1"), fresh, remembered)

    def keep(self, images: Tensor, step: Step) -> None:
        self.images[self._drawn] = step.gather(images)


class Worst(Source):
    """Where short climbs end: the worst images that this step's network has near the starts.

    starts: the source of what is climbed from.
    steps: of each climb.
    sizes: the smallest and the largest step, drawn log-uniformly for each image.
    varied: draw for each image also the target class, the rule (sign, or normalised by its RMS), the momentum (none
        or 0.9) and the objective (log-probability or margin), so that the network cannot learn one attack by heart.
        Else all take sign steps up the log-probability of whichever class is likeliest, as ACET does.
    ball: stay within an L-inf ball of that radius around the start. None: the whole box.
    """

    def __init__(
        self,
        starts: Source,
        *,
        steps: int = 10,
        sizes: tuple[float, float] = (0.01, 0.2),
        varied: bool = True,
        ball: float | None = None,
    ):
        if steps < 1 or not 0 < sizes[0] <= sizes[1]:
            raise UserError(f"climbs need steps >= 1 and 0 < smallest <= largest size, got {steps} and {sizes}")
        if ball is not None and ball <= 0:
            raise UserError(f"the ball of the climbs needs a radius above 0, got {ball}")
        self.starts, self.steps, self.sizes, self.varied, self.ball = starts, steps, sizes, varied, ball

    def draw(self, count: int, step: Step) -> Tensor:
        starts = self.starts.draw(count, step)
        if not len(starts):
            return starts
        share, generator = step.share(count), step.generator
        low, high = self.sizes
        sizes = low * (high / low) ** torch.rand(count, generator=generator)
        if self.varied:
            classes = num_classes_of(step.classifier)
            objective: Objective = Either(
                torch.randint(classes, (count,), generator=generator)[share],
                (torch.rand(count, generator=generator) < 0.5)[share],
            )
            kinds = torch.randint(3, (count,), generator=generator)
            momenta = 0.9 * (torch.rand(count, generator=generator) < 1 / 3)
            rule = VariedRule(sizes[share], kinds[share] == 1, momenta[share])
        else:
            objective = Likeliest()
            rule = VariedRule(sizes[share])
        ends = ascend(
            step.classifier, objective, Pixels(starts), steps=self.steps, step=rule, step_size=1.0,
            ball=None if self.ball is None else ("linf", self.ball), autocast=step.autocast, progress=False,
        ).images  # fmt: skip
        self.starts.keep(ends, step)
        return ends

    def state_dict(self) -> dict[str, Any]:
        return self.starts.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.starts.load_state_dict(state)


def check_shape(shape: Sequence[int], expected: Sequence[int]) -> None:
    """Raise UserError unless negatives have the shape (c, h, w) of the data's images."""
    if tuple(shape) != tuple(expected):
        raise UserError(f"negatives are {tuple(shape)} images, the data's {tuple(expected)}")
