"""The two halves of a training step: pure functions that add gradients to a network's parameters.

Neither touches an optimiser, and each takes its randomness from its arguments. The discriminator, which in a step with
penalties keeps two thirds of all that is kept for gradients, may see a batch in parts, one after the other; the
generator has it whole, since its BatchNorm ties the images of a batch together. So a step on several processes, or in
several parts, adds up to the step on the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    parts: int = 1,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """Add the discriminator's gradients on one batch; return the figures of the step, scalars without gradient.

    reals, fakes: float32 (n, c, h, w) in [0, 1]. Nothing flows back into whatever made the fakes.
    penalty: applied to reals (R1) and fakes (R2); None on the steps that go without.
    parts: how many the discriminator sees the batch in. It must not tie images together then, as BatchNorm does.
    autocast: gives the precision of the networks' forward passes; losses are float32.
    """
    figures: dict[str, Tensor] = {}
    for real, fake in zip(reals.detach().chunk(parts), fakes.detach().float().chunk(parts), strict=True):
        if penalty is not None:
            real.requires_grad_()
            fake.requires_grad_()
        with autocast():
            real_scores, fake_scores = discriminator(real), discriminator(fake)
        real_scores, fake_scores = real_scores.float(), fake_scores.float()
        losses = loss.discriminator(real_scores, fake_scores)
        part = {"discriminator_loss": losses, "real_score": real_scores, "fake_score": fake_scores}
        if penalty is not None:
            part["penalty"] = penalty(real_scores, real) + penalty(fake_scores, fake)
            losses = losses + part["penalty"]
        weight = len(real) / len(reals)
        (losses.mean() * weight).backward()
        _add(figures, part, weight)
    return figures


def generator_step(
    discriminator: nn.Module,
    reals: Tensor,
    fakes: Tensor,
    loss: Loss,
    *,
    parts: int = 1,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """Add the generator's gradients through `fakes`, which carry its graph; the discriminator's are left as they are.

    The arguments are those of discriminator_step. The graph may be older than the discriminator's last update: it
    holds the generator alone. It is gone through once, with the gradients of all parts.
    """
    figures: dict[str, Tensor] = {}
    seen = [fake.requires_grad_() for fake in fakes.detach().chunk(parts)]
    for real, fake in zip(reals.chunk(parts), seen, strict=True):
        with without_weight_gradients(discriminator), autocast():
            real_scores = None
            if loss.generator_needs_real:
                with torch.no_grad():
                    real_scores = discriminator(real).float()
            losses = loss.generator(real_scores, discriminator(fake).float())
        weight = len(fake) / len(fakes)
        (losses.mean() * weight).backward()
        _add(figures, {"generator_loss": losses}, weight)
    fakes.backward(torch.cat([fake.grad for fake in seen if fake.grad is not None]))
    return figures


@contextmanager
def without_weight_gradients(network: nn.Module) -> Iterator[None]:
    """Within, no gradient is computed for the network's parameters, though one passes through it to its input."""
    trained = [p for p in network.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _add(figures: dict[str, Tensor], part: dict[str, Tensor], weight: float) -> None:
    """Add a part's share of the means over the batch."""
    for name, values in part.items():
        figures[name] = figures.get(name, 0) + values.detach().mean() * weight
