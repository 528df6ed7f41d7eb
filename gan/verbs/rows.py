"""Rows of images, each with its words to the left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fooling.show.grids import grid
from fooling.show.layout import Sheet

_ABOUT = 84  # pixels on a screen that an image takes, where it is no larger by itself


def draw_rows(rows: Sequence[Tensor], labels: Sequence[str], *, title: str) -> np.ndarray:
    """Rows of images (n, c, h, w) in [0, 1] with hard-edged pixels; what a row has fewer than another stays white."""
    columns, (height, width) = max(map(len, rows)), rows[0].shape[-2:]
    strips = []
    for images in rows:  # one panel for each: a panel for every image would take seconds
        whole = torch.cat([images, images.new_ones(columns - len(images), *images.shape[1:])])
        strips.append(grid(whole, columns, background=200, scale=max(1, _ABOUT // max(height, width))))
    sheet = Sheet(
        [strip.shape[0] for strip in strips], [strips[0].shape[1]], title=title, above=0, labels=labels
    )  # fmt: skip
    for row, strip in enumerate(strips):
        sheet.image(row, 0, torch.from_numpy(strip).permute(2, 0, 1))
    return sheet.picture()
