"""What the audit says of each classifier: one list of lines for the terminal's table and for the page, and the page.

The page needs nothing else: the table, the warnings, and the images behind every figure are inside.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from fooling.audit.battery import OTHER_CLASSES
from fooling.audit.examine import BUDGETS, RADIUS, Effort, Examination
from fooling.show.figures import draw_gallery
from fooling.show.layout import percent


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


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 92rem; margin: 2rem auto; padding: 0 1rem }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .6rem } p { max-width: 46rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0 }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff }
thead th { border-bottom: 2px solid #222 }
td.bar { background: linear-gradient(to right, #f4a582 var(--share), transparent var(--share)) }
.warning { border-left: 6px solid #b2182b; padding: .4rem .8rem; background: #fbeceb }
.fine { border-left: 6px solid #2166ac; padding: .4rem .8rem; background: #eaf1f8 }
img { max-width: 100%; display: block; margin: .5rem 0 1.2rem } .scroll { overflow-x: auto }
.hint { color: #6a6a6a; font-size: .9rem }
"""

_KIND = {
    "uniform": "uniform noise", "grey": "grey", "black": "black", "white": "white", "binary": "binary noise",
    "sparse": "sparse noise", "smooth": "smooth noise", "permuted": "permuted pixels",
}  # fmt: skip


def audit_pictures(reports: Sequence[Examination]) -> dict[str, np.ndarray]:
    """For each classifier, the worst images of every kind of start, and the walk-outs: uint8 (height, width, 3)."""
    pictures = {}
    for report in reports:
        for kind, by_budget in report.found.items():
            found = by_budget["box"]
            # Rubbish first, then whatever it was surest of.
            order = (-(2.0 * found.rubbish + found.confidences)).argsort(stable=True)[:10]
            texts = [
                f"{report.classes[int(found.targets[k])]}: {percent(float(found.confidences[k]))}\n{_verdict(found, k)}"
                for k in order.tolist()
            ]
            title = f"Climbed from {_KIND.get(kind, kind)}: {report.label}"
            pictures[_name(report, kind)] = draw_gallery(found.images[order], texts, title=title, columns=10)
        bred = report.masking.evolution
        texts = [f"{name}: {percent(p)}" for name, p in zip(report.classes, bred.confidences.tolist(), strict=True)]
        pictures[_name(report, "evolution")] = draw_gallery(
            bred.images, texts, title=f"Bred without gradients: {report.label}", columns=10
        )
        if report.walks:
            ends = torch.cat([walk.images[:10] for walk in report.walks.values()])
            texts = [
                f"{name}: {share:.0%}" for name, walk in report.walks.items() for share in walk.walked[:10].tolist()
            ]
            pictures[_name(report, "walks")] = draw_gallery(
                ends, texts, title=f"Walked out of the class, and how far: {report.label}", columns=10
            )
    return pictures


