"""The attacks of the battery: each takes starts (n, c, h, w) and a target class for each, and gives the best it found.

    attack(classifier, starts, targets, bounds, steps) -> Best(images, confidences, steps)

Targets are never the reject class. An image leaves an attack when the classifier is 99 % sure of its target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from fooling.classifiers.activations import Outputs, gradient_of
from fooling.classifiers.frozen import frozen, probabilities
from fooling.climb.ascent import ascend
from fooling.climb.criteria import Criterion
from fooling.climb.objectives import Logit, LogProbability, Margin, Objective
from fooling.climb.parametrizations import Pixels
from fooling.climb.per_image import at
from fooling.climb.step_rules import RuleName
from fooling.seeds import seed_of

SURE = 0.99


@dataclass(frozen=True)
class Bounds:
    """Where images may go: the whole box [0, 1], or an L-inf ball of `radius` around `centres` (n, c, h, w) in it."""

    centres: Tensor
    radius: float | None = None

    def clip(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Images (k, c, h, w), brought to where those numbered (k,) may be."""
        if self.radius is not None:
            centres = self.centres[numbers].to(images.device)
            images = torch.minimum(torch.maximum(images, centres - self.radius), centres + self.radius)
        return images.clamp(0, 1)

    def select(self, which: Tensor) -> Bounds:
        return Bounds(self.centres[which], self.radius)


@dataclass(frozen=True)
class Best:
    """images: float (n, c, h, w), the best on each path. confidences: float (n,), in the target class. steps: int64
    (n,), how many it took, or all of them."""

    images: Tensor
    confidences: Tensor
    steps: Tensor


Attack = Callable[[nn.Module, Tensor, Tensor, Bounds, int], Best]


@dataclass(frozen=True)
class Climb:
    """A climb by one rule (fooling/climb/step_rules.py) with one step size."""

    objective: Callable[[Tensor], Objective]
    step: RuleName
    step_size: float

    def __call__(self, classifier: nn.Module, starts: Tensor, targets: Tensor, bounds: Bounds, steps: int) -> Best:
        memory = _Memory(targets, starts)
        ascent = ascend(
            classifier, self.objective(targets), Pixels(starts.clone()), until=memory, steps=steps, step=self.step,
            step_size=self.step_size, ball=None if bounds.radius is None else ("linf", bounds.radius), progress=False,
        )  # fmt: skip
        images, confidences = memory.best
        return Best(images, confidences, ascent.steps)


class _Memory(Criterion):
    """Arrived when sure; until then, remembers the best image on each path, which need not be its last."""

    def __init__(self, target: Tensor, starts: Tensor):
        self.target, self.numbers = target, torch.arange(len(target))
        self.best = [starts.clone(), torch.full((len(target),), -1.0)]  # a list: shared with what `select` gives

    def __call__(self, outputs: Outputs) -> Tensor:
        confidences = at(outputs.probabilities, self.target).detach()
        numbers, p = self.numbers.cpu(), confidences.cpu()
        better = p > self.best[1][numbers]
        self.best[0][numbers[better]] = outputs.images.detach().cpu()[better]
        self.best[1][numbers[better]] = p[better]
        return confidences >= SURE


@dataclass(frozen=True)
class Adaptive:
    """A climb of the log-probability whose steps grow by a tenth on progress, and are halved and taken back on regret
    (Meinke and Hein 2020, arXiv:1909.12180, section 4). They are normalised by their root mean square.

    seed: begin from a random point within 0.3 of the start, drawn from it. None: from the start itself.
    """

    seed: int | None = None
    first_size: float = 0.05

    def __call__(self, classifier: nn.Module, starts: Tensor, targets: Tensor, bounds: Bounds, steps: int) -> Best:
        if self.seed is not None:
            generator = torch.Generator().manual_seed(seed_of(self.seed))
            starts = starts + 0.6 * torch.rand(starts.shape, generator=generator) - 0.3
        n, alive = len(starts), torch.arange(len(starts))
        with frozen(classifier) as device:
            tried = bounds.clip(starts, alive).to(device)
            targets = targets.to(device)
            best, scores, direction = (
                tried.clone(),
                torch.full((n,), -torch.inf, device=device),
                torch.zeros_like(tried),
            )
            sizes, taken = torch.full((n,), self.first_size, device=device), torch.full((n,), steps)
            for k in range(steps + 1):
                log_p, gradient = log_probability(classifier, tried, targets[alive])
                progress = log_p > scores[alive]
                won = alive[progress.cpu()]
                best[won], scores[won] = tried[progress], log_p[progress]
                rms = gradient.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-12
                direction[won] = (gradient / rms)[progress]
                sizes[alive] *= torch.where(progress, 1.1, 0.5)
                arrived = (scores[alive].exp() >= SURE).cpu()
                taken[alive[arrived]] = k
                alive = alive[~arrived & (sizes[alive] > 1e-4).cpu()]
                if not len(alive):
                    break
                tried = bounds.clip(best[alive] + rearrange(sizes[alive], "n -> n 1 1 1") * direction[alive], alive)
        return Best(best.cpu(), scores.exp().cpu(), taken)


@dataclass(frozen=True)
class Transfer:
    """A climb on another network, and from where it ends an adaptive climb on this one.

    It finds its way where this network's own gradient near the start leads nowhere (Papernot et al. 2017,
    arXiv:1602.02697). With follow=False, no gradient of this network is used at all.
    """

    other: nn.Module
    follow: bool = True

    def __call__(self, classifier: nn.Module, starts: Tensor, targets: Tensor, bounds: Bounds, steps: int) -> Best:
        there = Climb(LogProbability, "sign", 0.02)(self.other, starts, targets, bounds, steps)
        if not self.follow:
            return Best(there.images, at(probabilities(classifier, there.images), targets), there.steps)
        best = Adaptive()(classifier, there.images, targets, bounds, steps)
        return Best(best.images, best.confidences, there.steps + best.steps)


def attacks(*, restarts: int, seed: int) -> dict[str, Attack]:
    """The attacks that need nothing but the network itself, by name; the adaptive climb is restarted so many times."""
    return {
        "sign steps of 0.1, logit": Climb(Logit, "sign", 0.1),
        "sign steps of 0.02, log-probability": Climb(LogProbability, "sign", 0.02),
        "sign steps of 0.005, margin": Climb(Margin, "sign", 0.005),
        "L2 steps of 0.5, margin": Climb(Margin, "l2", 0.5),
        "L2 steps of 0.1, logit": Climb(Logit, "l2", 0.1),
        "momentum steps of 0.02, log-probability": Climb(LogProbability, "momentum", 0.02),
        "Adam steps of 0.05, margin": Climb(Margin, "adam", 0.05),
        "Adam steps of 0.01, log-probability": Climb(LogProbability, "adam", 0.01),
        "adaptive steps": Adaptive(),
        **{f"adaptive steps, restart {k + 1}": Adaptive(seed=seed_of(seed, k)) for k in range(restarts)},
    }


def log_probability(classifier: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """log p(target) of each image (n,), and every image's own gradient of it."""
    parts = []
    for some, wanted in zip(images.split(128), targets.split(128), strict=True):
        some = some.detach().requires_grad_()
        scores = at(classifier(some).float().log_softmax(1), wanted)
        parts.append((scores.detach(), gradient_of(scores.sum(), some, "the log-probability")))
    values, gradients = map(torch.cat, zip(*parts, strict=True))
    return values, gradients
