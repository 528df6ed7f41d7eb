"""A battery of attacks on one classifier: from many starts, by many climbs, each image counting with the worst found.

The worst outcome for an image is that the classifier is 99 % sure of the target while the judge does not see it; the
next worst, that it is 99 % sure and the judge agrees; else the highest confidence that any attack reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from fooling.audit.attacks import SURE, Attack, Best, Bounds
from fooling.classifiers.frozen import probabilities
from fooling.classifiers.judge import recognised
from fooling.climb.per_image import at
from fooling.climb.starts import KINDS
from fooling.images import Images, to_float
from fooling.seeds import seed_of

RUBBISH_STARTS = ("uniform", "grey", "black", "white", "binary", "sparse", "smooth", "permuted")
OTHER_CLASSES = "other classes"


@dataclass
class Found:
    """The worst that was found for each of n images; it grows worse as attacks are offered.

    targets: int64 (n,). images: float (n, c, h, w). confidences: float (n,), in the target class.
    rubbish: bool (n,), the classifier is sure and the judge does not see it; without a judge, it is sure.
    steps: float (n,), the fewest steps in which an attack made the classifier sure; infinite where none did.
    by: the name of the attack behind each image.
    """

    targets: Tensor
    images: Tensor
    confidences: Tensor
    rubbish: Tensor
    steps: Tensor
    by: list[str]
    judge: nn.Module | None = field(repr=False)

    @classmethod
    def at_start(cls, classifier: nn.Module, judge: nn.Module | None, starts: Tensor, targets: Tensor) -> Found:
        """Before any attack."""
        n, unknown = len(starts), torch.full((len(starts),), torch.inf)
        found = cls(targets, starts.clone(), -unknown, torch.zeros(n, dtype=torch.bool), unknown, [""] * n, judge)
        confidences = at(probabilities(classifier, starts), targets)
        found.offer(torch.arange(n), Best(starts, confidences, torch.zeros(n, dtype=torch.int64)), "no attack")
        return found

    @property
    def sure(self) -> Tensor:
        return self.confidences >= SURE

    @property
    def recognised(self) -> Tensor:
        """bool (n,): sure, and rightly so as far as the judge sees."""
        return self.sure & ~self.rubbish

    def select(self, which: slice) -> Found:
        """The same of some of the images."""
        return replace(self, **{name: values[which] for name, values in vars(self).items() if name != "judge"})

    def take_over(self, other: Found) -> None:
        """What was found for the same images elsewhere counts here too."""
        everything = torch.arange(len(self.targets))
        self.offer(everything, Best(other.images, other.confidences, other.steps), other.by)

    def offer(self, numbers: Tensor, best: Best, by: str | list[str]) -> None:
        """What an attack has made of the images numbered (k,); by: its name, or one for each of all images."""
        sure = best.confidences >= SURE
        rubbish = sure.clone()
        if self.judge is not None:
            rubbish[sure] = ~recognised(self.judge, best.images[sure], self.targets[numbers[sure]])
        self.steps[numbers[sure]] = torch.minimum(self.steps[numbers[sure]], best.steps[sure].float())
        worse = ~self.rubbish[numbers] & (rubbish | (best.confidences > self.confidences[numbers]))
        chosen = numbers[worse]
        self.images[chosen], self.confidences[chosen] = best.images[worse], best.confidences[worse]
        self.rubbish[chosen] = rubbish[worse]
        for number in chosen.tolist():
            self.by[number] = by if isinstance(by, str) else by[number]


def run_battery(
    classifier: nn.Module,
    judge: nn.Module | None,
    starts: Tensor,
    targets: Tensor,
    attacks: Mapping[str, Attack],
    *,
    radius: float | None,
    steps: int,
    found: Found | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Found:
    """The worst that any of the attacks finds from starts (n, c, h, w) in [0, 1], towards targets (n,).

    radius: of the L-inf ball around each start to stay in. None: the whole box.
    steps: of each attack. An image that has become rubbish is done with.
    found: go on with this, and change it. tick: called after each attack.
    """
    found, bounds = found or Found.at_start(classifier, judge, starts, targets), Bounds(starts, radius)
    for name, attack in attacks.items():
        left = (~found.rubbish).nonzero()[:, 0]
        if len(left):
            best = attack(classifier, starts[left], targets[left], bounds.select(left), steps)
            found.offer(left, best, name)
        tick()
    return found


def starts_of(
    data: Images, others: dict[str, Images], classes: int, count: int, *, seed: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """For each kind of start, images float (count, c, h, w) in [0, 1] and a target class for each: every class in turn.

    The kinds are those of RUBBISH_STARTS; images of the data, each of another class than its target, where the data
    has labels; and images of other data sets.
    """

    def stream(purpose: str) -> torch.Generator:  # of its own, so that no kind depends on which others there are
        return torch.Generator().manual_seed(seed_of(seed, purpose))

    targets = torch.arange(count) % classes
    some = torch.randperm(len(data), generator=stream("real images"))[: max(count, 256)]
    real = to_float(data.images[some])
    starts = {}
    for kind in RUBBISH_STARTS:
        starts[kind] = KINDS[kind](count, real, stream(kind)), targets
    for name, other in others.items():
        chosen = torch.randperm(len(other), generator=stream(name))[:count]
        starts[name] = to_float(other.images[chosen]), targets[: len(chosen)]
    if data.labels is not None and classes > 1:
        starts[OTHER_CLASSES] = images_of_others(data, targets, classes, stream(OTHER_CLASSES)), targets
    return starts


def images_of(data: Images, labels: Tensor, generator: torch.Generator) -> Tensor:
    """An image (n, c, h, w) of the data for each label (n,), drawn with replacement."""
    numbers = torch.empty(len(labels), dtype=torch.int64)
    for label in labels.unique().tolist():
        of_label, wanted = (data.labels == label).nonzero()[:, 0], labels == label
        numbers[wanted] = of_label[torch.randint(len(of_label), (int(wanted.sum()),), generator=generator)]
    return to_float(data.images[numbers])


def images_of_others(data: Images, labels: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """An image (n, c, h, w) of any class but the label's for each label (n,), drawn with replacement."""
    wrong = (labels + 1 + torch.randint(classes - 1, (len(labels),), generator=generator)) % classes
    return images_of(data, wrong, generator)
