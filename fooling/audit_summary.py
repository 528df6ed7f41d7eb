"""What the audit says of each classifier, line by line: the terminal's table and the page's are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fooling.examination import RADIUS, Examination


class Share(float):
    """A share from 0 to 1, said in percent; "-" for NaN, where there is nothing to have a share of."""

    def __str__(self) -> str:
        return "-" if self != self else f"{float(self):.1%}"


Cell = str | Share

# A lower figure is better, but where (+) says otherwise.
_LINES: tuple[tuple[str, Callable[[Examination], Cell]], ...] = (
    ("accuracy on clean data (+)", lambda r: f"{r.accuracy:.2%}"),
    ("calibration error on clean data", lambda r: f"{r.calibration_error:.4f}"),
    ("mean confidence in clean data (+)", lambda r: f"{r.clean_confidence:.3f}"),
    ("fooled with rubbish, anywhere in the box", lambda r: Share(_box(r)["rubbish_99"])),
    (f"fooled with rubbish, within {RADIUS} of the start", lambda r: Share(r.overall("ball")["rubbish_99"])),
    ("99 % sure of what was climbed, in the box", lambda r: Share(_box(r)["fooled_99"])),
    ("of that, recognised by the judge (+)", lambda r: str(Share(_box(r)["recognised"]))),
    ("90 % sure", lambda r: Share(_box(r)["fooled_90"])),
    ("50 % sure", lambda r: Share(_box(r)["fooled_50"])),
    ("mean highest confidence reached", lambda r: f"{_box(r)['mean_confidence']:.3f}"),
    ("AUROC, clean against attacked (+)", lambda r: f"{_box(r)['auroc']:.3f}"),
    ("false positives at 95 % true ones, attacked", lambda r: str(Share(_box(r)["fpr95"]))),
    ("99 % sure of rubbish as it is, of any class", lambda r: str(Share(_box(r)["sure_start"]))),
    ("AUROC, clean against rubbish as it is (+)", lambda r: f"{_box(r)['auroc_start']:.3f}"),
    ("fewest steps of a success (+)", lambda r: f"{_box(r)['steps']:g}"),
    ("walked from a real image towards noise, median", lambda r: str(_walk(r, "uniform", "walked_median"))),
    ("recognised by the judge there (+)", lambda r: str(_walk(r, "uniform", "recognised"))),
    ("walked from a real image towards grey, median", lambda r: str(_walk(r, "grey", "walked_median"))),
    ("recognised by the judge there (+)", lambda r: str(_walk(r, "grey", "recognised"))),
    ("classes bred without gradients", lambda r: f"{len(r.masking.evolution_classes)} of {len(r.classes)}"),
    ("noise times how much is 99.9 % sure (+)", lambda r: f"{r.scale:.3g}"),
)


def summary(reports: Sequence[Examination]) -> list[list[Cell]]:
    """Rows of cells: their words, and what is said of each classifier; shares are means over all rubbish starts."""
    return [[words, *(say(report) for report in reports)] for words, say in _LINES]


def table(reports: Sequence[Examination]) -> str:
    """The classifiers side by side as text, and below them every warning."""
    rows = [["", *(report.label for report in reports)], *([str(cell) for cell in row] for row in summary(reports))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        row[0].ljust(widths[0]) + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    lines += [f"warning: {report.label}: {sign}" for report in reports for sign in report.warnings]
    return "\n".join(lines)


def _box(report: Examination) -> dict[str, float]:
    return report.overall("box")


def _walk(report: Examination, destination: str, figure: str) -> Share:
    return Share(report.walk_figures.get(destination, {}).get(figure, float("nan")))
