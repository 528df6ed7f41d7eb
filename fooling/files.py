"""Files that appear whole or not at all: text, JSON, PNG pictures, GIF films."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fooling.errors import UserError


def write_whole(path: str | os.PathLike, write: Callable[[Path], Any]) -> Path:
    """Have `write` write a file under another name, and rename it, so that nobody ever meets half of one.

    Its folder is made. Raises UserError where it cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def write_text(text: str, path: str | os.PathLike) -> Path:
    """Write a text file in UTF-8; it appears whole or not at all."""
    return write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_json(value: Any, path: str | os.PathLike) -> Path:
    """Write a value as JSON that people can read; what JSON does not know is written as its str()."""
    return write_text(json.dumps(value, indent=2, default=str) + "\n", path)


def write_png(picture: np.ndarray, path: str | os.PathLike) -> Path:
    """Write a uint8 (height, width, 3) picture, as from `grid`; its folder is made, the file appears whole or not."""
    return write_whole(path, lambda partial: _as_pil(picture).save(partial, format="PNG"))


def write_gif(frames: Iterable[np.ndarray], path: str | os.PathLike, fps: float = 10, *, hold: float = 0) -> Path:
    """Write uint8 (height, width, 3) pictures of one size, as from `grid`, as a GIF that plays for ever.

    fps: frames per second, at most 50 (browsers slow faster GIFs down); the format counts in hundredths of a second.
    hold: seconds for which the last frame stays before the film starts again.
    """
    pictures = [_as_pil(frame) for frame in frames]
    if not pictures:
        raise UserError(f"cannot write {path}: a GIF needs at least one frame")
    if len({p.size for p in pictures}) > 1:
        raise UserError(f"cannot write {path}: its frames differ in size, {sorted({p.size for p in pictures})}")
    if not 0 < fps <= 50:
        raise UserError(f"fps must be above 0 and at most 50, got {fps}")
    durations = [round(100 / fps) * 10] * len(pictures)  # milliseconds; PIL would cut 33 down to 30
    durations[-1] += round(hold * 1000)
    first, *rest = [_indexed(p) for p in pictures]
    options = dict(save_all=True, append_images=rest, duration=durations, loop=0, disposal=1)
    return write_whole(path, lambda partial: first.save(partial, format="GIF", **options))


def _as_pil(picture: np.ndarray) -> Image.Image:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise UserError(f"expected a uint8 picture (height, width, 3), got {picture.dtype} {picture.shape}")
    if (picture == picture[..., :1]).all():  # grey: a third of the bytes, and exact in a GIF
        return Image.fromarray(np.ascontiguousarray(picture[..., 0]))
    return Image.fromarray(np.ascontiguousarray(picture))


def _indexed(picture: Image.Image) -> Image.Image:
    """At most 256 colours, as GIF has it: exact for grey and for pictures with few colours, else the best 256."""
    return picture if picture.mode == "L" else picture.quantize(256, method=Image.Quantize.MEDIANCUT)
