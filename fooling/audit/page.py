"""audit.html: the verdicts, the tables and the images behind every figure, on one page that needs nothing else.

How it is laid out: fooling/show/page.py.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from fooling.audit.against_jury import AgainstJury
from fooling.audit.battery import OTHER_CLASSES
from fooling.audit.examine import BUDGETS, RADIUS, Effort, Examination
from fooling.audit.masking import Masking
from fooling.audit.report import KIND, judge_warnings, lines, misled_first, said_of, seen, worst
from fooling.audit.verdict import verdict
from fooling.show.layout import percent
from fooling.show.page import Cell, Share, page, table, tiles

_LEVELS = {"easily fooled": "easily", "can be fooled": "can", "hard to fool": "hard", "unclear": "unclear"}


def audit_page(reports: Sequence[Examination], effort: Effort, *, seed: int) -> str:
    """The whole page as HTML, its pictures inside."""
    parts = [
        "<h1>How rubbish fools each classifier</h1>",
        "<h2>The verdict</h2><div class=cards>",
        *(_card(report, number) for number, report in enumerate(reports)),
        "</div>",
        *(f"<p class=warning>{html.escape(_sentence(warning))}</p>" for warning in judge_warnings(reports)),
        f"<p>Every classifier was attacked afresh with {effort.steps} steps from {effort.images} images of each kind of"
        f" start, and each image counts with the worst that any attack made of it (seed {seed}). <dfn>Rubbish</dfn> is"
        " an image of which the classifier is at least 99 % sure and which an independent <dfn>judge</dfn>, a network"
        " that was trained apart and is never attacked, does not take for the same class. A success that the judge"
        f" <dfn>recognises</dfn> has drawn the thing. {_judge(reports[0])}</p>",
        "<h2>Side by side</h2>",
        "<p class=hint>Means over all kinds of rubbish to start from. Lower is better, but where (+) says that higher"
        " is.</p>",
        table(
            "", [report.label for report in reports], [(words, meaning, row) for words, meaning, row in lines(reports)]
        ),
    ]
    for number, report in enumerate(reports):
        parts += [f"<h2 id=network-{number}>{html.escape(report.label)}</h2>", _warnings(report), _strips(report)]
        parts += [_starts(report), _walks(report), _masking(report, report.masking) if report.masking else ""]
        parts += [_jury(report, report.misled) if report.misled else ""]
    return page(f"Audit: {', '.join(report.label for report in reports)}", parts, tile=_tile_side(reports[0]))


def _card(report: Examination, number: int) -> str:
    said, box = verdict(report), report.overall("box")
    hides = report.masking.hides if report.masking else "not looked for"
    if_right = ", if the judge is right" if judge_warnings([report]) else ""
    figures = {
        "of the clean images right": f"{report.accuracy:.2%}",
        f"of {box['images']:,} images turned into rubbish{if_right}": str(Share(box["rubbish_99"])),
        f"of all that it became sure of, recognised{if_right or ' by the judge'}": str(Share(box["recognised"])),
        "hides its gradient?": hides,
    }
    rows = "".join(f"<div><dt>{words}</dt><dd>{value}</dd></div>" for words, value in figures.items())
    return (
        f"<article class='card {_LEVELS[said.level]}'><h3><a href='#network-{number}'>{html.escape(report.label)}</a>"
        f"</h3><p class=level>{said.level}</p><p>{html.escape(said.sentence)}</p>"
        f"<dl class=figures>{rows}</dl></article>"
    )


def _judge(report: Examination) -> str:
    return "" if report.judge is None else f"How well it reads: {report.judge.words}."


def _warnings(report: Examination) -> str:
    if not report.warnings:
        return "<p class=fine>No sign that this network hides its gradient.</p>"
    return "".join(f"<p class=warning>{html.escape(_sentence(warning))}</p>" for warning in report.warnings)


def _strips(report: Examination) -> str:
    parts = [
        "<h3>The worst images, anywhere in the box</h3>",
        "<p class=hint>Under each, the class that it was climbed towards, how sure the classifier is of it, and whether"
        " the judge agrees.</p>",
    ]
    for kind, by_budget in report.found.items():
        found, name = by_budget["box"], KIND.get(kind, kind)
        order = worst(found)
        captions = [(f"{report.classes[int(found.targets[k])]}: {percent(float(found.confidences[k]))}", seen(found, k))
                    for k in order]  # fmt: skip
        rubbish = f"{int(found.rubbish.sum())} of {len(found.targets)} became rubbish"
        parts += [f"<h4>From {html.escape(name)}</h4><p class=hint>{rubbish}</p>",
                  tiles(found.images[order], captions, f"climbed from {name}")]  # fmt: skip
    return "".join(parts)


def _starts(report: Examination) -> str:
    header = ["50 % sure", "90 % sure", "99 % sure", "rubbish", "recognised", "median", "mean", "AUROC", "FPR 95",
              "steps"]  # fmt: skip
    rows: list[tuple[str, str, list[Cell]]] = []
    for kind, by_budget in report.figures.items():
        for budget in BUDGETS:
            f = by_budget[budget]
            where = f"within {RADIUS}" if budget == "ball" else "in the box"
            rows.append((f"{KIND.get(kind, kind)}, {where}", "", [
                Share(f["fooled_50"]), Share(f["fooled_90"]), Share(f["fooled_99"]), Share(f["rubbish_99"]),
                str(Share(f["recognised"])), f"{f['median_confidence']:.3f}", f"{f['mean_confidence']:.3f}",
                f"{f['auroc']:.3f}", str(Share(f["fpr95"])), f"{f['steps']:g}",
            ]))  # fmt: skip
    terms = [
        ("within and box", f"the budget of an attack, how far it may go: within {RADIUS}, no pixel moves further than"
         " that from the start; in the box, every pixel may become anything from black to white"),
        ("50, 90, 99 % sure", "the share of images that an attack made it so sure of the class they were climbed to"),
        ("rubbish", "those of them at 99 % that the judge does not recognise"),
        ("recognised", "of those at 99 %, the share that the judge takes for the same class"),
        ("median and mean", "of the highest confidences reached"),
        ("AUROC", "the chance that it is surer of a clean image than of an attacked one: 1 tells them apart by"
         " confidence alone, 0.5 is a coin"),
        ("FPR 95", "with a bar on its confidence that 95 % of the clean images pass, the share of attacked ones that"
         " pass"),
        ("steps", "the fewest in which an attack made it 99 % sure; inf where none did"),
    ]  # fmt: skip
    hint = (
        "<p class=hint>Real images of another class can be turned into the target, so a success there is no fault by"
        " itself: look at what the judge recognises.</p>"
        if OTHER_CLASSES in report.figures
        else ""
    )
    explained = "".join(f"<div><dt>{word}</dt><dd>{meaning}</dd></div>" for word, meaning in terms)
    return (
        f"<h3>From every kind of start</h3>{table('start', header, rows)}<dl class='terms hint'>{explained}</dl>{hint}"
    )


def _walks(report: Examination) -> str:
    if not report.walks:
        return "<h3>Walk-outs</h3><p>It is 99 % sure of none of the test images: nothing to walk from.</p>"
    rows = [
        (KIND.get(name, name), "", [f"{f['walked_median']:.0%}", f"{f['walked_most']:.0%}",
                    str(Share(f.get("recognised", float("nan"))))])
        for name, f in report.walk_figures.items()
    ]  # fmt: skip
    parts = [
        "<h3>Walk-outs</h3><p>A <dfn>walk</dfn> goes from a real image towards rubbish, as far as the classifier stays"
        " 99 % sure of the class.</p>",
        table("towards", ["median way", "longest way", "recognised at the end"], rows),
        "<p class=hint>0 % is the real image, 100 % the noise, the grey, the black or the image of another class that"
        " the walk goes to; recognised: the judge still sees the class where it ends. Under"
        " each image, how much of the way lies behind it.</p>",
    ]
    for name, walk in report.walks.items():
        captions, end = [(f"{share:.0%}", "") for share in walk.walked[:10].tolist()], KIND.get(name, name)
        parts += [f"<h4>Towards {html.escape(end)}</h4>", tiles(walk.images[:10], captions, f"walked towards {end}")]
    return "".join(parts)


def _jury(report: Examination, misled: AgainstJury) -> str:
    said, rows = report.jury, misled_first(misled)
    captions = [(report.classes[int(misled.targets[k])], said_of(misled, k)) for k in rows]
    sure, rubbish = int(misled.sure.sum()), int(misled.rubbish.sum())
    return (
        "<h3>A jury in place of the judge</h3><p>Of all that it became sure of, several networks that were taught"
        f" differently are agreed to see the class in {Share(said['recognised_by_jury'])}; of each alone it is"
        f" {Share(said['recognised_least'])} to {Share(said['recognised_most'])}. Climbs that also lower what all of"
        f" them see but one made it sure of {sure} of {len(misled.targets)} images, and {rubbish} of these are rubbish:"
        " neither the jury sees the class, nor the one who was held out.</p>"
        + tiles(misled.images[rows], captions, "climbed against the jury too")
    )


def _masking(report: Examination, found: Masking) -> str:
    rows: list[tuple[str, str, list[Cell]]] = [
        ("in the box" if radius is None else f"within {radius:g}", "", [Share(share)])
        for radius, share in found.within.items()
    ]
    transfer = (
        f" Images made on another network, without any gradient of this one, fool it {found.transfer:.0%} of the time,"
        f" its own gradient {found.gradient:.0%}."
        if found.transfer is not None
        else ""
    )
    bred = found.evolution
    captions = [
        (f"{name}: {percent(p)}", "") for name, p in zip(report.classes, bred.confidences.tolist(), strict=True)
    ]
    return (
        "<h3>Does it hide its gradient?</h3>"
        "<p>A network can look safe because climbs find no slope to follow. One that hides its gradient is fooled by"
        " what needs none, and not more often where there is more room.</p>"
        f"<p>Evolution reached {len(found.evolution_classes)} of {len(report.classes)} classes in"
        f" {bred.evaluations:,} evaluations, {len(found.evolution_rubbish)} of them with rubbish; gradients"
        f" from uniform noise reached {len(found.gradient_classes)}.{transfer} The gradient is zero at"
        f" {found.without_gradient:.0%} of the starts. Noise gets to 99 % by sign steps, where no pixel may move"
        " further than:</p>"
        + table("room", ["success"], rows)
        + "<h4>Bred without gradients</h4>"
        + tiles(bred.images, captions, "bred")
    )


def _tile_side(report: Examination) -> int:
    """CSS pixels: a whole multiple of an image's own size from 80 on, and never more than 128, two to a telephone."""
    found = next(iter(report.found.values()))["box"]
    side = max(found.images.shape[-2:])
    return min(128, side * -(-80 // side))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."
