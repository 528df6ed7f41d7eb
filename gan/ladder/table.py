"""What the ladder found, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fooling.show.layout import Sheet, panel_size
from fooling.show.page import Share
from gan.ladder.rungs import Measured
from gan.metrics.report import in_words

# What it is, what it means (for the page), and how the figure of that name is said.
LINES: tuple[tuple[str, str, str, Callable[[float], object]], ...] = (
    ("accuracy", "accuracy (+)", "of the test images, the share that it has right; where it says none of these, it has"
     " not", lambda v: f"{v:.2%}"),
    ("calibration_error", "calibration error (-)", "how far, on average, its confidence is from how often it is right",
     lambda v: f"{v:.4f}"),
    ("sure", "99 % sure of test images (+)", "a network that is sure of little is not fooled at 99 % either", Share),
    ("rubbish", "fooled with rubbish (-)", "by the audit's battery of attacks, from rubbish of many kinds: made 99 %"
     " sure of what the judge does not recognise", Share),
    ("arrived", "climbs that arrive", "from uniform noise, sign steps of 0.02, until it is 99 % sure", Share),
    ("climb_steps", "steps that they take", "of those that arrive, the mean", lambda v: f"{v:.0f}"),
    ("recognised", "of those, recognised (+)", "the judge sees the class too: the climb has drawn it", Share),
    ("recognised_by_jury", "of those, recognised by the jury (+)", "several networks that were taught differently are"
     " agreed that it shows the class, those who may say none of these among them", Share),
    ("recognised_least", "by the juror who sees least", "by the first answer of each alone", Share),
    ("recognised_most", "by the juror who sees most", "by the first answer of each alone", Share),
    ("misled_rubbish", "rubbish, the jury attacked too (-)", "of climbs that also lower what all jurors see but one,"
     " the share that ends where it is 99 % sure and neither the jury nor the one held out sees the class", Share),
    ("climbs_fd", "Fréchet distance of climbs (-)", "of all climbed images from the test images, in the judge's"
     " features", in_words),
    ("walked_to_uniform", "walk from a real image to noise (-)", "the share of the way that it stays 99 % sure, median",
     Share),
    ("walked_to_grey", "walk from a real image to grey (-)", "the same towards an even grey", Share),
    ("samples_fd", "Fréchet distance of samples (-)", "of the rung's own generator", in_words),
    ("samples_precision", "precision of samples (+)", "the share of samples that lie among the test images", Share),
    ("samples_coverage", "coverage by samples (+)", "the share of test images that have a sample near", Share),
    ("minutes", "minutes of training", "on the machine that trained it", lambda v: f"{v:.1f}"),
)  # fmt: skip


def rows(measured: Sequence[Measured]) -> list[tuple[str, str, list[str]]]:
    """The table's rows: what it is, what it means, and a cell for every rung, "-" where there is nothing to say."""
    found = [
        (words, meaning, [_cell(one, name, said) for one in measured])
        for name, words, meaning, said in LINES
        if any(name in one.figures for one in measured)
    ]
    for one in measured:
        if one.generator is not None:
            shares = [_cell(one, f"taken_by_{other.rung.name}", Share) for other in measured]
            meaning = f"of the samples of {one.rung.name}, those that this rung's critic is 99 % sure of"
            found.append((f"sure of {one.rung.name}'s samples", meaning, shares))
    return found


def _cell(one: Measured, name: str, said: Callable[[float], object]) -> str:
    value = one.figures.get(name, float("nan"))
    return "-" if value != value else str(said(value))


def as_markdown(measured: Sequence[Measured]) -> str:
    """The table for a README."""
    heading = f"| | {' | '.join(f'{one.rung.number}. {one.rung.name}' for one in measured)} |"
    body = [f"| {words} | {' | '.join(cells)} |" for words, _, cells in rows(measured)]
    return "\n".join([heading, f"|---{'|---:' * len(measured)}|", *body])


def as_text(measured: Sequence[Measured]) -> str:
    """The table for a terminal."""
    lines = [["", *(one.rung.name for one in measured)], *([words, *cells] for words, _, cells in rows(measured))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        line[0].ljust(widths[0]) + "".join(f"  {c:>{w}}" for c, w in zip(line[1:], widths[1:], strict=True))
        for line in lines
    )


def ladder_picture(measured: Sequence[Measured]) -> np.ndarray:
    """A row for each class and a column for each rung: where climbs to that class end, from the same noise in a row;
    first that noise, and last what the highest rung's generator draws by itself. uint8 (height, width, 3)."""
    classes = len(measured[0].found.climbs)
    height, width = panel_size(*measured[0].found.climbs.shape[-2:], about=84)
    samples = next((one.found.samples for one in reversed(measured) if one.found.samples is not None), None)
    columns = [("the same\nnoise", measured[0].found.noise)]
    columns += [(f"{one.rung.number}\n{one.rung.name}", one.found.climbs) for one in measured]
    columns += [("its\nsamples", samples)] if samples is not None else []
    names = measured[0].critic.class_names[:classes]
    drawn = "digits" if all(name.isdigit() for name in names) else "pictures"
    sheet = Sheet(
        [height] * classes, [width] * len(columns), above=[2, *[0] * (classes - 1)], labels=list(names),
        title=f"From static to {drawn}: what climbs from the same noise draw, rung by rung",
    )  # fmt: skip
    for column, (words, images) in enumerate(columns):
        for row in range(classes):
            sheet.image(row, column, images[row], words if row == 0 else "")
    return sheet.picture()
