"""How two sets of features overlap, as shares of one within reach of the other.

Features are float (n, d), from whichever network the images were shown to: a figure means nothing without its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fooling.errors import UserError

_ROWS = 256  # of a matrix of distances, which stay in a CPU's cache: all of 10,000 by 10,000 would take 400 MB


@dataclass(frozen=True)
class Overlap:
    """How two sets of features overlap; real against real gives what can be reached, which for all is about 1.

    precision: share of fakes within reach of a real; recall: of reals within reach of a fake (Kynkäänniemi et al. 2019,
    eq. 2). density: in how many reals' reach a fake is, over k, on average: unlike precision it does not let one real
    with a long reach speak for many fakes, and it may be above 1. coverage: share of reals with a fake within their own
    reach (Naeem et al. 2020, eq. 4 and 5). The reach of a sample is the distance to its k-th nearest neighbour in its
    own set. Shares depend on the numbers of samples, most of all coverage: compare figures of equal counts only.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(real: Tensor, fake: Tensor, *, neighbours: int = 5, real_reach: Tensor | None = None) -> Overlap:
    """Precision, recall, density and coverage of two sets of features (n, d) and (m, d).

    neighbours: the k of them all. real_reach: what `reach(real, neighbours)` gave before.

    Raises UserError where either has no more than so many rows.
    """
    # By hand: torchmetrics has none of the four for features, and prdc holds all distances at once, on the CPU.
    real, fake = real.float(), fake.float()
    real_reach = reach(real, neighbours) if real_reach is None else real_reach
    fake_reach = reach(fake, neighbours)
    holders = torch.zeros(len(fake), device=fake.device)  # how many reals have each fake within their reach
    recalled, covered = [], []
    for distances, of_rows in zip(squared_distances(real, fake), real_reach.split(_ROWS), strict=True):
        recalled.append((distances - fake_reach).amin(1) <= 0)
        covered.append(distances.amin(1) <= of_rows)
        holders += (distances <= of_rows[:, None]).float().sum(0)
    return Overlap(
        precision=(holders > 0).float().mean().item(),
        recall=torch.cat(recalled).float().mean().item(),
        density=holders.mean().item() / neighbours,
        coverage=torch.cat(covered).float().mean().item(),
    )


def reach(features: Tensor, neighbours: int) -> Tensor:
    """The squared distance of each row of features (n, d) to its k-th nearest among the others: float32 (n,)."""
    if len(features) <= neighbours:
        raise UserError(f"{neighbours} neighbours need more samples than {len(features)}")
    blocks = squared_distances(features, features)  # in which each row is the nearest to itself
    return torch.cat([block.topk(neighbours + 1, largest=False, sorted=False).values.amax(1) for block in blocks])


def squared_distances(one: Tensor, other: Tensor) -> Iterator[Tensor]:
    """The squared distances, float32 (rows, m), of features (n, d) to others (m, d), by so many rows of the first.

    |a|^2 - 2 a b + |b|^2, as a product of matrices.
    """
    centre = other.float().mean(0)  # what rounding costs grows with the distance to the origin
    one, other = one.float() - centre, other.float() - centre
    lengths = other.square().sum(1)
    for rows in one.split(_ROWS):
        yield torch.addmm(lengths, rows, other.T, alpha=-2).add_(rows.square().sum(1, keepdim=True)).clamp_(min=0)
