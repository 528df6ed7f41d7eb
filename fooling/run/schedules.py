"""Numbers that change while training goes on, as pure functions of the progress from 0 to 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fooling.errors import UserError
from fooling.options.settings import Settings


def one_cycle(peak: float, progress: float) -> float:
    """The learning rate at `progress` from 0 to 1: up from peak / 25 over the first three tenths, then down to nearly
    nothing, both along half a cosine (Smith and Topin 2017, arXiv:1708.07120, as in PyTorch's OneCycleLR)."""
    # By hand: OneCycleLR counts its own steps, which a resumed run would have to restore; a function needs no state.
    start, end, part = (peak / 25, peak, progress / 0.3) if progress < 0.3 else (peak, 0.0, (progress - 0.3) / 0.7)
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


@dataclass
class ScheduleConfig(Settings):
    """The one way in which scheduled numbers change: each keeps its first value for a while, then nears its last.

    Raises UserError unless 0 <= hold < end <= 1 and 0 <= warm_up <= 1.
    """

    warm_up: float = 0.0
    """Share of training over which learning rates rise from 0, along a line."""

    hold: float = 0.5
    """Share of training for which numbers stay as they begin."""

    end: float = 1.0
    """Share of training after which they are what they end as; between the two they follow half a cosine."""

    def __post_init__(self) -> None:
        if not 0 <= self.hold < self.end <= 1:
            raise UserError(
                f"schedule.hold must be at least 0 and below schedule.end, which is at most 1: got {self.hold} and"
                f" {self.end}"
            )
        if not 0 <= self.warm_up <= 1:
            raise UserError(f"schedule.warm_up must be a share of training, from 0 to 1, got {self.warm_up}")

    def value(self, start: float, final: float | None, progress: float) -> float:
        """A number at `progress`, on its way from `start` to `final` (None: it stays)."""
        if final is None:
            return start
        part = min(max((progress - self.hold) / (self.end - self.hold), 0.0), 1.0)
        return final + (start - final) * (1 + math.cos(math.pi * part)) / 2

    def rate(self, start: float, final: float | None, progress: float) -> float:
        """A learning rate at `progress`: as `value`, and rising from 0 before."""
        return self.value(start, final, progress) * (min(progress / self.warm_up, 1.0) if self.warm_up else 1.0)
