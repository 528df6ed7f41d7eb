"""Images as pixels on disk: uint8 arrays, grids of them, PNG files and GIFs. No axes, no text (see figures.py)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fooling.errors import UserError


def to_uint8(images: Tensor) -> Tensor:
    """Images in [0, 1] as uint8 (0 to 255) on the CPU, same shape; values outside [0, 1] are clipped.

    uint8 images pass through. Raises UserError for NaN, which has no colour.
    """
    images = images.detach().cpu()
    if images.dtype == torch.uint8:
        return images
    if images.isnan().any():
        raise UserError(f"cannot draw images with NaN in them, shape {tuple(images.shape)}")
    return images.float().clamp(0, 1).mul(255).round().to(torch.uint8)


def grid(
    images: Tensor, columns: int | None = None, *, padding: int = 2, background: int = 0, scale: int = 1
) -> np.ndarray:
    """One picture of many images, row by row: uint8 numpy (height, width, 3), as PIL and wandb.Image want it.

    images: (n, c, h, w) with 1 or 3 channels, float in [0, 1] or uint8.
    columns: images per row. Default: as square as it gets.
    padding: pixels between and around the images (and what is left of the last row), grey level `background`.
    scale: every pixel becomes a block of scale x scale, hard-edged; the padding is not scaled.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise UserError(f"expected images of shape (n, 1 or 3, h, w), got {tuple(images.shape)}")
    tiles = to_uint8(images).permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    n, height, width, _ = tiles.shape
    columns = min(n, columns or int(np.ceil(np.sqrt(n))))
    rows = -(-n // columns)
    picture = np.full(
        (rows * (height + padding) + padding, columns * (width + padding) + padding, 3), background, np.uint8
    )
    for i, tile in enumerate(tiles):
        row, column = divmod(i, columns)
        top, left = padding + row * (height + padding), padding + column * (width + padding)
        picture[top : top + height, left : left + width] = tile
    return picture


def write_png(picture: np.ndarray, path: str | os.PathLike) -> Path:
    """Write a uint8 (height, width, 3) picture, as from `grid`; its folder is made, the file appears whole or not."""
    return _write_whole(path, lambda partial: _as_pil(picture).save(partial, format="PNG"))


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
    return _write_whole(path, lambda partial: first.save(partial, format="GIF", **options))


def _as_pil(picture: np.ndarray) -> Image.Image:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise UserError(f"expected a uint8 picture (height, width, 3), got {picture.dtype} {picture.shape}")
    if (picture == picture[..., :1]).all():  # grey: a third of the bytes, and exact in a GIF
        return Image.fromarray(np.ascontiguousarray(picture[..., 0]))
    return Image.fromarray(np.ascontiguousarray(picture))


def _indexed(picture: Image.Image) -> Image.Image:
    """At most 256 colours, as GIF has it: exact for grey and for pictures with few colours, else the best 256."""
    return picture if picture.mode == "L" else picture.quantize(256, method=Image.Quantize.MEDIANCUT)


def _write_whole(path: str | os.PathLike, save) -> Path:
    path = Path(path)
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return path
