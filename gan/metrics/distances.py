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
    _check(real, fake, more_than=real.shape[-1])
    real, fake = real.double(), fake.double()
    c1, c2 = torch.cov(real.T), torch.cov(fake.T)
    # tr (C1 C2)^(1/2) = tr (C1^(1/2) C2 C1^(1/2))^(1/2), whose matrices are symmetric, as eigvalsh wants them.
    values, vectors = torch.linalg.eigh(c1)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ c2 @ root).clamp(min=0).sqrt().sum()
    distance = (real.mean(0) - fake.mean(0)).square().sum() + c1.trace() + c2.trace() - 2 * cross
    return max(0.0, distance.item())


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """The kernel distance of two sets of features (Bińkowski et al. 2018, section 3); with Inception's it is the KID.

    The unbiased estimate (their eq. 4, without the diagonals) of the squared maximum mean discrepancy under the kernel
    (x y / d + 1)^3, over all samples at once: papers give the mean over random subsets of 1,000, which estimates the
    same and varies more. Unbiased means that it may be below 0, and is the same on average for any number of samples.

    real, fake: (n, d) and (m, d). Raises UserError with fewer than two rows.
    """
    _check(real, fake, more_than=1)
    within = [_kernel_sum(x, x) - _polynomial((x.double() * x).mean(1)).sum().item() for x in (real, fake)]
    means = [total / (len(x) * (len(x) - 1)) for total, x in zip(within, (real, fake), strict=True)]
    return means[0] + means[1] - 2 * _kernel_sum(real, fake) / (len(real) * len(fake))


def _kernel_sum(one: Tensor, other: Tensor) -> float:
    """Of all pairs, in blocks that stay in a CPU's cache: 10,000 by 10,000 at once would take 400 MB."""
    one, other = one.float() / one.shape[1], other.float().T
    return sum(_polynomial(rows @ other).sum(1).double().sum().item() for rows in one.split(256))


def _polynomial(products: Tensor) -> Tensor:
    shifted = products.add_(1)
    return shifted.square().mul_(shifted)  # a power takes ten times as long


def _check(real: Tensor, fake: Tensor, *, more_than: int) -> None:
    for name, features in (("real", real), ("fake", fake)):
        if features.ndim != 2 or features.shape[1] != real.shape[1]:
            raise UserError(f"expected features (n, d), got {tuple(real.shape)} and {tuple(fake.shape)}")
        if len(features) <= more_than:
            wanted = f"{features.shape[1]} features" if more_than > 1 else "a distance"
            raise UserError(f"{len(features)} {name} samples are too few for {wanted}")
