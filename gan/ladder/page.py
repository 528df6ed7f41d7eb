"""ladder.html: the whole ladder on one page that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from fooling.show.layout import with_article
from fooling.show.page import Share, page, picture_uri, table, tiles
from gan.ladder.rungs import Measured
from gan.ladder.table import rows

_DRAWN = 0.9  # of the climbs recognised, from which on one may say that they draw


def ladder_page(measured: Sequence[Measured], picture: np.ndarray, *, ruled: str) -> str:
    """The page as HTML, its pictures inside. picture: of ladder_picture. ruled: by what, how many were measured."""
    heads = [f"{one.rung.number} {one.rung.name}" for one in measured]
    parts = [
        "<h1>From a fooling image to a GAN</h1>",
        f"<p>{html.escape(_headline(measured))}</p>",
        "<p>One critic, one data set. Rung by rung the adversary grows, from pixels to a network, and the critic learns"
        " of it. Each column shows where climbs towards the ten classes end on that rung's critic, all from the same"
        " noise in a row.</p>",
        f"<p><img class=wide alt='what climbs draw, a row for each class and a column for each rung'"
        f" src='{picture_uri(picture)}'></p>",
        "<h2>The rungs</h2><dl class=terms>",
        *(f"<div><dt>{head}</dt><dd>{html.escape(one.rung.words)}</dd></div>"
          for head, one in zip(heads, measured, strict=True)),
        "</dl>",
        "<h2>Side by side</h2>",
        f"<p class=hint>{html.escape(ruled)}. Higher is better where (+) says so, lower where (-) does.</p>",
        table("", heads, [(words, meaning, cells) for words, meaning, cells in rows(measured)]),
    ]  # fmt: skip
    for head, one in zip(heads, measured, strict=True):
        tops = [(with_article(name), "") for name in one.critic.class_names[: len(one.found.climbs)]]
        parts += [
            f"<h2>{head}</h2><p>{html.escape(one.rung.words[:1].upper() + one.rung.words[1:])}.</p>",
            "<h3>Climbed from noise</h3>",
            tiles(one.found.climbs, tops, f"climbed on {one.rung.name}"),
        ]
        if one.found.samples is not None:
            parts += ["<h3>Drawn by its generator</h3>"]
            parts += [tiles(one.found.samples, tops, f"drawn by the generator of {one.rung.name}")]
    return page("The ladder: from a fooling image to a GAN", parts)


def _headline(measured: Sequence[Measured]) -> str:
    """One sentence of the first rung, and of that on which a climb draws best."""
    first, best = measured[0], max(measured, key=lambda one: _recognised(one))
    words = f"Of the climbs that make the {first.rung.name} network 99 % sure, a judge recognises"
    words += f" {Share(_recognised(first))}"
    if best is first:
        return words + "."
    words += f"; of those on rung {best.rung.number}, {best.rung.name}, {Share(_recognised(best))}"
    if _recognised(best) >= _DRAWN:
        words += ": what it is to be sure of, one has to draw"
    right = f"{best.figures['accuracy']:.2%} of the test images right, the {first.rung.name} network"
    return f"{words}. It has {right} {first.figures['accuracy']:.2%}."


def _recognised(one: Measured) -> float:
    value = one.figures["recognised"]
    return value if value == value else 0.0
