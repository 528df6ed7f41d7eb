"""What is kept of a training, and what is told of it: the best generator so far, and that the game is over."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fooling.run.tracking import Alert
from gan.metrics.report import Report, in_words
from gan.networks.generator import Generator

_MUCH_WORSE = 1.3  # times the best distance; 5,000 samples of one generator differ by a twentieth


class Best:
    """The best of the generators that were measured, by their Fréchet distance, with its weights.

    is_last: whether nothing was measured since that was as good. words: how good it was and when, a sentence or two for
    a card; empty before anything was measured. warning: what to say at the end where the last is much worse, else None.
    """

    def __init__(self) -> None:
        self._weights: dict[str, Tensor] = {}
        self._best: dict[str, Any] = {}  # distance, images_seen and words; of the last one, too
        self._last: dict[str, Any] = {}

    def notice(self, report: Report, images_seen: int, generator: Generator) -> None:
        """Take note of a measurement, and of the generator's weights where none was better."""
        words = f"{report.words} ({report.count:,} samples against the {report.real}, by {report.ruler})"
        self._last = {"distance": report.frechet_distance, "images_seen": images_seen, "words": words}
        if not self._best or report.frechet_distance <= self._best["distance"]:
            self._best = self._last
            self._weights = {name: part.detach().cpu().clone() for name, part in generator.state_dict().items()}

    def network(self, average: Generator) -> Generator:
        """The best in evaluation mode, a copy; or `average`, of which all measured ones were, before there is any."""
        if not self._weights:
            return average
        best = copy.deepcopy(average)
        best.load_state_dict(self._weights)
        return best.eval()

    @property
    def is_last(self) -> bool:
        return self._best == self._last

    @property
    def words(self) -> str:
        if not self._best:
            return ""
        best, last = (f"{_kimg(measured)}: {measured['words']}" for measured in (self._best, self._last))
        return f"Measured at {best}." if self.is_last else f"The best that was measured, at {best}; at {last}."

    @property
    def warning(self) -> Alert | None:
        if not self._best or self._last["distance"] <= _MUCH_WORSE * self._best["distance"]:
            return None
        return Alert(
            "the last generator is much worse than the best",
            f"whose distance at {_kimg(self._best)} was {in_words(self._best['distance'])} and now is"
            f" {in_words(self._last['distance'])}: the best is what is kept as the generator; a lower"
            " --optimizer.final_learning_rate, or less --kimg, would end on it",
        )

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self._weights, "best": self._best, "last": self._last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._weights, self._best, self._last = dict(state["weights"]), dict(state["best"]), dict(state["last"])


def _kimg(measured: Mapping[str, Any]) -> str:
    return f"{measured['images_seen'] / 1000:,g} kimg"


class CollapseWatch:
    """Tells, once of each, that samples have collapsed, that the discriminator wins outright, that gradients have died.

    It is shown the figures of every line of the log, means over a thousand images unless asked otherwise; those of the
    ruler are on some lines only. Every healthy training that was looked at, from its first line on, keeps away from
    these bounds: a discriminator's loss above 0.013, a generator's gradients above a fiftieth of what they were.

    Nothing of it is in a checkpoint: whoever goes on with a training is told again.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._winning = self._dead = self._collapsed = 0  # lines, or measurements, in a row
        self._gradient, self._before = 0.0, 0.0
        self._first_coverage, self._best_coverage, self._best_shift = 0.0, 0.0, 1.0

    def notice(self, figures: Mapping[str, float]) -> list[Alert]:
        """What has come to pass as of these figures, and what to try."""
        found = (self._collapse(figures), self._outright(figures), self._gradients(figures))
        alerts = [alert for alert in found if alert is not None and alert.title not in self._told]
        self._told |= {alert.title for alert in alerts}
        return alerts

    def _collapse(self, figures: Mapping[str, float]) -> Alert | None:
        """Twice in a row far below what it was, or three times in a row nowhere and no better, as no beginning is."""
        if (coverage := figures.get("coverage")) is None:
            return None
        shift = figures.get("class_shift", 0.0)
        fell = 0.1 <= self._best_coverage > 2 * coverage or self._best_shift <= 0.35 < 0.5 < shift
        nowhere = (coverage < 0.005 or shift > 0.7) and not (self._collapsed and coverage > 1.5 * self._first_coverage)
        self._first_coverage = self._first_coverage if self._collapsed else coverage
        self._best_coverage, self._best_shift = max(coverage, self._best_coverage), min(shift, self._best_shift)
        self._collapsed = self._collapsed + 1 if fell or nowhere else 0
        if self._collapsed < (2 if fell else 3):
            return None
        classes = f", and {shift:.0%} are of a class too many" if "class_shift" in figures else ""
        return Alert(
            "the samples have collapsed",
            f"they cover {coverage:.1%} of the real images{classes}: try --loss relativistic with a larger"
            " --penalty.gamma, or a lower --optimizer.learning_rate, under another --name",
        )

    def _outright(self, figures: Mapping[str, float]) -> Alert | None:
        """Eight lines in a row without a doubt; Wasserstein's loss is below 0, where nothing can be told by it."""
        loss = figures.get("discriminator_loss", 1.0)
        self._winning = self._winning + 1 if 0 <= loss < 0.01 else 0
        if self._winning < 8:
            return None
        return Alert(
            "the discriminator wins outright",
            f"its loss is {loss:.2g}: it tells all samples from real images, and the generator gets no better; try a"
            " larger --penalty.gamma, a lower --optimizer.discriminator_ratio or a smaller --discriminator.width, under"
            " another --name",
        )

    def _gradients(self, figures: Mapping[str, float]) -> Alert | None:
        """Five lines in a row at a 200th of what they have been, two lines in a row: a single jump is no measure. Where
        they died at once, nobody knows what they have been; no living generator was seen below 0.1."""
        if (norm := figures.get("generator_gradient_norm")) is None:
            return None
        self._gradient = max(self._gradient, min(norm, self._before))
        self._before = norm
        self._dead = self._dead + 1 if norm < max(self._gradient / 200, 1e-4) else 0
        if self._dead < 5:
            return None
        before = f" and was {self._gradient:.2g}" if self._gradient > 10 * norm else ""
        return Alert(
            "the generator's gradients have died",
            f"their norm is {norm:.2g}{before}: try a lower --optimizer.learning_rate, and a loss"
            " that does not saturate, such as --loss relativistic with --penalty.gamma 1, under another --name",
        )
