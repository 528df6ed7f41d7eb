"""The two halves of a training step: pure functions that add gradients to a network's parameters.

Neither touches an optimiser, and each takes its randomness from its arguments. What tells one GAN from another are the
objects that they are given: a loss, terms, a penalty, an augmentation, the networks.

The discriminator, which in a step with penalties keeps two thirds of all that is kept for gradients, may see a batch in
parts, one after the other; the generator has it whole, since its BatchNorm ties the images of a batch together. So a
step on several processes, or in several parts, adds up to the step on the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from gan.class_losses import Term
from gan.draws import Draws
from gan.losses import Loss, sign_of_reals
from gan.networks.discriminator import Verdict, verdict_of
from gan.networks.spectral_norm import one_power_iteration
from gan.penalties import Penalty, Seen

Augment = Callable[[Tensor, Draws], Tensor]
"""What the discriminator is shown in place of images (n, c, h, w) in [0, 1]; differentiable in them."""


def discriminator_step(
    discriminator: nn.Module,
    reals: Tensor,
    fakes: Tensor,
    loss: Loss,
    penalty: Penalty | None = None,
    *,
    labels: Tensor | None = None,
    terms: Sequence[Term] = (),
    augment: Augment | None = None,
    draws: Draws | None = None,
    scale: Callable[[Tensor], Tensor] = lambda loss: loss,
    parts: int = 1,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """Add the discriminator's gradients on one batch; return the figures of the step, scalars without gradient.

    reals, fakes: float32 (n, c, h, w) in [0, 1]. Nothing flows back into whatever made the fakes.
    penalty: None on the steps that go without.
    labels: int64 (n,), of the reals and of the fakes beside them, -1 where unknown; None: neither has any.
    terms: what else is learned, such as the class of an image.
    augment: what the discriminator sees of both. draws: the numbers for that and for the penalty.
    scale: what is done to the loss before its gradients are taken, such as a GradScaler's `scale`, for float16.
    parts: how many the discriminator sees the batch in. It must not tie images together then, as BatchNorm does.
    autocast: gives the precision of the networks' forward passes; losses are float32.
    """
    figures: dict[str, Tensor] = {}
    halves = reals.detach().chunk(parts), fakes.detach().float().chunk(parts)
    each = zip(*halves, _parts(labels, parts), _draws(draws, parts), strict=True)
    with one_power_iteration(discriminator):
        for real, fake, label, draw in each:
            judge = _judge(discriminator, label, augment, draw, autocast)
            if penalty is not None:
                real.requires_grad_()
                fake.requires_grad_()
            on_real, on_fake = judge(real), judge(fake)
            losses = loss.discriminator(on_real.scores, on_fake.scores)
            part = {"discriminator_loss": losses, "real_score": on_real.scores, "fake_score": on_fake.scores}
            part["real_sign"] = sign_of_reals(loss, on_real.scores, on_fake.scores)
            for term in terms:
                if (added := term.discriminator(on_real, on_fake, label)) is not None:
                    part[term.name], losses = added, losses + added
            if penalty is not None:
                seen = Seen(real, fake, on_real.scores, on_fake.scores, _scored(judge), draw)
                part["penalty"] = penalty.of(seen)
                losses = losses + part["penalty"]
            weight = len(real) / len(reals)
            scale(losses.mean() * weight).backward()
            _add(figures, part, weight)
    return figures


def generator_step(
    discriminator: nn.Module,
    reals: Tensor,
    fakes: Tensor,
    loss: Loss,
    *,
    labels: Tensor | None = None,
    terms: Sequence[Term] = (),
    augment: Augment | None = None,
    draws: Draws | None = None,
    scale: Callable[[Tensor], Tensor] = lambda loss: loss,
    parts: int = 1,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """Add the generator's gradients through `fakes`, which carry its graph; the discriminator's are left as they are.

    The arguments are those of discriminator_step. The graph may be older than the discriminator's last update: it
    holds the generator alone. It is gone through once, with the gradients of all parts.
    """
    figures: dict[str, Tensor] = {}
    shown = [fake.requires_grad_() for fake in fakes.detach().chunk(parts)]
    needs_real = loss.generator_needs_real or any(term.generator_needs_real for term in terms)
    each = zip(reals.chunk(parts), shown, _parts(labels, parts), _draws(draws, parts), strict=True)
    for real, fake, label, draw in each:
        judge = _judge(discriminator, label, augment, draw, autocast)
        with without_weight_gradients(discriminator):
            on_real = None
            if needs_real:
                with torch.no_grad():
                    on_real = judge(real)
            on_fake = judge(fake)
        losses = loss.generator(on_real.scores if on_real else None, on_fake.scores)
        part = {"generator_loss": losses}
        for term in terms:
            if (added := term.generator(on_real, on_fake, label)) is not None:
                part[f"generator_{term.name}"], losses = added, losses + added
        weight = len(fake) / len(fakes)
        scale(losses.mean() * weight).backward()
        _add(figures, part, weight)
    fakes.backward(torch.cat([fake.grad for fake in shown if fake.grad is not None]))
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


def _judge(
    discriminator: nn.Module,
    labels: Tensor | None,
    augment: Augment | None,
    draws: Draws | None,
    autocast: Callable[[], AbstractContextManager],
) -> Callable[[Tensor], Verdict]:
    """What the discriminator says of images: it is told their labels if it asks for them (`num_classes`)."""
    told = labels if getattr(discriminator, "num_classes", 0) else None

    def judge(images: Tensor) -> Verdict:
        if augment is not None:
            assert draws is not None  # whoever augments draws
            images = augment(images, draws)
        with autocast():
            return verdict_of(discriminator, images, told)

    return judge


def _scored(judge: Callable[[Tensor], Verdict]) -> Callable[[Tensor], Tensor]:
    return lambda images: judge(images).scores


def _parts(labels: Tensor | None, parts: int) -> Sequence[Tensor | None]:
    return [None] * parts if labels is None else labels.chunk(parts)


def _draws(draws: Draws | None, parts: int) -> Sequence[Draws | None]:
    return [None] * parts if draws is None else draws.split(parts)


def _add(figures: dict[str, Tensor], part: dict[str, Tensor], weight: float) -> None:
    """Add a part's share of the means over the batch."""
    for name, values in part.items():
        figures[name] = figures.get(name, 0) + values.detach().mean() * weight
