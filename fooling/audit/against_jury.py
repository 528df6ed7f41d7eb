"""The attack on a classifier and on those who judge it at once: images of which the classifier is sure, and in which as
few jurors as can be see what it sees.

For each image another juror is held out of the attack, so that there is somebody whom nobody tried to mislead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from fooling.audit.attacks import SURE
from fooling.classifiers.activations import Outputs
from fooling.classifiers.frozen import device_of, frozen, probabilities
from fooling.classifiers.jury import Jury
from fooling.climb.ascent import ascend
from fooling.climb.criteria import Criterion
from fooling.climb.objectives import LogProbability, Objective
from fooling.climb.parametrizations import Pixels
from fooling.climb.per_image import at

_UNSEEN = 0.02  # the probability of the target to which a juror is brought down, and no further
_WEIGHT = 5.0  # of the classifier against the mean of the jurors: with less, few climbs arrive


@dataclass(frozen=True)
class AgainstJury:
    """Where the attack on a classifier and on its jury led n images.

    images: float (n, c, h, w). targets: int64 (n,). sure: bool (n,), the classifier is 99 % sure of the target.
    by_jury: bool (n,), the jury sees the target too. by_held_out: bool (n,), the juror does who was held out.
    """

    images: Tensor
    targets: Tensor
    sure: Tensor
    by_jury: Tensor
    by_held_out: Tensor

    @property
    def rubbish(self) -> Tensor:
        """bool (n,): the classifier is sure, and neither the jury sees it nor the juror whom nobody misled."""
        return self.sure & ~self.by_jury & ~self.by_held_out

    def figures(self) -> dict[str, float]:
        """Shares from 0 to 1. misled_sure: of all images those of which the classifier is sure. misled_rubbish: of all
        images those that are rubbish. misled_by_jury and misled_by_held_out: of those that it is sure of, those in
        which the jury sees the target, and the juror who was held out; NaN where it is sure of none."""
        return {
            "misled_sure": self.sure.float().mean().item(),
            "misled_rubbish": self.rubbish.float().mean().item(),
            "misled_by_jury": self.by_jury[self.sure].float().mean().item(),
            "misled_by_held_out": self.by_held_out[self.sure].float().mean().item(),
        }


def attack_with_jury(classifier: nn.Module, jury: Jury, starts: Tensor, targets: Tensor, *, steps: int) -> AgainstJury:
    """Climb from starts (n, c, h, w) in [0, 1] until the classifier is sure of targets (n,) and the jurors do not see
    them; of each path the image counts in which, the classifier being sure, they see the least of it.

    What is climbed is w min(log p/(1 - p), log 199) - mean_j max(log p_j, log .02), over all jurors j but the one held
    out: in both terms no more than is asked for, and odds, since near certainty hardly anything is left to gain in log
    p, and the jurors would outweigh it. It is climbed in steps of 0.02 from the starts, and in steps of 0.01 from
    where climbs that know of no jury end: the first leaves out what the jurors know, the second takes it away again.
    """
    jurors, n = tuple(jury.to(device_of(classifier)).jurors.values()), len(starts)
    held_out = (torch.arange(n) + torch.arange(n) // 10) % len(jurors)  # so that no class has always the same
    aim = _Aim(targets, held_out, jurors)
    memory = _LeastSeen(aim, starts)
    with frozen(classifier, *jurors):
        there = ascend(
            classifier, LogProbability(targets), Pixels(starts.clone()), until=SURE, steps=steps, step="sign",
            step_size=0.02, progress=False,
        )  # fmt: skip
        for begin, size in ((starts, 0.02), (there.images, 0.01)):
            ascend(
                classifier, aim, Pixels(begin.clone()), until=memory, steps=steps, step="sign", step_size=size,
                progress=False,
            )  # fmt: skip
    images = memory.images
    sure = at(probabilities(classifier, images), targets) >= SURE
    each = torch.stack(list(jury.each_recognised(images, targets).values()), 1)
    return AgainstJury(images, targets, sure, jury.recognised(images, targets), at(each, held_out))


class _Aim(Objective):
    """What is climbed. The jurors are asked once for an image, whoever wants to know: `asked` is shared with what
    `select` gives."""

    def __init__(self, target: Tensor, held_out: Tensor, jurors: Sequence[nn.Module]):
        self.target, self.held_out, self.jurors = target, held_out, list(jurors)
        self.asked: dict[str, Tensor] = {}

    def target_class(self, classifier: nn.Module) -> Tensor:
        return self.target

    def seen(self, outputs: Outputs) -> Tensor:
        """The log-probabilities (n, jurors) of the target, below every juror's for the one who is held out."""
        if self.asked.get("images") is not outputs.images:
            with torch.enable_grad():  # the criterion asks first, and needs none
                each = [at(juror(outputs.images).float().log_softmax(1), self.target) for juror in self.jurors]
                self.asked.update(images=outputs.images, answers=torch.stack(each, 1))
        out = rearrange(self.held_out, "n -> n 1") == torch.arange(len(self.jurors), device=self.held_out.device)
        return self.asked["answers"].masked_fill(out, -math.inf)

    def score(self, outputs: Outputs) -> Tensor:
        own = rearrange(self.target, "n -> n 1") == torch.arange(outputs.logits.shape[1], device=self.target.device)
        odds = at(outputs.logits, self.target) - outputs.logits.masked_fill(own, -math.inf).logsumexp(1)
        certainty = odds.clamp_max(math.log((1 + SURE) / (1 - SURE)))
        lowest = math.log(_UNSEEN)
        others = (self.seen(outputs).clamp_min(lowest) - lowest).sum(1) / (len(self.jurors) - 1)
        return _WEIGHT * certainty - others


class _LeastSeen(Criterion):
    """Arrived when the classifier is sure and no juror sees the target; until then remembers on each path the image of
    which the classifier is sure, else surest, and of which the jurors see least."""

    def __init__(self, aim: _Aim, starts: Tensor):
        self.aim, self.numbers = aim, torch.arange(len(starts))
        self.best = [starts.clone(), torch.full((len(starts),), -torch.inf)]  # a list: shared with what `select` gives

    @property
    def images(self) -> Tensor:
        return self.best[0]

    def __call__(self, outputs: Outputs) -> Tensor:
        p, seen = at(outputs.probabilities, self.aim.target).detach(), self.aim.seen(outputs).detach().exp()
        worth = torch.where(p >= SURE, 1 - seen.mean(1), p - 1).cpu()
        numbers = self.numbers.cpu()
        better = worth > self.best[1][numbers]
        self.best[0][numbers[better]] = outputs.images.detach().cpu()[better]
        self.best[1][numbers[better]] = worth[better]
        return (p >= SURE) & (seen.amax(1) < _UNSEEN)
