"""One small object per gradient penalty on the discriminator.

Each is called with scores (n,) and the images (n, c, h, w) that they were computed from, which must require grad, and
gives per-sample penalties (n,) that can be differentiated again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ZeroCentered:
    """gamma / 2 times the squared norm of the score's gradient, summed over C, H and W.

    On real images it is R1, on fakes R2 (Mescheder et al. 2018, eq. 9 and 10; both together as in R3GAN, Huang et al.
    2024, section 2.2). The gradient is with respect to images in [0, 1], while the papers' are in [-1, 1]: the factor
    1/4 makes gamma mean what it means there.
    """

    gamma: float

    def __call__(self, scores: Tensor, images: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
        return self.gamma / 2 * gradient.square().sum((1, 2, 3)) / 4
