"""The walk-out: from a real image of a class towards rubbish, as far as the classifier stays sure of that class.

A network that is never sure of noise may still be sure of what lies half-way between a digit and noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from fooling.audit.attacks import SURE, log_probability
from fooling.classifiers.frozen import frozen


@dataclass(frozen=True)
class WalkOut:
    """Where n walks ended.

    images: float (n, c, h, w) in [0, 1], the last of which the classifier is sure.
    walked: float (n,), how much of the L2 distance to the destination lies behind them: 1 is all the way.
    """

    images: Tensor
    walked: Tensor


def walk_out(
    classifier: nn.Module, images: Tensor, targets: Tensor, destinations: Tensor, *, steps: int = 100
) -> WalkOut:
    """Walk from images (n, c, h, w) in [0, 1] towards destinations (n, c, h, w), never less than 99 % sure of targets.

    Each step goes on towards the destination, less what would lower the confidence to first order, and a little up the
    confidence where there is little to spare; a step that loses the certainty is taken back and tried at half the
    length. Images of which the classifier is not sure at the start do not move.
    """
    with frozen(classifier) as device:
        here, targets, goal = images.to(device).clone(), targets.to(device), destinations.to(device)
        whole = _lengths(goal - here)
        stride = torch.full((len(here),), 0.1, device=device)
        log_p, gradient = log_probability(classifier, here, targets)
        sure = log_p.exp() >= SURE
        for _ in range(steps):
            ahead = goal - here
            length = _lengths(ahead)
            up = gradient / (_lengths(gradient) + 1e-12)
            along = (ahead * up).sum((1, 2, 3), keepdim=True)
            spare = ((rearrange(log_p, "n -> n 1 1 1").exp() - SURE) / (1 - SURE)).clamp(0, 1)  # 1: as sure as can be
            direction = ahead - along.clamp_max(0) * up * (1 - spare) + 0.3 * (1 - spare) * length * up
            tried = (here + rearrange(stride, "n -> n 1 1 1") * direction).clamp(0, 1)
            new_log_p, new_gradient = log_probability(classifier, tried, targets)
            good = sure & (new_log_p.exp() >= SURE) & (_lengths(goal - tried) < length).flatten()
            here[good], log_p[good], gradient[good] = tried[good], new_log_p[good], new_gradient[good]
            stride = torch.where(good, (1.3 * stride).clamp_max(0.5), 0.5 * stride)
    walked = 1 - _lengths(goal - here) / whole.clamp_min(1e-12)
    return WalkOut(here.cpu(), walked.flatten().cpu())


def _lengths(offsets: Tensor) -> Tensor:
    return torch.linalg.vector_norm(offsets, dim=(1, 2, 3), keepdim=True)