def audit_page(reports: Sequence[Examination], pictures: Mapping[str, np.ndarray], effort: Effort, *, seed: int) -> str:
    """The whole page as HTML, its pictures inside."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>Audit</title><style>{_STYLE}</style>",
        "<h1>How rubbish fools each classifier</h1>",
        f"<p>Every classifier was attacked afresh with {effort.steps} steps from {effort.images} images of each kind of"
        f" start, and each image counts with the worst that any attack made of it (seed {seed}). <b>Rubbish</b> is an"
        " image of which the classifier is at least 99 % sure and which an independent judge, trained apart and never"
        " attacked, does not take for the same class. A success that the judge recognises has drawn the thing.</p>",
        _summary(reports),
    ]
    for report in reports:
        parts += [f"<h2>{html.escape(report.label)}</h2>", _warnings(report), *_starts(report, pictures)]
        parts += [_walks(report, pictures), _masking(report, pictures)]
    return "\n".join(parts) + "</html>\n"


def _summary(reports: Sequence[Examination]) -> str:
    return _table(["", *(report.label for report in reports)], summary(reports)) + (
        "<p class=hint>Means over all kinds of rubbish to start from. Lower is better, but where (+) says otherwise."
        "</p>"
    )


def _warnings(report: Examination) -> str:
    if not report.warnings:
        return "<p class=fine>No sign that this network hides its gradient.</p>"
    return "".join(f"<p class=warning>{html.escape(warning)}.</p>" for warning in report.warnings)


def _starts(report: Examination, pictures: Mapping[str, np.ndarray]) -> list[str]:
    header = ["start", "budget", "50 %", "90 %", "99 % sure", "rubbish", "recognised", "median", "mean", "AUROC",
              "FPR 95", "steps"]  # fmt: skip
    rows = []
    for kind, by_budget in report.figures.items():
        for budget in BUDGETS:
            f = by_budget[budget]
            rows.append(
                [
                    _KIND.get(kind, kind), f"within {RADIUS}" if budget == "ball" else "box",
                    Share(f["fooled_50"]), Share(f["fooled_90"]), Share(f["fooled_99"]), Share(f["rubbish_99"]),
                    str(Share(f["recognised"])), f"{f['median_confidence']:.3f}", f"{f['mean_confidence']:.3f}",
                    f"{f['auroc']:.3f}", str(Share(f["fpr95"])), f"{f['steps']:g}",
                ]
            )  # fmt: skip
    hint = (
        "<p class=hint>Real images of another class can be turned into the target, so a success there is no fault by"
        " itself: look at what the judge recognises.</p>"
        if OTHER_CLASSES in report.figures
        else ""
    )
    shown = [_picture(pictures[_name(report, kind)], kind) for kind in report.found]
    return [_table(header, rows), hint, "<h3>The worst images, anywhere in the box</h3>", *shown]


def _walks(report: Examination, pictures: Mapping[str, np.ndarray]) -> str:
    if not report.walks:
        return "<h3>Walk-outs</h3><p>It is 99 % sure of none of the test images: nothing to walk from.</p>"
    rows = [
        [name, f"{f['walked_median']:.0%}", f"{f['walked_most']:.0%}", str(Share(f.get("recognised", float("nan"))))]
        for name, f in report.walk_figures.items()
    ]
    return (
        "<h3>Walk-outs</h3><p>From a real image towards rubbish, as far as the classifier stays 99 % sure of the class."
        "</p>"
        + _table(["towards", "median way", "longest way", "recognised at the end"], rows)
        + _picture(pictures[_name(report, "walks")], "walk-outs")
    )


def _masking(report: Examination, pictures: Mapping[str, np.ndarray]) -> str:
    found = report.masking
    rows = [["box" if radius is None else f"within {radius:g}", Share(share)] for radius, share in found.within.items()]
    transfer = (
        f" Images made on another network, without any gradient of this one, fool it {found.transfer:.0%} of the time,"
        f" its own gradient {found.gradient:.0%}."
        if found.transfer is not None
        else ""
    )
    return (
        "<h3>Does it hide its gradient?</h3>"
        f"<p>Evolution reached {len(found.evolution_classes)} of {len(report.classes)} classes in"
        f" {found.evolution.evaluations:,} evaluations, {len(found.evolution_rubbish)} of them with rubbish; gradients"
        f" from uniform noise reached {len(found.gradient_classes)}.{transfer} The gradient is zero at"
        f" {found.without_gradient:.0%} of the starts. Noise gets to 99 % by sign steps in balls of growing size:</p>"
        + _table(["ball", "success"], rows)
        + _picture(pictures[_name(report, "evolution")], "evolution")
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    def cell(value: Cell) -> str:
        if isinstance(value, Share):
            return f"<td class=bar style='--share:{value:.0%}'>{value}</td>"
        return f"<td>{html.escape(str(value))}</td>"

    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(map(cell, row)) + "</tr>" for row in rows)
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _picture(picture: np.ndarray, words: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).quantize(64).save(buffer, format="PNG", optimize=True)
    return (
        f"<img alt='{html.escape(words)}' src='data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}'>"
    )


def _verdict(found, k: int) -> str:
    if found.judge is None or not found.sure[k]:
        return ""
    return "rubbish" if found.rubbish[k] else "judge agrees"


def _name(report: Examination, what: str) -> str:
    """Of a picture, and so of a file."""
    return "-".join("".join(c if c.isalnum() else "-" for c in part).strip("-") for part in (report.label, what))
