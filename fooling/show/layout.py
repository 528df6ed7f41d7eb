"""A sheet of panels laid out in whole pixels: images, maps around zero and bars, each with its words.

matplotlib draws it, through Figure objects alone: nothing here touches pyplot's global state or needs a display.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from einops import rearrange
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath
from torch import Tensor

from fooling.images import to_uint8
from fooling.show.fonts import drawable, families

# Two ends that people with any kind of colour blindness tell apart, and white where nothing is said:
# ColorBrewer's RdBu with its grey middle made white, in an odd number of steps so that zero has one of its own.
_REDS = ["#67001f", "#b2182b", "#d6604d", "#f4a582", "#fddbc7"]
_BLUES = ["#d1e5f0", "#92c5de", "#4393c3", "#2166ac", "#053061"]
DIVERGING = LinearSegmentedColormap.from_list("red-white-blue", [*_REDS, "#ffffff", *_BLUES], N=257)
FOR, AGAINST, NEUTRAL = "#2166ac", "#b2182b", "#b8b8b8"
INK, FAINT = "#222222", "#6a6a6a"

_DPI = 144  # one point is two pixels
_TITLE, _TEXT, _SMALL = 12, 8.5, 7.5  # font sizes, points
_TITLE_LINE, _LINE = 32, 22  # pixels
_MARGIN, _GAP, _KEY_WIDTH = 28, 16, 240


def percent(probability: float | Tensor) -> str:
    """A probability as people read it: 2.0 %, 28 %, 99.93 %, never rounded to 0 % or 100 %."""
    if probability > 0.99995:
        return ">\u200999.99\u00a0%"
    if probability < 0.00005:
        return "<\u20090.01\u00a0%"
    digits = 2 if probability < 0.01 or probability >= 0.99 else 1 if probability < 0.1 or probability >= 0.9 else 0
    return f"{probability * 100:.{digits}f}\u00a0%"


def with_article(name: str) -> str:
    """A class's name as in "it is ...": a 7, an 8, an ankle boot; "none" stays as it is."""
    if name == "none":
        return name
    vowels = "aefhilmnorsx8" if len(name) == 1 else "aeiou8"  # an F, but a foot
    return f"{'an' if name[0].lower() in vowels or name in ('11', '18') else 'a'}\u00a0{name}"


