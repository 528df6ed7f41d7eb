"""Many images as one picture: pixels and nothing else, no axes, no text (see figures.py)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from fooling.errors import UserError
from fooling.images import to_uint8


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
