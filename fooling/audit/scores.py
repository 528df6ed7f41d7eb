"""Every figure of an audit, on plain tensors of probabilities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fooling.audit.attacks import SURE
from fooling.audit.battery import Found
from fooling.classifiers.frozen import frozen
from fooling.errors import UserError


def auroc(inside: Tensor, outside: Tensor) -> float:
    """The probability that an image of the data scores above one from outside, ties counting half: 1 is perfect.

    inside, outside: scores (n,) and (m,), such as the confidences of clean test images and of rubbish.
    """
    from torchmetrics.functional.classification import binary_auroc  # here, since it takes seconds to import

    if not len(inside) or not len(outside):
        raise UserError(f"an AUROC needs scores of both kinds, got {len(inside)} and {len(outside)}")
    # Only the order counts. Places in it, from 0 to 1, keep every tie and every difference, however small; scores
    # beyond [0, 1] would go through a sigmoid first, where the highest become one.
    _, places = torch.cat([inside, outside]).unique(return_inverse=True)
    is_inside = torch.arange(len(places), device=places.device) < len(inside)
    return binary_auroc(places.double() / places.max().clamp_min(1), is_inside.long()).clamp(0, 1).item()


def false_positive_rate(inside: Tensor, outside: Tensor, *, at: float = 0.95) -> float:
    """The share of scores from outside that are let in where a share `at` of those of the data is (FPR at 95 % TPR)."""
    # By hand: two lines, where torchmetrics draws the whole curve, and one of sigmoids where a score is above 1.
    threshold = inside.sort(descending=True).values[max(0, round(at * len(inside)) - 1)]
    return (outside >= threshold).float().mean().item()


def calibration_error(confidences: Tensor, correct: Tensor, *, bins: int = 15) -> float:
    """The mean distance of accuracy from confidence over equal bins of confidence, each weighted with its images (ECE:
    Guo et al. 2017, arXiv:1706.04599, equation 3).

    confidences: (n,), of the first answer. correct: bool (n,), whether it is right. A confidence at the edge
    of two bins counts in the lower one; it is compared in float64, where a float32 that was rounded up lies above it.
    """
    from torchmetrics.functional.classification import binary_calibration_error  # here, since it takes seconds

    confidences = confidences.double()
    if not ((confidences >= 0) & (confidences <= 1)).all():  # which torchmetrics would take for logits
        raise UserError("a calibration error is of confidences in [0, 1]")
    # The paper's bins are (low, high], torchmetrics' are [low, high) and one more for 1 alone, where a good classifier
    # has most of its images. From doubts and mistakes, whose distance is the same, it makes the paper's.
    doubts = (1 - confidences).clamp_max(1 - 1e-12)
    return binary_calibration_error(doubts, (~correct.bool()).long(), n_bins=bins, norm="l1").item()


@torch.no_grad()
def scale_to_certainty(classifier: nn.Module, images: Tensor, classes: int, *, certain: float = 0.999) -> Tensor:
    """By how much each image must be multiplied for the classifier to be that certain of one of its first `classes`
    classes: (n,), powers of 1.25, infinite where 10^15 is not enough.

    Far outside [0, 1] every ReLU network without a remedy is certain of something (Hein et al. 2019,
    arXiv:1812.05720, theorem 3.1).
    """
    needed, alpha = torch.full((len(images),), torch.inf), 1.0
    with frozen(classifier) as device:  # not `probabilities`, which takes images of [0, 1] alone
        while alpha < 1e15 and needed.isinf().any():
            waiting = needed.isinf().nonzero()[:, 0]
            scaled = alpha * images[waiting.to(images.device)].to(device)
            confidences = classifier(scaled).double().softmax(1)[:, :classes].amax(1).cpu()
            needed[waiting[confidences >= certain]] = alpha
            alpha *= 1.25
    return needed


def figures_of(found: Found, clean: Tensor, raw: Tensor, highest: Tensor) -> dict[str, float]:
    """What the table says of a kind of start.

    clean: (m,), the confidences of clean test images, each in its likeliest class. raw: (n,), those of the starts
    before any attack. highest: (n,), those of the attacked images, and never below those of their starts.

    fooled_50, fooled_90, fooled_99: the share of which the classifier is as sure as that of the target, at the worst.
    rubbish_99: the share of which it is 99 % sure and the judge does not see it; recognised: the share of those that it
    is sure of that the judge does see.
    median_confidence, mean_confidence: of the highest. auroc, fpr95: of clean images against them.
    sure_start: the share of starts that it is 99 % sure of, whatever the class. auroc_start, fpr95_start: of clean
    images against the starts.
    steps: the fewest in which an attack made it sure of the target. images: how many there were.
    """
    sure = found.sure
    return {
        "images": len(found.targets),
        **{f"fooled_{bar}": (found.confidences >= bar / 100).float().mean().item() for bar in (50, 90, 99)},
        "rubbish_99": found.rubbish.float().mean().item(),
        "recognised": found.recognised[sure].float().mean().item() if sure.any() else float("nan"),
        "median_confidence": highest.median().item(),
        "mean_confidence": highest.mean().item(),
        "auroc": auroc(clean, highest),
        "fpr95": false_positive_rate(clean, highest),
        "sure_start": (raw >= SURE).float().mean().item(),
        "auroc_start": auroc(clean, raw),
        "fpr95_start": false_positive_rate(clean, raw),
        "steps": found.steps.min().item(),
    }
