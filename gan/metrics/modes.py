"""Which classes were drawn, and how surely: what a classifier's answers say of generated images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fooling.errors import UserError


@dataclass(frozen=True)
class Modes:
    """Which classes a set of images holds, next to which it should.

    count: of the classes met at least once, of `of` that there are. divergence: KL(drawn || wanted) in nats, 0 where
        the shares are the same; classes never drawn add nothing to it. moved: the share of the images that would have
        to be of another class for the shares to be the same (total variation), 0 to 1.
    histogram: how many images of each class.
    """

    count: int
    of: int
    divergence: float
    moved: float
    histogram: tuple[int, ...]


def count_modes(classes: Tensor, wanted: Tensor) -> Modes:
    """What was drawn of which classes.

    On Stacked-MNIST, with the class of three digits and every one of the 1,000 wanted as often, `count` and
    `divergence` over 26,000 samples are the benchmark (Srivastava et al. 2017, VEEGAN, section 4.2; Lin et al. 2018,
    PacGAN, section 4.1).

    classes: int64 (n,), the class of each image. wanted: (k,), what share of the images should be of each class, or in
        what proportion.

    Raises UserError where a class was drawn that nobody wanted: there is no divergence from that.
    """
    drawn = classes.bincount(minlength=len(wanted))
    if len(drawn) > len(wanted):
        raise UserError(f"class {int(classes.max())} was drawn, and there are {len(wanted)}")
    shares, wanted = drawn.double() / len(classes), (wanted.double() / wanted.sum()).to(drawn.device)
    met = drawn > 0
    if unwanted := int((met & (wanted == 0)).sum()):
        raise UserError(f"{unwanted} of the classes that were drawn have no share in what is wanted")
    return Modes(
        count=int(met.sum()),
        of=len(wanted),
        divergence=(shares[met] * (shares[met] / wanted[met]).log()).sum().item(),
        moved=(shares - wanted).abs().sum().item() / 2,
        histogram=tuple(drawn.tolist()),
    )


def inception_score(probabilities: Tensor) -> float:
    """exp of the mean of KL(p(y | x) || p(y)) (Salimans et al. 2016, section 4): from 1, where all images look alike to
    the classifier or it is sure of none, to the number of classes, where it is sure and meets each as often.

    Over all images at once; papers give the mean over ten parts of 5,000, which is a little lower. It knows nothing of
    real images, nor of variety within a class.

    probabilities: (n, k), a classifier's of each image.
    """
    p = probabilities.double()
    return (torch.special.entr(p.mean(0)).sum() - torch.special.entr(p).sum(1).mean()).exp().item()
