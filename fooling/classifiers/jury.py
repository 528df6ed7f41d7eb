"""A jury in place of a judge: what several networks that were taught differently make of an image, and when they are
agreed that it shows what it is taken for.

A single judge says what one network sees, and judges differ: of what climbs on a plain network leave, which nobody can
read, one of them recognises 10 % and another 90 %. Their rule was chosen on images that people read at once, or see at
once to be nothing (tests/fooling/classifiers/eyes.png). How the jurors are taught: fooling/teach/jurors.py.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fooling.classifiers.frozen import probabilities
from fooling.classifiers.judge import is_mnist, trained_judge
from fooling.classifiers.networks import Classifier, num_classes_of, reject_index
from fooling.data.load import DataConfig, load_config
from fooling.errors import UserError
from fooling.pretrained import WEIGHTS

NONE = -1  # in answers: that the image shows none of the classes
JURORS = ("clean", "dirty", "wary", "firm")  # besides the judge
QUORUM, CONFIDENCE, DOUBT = 3, 0.5, 0.5


class JurorNet(Classifier):
    """A 5x5 convolution with stride 2 and three of 3x3, one of them with stride 2, all with BatchNorm, and 48 hidden
    units: half of a judge's weights."""

    def build(self, channels: int, image_size: int) -> None:
        layers: list[nn.Module] = []
        for before, after, size, stride in ((channels, 16, 5, 2), (16, 32, 3, 1), (32, 40, 3, 2), (40, 40, 3, 1)):
            convolution = nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
        side = (image_size + 3) // 4
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(40 * side**2, 48), nn.ReLU(), nn.Dropout(0.2))
        self.logits = nn.Linear(48, self.num_logits)

    def features(self, images: Tensor) -> Tensor:
        return self.body(2 * images - 1)


@dataclass(frozen=True)
class Jury:
    """Networks that answer together: an image shows a class where at least `quorum` of them say so, each with at least
    `confidence`, and those who may say "none of these" do not, giving it less than `doubt` on average.

    jurors: by name, each from images float32 (n, c, h, w) in [0, 1] to logits of the same classes, and one more where
    it may say none.
    """

    jurors: Mapping[str, nn.Module]
    quorum: int = QUORUM
    confidence: float = CONFIDENCE
    doubt: float = DOUBT

    def __post_init__(self) -> None:
        if not len(self.jurors) // 2 < self.quorum <= len(self.jurors):
            raise UserError(f"the quorum must be more than half of {len(self.jurors)} jurors, got {self.quorum}")

    def answers(self, images: Tensor) -> Tensor:
        """int64 (n,) on the CPU: the class on which they are agreed for each image (n, c, h, w), else NONE."""
        said = self._probabilities(images)
        votes = torch.stack([_answers(p, classes, self.confidence) for p, classes in said])
        classes = said[0][1]
        counts = torch.stack([(votes == label).sum(0) for label in range(classes)], 1)
        most, answer = counts.max(1)
        nones = [p[:, classes] for p, classes in said if p.shape[1] > classes]
        doubted = torch.stack(nones).mean(0) >= self.doubt if nones else torch.zeros(len(images), dtype=torch.bool)
        return torch.where((most >= self.quorum) & ~doubted, answer, NONE)

    def recognised(self, images: Tensor, targets: Tensor) -> Tensor:
        """bool (n,) on the CPU: in which images they are agreed to see the target (n,)."""
        return self.answers(images) == targets.cpu()

    def each_recognised(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The same for each juror alone, by its first answer: name -> bool (n,)."""
        said = zip(self.jurors, self._probabilities(images), strict=True)
        return {name: _answers(p, classes, 0) == targets.cpu() for name, (p, classes) in said}

    def shares(self, images: Tensor, targets: Tensor) -> dict[str, float]:
        """recognised_by_jury: the share of images in which they are agreed to see the target; recognised_least and
        recognised_most: the lowest and the highest share of any juror alone. NaN where there are no images."""
        alone = [seen.float().mean().item() for seen in self.each_recognised(images, targets).values()]
        together = self.recognised(images, targets).float().mean().item()
        return {"recognised_by_jury": together, "recognised_least": min(alone), "recognised_most": max(alone)}

    def to(self, device: torch.device | str) -> Jury:
        """A copy of it there."""
        return replace(self, jurors={name: copy.deepcopy(juror).to(device) for name, juror in self.jurors.items()})

    def _probabilities(self, images: Tensor) -> list[tuple[Tensor, int]]:
        """For each juror its probabilities (n, answers), and how many of these are classes."""
        found = []
        for juror in self.jurors.values():
            classes = num_classes_of(juror)
            nothing = torch.zeros(0, classes + (reject_index(juror) is not None))
            found.append((probabilities(juror, images) if len(images) else nothing, classes))
        return found


def _answers(probabilities: Tensor, classes: int, confidence: float) -> Tensor:
    """Each image's likeliest class, NONE where it is none of them or less likely than that."""
    highest, answer = probabilities.max(1)
    return torch.where((answer < classes) & (highest >= confidence), answer, NONE)


def trained_jury(data: DataConfig) -> Jury | None:
    """The jury of a data set: for MNIST the judge and four jurors that ship with this package; None for others, since
    the rule was chosen by looking at digits."""
    if not is_mnist(load_config(data)):
        return None
    jurors = {name: Classifier.from_pretrained(WEIGHTS / "jury" / name) for name in JURORS}
    return Jury({"judge": trained_judge(data), **jurors})
