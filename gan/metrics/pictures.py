"""Pictures of what the ruler found: samples and the training images nearest to them, and how often each class came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from fooling.images import to_float
from fooling.show.layout import Sheet, panel_size, room_below_bars
from gan.metrics.report import Report

_SHOWN = 8  # samples of either kind
_BARS = 40  # beside each other at most, which still can be told apart


def neighbours_sheet(
    name: str, samples: Tensor, training: Tensor, rows: Tensor, distances: Tensor, of_test: Tensor
) -> np.ndarray:
    """The samples that are nearest to a training image, and the first ones, each above that image.

    samples: uint8 (n, c, h, w), with the row of the training image nearest to each and how far it is (n,); training:
    all of those. of_test: (m,), how far test images are from theirs.

    Returns uint8 (height, width, 3).
    """
    height, width = panel_size(*samples.shape[-2:], about=112)
    sheet = Sheet(
        [height] * 4,
        [width] * min(_SHOWN, len(samples)),
        title=f"Samples of {name}, and below each the training image that is nearest to it",
        above=[1, 0, 1, 0],
        labels=[f"the nearest of {len(samples):,}", "", "the first", ""],
    )
    middle = of_test.median().clamp(min=1e-12)
    for row, chosen in ((0, distances.argsort()[:_SHOWN]), (2, torch.arange(min(_SHOWN, len(samples))))):
        for column, number in enumerate(chosen.tolist()):
            away = f"{float(distances[number] / middle):.2f}"
            sheet.image(row, column, to_float(samples[number]), away)
            sheet.image(row + 1, column, to_float(training[int(rows[number])]))
    return sheet.picture()


def class_bars(reports: Mapping[str, Report], wanted: Tensor, names: Sequence[str]) -> np.ndarray | None:
    """How often each class was drawn, in bars, and wanted, in outlines; None where nobody told classes apart.

    Of many classes the bars are means over as many of them as it takes, from the one drawn least to that drawn most.

    Returns uint8 (height, width, 3).
    """
    drawn = {label: torch.tensor(r.modes.histogram) / r.count for label, r in reports.items() if r.modes is not None}
    if not drawn:
        return None
    shares = {label: _few(part) for label, part in drawn.items()}
    expected = _few(wanted.cpu() / wanted.sum())
    order = ""
    if len(wanted) > _BARS:
        names, order = [""] * len(expected), f", all {len(wanted):,} from the rarest to the most frequent"
    top = 1.1 * max(float(part.max()) for part in (*shares.values(), expected))
    width = 640
    sheet = Sheet(
        [168] * len(shares),
        [width],
        title=f"How often each class was drawn{order}; outlines: how often it was wanted",
        below=room_below_bars(names, width),
        labels=list(shares),
    )
    for row, part in enumerate(shares.values()):
        sheet.bars(row, 0, part / top, names, before=expected / top)
    return sheet.picture()


def _few(shares: Tensor) -> Tensor:
    """Shares (k,) as at most so many: where they are more, the means of neighbours in their order."""
    if len(shares) <= _BARS:
        return shares
    return torch.stack([part.mean() for part in shares.sort().values.tensor_split(_BARS)])
