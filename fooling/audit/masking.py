"""Does a network hide its gradient? One that does looks safe to climbs, and is not.

The signs are those of Athalye et al. 2018, arXiv:1802.00420, section 3.1: what needs no gradient does better than what
follows it, and more room for an attack does not help it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from fooling.audit.attacks import SURE, Bounds, Climb, Transfer, log_probability
from fooling.classifiers.frozen import frozen
from fooling.classifiers.judge import recognised
from fooling.climb.evolution import Evolution, evolve
from fooling.climb.objectives import LogProbability
from fooling.climb.parametrizations import Pixels
from fooling.seeds import seed_of

RADII = (0.05, 0.1, 0.2, 0.3, 0.5, None)
_FEW = 0.05  # of the starts may have no gradient


@dataclass
class Masking:
    """What was tried, and the signs that were seen; shares from 0 to 1.

    without_gradient: of all starts that it is not yet sure of, the share where log p(target) has no gradient at all.
    gradient: of uniform noise, the share that its own gradient brought to 99 %. gradient_classes: to which classes.
    transfer: the share that a climb on another network brought there. None: there was no other.
    evolution: the climb without gradients. evolution_classes: those that it brought to 99 %; evolution_rubbish: those
        of them whose image the judge does not take for the class.
    within: radius of an L-inf ball (None: the whole box) -> the share of uniform noise that sign steps bring there.
    signs: one sentence for each sign that it hides its gradient.
    """

    without_gradient: float
    gradient: float
    gradient_classes: list[int]
    evolution: Evolution
    evolution_classes: list[int]
    evolution_rubbish: list[int]
    within: dict[float | None, float]
    transfer: float | None = None
    signs: list[str] = field(default_factory=list)

    @property
    def hides(self) -> Literal["no sign", "perhaps", "yes"]:
        """Whether it hides its gradient: perhaps, where all that is odd is that some starts have none."""
        if not self.signs:
            return "no sign"
        return "perhaps" if len(self.signs) == 1 and self.without_gradient > _FEW else "yes"

    def numbers(self) -> dict[str, Any]:
        """All of it but the images and the sentences, as plain values."""
        left_out = ("evolution", "signs", "within")
        return {
            **{name: value for name, value in vars(self).items() if name not in left_out},
            "evolution_evaluations": self.evolution.evaluations,
            "within": {"box" if radius is None else f"{radius:g}": share for radius, share in self.within.items()},
        }


def look_for_masking(
    classifier: nn.Module,
    starts: tuple[Tensor, Tensor],
    noise: tuple[Tensor, Tensor],
    reached: Tensor,
    *,
    other: nn.Module | None,
    judge: nn.Module | None,
    class_names: Sequence[str],
    steps: int,
    evaluations: int,
    seed: int,
    tick: Callable[[], None] = lambda: None,
) -> Masking:
    """Try what needs no gradient, and balls of growing size.

    starts: images (m, c, h, w) and target classes (m,), whose gradients are looked at.
    noise: uniform noise (n, c, h, w) and target classes (n,). reached: bool (n,), which of it the battery, by the
        network's own gradient, made 99 % sure of the target.
    other: a network to carry images over from. evaluations: how many images evolution may ask about.
    tick: called after evolution, after the climbs within each radius, and after the transfer where there is an other.
    """
    images, targets = noise
    evolution = evolve(
        classifier, Pixels.noise(100, shape=images.shape[1:], seed=seed_of(seed, 0)), classes=range(len(class_names)),
        until=SURE, evaluations=evaluations, seed=seed_of(seed, 1), progress=False,
    )  # fmt: skip
    tick()
    bred = evolution.confidences >= SURE
    rubbish = bred if judge is None else bred & ~recognised(judge, evolution.images, evolution.classes)
    found = Masking(
        without_gradient=_without_gradient(classifier, *starts),
        gradient=_share(reached),
        gradient_classes=targets[reached].unique().tolist(),
        evolution=evolution,
        evolution_classes=evolution.classes[bred].tolist(),
        evolution_rubbish=evolution.classes[rubbish].tolist(),
        within={},
    )
    for radius in RADII:
        found.within[radius] = _climbed_within(radius, classifier, images, targets, steps)
        tick()
    if other is not None:
        carried = Transfer(other, follow=False)(classifier, images, targets, Bounds(images), steps)
        found.transfer = _share(carried.confidences >= SURE)
        tick()
    found.signs = _signs(found, set(targets.tolist()), class_names)
    return found


def _signs(found: Masking, targets: set[int], class_names: Sequence[str]) -> list[str]:
    signs = []
    if found.without_gradient > _FEW:
        signs.append(f"the gradient is zero at {found.without_gradient:.0%} of the starts: it may hide its gradient")
    beaten = sorted((set(found.evolution_classes) & targets) - set(found.gradient_classes))
    if beaten:
        names = ", ".join(class_names[k] for k in beaten)
        signs.append(
            f"evolution, without a gradient, reaches classes that gradients do not ({names}): it hides its gradient"
        )
    if found.transfer is not None and found.transfer > found.gradient + 0.05:
        signs.append(
            f"images made on another network fool it more often ({found.transfer:.0%}) than its own gradient does"
            f" ({found.gradient:.0%}): it hides its gradient"
        )
    if any(later < earlier - 0.1 for earlier, later in itertools.pairwise(found.within.values())):
        signs.append("attacks succeed less often in a larger ball than in a smaller one: it hides its gradient")
    return signs


def _without_gradient(classifier: nn.Module, images: Tensor, targets: Tensor) -> float:
    with frozen(classifier) as device:
        log_p, gradient = log_probability(classifier, images.to(device), targets.to(device))
    unsure = log_p.exp() < SURE  # where a probability is 1, it has no gradient, and needs none
    return _share(gradient.flatten(1).abs().amax(1)[unsure] == 0) if unsure.any() else 0.0


def _climbed_within(radius: float | None, classifier: nn.Module, images: Tensor, targets: Tensor, steps: int) -> float:
    best = Climb(LogProbability, "sign", 0.02)(classifier, images, targets, Bounds(images, radius), steps)
    return _share(best.confidences >= SURE)


def _share(which: Tensor) -> float:
    return which.float().mean().item()
