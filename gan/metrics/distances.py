"""How far apart two sets of features are.

Features are float (n, d), from whichever network the images were shown to: a figure means nothing without its name.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fooling.errors import UserError


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """The Fréchet distance between Gaussians fitted to two sets of features (Heusel et al. 2017, eq. 6), at least 0.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), in float64. With Inception features it is the FID. It falls with the
    number of samples, so compare figures of equal counts only, and give that of real against real beside them.

    real, fake: (n, d) and (m, d). Raises UserError with fewer than d + 1 rows, of which no covariance can be made.
    """
    for name, features in (("real", real), ("fake", fake)):
        if features.ndim != 2 or features.shape[1] != real.shape[1]:
            raise UserError(f"expected features (n, d), got {tuple(real.shape)} and {tuple(fake.shape)}")
        if len(features) <= features.shape[1]:
            raise UserError(f"{len(features)} {name} samples are too few for {features.shape[1]} features")
    real, fake = real.double(), fake.double()
    c1, c2 = torch.cov(real.T), torch.cov(fake.T)
    # tr (C1 C2)^(1/2) = tr (C1^(1/2) C2 C1^(1/2))^(1/2), whose matrices are symmetric, as eigvalsh wants them.
    values, vectors = torch.linalg.eigh(c1)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ c2 @ root).clamp(min=0).sqrt().sum()
    distance = (real.mean(0) - fake.mean(0)).square().sum() + c1.trace() + c2.trace() - 2 * cross
    return max(0.0, distance.item())
