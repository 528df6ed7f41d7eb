"""One small object per adversarial loss.

Each has two methods, from scores to per-sample losses. Scores are logits of shape (n,): high means real. The two
arguments of either method pair up row by row, so that the mean over processes is the mean over the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor
from torch.nn.functional import softplus


class Loss(Protocol):
    """What a step asks of a loss."""

    generator_needs_real: ClassVar[bool]
    """Whether `generator` reads real_scores; where it does not, a step need not compute them."""

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor: ...

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class NonSaturating:
    """Cross-entropy, the generator maximising log D(G(z)) (Goodfellow et al. 2014, section 3).

    D: -log s(D(x)) - log(1 - s(D(G(z)))); G: -log s(D(G(z))); with s the logistic function.
    """

    generator_needs_real: ClassVar[bool] = False

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return softplus(-real_scores) + softplus(fake_scores)

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor:
        return softplus(-fake_scores)


@dataclass(frozen=True)
class RelativisticPairing:
    """Each fake is scored against one real image: RpGAN (Jolicoeur-Martineau 2020; R3GAN, Huang et al. 2024, eq. 2).

    With f(t) = log(1 + exp(-t)): D: f(D(x) - D(G(z))); G: f(D(G(z)) - D(x)). R3GAN prove that it converges locally
    with R1 and R2 (gan/penalties.py), and show that it fails with neither.
    """

    generator_needs_real: ClassVar[bool] = True

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return softplus(fake_scores - real_scores)

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor:
        assert real_scores is not None  # it says that it needs them
        return softplus(real_scores - fake_scores)


LOSSES: dict[str, Loss] = {"non-saturating": NonSaturating(), "relativistic": RelativisticPairing()}