def panel_size(height: int, width: int, *, about: int = 168) -> tuple[int, int]:
    """Pixels (height, width) at which to draw an image: the whole multiple of its own size nearest below `about`."""
    longest = max(height, width)
    factor = max(1, about // longest) if longest <= 2 * about else 2 * about / longest
    return round(height * factor), round(width * factor)


def room_below_bars(names: Sequence[str], width: int) -> int:
    """Pixels that the names below bars need, in a panel of that width."""
    return 24 if _upright(names, width) else 12 + max(_text_width(n, _bar_text(width), "bold") for n in names)


class Sheet:
    """Panels in rows and columns under a title.

    rows, columns: heights and widths of the panels in pixels.
    above: lines of text above every row, or one number per row.
    below: pixels kept free below every row, or one number per row (see room_below_bars).
    labels: words to the left of the rows, one for each.
    key: words of a colour key at the bottom: of its red end, its blue end, and what is measured (see colour_key).
    """

    def __init__(
        self,
        rows: Sequence[int],
        columns: Sequence[int],
        *,
        title: str,
        above: int | Sequence[int] = 1,
        below: int | Sequence[int] = 0,
        labels: Sequence[str] = (),
        key: tuple[str, str, str] | None = None,
    ):
        above = [above] * len(rows) if isinstance(above, int) else above
        below = [below] * len(rows) if isinstance(below, int) else below
        left = max((_text_width(line) for label in labels for line in label.split("\n")), default=-_GAP) + _GAP
        inner = left + sum(columns) + _GAP * (len(columns) - 1)
        key_width = _KEY_WIDTH + 24 + 2 * max(map(_text_width, key[:2])) if key else 0
        self.width = max(inner, key_width, 460) + 2 * _MARGIN
        lines = _wrapped(title[:1].upper() + title[1:], self.width - 2 * _MARGIN)
        x0 = (self.width - inner) // 2 + left
        self._lefts = [x0 + sum(columns[:c]) + _GAP * c for c in range(len(columns))]
        self._widths, self._heights, self._key = columns, rows, key
        y = _MARGIN + _TITLE_LINE * len(lines) + 4
        self._tops = []
        for height, text_lines, free in zip(rows, above, below, strict=True):
            y += _LINE * text_lines + 6
            self._tops.append(y)
            y += height + free + 10
        self._key_top = y + 14
        self.height = y + (80 if key else 0) + _MARGIN - 10
        self.figure = Figure(figsize=(self.width / _DPI, self.height / _DPI), dpi=_DPI, facecolor="white")
        self._canvas = FigureCanvasAgg(self.figure)
        self._words(self.width / 2, _MARGIN - 2, "\n".join(lines), size=_TITLE, va="top", weight="bold", spacing=1.3)
        for top, height, label in zip(self._tops, rows, labels, strict=False):
            self._words(x0 - _GAP, top + height / 2, label, ha="right", spacing=1.4)

    def image(self, row: int, column: int, image: Tensor, text: str = "") -> None:
        """One image (c, h, w) in [0, 1] with hard-edged pixels, and the words above it."""
        axes = self._panel(row, column, text)
        pixels = rearrange(to_uint8(image), "c h w -> h w c").numpy()
        self._show(axes, pixels if pixels.shape[2] == 3 else pixels[..., 0], cmap="gray", vmin=0, vmax=255)

    def map(self, row: int, column: int, values: Tensor, limit: float, text: str = "") -> None:
        """A map (c, h, w) or (h, w) from -limit, red, through zero, white, to limit, blue.

        Channels are added up: what is drawn is the effect of making the pixel lighter in all of them.
        """
        axes = self._panel(row, column, text)
        values = values.detach().cpu().float()
        self._show(
            axes, (values.sum(0) if values.ndim == 3 else values).numpy(), cmap=DIVERGING, vmin=-limit, vmax=limit
        )

    def bars(
        self,
        row: int,
        column: int,
        probabilities: Tensor,
        names: Sequence[str],
        text: str = "",
        colours: Mapping[int, str] | None = None,
        before: Tensor | None = None,
    ) -> None:
        """The probabilities (k,) as bars from 0 to 1 with the classes' names below.

        colours singles out some of them; before (k,) are other probabilities, drawn as outlines.
        """
        colours = colours or {}
        axes = self._panel(row, column, text)
        axes.bar(
            range(len(names)), probabilities.tolist(), 0.78, color=[colours.get(k, NEUTRAL) for k in range(len(names))]
        )
        if before is not None:
            axes.bar(range(len(names)), before.tolist(), 0.78, fill=False, edgecolor=INK, linewidth=0.7)
        axes.set(xlim=(-0.6, len(names) - 0.4), ylim=(0, 1), yticks=[], facecolor="#f5f5f5")
        width = self._widths[column]
        axes.set_xticks(range(len(names)), map(drawable, names), rotation=0 if _upright(names, width) else 90)
        axes.tick_params(length=0, pad=3, labelsize=_bar_text(width), labelcolor=FAINT)
        for k, label in enumerate(axes.get_xticklabels()):
            label.set(parse_math=False, family=families(names[k]))
            if k in colours:
                label.set(color=colours[k], weight="bold")
        for side in ("top", "left", "right"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(FAINT)

    def sign(self, row: int, column: int, symbol: str) -> None:
        """A large symbol, such as + or =, in the middle of a cell."""
        x, y = self._lefts[column] + self._widths[column] / 2, self._tops[row] + self._heights[row] / 2
        self._words(x, y, symbol, size=2 * _TITLE, va="center", colour=FAINT)

    def colour_key(self, limit: float) -> None:
        """What the maps' colours mean: a bar from -limit to limit with the key's words."""
        assert self._key is not None  # the sheet was told what its colours mean
        low, high, unit = self._key
        x = (self.width - _KEY_WIDTH) / 2
        axes = self._axes(x, self._key_top, _KEY_WIDTH, 18)
        axes.imshow(np.linspace(-1, 1, 257)[None], cmap=DIVERGING, aspect="auto", extent=(-1, 1, 0, 1))
        axes.set_yticks([])
        axes.set_xticks([-1, 0, 1], [f"\u2212{limit:.2g}", "0", f"+{limit:.2g}"])
        axes.tick_params(length=0, labelsize=_SMALL, labelcolor=FAINT, pad=3)
        for spine in axes.spines.values():
            spine.set(color=FAINT, linewidth=0.5)
        self._words(self.width / 2, self._key_top + 52, unit, size=_SMALL, colour=FAINT)
        self._words(x - 12, self._key_top + 15, low, ha="right", va="baseline", colour=AGAINST)
        self._words(x + _KEY_WIDTH + 12, self._key_top + 15, high, ha="left", va="baseline", colour=FOR)

    def picture(self) -> np.ndarray:
        """The sheet as uint8 (height, width, 3): for write_png, write_gif and wandb.Image."""
        self._canvas.draw()
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()

    def _panel(self, row: int, column: int, text: str) -> Axes:
        left, top = self._lefts[column], self._tops[row]
        width = self._widths[column]
        if text:
            widest = max(_text_width(line) for line in text.split("\n"))
            size = _TEXT * min(1, (width + _GAP - 8) / widest)
            self._words(left + width / 2, top - 11, text, size=size, va="baseline")
        return self._axes(left, top, width, self._heights[row])

    def _axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = self.height - top - height
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))

    def _show(self, axes: Axes, pixels: np.ndarray, **colours: Any) -> None:
        enlarged = axes.get_window_extent().width >= pixels.shape[1] - 0.5
        axes.imshow(pixels, interpolation="nearest" if enlarged else "antialiased", aspect="auto", **colours)
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(color="#cccccc", linewidth=0.5)

    def _words(
        self, x: float, y: float, text: str, *, size: float = _TEXT, ha: str = "center", va: str = "center",
        colour: str = INK, weight: str = "normal", spacing: float = 1.2,
    ) -> None:  # fmt: skip
        self.figure.text(
            x / self.width, 1 - y / self.height, drawable(text), family=families(text),
            size=size, ha=ha, va=va, color=colour, weight=weight, linespacing=spacing, parse_math=False,
        )  # fmt: skip


def _bar_text(width: int) -> float:
    return _TEXT if width > 200 else _SMALL


def _upright(names: Sequence[str], width: int) -> bool:
    """Whether the names fit below their bars side by side."""
    widest = max(_text_width(n, _bar_text(width), "bold") for n in names)
    return widest <= width / (len(names) + 0.2)


@functools.lru_cache
def _text_width(text: str, size: float = _TEXT, weight: str = "normal") -> int:
    """Pixels that a line of text takes."""
    font = FontProperties(family=families(text), size=size, weight=weight)
    return round(TextToPath().get_text_width_height_descent(drawable(text), font, ismath=False)[0] * _DPI / 72)


def _wrapped(text: str, width: int) -> list[str]:
    """The title in as few lines as fit into `width` pixels, of about the same length."""
    count = -(-_text_width(text, _TITLE, "bold") // width)
    for lines in range(count, len(text)):
        wrapped = textwrap.wrap(text, width=-(-len(text) // lines) + 6)
        if all(_text_width(line, _TITLE, "bold") <= width for line in wrapped):
            return wrapped
    return [text]
