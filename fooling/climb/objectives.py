"""What is climbed: objects that give one score for each image, higher is better, and that add, subtract and scale.

    Logit(3) - 0.1 * TotalVariation()           # a 3 that is smooth
    LogProbability(torch.tensor([3, 7, 1]))     # another class for each of three images
    (Logit(5) + Logit(8)) / 2

No objective ever mixes images: score i depends on image i alone, so the gradient of the sum is every image's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from fooling.classifiers.activations import Outputs, watched
from fooling.classifiers.networks import reject_index
from fooling.climb.per_image import PerImage, as_target, at, check_target
from fooling.errors import UserError


class Objective(PerImage):
    """One score for each image. A subclass defines `score`; see PerImage for what it may keep for each image."""

    def score(self, outputs: Outputs) -> Tensor:
        """The scores (n,) of one forward pass."""
        raise NotImplementedError

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose activations `score` reads."""
        return ()

    def target_class(self, classifier: nn.Module) -> int | Tensor | None:
        """The class that this drives images towards, for all (int) or for each (n,); None where there is no such."""
        return None

    def __call__(self, classifier: nn.Module, images: Tensor, starts: Tensor | None = None) -> Tensor:
        """The scores (n,) of images (n, c, h, w) in [0, 1], with the classifier in the mode that it is in."""
        with watched(classifier, self.layers) as look:
            outputs = look(images, starts)
        self.check(len(images), outputs.logits.shape[1])
        return self.score(outputs)

    def __add__(self, other: Objective | float) -> Objective:
        if other == 0:  # so that sum() works
            return self
        return Sum.of((1.0, self), (1.0, other)) if isinstance(other, Objective) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Objective) -> Objective:
        return Sum.of((1.0, self), (-1.0, other)) if isinstance(other, Objective) else NotImplemented

    def __mul__(self, factor: float) -> Objective:
        return Sum.of((float(factor), self)) if isinstance(factor, (int, float)) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Objective:
        return self * (1 / divisor)

    def __neg__(self) -> Objective:
        return self * -1.0


class Sum(Objective):
    """A weighted sum of objectives, what `Logit(3) - 0.1 * TotalVariation()` makes."""

    def __init__(self, weights: Iterable[float], objectives: Iterable[Objective]):
        self.weights, self.objectives = tuple(weights), tuple(objectives)

    @classmethod
    def of(cls, *terms: tuple[float, Objective]) -> Sum:
        """The sum of weight * objective, sums among the objectives taken apart."""
        flat = []
        for weight, term in terms:
            parts = zip(term.weights, term.objectives, strict=True) if isinstance(term, Sum) else [(1.0, term)]
            flat += [(weight * inner, objective) for inner, objective in parts]
        return cls(*zip(*flat, strict=True))

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(layer for objective in self.objectives for layer in objective.layers)

    def target_class(self, classifier: nn.Module) -> int | Tensor | None:
        """That of the first term with a positive weight that has one."""
        for weight, objective in zip(self.weights, self.objectives, strict=True):
            if weight > 0 and (target := objective.target_class(classifier)) is not None:
                return target
        return None

    def score(self, outputs: Outputs) -> Tensor:
        terms = zip(self.weights, self.objectives, strict=True)
        return reduce(add, (weight * objective.score(outputs) for weight, objective in terms))

    def __repr__(self) -> str:
        text = ""
        for weight, objective in zip(self.weights, self.objectives, strict=True):
            sign = ("-" if weight < 0 else "") if not text else (" - " if weight < 0 else " + ")
            text += sign + (f"{abs(weight):g} * " if abs(weight) != 1 else "") + repr(objective)
        return text


class _Targeted(Objective):
    """target: a class for all images (int), or one for each (whole numbers, (n,))."""

    def __init__(self, target: int | Iterable[int] | Tensor):
        self.target = as_target(target)

    def check(self, count: int, classes: int) -> None:
        super().check(count, classes)
        check_target(self.target, classes)

    def target_class(self, classifier: nn.Module) -> int | Tensor:
        return self.target


class Logit(_Targeted):
    """The class's logit: S_c of Simonyan et al. 2013, arXiv:1312.6034, section 2."""

    def score(self, outputs: Outputs) -> Tensor:
        return at(outputs.logits, self.target)


class LogProbability(_Targeted):
    """The logarithm of the class's softmax probability, which is minus the cross-entropy."""

    def score(self, outputs: Outputs) -> Tensor:
        return at(outputs.log_probabilities, self.target)


class Probability(_Targeted):
    """The class's softmax probability. Its gradient vanishes where the probability is near 0 or 1."""

    def score(self, outputs: Outputs) -> Tensor:
        return at(outputs.probabilities, self.target)


