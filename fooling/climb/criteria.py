"""When a climb has arrived: small callables from one forward pass to a verdict (n,) for each image."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import and_

from torch import Tensor

from fooling.classifiers.activations import Outputs
from fooling.climb.per_image import PerImage, as_target, at, check_target
from fooling.errors import UserError


class Criterion(PerImage):
    """True for the images that have arrived. See PerImage for what it may keep for each image. `a & b` is both."""

    def __call__(self, outputs: Outputs) -> Tensor:
        raise NotImplementedError

    def __and__(self, other: Criterion) -> Criterion:
        return _All(self, other) if isinstance(other, Criterion) else NotImplemented


class _All(Criterion):
    """What `a & b` makes."""

    def __init__(self, *criteria: Criterion):
        self.criteria = criteria

    def __call__(self, outputs: Outputs) -> Tensor:
        return reduce(and_, (criterion(outputs) for criterion in self.criteria))


class Confident(Criterion):
    """The target class has at least this softmax probability.

    target: a class for all images (int), or one for each (whole numbers, (n,)).
    """

    def __init__(self, target: int | Iterable[int] | Tensor, probability: float = 0.99):
        if not 0 < probability < 1:
            raise UserError(f"a confidence lies between 0 and 1, got {probability}")
        self.target, self.probability = as_target(target), probability

    def check(self, count: int, classes: int) -> None:
        super().check(count, classes)
        check_target(self.target, classes)

    def __call__(self, outputs: Outputs) -> Tensor:
        return at(outputs.probabilities, self.target) >= self.probability


class Misclassified(Criterion):
    """The highest logit is not the label's.

    labels: a class for all images (int), or one for each (whole numbers, (n,)).
    """

    def __init__(self, labels: int | Iterable[int] | Tensor):
        self.labels = as_target(labels)

    def check(self, count: int, classes: int) -> None:
        super().check(count, classes)
        check_target(self.labels, classes)

    def __call__(self, outputs: Outputs) -> Tensor:
        return outputs.logits.argmax(1) != self.labels
