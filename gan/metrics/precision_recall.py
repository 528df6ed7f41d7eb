"""How two sets of features overlap, as shares of one within reach of the other.

Features are float (n, d), from whichever network the images were shown to: a figure means nothing without its name.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fooling.errors import UserError


@dataclass(frozen=True)
class Overlap:
    """How two sets of features overlap, all in [0, 1]; real against real gives what can be reached.

    precision: share of fakes within reach of a real; recall: of reals within reach of a fake (Kynkäänniemi et al. 2019,
    eq. 2). coverage: share of reals with a fake within their own reach (Naeem et al. 2020, eq. 5). The reach of a
    sample is the distance to its k-th nearest neighbour in its own set.
    """

    precision: float
    recall: float
    coverage: float


def overlap(real: Tensor, fake: Tensor, *, neighbours: int = 5) -> Overlap:
    """Precision, recall and coverage of two sets of features (n, d) and (m, d)."""
    # By hand: torchmetrics has none of the three for features.
    if min(len(real), len(fake)) <= neighbours:
        raise UserError(f"{neighbours} neighbours need more samples than {min(len(real), len(fake))}")
    real, fake = real.float(), fake.float()
    real_reach, fake_reach = _reach(real, neighbours), _reach(fake, neighbours)
    precise = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    recalled, covered = [], []
    for rows, reach in zip(real.split(1024), real_reach.split(1024), strict=True):
        distances = torch.cdist(rows, fake)  # in blocks: 10,000 by 10,000 at once would take 400 MB
        within = distances <= reach[:, None]
        precise |= within.any(0)
        covered.append(within.any(1))
        recalled.append((distances <= fake_reach).any(1))
    shares = (precise, torch.cat(recalled), torch.cat(covered))
    return Overlap(*(share.float().mean().item() for share in shares))


def _reach(features: Tensor, neighbours: int) -> Tensor:
    blocks = features.split(1024)
    return torch.cat([torch.cdist(rows, features).kthvalue(neighbours + 1).values for rows in blocks])