class Margin(_Targeted):
    """The class's logit less the highest other logit: positive exactly where the class wins (Carlini and Wagner 2017,
    arXiv:1608.04644, section V.A, f_6 with the sign turned)."""

    def score(self, outputs: Outputs) -> Tensor:
        target = torch.as_tensor(self.target, device=outputs.logits.device).expand(len(outputs.logits))[:, None]
        others = outputs.logits.scatter(1, target, -math.inf)
        return at(outputs.logits, self.target) - others.amax(1)


class Confusion(Objective):
    """The mean log-probability of two classes: highest, at log(1/2), where the network is torn between just these.

    a, b: each a class for all images, or one for each (n,).
    """

    def __init__(self, a: int | Iterable[int] | Tensor, b: int | Iterable[int] | Tensor):
        self.a, self.b = as_target(a), as_target(b)

    def check(self, count: int, classes: int) -> None:
        super().check(count, classes)
        check_target(self.a, classes)
        check_target(self.b, classes)

    def score(self, outputs: Outputs) -> Tensor:
        return (at(outputs.log_probabilities, self.a) + at(outputs.log_probabilities, self.b)) / 2


class Reject(Objective):
    """The logit of "none of these", for a classifier with a reject class."""

    def target_class(self, classifier: nn.Module) -> int:
        return _not_none(reject_index(classifier))

    def score(self, outputs: Outputs) -> Tensor:
        return outputs.logits[:, _not_none(outputs.reject)]


class Channel(Objective):
    """The mean of one channel of a layer's output: a filter's feature map, or one unit of a dense layer.

    layer: a name of `classifier.named_modules()`, such as relu1.
    """

    def __init__(self, layer: str, channel: int):
        self.layer, self.channel = layer, channel

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def score(self, outputs: Outputs) -> Tensor:
        unit = _unit(outputs, self.layer, (self.channel,))
        return unit.reshape(len(unit), -1).mean(1)


class Unit(Objective):
    """One number of a layer's output.

    layer: a name of `classifier.named_modules()`.
    index: where in the output of one image: (channel, row, column) after a convolution, a number in a dense layer.
    """

    def __init__(self, layer: str, *index: int):
        self.layer, self.index = layer, index

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def score(self, outputs: Outputs) -> Tensor:
        unit = _unit(outputs, self.layer, self.index)
        if unit.dim() != 1:
            raise UserError(f"{self} is {tuple(unit.shape[1:])} numbers, not one: give {unit.dim() - 1} more")
        return unit


class Distance(Objective):
    """The L2 distance of each image from where its climb started, or from `images` (n, c, h, w)."""

    def __init__(self, images: Tensor | None = None):
        self.images = images

    def score(self, outputs: Outputs) -> Tensor:
        origin = outputs.starts if self.images is None else self.images
        if origin is None:
            raise UserError("Distance() needs starts: climb, or say from where with Distance(images)")
        return torch.linalg.vector_norm((outputs.images - origin).flatten(1), dim=1)  # its gradient at 0 is 0


class TotalVariation(Objective):
    """The sum of absolute differences between neighbouring pixels (Rudin et al. 1992, anisotropic)."""

    def score(self, outputs: Outputs) -> Tensor:
        down, right = outputs.images.diff(dim=2), outputs.images.diff(dim=3)
        return down.abs().flatten(1).sum(1) + right.abs().flatten(1).sum(1)


class L2(Objective):
    """The sum of squared pixels, |I|^2 of Simonyan et al. 2013, arXiv:1312.6034, equation 1."""

    def score(self, outputs: Outputs) -> Tensor:
        return outputs.images.square().flatten(1).sum(1)


def _unit(outputs: Outputs, layer: str, index: tuple[int, ...]) -> Tensor:
    activation = outputs.activations[layer]
    shape = activation.shape[1:]
    if len(index) > len(shape) or any(not 0 <= i < size for i, size in zip(index, shape, strict=False)):
        raise UserError(f"no {list(index)} in layer {layer!r}: each image's output there has shape {tuple(shape)}")
    where: tuple[slice | int, ...] = (slice(None), *index)
    return activation[where]


def _not_none(reject: int | None) -> int:
    if reject is None:
        raise UserError("the classifier has no reject class: train one with reject_class=True")
    return reject


class Likeliest(Objective):
    """The log-probability of whichever class is likeliest, the reject class apart: what ACET climbs."""

    def score(self, outputs: Outputs) -> Tensor:
        return outputs.log_probabilities[:, : outputs.reject].amax(1)


class Either(Objective):
    """A class for each image; its margin where `margins`, else its log-probability."""

    def __init__(self, target: Tensor, margins: Tensor):
        self.target, self.margins = target, margins

    def score(self, outputs: Outputs) -> Tensor:
        own = at(outputs.logits, self.target)
        others = outputs.logits.scatter(1, self.target[:, None], -torch.inf).amax(1)
        return torch.where(self.margins, own - others, at(outputs.log_probabilities, self.target))
