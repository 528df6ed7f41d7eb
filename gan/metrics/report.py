"""What the ruler says of generated images: the figures, in words, and as a table of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gan.metrics.modes import Modes
from gan.metrics.neighbours import Copying
from gan.metrics.precision_recall import Overlap


@dataclass(frozen=True)
class Report:
    """How good so many images are.

    kind, ruler: the network whose features they were compared in (see Extractor). real: what they were compared with.
    frechet_distance: lower is better. modes: which classes they are of, as that network takes them; None where it knows
        not the data's. label_accuracy: the share of a conditional generator's that it takes for the class that was
        asked for. kernel_distance, inception_score, copying: of a thorough measurement, the last with test images only.
    classification_accuracy: where a classifier was taught with them; see classification_accuracy_score.
    """

    kind: str
    ruler: str
    real: str
    count: int
    frechet_distance: float
    overlap: Overlap
    modes: Modes | None = None
    label_accuracy: float | None = None
    kernel_distance: float | None = None
    inception_score: float | None = None
    copying: Copying | None = None
    classification_accuracy: float | None = None

    def figures(self) -> dict[str, float]:
        """All that was measured, by the names that logs have: judge_fd, precision ..."""
        found: dict[str, float | None] = {
            f"{self.kind}_fd": self.frechet_distance, f"{self.kind}_kd": self.kernel_distance,
            f"{self.kind}_is": self.inception_score, **vars(self.overlap), "label_accuracy": self.label_accuracy,
        }  # fmt: skip
        if self.modes is not None:
            found |= {"classes_met": self.modes.count, "class_kl": self.modes.divergence}
            found |= {"class_shift": self.modes.moved}
        if self.copying is not None:
            found |= {"nearest_ratio": self.copying.ratio, "nearest_share": self.copying.share}
        found |= {"classification_accuracy_score": self.classification_accuracy}
        return {name: float(value) for name, value in found.items() if value is not None}

    @property
    def words(self) -> str:
        """Such as "judge FD 13.6, precision 0.82, recall 0.94, density 0.70, coverage 0.80, 10 of 10 classes"."""
        words = [f"{self.kind} FD {in_words(self.frechet_distance)}"]
        words += [f"{name} {share:.2f}" for name, share in vars(self.overlap).items()]
        words += [f"{self.modes.count:,} of {self.modes.of:,} classes"] if self.modes is not None else []
        return ", ".join(words)


def in_words(distance: float) -> str:
    """A Fréchet distance in three digits or more: 2.28, 1,284."""
    return f"{distance:.3g}" if distance < 1000 else f"{distance:,.0f}"


# What it is, with (+) where more is better and (-) where less is, and the figure; None where it was not measured.
_LINES: tuple[tuple[str, Callable[[Report], str | None]], ...] = (
    ("{kind} FD (-)", lambda r: f"{r.frechet_distance:.2f}"),
    ("{kind} KD (-)", lambda r: _number(r.kernel_distance, ".3f")),
    ("{kind} inception score (+)", lambda r: _number(r.inception_score, ".2f")),
    ("precision (+)", lambda r: f"{r.overlap.precision:.3f}"),
    ("recall (+)", lambda r: f"{r.overlap.recall:.3f}"),
    ("density (+)", lambda r: f"{r.overlap.density:.3f}"),
    ("coverage (+)", lambda r: f"{r.overlap.coverage:.3f}"),
    ("classes met (+)", lambda r: f"{r.modes.count:,} of {r.modes.of:,}" if r.modes else None),
    ("KL of classes drawn from wanted (-)", lambda r: f"{r.modes.divergence:.4f}" if r.modes else None),
    ("images of a class too many (-)", lambda r: f"{r.modes.moved:.1%}" if r.modes else None),
    ("read as the class asked for (+)", lambda r: _number(r.label_accuracy, ".2%")),
    ("classification accuracy score (+)", lambda r: _number(r.classification_accuracy, ".2%")),
    ("distance to training, of test's (1)", lambda r: f"{r.copying.ratio:.2f}" if r.copying else None),
    ("nearer to it than 99 % of test (1 %)", lambda r: f"{r.copying.share:.1%}" if r.copying else None),
)


def lines(reports: Mapping[str, Report]) -> list[list[str]]:
    """A table of reports under their labels: a heading, and a row for each figure that any of them has."""
    kind = next(iter(reports.values())).kind
    rows = [[name.format(kind=kind), *(figure(report) for report in reports.values())] for name, figure in _LINES]
    return [["", *reports], *([cell or "-" for cell in row] for row in rows if any(row[1:]))]


def as_text(reports: Mapping[str, Report]) -> str:
    """The table for a terminal."""
    rows = lines(reports)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        row[0].ljust(widths[0]) + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )


def as_markdown(reports: Mapping[str, Report]) -> str:
    """The table for a page."""
    heading, *rows = (f"| {' | '.join(row)} |" for row in lines(reports))
    return "\n".join([heading, f"|---{'|---:' * len(reports)}|", *rows])


def _number(value: float | None, form: str) -> str | None:
    return None if value is None else format(value, form)
