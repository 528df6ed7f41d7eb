"""What a second network says of the images of a climb, as a part of what is climbed and of when it ends.

    LogProbability(3) + AskedOf(other, LogProbability(7))      # a 3 to the classifier, and still a 7 to the other
    Confident(3) & AskedIf(other, Confident(7, 0.9))           # until both are so

The loss of unrestricted adversarial examples (Song et al. 2018, arXiv:1805.07894, equations 2 to 4). The other network
is held still, as the classifier is, with `frozen`.
"""

from __future__ import annotations

from torch import Tensor, nn

from fooling.classifiers.activations import Outputs
from fooling.classifiers.networks import num_classes_of, reject_index
from fooling.climb.criteria import Criterion
from fooling.climb.objectives import Objective
from fooling.climb.per_image import PerImage


class AskedOf(Objective):
    """The score that an objective has by another network: images (n, c, h, w) in [0, 1] to logits.

    It drives images towards no class of the classifier that is climbed. It cannot read that network's layers.
    """

    def __init__(self, network: nn.Module, objective: Objective):
        self.network, self.objective = network, objective

    def check(self, count: int, classes: int) -> None:
        """The classes are those of the network that is asked."""
        _check_by(self.network, self.objective, count)

    def score(self, outputs: Outputs) -> Tensor:
        return self.objective.score(_seen_by(self.network, outputs))


class AskedIf(Criterion):
    """Whether a criterion holds by another network."""

    def __init__(self, network: nn.Module, criterion: Criterion):
        self.network, self.criterion = network, criterion

    def check(self, count: int, classes: int) -> None:
        _check_by(self.network, self.criterion, count)

    def __call__(self, outputs: Outputs) -> Tensor:
        return self.criterion(_seen_by(self.network, outputs))


def _seen_by(network: nn.Module, outputs: Outputs) -> Outputs:
    return Outputs(outputs.images, network(outputs.images), outputs.starts, reject=reject_index(network))


def _check_by(network: nn.Module, part: PerImage, count: int) -> None:
    part.check(count, num_classes_of(network) + (reject_index(network) is not None))
