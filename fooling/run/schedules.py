"""Numbers that change while training goes on, as pure functions of the progress from 0 to 1."""

from __future__ import annotations

import math


def one_cycle(peak: float, progress: float) -> float:
    """The learning rate at `progress` from 0 to 1: up from peak / 25 over the first three tenths, then down to nearly
    nothing, both along half a cosine (Smith and Topin 2017, arXiv:1708.07120, as in PyTorch's OneCycleLR)."""
    # By hand: OneCycleLR counts its own steps, which a resumed run would have to restore; a function needs no state.
    start, end, part = (peak / 25, peak, progress / 0.3) if progress < 0.3 else (peak, 0.0, (progress - 0.3) / 0.7)
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def scheduled(start: float, end: float | None, progress: float) -> float:
    """`start` for the first half of training, then along half a cosine to `end` at progress 1 (None: stays)."""
    if end is None:
        return start
    return end + (start - end) * (1 + math.cos(math.pi * min(max(2 * progress - 1, 0.0), 1.0))) / 2
