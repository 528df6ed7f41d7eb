"""What is asked of negatives: the losses of `harden`."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Target = Literal["reject", "uniform", "confidence", "both"]


def negatives_loss(logits: Tensor, target: Target) -> Tensor:
    """The mean loss of negatives' logits (n, classes); for reject and both, the reject class is the last.

    uniform: cross-entropy to the uniform distribution (Hendrycks et al. 2019, arXiv:1812.04606, section 3).
    confidence: the largest log-probability (Hein et al. 2019, arXiv:1812.05720, equation 4).
    """
    if target == "reject":
        return -logits.log_softmax(1)[:, -1].mean()
    if target == "uniform":
        return -logits.log_softmax(1).mean()
    if target == "confidence":
        return logits.log_softmax(1).amax(1).mean()
    return -logits.log_softmax(1)[:, -1].mean() - logits[:, :-1].log_softmax(1).mean()
