"""What the audit says of each classifier as text and as pictures: one list of lines for the terminal's table, which the
page (page.py) has too, and the strips of the worst images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from fooling.audit.against_jury import AgainstJury
from fooling.audit.battery import Found
from fooling.audit.examine import RADIUS, Examination
from fooling.audit.verdict import verdict
from fooling.show.figures import draw_gallery
from fooling.show.layout import percent
from fooling.show.page import Cell, Share

# What it is, what it means (for the page), and the figure. A lower figure is better, but where (+) says otherwise.
_LINES: tuple[tuple[str, str, Callable[[Examination], Cell]], ...] = (
    (
        "accuracy on clean data (+)",
        "of the test images as they are, the share that it has right",
        lambda r: f"{r.accuracy:.2%}",
    ),
    (
        "calibration error on clean data",
        "how far, on average, its confidence is from how often it is right; 0 is none",
        lambda r: f"{r.calibration_error:.4f}",
    ),
    (
        "mean confidence in clean data (+)",
        "the probability that it gives its likeliest class",
        lambda r: f"{r.clean_confidence:.3f}",
    ),
    (
        "fooled with rubbish, anywhere in the box",
        "the box is every image there can be, each pixel anywhere from black to white; rubbish is what it is 99 % sure"
        " of and the judge does not recognise",
        lambda r: Share(_box(r)["rubbish_99"]),
    ),
    (
        f"fooled with rubbish, within {RADIUS} of the start",
        f"the same where no pixel may move by more than {RADIUS}, with black at 0 and white at 1",
        lambda r: Share(r.overall("ball")["rubbish_99"]),
    ),
    (
        "99 % sure of what was climbed, in the box",
        "whether the judge recognises it or not",
        lambda r: Share(_box(r)["fooled_99"]),
    ),
    (
        "of that, recognised by the judge (+)",
        "the judge, too, sees the class: the attack has drawn the thing",
        lambda r: str(Share(_box(r)["recognised"])),
    ),
    (
        "of that, recognised by the jury (+)",
        "the judge and others that were taught differently are agreed; in brackets the least and the most of any alone",
        lambda r: _range(r.jury, "recognised_by_jury", "recognised_least", "recognised_most"),
    ),
    (
        "99 % sure, the jury attacked too",
        "climbs that also lower what all jurors see but one, who is held out",
        lambda r: Share(_jury(r, "misled_sure")),
    ),
    (
        "of that, recognised by the one held out (+)",
        "the juror whom nobody tried to mislead sees the class",
        lambda r: str(Share(_jury(r, "misled_by_held_out"))),
    ),
    (
        "rubbish, the jury attacked too",
        "of all such climbs, those that end where it is 99 % sure and neither the jury nor the one held out sees the"
        " class",
        lambda r: Share(_jury(r, "misled_rubbish")),
    ),
    ("90 % sure", "the same with a lower bar", lambda r: Share(_box(r)["fooled_90"])),
    ("50 % sure", "and with a lower one still", lambda r: Share(_box(r)["fooled_50"])),
    (
        "mean highest confidence reached",
        "in its likeliest class, after the attack or before",
        lambda r: f"{_box(r)['mean_confidence']:.3f}",
    ),
    (
        "AUROC, clean against attacked (+)",
        "the chance that it is surer of a clean image than of an attacked one: 1 tells them apart by confidence alone,"
        " 0.5 is a coin",
        lambda r: f"{_box(r)['auroc']:.3f}",
    ),
    (
        "false positives at 95 % true ones, attacked",
        "FPR 95: with a bar on its confidence that 95 % of the clean images pass, the share of attacked ones that pass",
        lambda r: str(Share(_box(r)["fpr95"])),
    ),
    (
        "99 % sure of rubbish as it is, of any class",
        "of the starts, before any attack",
        lambda r: str(Share(_box(r)["sure_start"])),
    ),
    (
        "AUROC, clean against rubbish as it is (+)",
        "as above, against the starts",
        lambda r: f"{_box(r)['auroc_start']:.3f}",
    ),
    (
        "fewest steps of a success (+)",
        "of any attack on any image, until it was 99 % sure",
        lambda r: f"{_box(r)['steps']:g}",
    ),
    (
        "walked from a real image towards noise, median",
        "the share of the way that one can walk while it stays 99 % sure of the class",
        lambda r: str(_walk(r, "uniform", "walked_median")),
    ),
    (
        "recognised by the judge there (+)",
        "where the walk towards noise ends",
        lambda r: str(_walk(r, "uniform", "recognised")),
    ),
    (
        "walked from a real image towards grey, median",
        "the same towards an even grey",
        lambda r: str(_walk(r, "grey", "walked_median")),
    ),
    (
        "recognised by the judge there (+)",
        "where the walk towards grey ends",
        lambda r: str(_walk(r, "grey", "recognised")),
    ),
    (
        "classes bred without gradients",
        "for which evolution, by chance and choice alone, found an image that it is 99 % sure of",
        lambda r: f"{len(r.masking.evolution_classes)} of {len(r.classes)}" if r.masking else "-",
    ),
    (
        "noise times how much is 99.9 % sure (+)",
        "how bright, far beyond white, noise must be for it to be certain of some class",
        lambda r: f"{r.scale:.3g}",
    ),
)


def lines(reports: Sequence[Examination]) -> list[tuple[str, str, list[Cell]]]:
    """The rows that compare classifiers: words, what they mean, and what is said of each; shares are means over all
    rubbish starts."""
    return [(words, meaning, [say(report) for report in reports]) for words, meaning, say in _LINES]


def table(reports: Sequence[Examination]) -> str:
    """The classifiers side by side as text, below them every warning, and the verdicts at last, where the eye is."""
    rows = [["", *(report.label for report in reports)]]
    rows += [[words, *map(str, cells)] for words, _, cells in lines(reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = [
        row[0].ljust(widths[0]) + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    text += [f"warning: {warning}" for warning in judge_warnings(reports)]
    text += [f"warning: {report.label}: {sign}" for report in reports for sign in report.warnings]
    return "\n".join([*text, "", *(verdict(report).sentence for report in reports)])


def judge_warnings(reports: Sequence[Examination]) -> list[str]:
    """Why the judge, one for all of them, cannot be leant on; none where it can."""
    score = reports[0].judge
    if score is None:
        return ["nobody has measured how well the judge reads: rubbish and recognised may mean nothing"]
    return [score.warning] if score.warning else []


def _box(report: Examination) -> dict[str, float]:
    return report.overall("box")


def _walk(report: Examination, destination: str, figure: str) -> Share:
    return Share(report.walk_figures.get(destination, {}).get(figure, float("nan")))


def _jury(report: Examination, figure: str) -> float:
    return report.jury.get(figure, float("nan"))


def _range(figures: dict[str, float], *names: str) -> str:
    """A share, and in brackets the lowest and the highest that it was made of."""
    share, least, most = (Share(figures.get(name, float("nan"))) for name in names)
    return f"{share} ({least} to {most})" if figures else "-"


KIND = {
    "uniform": "uniform noise", "grey": "grey", "black": "black", "white": "white", "binary": "binary noise",
    "sparse": "sparse noise", "smooth": "smooth noise", "permuted": "permuted pixels",
}  # fmt: skip


def audit_pictures(reports: Sequence[Examination]) -> dict[str, np.ndarray]:
    """For each classifier, the worst images of every kind of start, and the walk-outs: uint8 (height, width, 3)."""
    pictures = {}
    for report, name in zip(reports, _names(reports), strict=True):
        for kind, by_budget in report.found.items():
            found = by_budget["box"]
            order = worst(found)
            texts = [
                f"{report.classes[int(found.targets[k])]}: {percent(float(found.confidences[k]))}\n{seen(found, k)}"
                for k in order
            ]
            title = f"Climbed from {KIND.get(kind, kind)}: {report.label}"
            pictures[f"{name}-{_letters(kind)}"] = draw_gallery(found.images[order], texts, title=title, columns=10)
        if report.masking:
            bred = report.masking.evolution
            texts = [
                f"{label}: {percent(p)}" for label, p in zip(report.classes, bred.confidences.tolist(), strict=True)
            ]
            pictures[f"{name}-evolution"] = draw_gallery(
                bred.images, texts, title=f"Bred without gradients: {report.label}", columns=10
            )
        if (misled := report.misled) is not None:
            rows = misled_first(misled)
            texts = [f"{report.classes[int(misled.targets[k])]}\n{said_of(misled, k)}" for k in rows]
            title = f"Climbed against the jury too: {report.label}"
            pictures[f"{name}-jury"] = draw_gallery(misled.images[rows], texts, title=title, columns=10)
        if report.walks:
            ends = torch.cat([walk.images[:10] for walk in report.walks.values()])
            texts = [f"{end}: {share:.0%}" for end, walk in report.walks.items() for share in walk.walked[:10].tolist()]
            pictures[f"{name}-walks"] = draw_gallery(
                ends, texts, title=f"Walked out of the class, and how far: {report.label}", columns=10
            )
    return pictures


def worst(found: Found) -> list[int]:
    """The numbers of the ten worst images: rubbish first, then whatever it was surest of."""
    return (-(2.0 * found.rubbish + found.confidences)).argsort(stable=True)[:10].tolist()


def misled_first(misled: AgainstJury) -> list[int]:
    """The numbers of twenty images of the attack on the jury: rubbish, then those in which it does not see the class,
    and those of which the classifier is not sure at last."""
    order = 4 * misled.rubbish.int() + 2 * misled.sure.int() + (misled.sure & ~misled.by_jury).int()
    return (-order).argsort(stable=True)[:20].tolist()


def said_of(misled: AgainstJury, k: int) -> str:
    """What became of an image of that attack."""
    if not misled.sure[k]:
        return "not sure"
    return "rubbish" if misled.rubbish[k] else "jury agrees" if misled.by_jury[k] else "held out agrees"


def seen(found: Found, k: int) -> str:
    """What the judge says of an image; nothing where there is no judge, or the classifier is not sure."""
    if found.judge is None or not found.sure[k]:
        return ""
    return "rubbish" if found.rubbish[k] else "judge agrees"


def _names(reports: Sequence[Examination]) -> list[str]:
    """Of their pictures, and so of files: of letters and digits, and no two alike, as v1.0 and v1-0 would be."""
    names = [_letters(report.label) for report in reports]
    return [f"{name}-{k}" if names.count(name) > 1 else name for k, name in enumerate(names, 1)]


def _letters(label: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in label).strip("-")
