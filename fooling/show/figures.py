"""Pictures of what a classifier sees, each of one thing from fooling/show/explanations.py: uint8 (height, width, 3).

Save them with write_png, film frames with write_gif, or hand them to wandb.Image. In every map blue pixels, made
lighter, speak for the class and red ones against it; white ones do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from fooling.errors import UserError
from fooling.show.explanations import Confused, Filters, Gradients, Mistakes, Nudges
from fooling.show.layout import AGAINST, FOR, Sheet, panel_size, percent, room_below_bars, with_article

_TIMES = (1, 2, 3, 4, 5, 8, 10, 15, 20, 30, 50, 100, 200, 500, 1000)  # by which changes may be enlarged
_KEY = ("lighter here: less of it", "more of it", "change of the logit, for a pixel from black to white")


def draw_gallery(images: Tensor, texts: Sequence[str], *, title: str, columns: int = 5) -> np.ndarray:
    """Images (n, c, h, w), each with its words above it."""
    if len(images) == 0:
        raise UserError("there is nothing to draw: no images")
    columns = min(columns, len(images))
    height, width = panel_size(*images.shape[-2:])
    rows = -(-len(images) // columns)
    sheet = Sheet([height] * rows, [width] * columns, title=title, above=max(t.count("\n") + 1 for t in texts))
    for i, (image, text) in enumerate(zip(images, texts, strict=True)):
        sheet.image(*divmod(i, columns), image, text)
    return sheet.picture()


def draw_weight_maps(maps: Tensor, names: Sequence[str] | None = None, *, title: str | None = None) -> np.ndarray:
    """Weight maps (classes, c, h, w), all on one scale (see explanations.weight_maps)."""
    names = _names(names, len(maps))
    height, width = panel_size(*maps.shape[-2:])
    columns = min(5, len(maps))
    rows = -(-len(maps) // columns)
    sheet = Sheet(
        [height] * rows,
        [width] * columns,
        title=title or "The weights: what speaks for and against each class",
        key=_KEY,
    )
    limit = _limit(maps)
    for k, weights in enumerate(maps):
        sheet.map(*divmod(k, columns), weights, limit, names[k])
    sheet.colour_key(limit)
    return sheet.picture()


def draw_mistakes(mistakes: Mistakes, names: Sequence[str] | None = None, *, columns: int = 5) -> np.ndarray:
    """Mistakes in rows, each with the right answer, the wrong one and how sure the classifier is of that."""
    names = _names(names, 1 + max(mistakes.labels.tolist() + mistakes.predictions.tolist(), default=0))
    texts = [
        f"{with_article(names[label])}, called {with_article(names[prediction])}\n{percent(confidence)} sure"
        for label, prediction, confidence in zip(
            mistakes.labels.tolist(), mistakes.predictions.tolist(), mistakes.confidences.tolist(), strict=True
        )
    ]
    title = f"The surest of its {mistakes.wrong:,} mistakes on {mistakes.total:,} images"
    return draw_gallery(mistakes.images, texts, title=title, columns=columns)


def draw_gradients(
    gradients: Sequence[Gradients], labels: Sequence[str], names: Sequence[str] | None = None, *, title: str
) -> np.ndarray:
    """The first image of each `Gradients` with its maps, one labelled row for each: untrained above trained, say.

    Panels of one row share a scale; a row whose gradients are smaller is drawn in stronger colours, and says so.
    """
    height, width = panel_size(*gradients[0].images.shape[-2:])
    names = _names(names, gradients[0].probabilities.shape[1])
    classes = gradients[0].classes[0].tolist()
    limits = [_limit(g.maps[0]) for g in gradients]
    largest = max(limits)
    labels = [
        f"{label}\n(colours \u00d7 {largest / limit:.2g})" if largest > 1.05 * limit else label
        for label, limit in zip(labels, limits, strict=True)
    ]
    sheet = Sheet([height] * len(gradients), [width] * (1 + len(classes)), title=title, labels=labels, key=_KEY)
    for row, (each, limit) in enumerate(zip(gradients, limits, strict=True)):
        sheet.image(row, 0, each.images[0], _answer(each.probabilities[0], names))
        for column, k in enumerate(classes):
            sheet.map(row, 1 + column, each.maps[0, column], limit, f"more of {with_article(names[k])}")
    sheet.colour_key(largest)
    return sheet.picture()


def draw_nudges(nudges: Nudges, names: Sequence[str] | None = None, *, title: str) -> np.ndarray:
    """The first image + one step = the image after it, and the probabilities before and after; one row per class."""
    gradients = nudges.gradients
    names = _names(names, gradients.probabilities.shape[1])
    height, width = panel_size(*gradients.images.shape[-2:])
    classes = gradients.classes[0].tolist()
    before, limit = gradients.probabilities[0], _limit(nudges.directions[0])
    bars = _Bars(torch.cat([before[None], nudges.probabilities[0]]), names, classes, width=260)
    sheet = Sheet(
        [height] * len(classes), [width, 26, width, 26, width, bars.width],
        title=title, above=_lines(names), below=bars.below, key=_KEY,
    )  # fmt: skip
    for row, k in enumerate(classes):
        after = nudges.probabilities[0, row]
        sheet.image(row, 0, gradients.images[0], _said(names[k], before[k], names))
        sheet.sign(row, 1, "+")
        than_others = " than others" if nudges.beside[0, row] else ""
        sheet.map(row, 2, nudges.directions[0, row], limit, f"more of {with_article(names[k])}{than_others}")
        sheet.sign(row, 3, "=")
        sheet.image(row, 4, nudges.moved[0, row], _said(names[k], after[k], names))
        bars.draw(sheet, row, 5, after, "after (outline: before)", {k: FOR}, before)
    sheet.colour_key(limit)
    return sheet.picture()


def draw_probabilities(
    image: Tensor, probabilities: Tensor, names: Sequence[str] | None = None, *, title: str
) -> np.ndarray:
    """One image (c, h, w) and the probabilities (classes,) it is given, as bars."""
    names = _names(names, len(probabilities))
    height, width = panel_size(*image.shape[-2:], about=252)
    best = int(probabilities.argmax())
    bars = _Bars(probabilities[None], names, [best], width=320)
    sheet = Sheet([height], [width, bars.width], title=title, below=bars.below)
    sheet.image(0, 0, image)
    bars.draw(sheet, 0, 1, probabilities, _answer(probabilities, names), {best: FOR})
    return sheet.picture()


def round_steps(last: int, at_most: int = 7) -> list[int]:
    """The numbers of at most so many steps to show of a climb: 0, every so many by a round number, and the last."""
    every = -(-last // (at_most - 1))
    unit = 1 if every <= 10 else 5 if every <= 50 else 50
    return [*range(0, last, max(1, -(-every // unit) * unit)), last]


def draw_strip(
    path: Gradients, steps: Sequence[int], names: Sequence[str] | None = None, *, title: str, columns: int = 7
) -> np.ndarray:
    """A climb from its first image to its last, at most `columns` of them: the images, how each differs from the first,
    enlarged so that it can be seen, and the probabilities.

    path: the climb's images with the gradient of the target class, as input_gradients(classifier, images, [target])
    gives them. steps: the number of each. Those of round_steps are shown where all of them are there.
    """
    names = _names(names, path.probabilities.shape[1])
    wanted = round_steps(steps[-1], columns)
    shown = (
        [list(steps).index(step) for step in wanted]
        if set(wanted) <= set(steps)
        else [round(i) for i in np.linspace(0, len(steps) - 1, min(columns, len(steps)))]
    )
    height, width = panel_size(*path.images.shape[-2:])
    colours = _start_and_target(path)
    at_most = 11 if len(names) == 11 else 10  # ten digits and "none"; more would touch
    bars = _Bars(path.probabilities, names, colours, width=width, at_most=at_most)
    changes, times = _changes(path.images)
    sheet = Sheet(
        [height, height, 84], [width] * len(shown),
        title=title, above=[1, 0, 1], below=[0, 0, bars.below], labels=["", f"{times}\n(grey: none)", ""],
    )  # fmt: skip
    for column, i in enumerate(shown):
        last = ", the last" if len(shown) > 1 and i == len(steps) - 1 else ""
        sheet.image(0, column, path.images[i], f"step {steps[i]}{last}")
        sheet.image(1, column, changes[i])
        bars.draw(sheet, 2, column, path.probabilities[i], _answer(path.probabilities[i], names), colours)
    return sheet.picture()


def film(
    path: Gradients, steps: Sequence[int], names: Sequence[str] | None = None, *, title: str
) -> Iterator[np.ndarray]:
    """The frames of a climb (see draw_strip): the image, its change so far, where it goes next, and the bars moving."""
    names = _names(names, path.probabilities.shape[1])
    height, width = panel_size(*path.images.shape[-2:], about=196)
    target = int(path.classes[0, 0])
    limit, colours = _limit(path.maps), _start_and_target(path)
    bars = _Bars(path.probabilities, names, colours, width=320)
    changes, times = _changes(path.images)
    for i, step in enumerate(steps):
        sheet = Sheet([height], [width, width, width, bars.width], title=title, below=bars.below, key=_KEY)
        sheet.image(0, 0, path.images[i], f"step {step}")
        sheet.image(0, 1, changes[i], times)
        sheet.map(0, 2, path.maps[i, 0], limit, f"more of {with_article(names[target])}")
        bars.draw(sheet, 0, 3, path.probabilities[i], _answer(path.probabilities[i], names), colours)
        sheet.colour_key(limit)
        yield sheet.picture()


def draw_filters(filters: Filters, *, title: str, on: str = "this image", columns: int = 8) -> np.ndarray:
    """Every channel's filter, its activation on the image and the image that excites it most, one below the other.

    on: what the image is.
    """
    height, width = panel_size(*filters.image.shape[-2:], about=112)
    columns = min(columns, len(filters.channels))
    maps = filters.activations.ndim == 3
    kinds = ["filter"] * (filters.weights is not None) + [f"on {on}"] * maps + ["what excites\nit most"]
    blocks = -(-len(filters.channels) // columns)
    grey_filters = filters.weights is not None and len(filters.image) == 1
    sheet = Sheet(
        [height] * len(kinds) * blocks,
        [width] * columns,
        title=title,
        above=([1 if maps else 2] + [0] * (len(kinds) - 1)) * blocks,
        below=([0] * (len(kinds) - 1) + [14]) * blocks,
        labels=kinds * blocks,
        key=("wants it dark", "wants it light", "weight of the filter") if grey_filters else None,
    )
    limit = 1.0 if filters.weights is None else filters.weights.abs().max().item()
    strongest = filters.activations.max().clamp_min(1e-12)
    for i, channel in enumerate(filters.channels):
        row, column = len(kinds) * (i // columns), i % columns
        text = f"channel {channel}" if maps else f"unit {channel}\n{filters.activations[i]:.1f} on {on}"
        if filters.weights is not None and grey_filters:
            sheet.map(row, column, filters.weights[i], limit, text)
        elif filters.weights is not None:  # grey is zero
            sheet.image(row, column, 0.5 + filters.weights[i] / (2 * limit), text)
        if filters.weights is not None:
            row, text = row + 1, ""
        if maps:
            sheet.image(row, column, filters.activations[i][None] / strongest, text)
            row, text = row + 1, ""
        sheet.image(row, column, filters.exciting[i], text)
    if grey_filters:
        sheet.colour_key(limit)
    return sheet.picture()


def draw_confused(
    confused: Confused,
    names: Sequence[str] | None = None,
    *,
    rows: Sequence[int] | None = None,
    title: str | None = None,
) -> np.ndarray:
    """One row per confused image: the image, both gradients on one scale, and the image moved towards either class.

    rows: which of the images. Default: all.
    """
    rows = range(len(confused.indices)) if rows is None else rows
    if len(rows) == 0:
        raise UserError("there is nothing to draw: no confused images")
    nudges = confused.nudges
    gradients = nudges.gradients
    names = _names(names, gradients.probabilities.shape[1])
    height, width = panel_size(*gradients.images.shape[-2:])
    title = title or "Between two classes: what would tip the balance"
    labels = [] if confused.labels is None else [f"labelled\n{names[int(confused.labels[i])]}" for i in rows]
    sheet = Sheet([height] * len(rows), [width] * 5, title=title, above=_lines(names), labels=labels, key=_KEY)
    limit = _limit(gradients.maps[list(rows)])
    for row, i in enumerate(rows):
        pair = gradients.classes[i].tolist()
        separator = ", " if _lines(names) == 1 else "\n"
        doubt = separator.join(f"{names[k]}: {percent(gradients.probabilities[i, k])}" for k in pair)
        sheet.image(row, 0, gradients.images[i], doubt)
        for j, k in enumerate(pair):
            sheet.map(row, 1 + j, gradients.maps[i, j], limit, f"more of {with_article(names[k])}")
            moved = _said(names[k], nudges.probabilities[i, j, k], names)
            sheet.image(row, 3 + j, nudges.moved[i, j], moved)
    sheet.colour_key(limit)
    return sheet.picture()


class _Bars:
    """The bars of one figure: of all classes, or, where there are many, of those that are likely somewhere in it.

    probabilities: (n, classes), all that the figure will show. always: classes to show in any case.
    width: of the panel in pixels, if that is enough. at_most: bars.
    """

    def __init__(
        self, probabilities: Tensor, names: Sequence[str], always: Iterable[int], *, width: int, at_most: int = 16
    ):
        importance = probabilities.amax(0).clone()
        importance[list(always)] = 2.0
        self.shown = sorted(importance.topk(min(at_most, len(names))).indices.tolist())
        self.names = [names[k] for k in self.shown]
        self.width = max(width, 26 * len(self.shown) if width > 200 else 0)
        self.below = room_below_bars(self.names, self.width)

    def draw(
        self,
        sheet: Sheet,
        row: int,
        column: int,
        probabilities: Tensor,
        text: str,
        colours: Mapping[int, str],
        before: Tensor | None = None,
    ) -> None:
        """Into a panel of the sheet; see Sheet.bars."""
        picked = {i: colours[k] for i, k in enumerate(self.shown) if k in colours}
        before = None if before is None else before[self.shown]
        sheet.bars(row, column, probabilities[self.shown], self.names, text, picked, before)


def _changes(images: Tensor) -> tuple[Tensor, str]:
    """How images (n, c, h, w) differ from the first of them, as images, grey where they do not; and what that is.

    It is enlarged by a round number, the same for all, at which all but the outermost 3 % stays between black and
    white.
    """
    difference = images - images[0]
    largest = max(change.abs().flatten().quantile(0.97).item() for change in difference)
    times = max((t for t in _TIMES if 0 < t * largest <= 0.5), default=1)
    return 0.5 + times * difference, "change" if times == 1 else f"change \u00d7 {times}"


def _lines(names: Sequence[str]) -> int:
    """Lines that a name and a number need above a panel."""
    return 1 if max(map(len, names)) <= 2 else 2


def _said(name: str, probability: float | Tensor, names: Sequence[str]) -> str:
    """chance of a 7: 93 %, be that the answer or not; on two lines where names are long."""
    return f"chance of {with_article(name)}:{' ' if _lines(names) == 1 else chr(10)}{percent(probability)}"


def _names(names: Sequence[str] | None, count: int) -> Sequence[str]:
    return [str(k) for k in range(count)] if names is None else names


def _answer(probabilities: Tensor, names: Sequence[str]) -> str:
    best = int(probabilities.argmax())
    return f"{names[best]}: {percent(probabilities[best])}"


def _limit(maps: Tensor) -> float:
    """Where the colours end: the largest value but for the outermost 0.1 %, which would pale all others."""
    values = maps.sum(-3).abs().flatten()
    return max(values.kthvalue(max(1, round(0.999 * len(values)))).values.item(), 1e-12)


def _start_and_target(path: Gradients) -> dict[int, str]:
    return {int(path.probabilities[0].argmax()): AGAINST, int(path.classes[0, 0]): FOR}
