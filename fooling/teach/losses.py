"""What is asked of negatives, and of what is half a negative: the losses of `harden`."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

Target = Literal["reject", "uniform", "confidence", "both"]


def negatives_loss(logits: Tensor, target: Target) -> Tensor:
    """The mean loss of negatives' logits (n, classes); for reject and both, the reject class is the last.

    uniform: cross-entropy to the uniform distribution (Hendrycks et al. 2019, arXiv:1812.04606, section 3).
    confidence: the largest log-probability (Hein et al. 2019, arXiv:1812.05720, equation 4).
    """
    return _of_each(logits, target).mean()


def faded_loss(logits: Tensor, labels: Tensor, left: Tensor, target: Target) -> Tensor:
    """The mean loss of real images of which only a share is left, with logits (n, classes): cross-entropy to their
    labels, int64 (n,), by that share, float (n,) from 0 to 1, and by the rest the loss of a negative.

    It is mixup (Zhang et al. 2018, arXiv:1710.09412, equation 1) of a real image and nothing.
    """
    return (left * F.cross_entropy(logits, labels, reduction="none") + (1 - left) * _of_each(logits, target)).mean()


def _of_each(logits: Tensor, target: Target) -> Tensor:
    """A negative's loss, (n,)."""
    log_p = logits.log_softmax(1)
    if target == "reject":
        return -log_p[:, -1]
    if target == "uniform":
        return -log_p.mean(1)
    if target == "confidence":
        return log_p.amax(1)
    return -log_p[:, -1] - logits[:, :-1].log_softmax(1).mean(1)
