"""Many images as one picture: pixels and nothing else, no axes, no text (see figures.py)."""

from __future__ import annotations

import math

import numpy as np
from einops import repeat
from torch import Tensor
from torch.nn import functional as F

from fooling.errors import UserError
from fooling.images import to_uint8

_READABLE = 64  # pixels on a screen, below which a small image is enlarged


def readable_scale(images: Tensor) -> int:
    """Times that images (n, c, h, w) are to be enlarged to be seen well: 3 for 28 pixels, 2 for 32, 1 from 64 on."""
    return max(1, math.ceil(_READABLE / max(images.shape[-2:])))


def grid(
    images: Tensor, columns: int | None = None, *, padding: int = 2, background: int = 0, scale: int | None = 1
) -> np.ndarray:
    """One picture of many images, row by row: uint8 numpy (height, width, 3), as PIL and wandb.Image want it.

    images: (n, c, h, w) with 1 or 3 channels, float in [0, 1] or uint8.
    columns: images per row. Default: as square as it gets.
    padding: pixels between and around the images (and what is left of the last row), grey level `background`.
    scale: every pixel becomes a block of scale x scale, hard-edged; the padding is not scaled. None: as readable_scale.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise UserError(f"expected images of shape (n, 1 or 3, h, w), got {tuple(images.shape)}")
    scale = readable_scale(images) if scale is None else scale
    if scale < 1:
        raise UserError(f"scale must be a whole number of at least 1, got {scale}")
    tiles = repeat(to_uint8(images), "n c h w -> n c (h down) (w across)", down=scale, across=scale)
    n, channels = tiles.shape[:2]
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    # Every cell brings the padding above it and to its left, the picture what is below and to the right of all.
    cells = F.pad(tiles, (padding, 0, padding, 0, 0, 0, 0, -n % columns), value=background)
    picture = repeat(cells, "(row column) c h w -> (row h) (column w) (c rgb)", column=columns, rgb=3 // channels)
    return np.pad(picture.numpy(), ((0, padding), (0, padding), (0, 0)), constant_values=background)
