"""A page of figures and small images that needs nothing else: one file, to be read on telephones and on desks, in the
light and in the dark.

Below a certain width a table's rows become blocks, each figure beside its own name; every word is then in the page, not
in a title that only a mouse can find.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from einops import rearrange
from PIL import Image
from torch import Tensor

from fooling.images import to_uint8

_LONG = 14  # letters of a column's name, more than which leave no room for a second figure on a telephone


class Share(float):
    """A share from 0 to 1, said in percent; "-" for NaN, where there is nothing to have a share of."""

    def __str__(self) -> str:
        return "-" if self != self else f"{float(self):.1%}"


Cell = str | Share


def page(title: str, body: Iterable[str], *, tile: int = 84) -> str:
    """The whole page as HTML. title: of the window. body: its parts, HTML. tile: CSS pixels of an image's side."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(title)}</title>",
        f"<style>{style}</style></head><body style='--tile: {tile}px'><main>",
        *body,
    ]
    whole = "\n".join(parts) + "</main></body></html>\n"
    return whole.replace(" %", "\u00a0%").replace("&gt;\u2009", "&gt;\u202f")  # a figure and its signs stay on one line


def table(corner: str, header: Sequence[str], rows: Iterable[tuple[str, str, Sequence[Cell]]]) -> str:
    """Rows of words, what they mean, and cells. It says the roles, which a table laid out as blocks would lose."""
    heads = "".join(f"<th scope=col role=columnheader>{html.escape(name)}</th>" for name in header)

    def row(words: str, meaning: str, cells: Sequence[Cell]) -> str:
        small = f"<small>{html.escape(meaning)}</small>" if meaning else ""
        row = f"<tr role=row><th scope=row role=rowheader>{html.escape(words)}{small}</th>"
        for name, value in zip(header, cells, strict=True):
            bar = f" class=bar style='--share:{value:.0%}'" if isinstance(value, Share) else ""
            label = f"<span class=of>{html.escape(name)}</span> " if len(header) > 1 else ""
            row += f"<td role=cell{bar}>{label}{html.escape(str(value))}</td>"
        return row + "</tr>"

    long = " class=long" if max(map(len, header)) > _LONG else ""
    return (
        f"<div class=box role=region tabindex=0 aria-label='table'><table role=table{long}><thead role=rowgroup>"
        f"<tr role=row><th scope=col role=columnheader>{corner}</th>{heads}</tr></thead><tbody role=rowgroup>"
        + "".join(row(*each) for each in rows)
        + "</tbody></table></div>"
    )


def tiles(images: Tensor, captions: Sequence[tuple[str, str]], about: str) -> str:
    """Images (n, c, h, w) side by side, as many as there is room for, each with its words and the judge's below."""
    parts = []
    for image, (words, judged) in zip(images, captions, strict=True):
        kind = "rubbish" if judged == "rubbish" else "agrees"
        below = f"<span class={kind}>{judged}</span>" if judged else ""
        alt = html.escape(", ".join(filter(None, (about, words, judged))), quote=True)
        parts.append(
            f"<figure><img alt='{alt}' src='{data_uri(image)}'><figcaption>{html.escape(words)}{below}</figcaption>"
            "</figure>"
        )
    return f"<div class=tiles>{''.join(parts)}</div>"


def data_uri(image: Tensor) -> str:
    """A PNG of an image (c, h, w), in 64 colours where it has any, of at most 256 pixels a side."""
    pixels = rearrange(to_uint8(image), "c h w -> h w c").numpy()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.thumbnail((256, 256))
    return _encoded(picture if picture.mode == "L" else picture.quantize(64))


def picture_uri(picture: np.ndarray) -> str:
    """A PNG of a uint8 picture (height, width, 3), in 64 colours."""
    return _encoded(Image.fromarray(picture).quantize(64))


def _encoded(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
