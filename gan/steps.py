"""The two halves of a training step: pure functions that add gradients to a network's parameters.

Neither touches an optimiser, and each takes its randomness from its arguments, so that a step on several processes,
or in several micro-batches, adds up to the step on the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from gan.losses import Loss
from gan.penalties import ZeroCentered


def discriminator_step(
    discriminator: nn.Module,
    reals: Tensor,
    fakes: Tensor,
    loss: Loss,
    penalty: ZeroCentered | None = None,
    *,
    weight: float = 1.0,
    autocast: AbstractContextManager = nullcontext(),  # noqa: B008
) -> dict[str, Tensor]:
    """Add the discriminator's gradients on one batch; return the figures of the step, scalars without gradient.

    reals, fakes: float32 (n, c, h, w) in [0, 1]. Nothing flows back into whatever made the fakes.
    penalty: applied to reals (R1) and fakes (R2); None on the steps that go without.
    weight: of this batch in the step, below 1 for a micro-batch.
    autocast: the precision of the networks' forward passes; losses are float32.
    """
    reals, fakes = reals.detach(), fakes.detach().float()
    if penalty is not None:
        reals.requires_grad_()
        fakes.requires_grad_()
    with autocast:
        real_scores, fake_scores = discriminator(reals), discriminator(fakes)
    real_scores, fake_scores = real_scores.float(), fake_scores.float()
    losses = loss.discriminator(real_scores, fake_scores)
    figures = {
        "discriminator_loss": losses.mean().detach(),
        "real_score": real_scores.mean().detach(),
        "fake_score": fake_scores.mean().detach(),
    }
    if penalty is not None:
        penalties = penalty(real_scores, reals) + penalty(fake_scores, fakes)
        figures["penalty"] = penalties.mean().detach()
        losses = losses + penalties
    (losses.mean() * weight).backward()
    return figures


def generator_step(
    discriminator: nn.Module,
    reals: Tensor,
    fakes: Tensor,
    loss: Loss,
    *,
    weight: float = 1.0,
    autocast: AbstractContextManager = nullcontext(),  # noqa: B008
) -> dict[str, Tensor]:
    """Add the generator's gradients through `fakes`, which carry its graph; the discriminator's are left as they are.

    The arguments are those of discriminator_step. The graph may be older than the discriminator's last update: it
    holds the generator alone.
    """
    with frozen(discriminator), autocast:
        real_scores = None
        if loss.generator_needs_real:
            with torch.no_grad():
                real_scores = discriminator(reals).float()
        losses = loss.generator(real_scores, discriminator(fakes).float())
    (losses.mean() * weight).backward()
    return {"generator_loss": losses.mean().detach()}


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within, no gradient is computed for the network's parameters, though one passes through it to its input."""
    trained = [p for p in network.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
