"""Losses that run away: still finite, and past what a network often comes back from."""

from __future__ import annotations

from collections.abc import Mapping

from fooling.run.tracking import Alert


class Runaway:
    """Tells once of losses that have run away, and once more if they came back and ran away again.

    A loss is any figure whose name ends in "loss". All of ours are of logits, in nats: guessing among ten classes costs
    2.3, and a generator that is found out at once some 20.

    level: above it a loss is out of bounds; a single line of the log may be, as a jump that training takes in its
        stride.
    at_once: above it one line is enough. After such a jump the losses themselves come down again, but what is drawn
        stays flat.
    """

    def __init__(self, level: float = 50.0, at_once: float = 500.0):
        self.level, self.at_once = level, at_once
        self._lines, self._told = 0, False

    def notice(self, figures: Mapping[str, float]) -> list[Alert]:
        """One alert if losses have run away as of these figures, the means over a line of the log; none if that is
        told."""
        high = {name: value for name, value in figures.items() if name.endswith("loss") and value > self.level}
        self._lines = self._lines + 1 if high else 0
        self._told = self._told and bool(high)
        if self._told or not (self._lines >= 2 or max(high.values(), default=0) > self.at_once):
            return []
        self._told = True
        losses = " and ".join(f"{name} {value:,.0f}" for name, value in high.items())
        advice = "stop, and start with a lower learning rate under another --name"
        return [Alert("a loss has run away", f"{losses}: {advice}")]
