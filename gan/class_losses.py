"""What is learned of classes beside real and fake, and what the generator may learn from other than scores.

A term adds per-sample losses to those of a step, from what the discriminator says of the images (a Verdict). Row by row
the fakes have the labels of the reals, so that the mean over processes is the mean over the whole batch; a label of -1
is not known, and its row adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fooling.errors import UserError
from fooling.options.settings import Settings
from gan.losses import Loss
from gan.networks.discriminator import Verdict, verdict_of


@dataclass
class ClassLossConfig(Settings):
    """What is learned of classes, by a discriminator that tells them apart; see gan.class_losses."""

    weight: float = 1.0
    """Of reading a real image as its class, beside telling real from fake."""

    generator_weight: float = 1.0
    """Of drawing what is read as the class that was asked for, beside fooling, where the generator is told a class."""

    entropy: float = 0.0
    """Weight of being sure of a real image's class, whichever it is: for few labels; 0 leaves it out."""

    negatives_weight: float = 1.0
    """Of calling the negatives "none of these", where there are some beside what the generator draws."""

    feature_matching: float = 0.0
    """Weight of giving the discriminator's features the mean that they have on real images; 0 leaves it out."""

    adversarial: bool = True
    """Whether the generator learns to fool too; false leaves it with feature_matching."""

    def __post_init__(self) -> None:
        for name in ("weight", "generator_weight", "entropy", "negatives_weight", "feature_matching"):
            if getattr(self, name) < 0:
                raise UserError(f"class_loss.{name} must not be negative, got {getattr(self, name)}")
        if not self.adversarial and not self.feature_matching:
            raise UserError("class_loss.adversarial false leaves the generator class_loss.feature_matching, which is 0")


class Term(Protocol):
    """What a step asks of a term: losses (n,), of the batch's rows, or None for a player whom it has nothing to say.

    labels: int64 (n,), or None where there are none.
    """

    name: ClassVar[str]
    """What the figures of a step call it."""

    generator_needs_real: ClassVar[bool]
    """Whether `generator` reads what was said of the reals; where it does not, a step need not ask."""

    def discriminator(self, real: Verdict, fake: Verdict, labels: Tensor | None) -> Tensor | None: ...

    def generator(self, real: Verdict | None, fake: Verdict, labels: Tensor | None) -> Tensor | None: ...


@dataclass(frozen=True)
class Classes:
    """Cross-entropy of the classes: AC-GAN's (Odena et al. 2017, arXiv:1610.09585, eq. 2), and with generator_weight 0
    the supervised loss of Salimans et al. 2016 (arXiv:1606.03498, section 5).

    The discriminator learns from the reals to read an image as its class; the generator, where it is told a class, to
    draw what is read as that. AC-GAN has the discriminator learn from the fakes too, which is left out: early on they
    are noise with a label, and later what the generator believes of a class would become the truth about it.

    entropy: the weight of E H(p(y | x)) over the reals, labelled or not, which the discriminator lowers: classes part
        where there are no images (Dai et al. 2017, arXiv:1705.09783, eq. 6).
    """

    weight: float = 1.0
    generator_weight: float = 1.0
    entropy: float = 0.0
    name: ClassVar[str] = "class_loss"
    generator_needs_real: ClassVar[bool] = False

    def discriminator(self, real: Verdict, fake: Verdict, labels: Tensor | None) -> Tensor:
        losses = self.weight * _cross_entropy(real, labels)
        if self.entropy and real.class_logits is not None:
            chances = real.class_logits.log_softmax(1)
            losses = losses - self.entropy * (chances.exp() * chances).sum(1)
        return losses

    def generator(self, real: Verdict | None, fake: Verdict, labels: Tensor | None) -> Tensor | None:
        return self.generator_weight * _cross_entropy(fake, labels) if self.generator_weight else None


@dataclass(frozen=True)
class FeatureMatching:
    """|E f(x) - E f(G(z))|^2 over the batch, for the generator (Salimans et al. 2016, arXiv:1606.03498, section 3.1).

    f is what the discriminator's last layer looks at. Every row has this for a value, and the gradient that makes the
    mean of the rows' gradients that of the whole, on any number of processes.

    mean: over the processes, such as Processes.mean. Default: there is one. Parts of a batch would each be matched by
    itself.
    """

    weight: float = 1.0
    mean: Callable[[Tensor], Tensor] = lambda local: local
    name: ClassVar[str] = "feature_matching"
    generator_needs_real: ClassVar[bool] = True

    def discriminator(self, real: Verdict, fake: Verdict, labels: Tensor | None) -> None:
        return None

    def generator(self, real: Verdict | None, fake: Verdict, labels: Tensor | None) -> Tensor:
        assert real is not None  # it says that it needs them
        if real.features is None or fake.features is None:
            raise UserError("class_loss.feature_matching needs a discriminator that shows its features")
        apart = self.mean((fake.features - real.features).detach().mean(0))
        # The derivative of |apart|^2 by a fake's features is 2 apart / n; the second factor is zero.
        return self.weight * (apart.square().sum() + 2 * (fake.features - fake.features.detach()) @ apart)


@dataclass(frozen=True)
class DiscriminatorsAlone:
    """A loss of which the generator learns nothing: it has its terms."""

    loss: Loss
    generator_needs_real: ClassVar[bool] = False

    @property
    def boundary(self) -> float | None:
        """As of the loss; see gan.losses.sign_of_reals."""
        return getattr(self.loss, "boundary", None)

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return self.loss.discriminator(real_scores, fake_scores)

    def generator(self, real_scores: Tensor | None, fake_scores: Tensor) -> Tensor:
        return torch.zeros_like(fake_scores)


def terms_of(
    config: ClassLossConfig,
    *,
    tells_classes: bool,
    draws_classes: bool,
    mean: Callable[[Tensor], Tensor] = lambda local: local,
) -> list[Term]:
    """The terms that a configuration asks for.

    tells_classes: whether the discriminator gives class logits. draws_classes: whether the generator is told a class.
    mean: over the processes; see FeatureMatching.
    """
    terms: list[Term] = []
    generator_weight = config.generator_weight * draws_classes
    if tells_classes and (config.weight or generator_weight or config.entropy):
        terms.append(Classes(config.weight, generator_weight, config.entropy))
    if config.feature_matching:
        terms.append(FeatureMatching(config.feature_matching, mean))
    return terms


def labelled_step(
    discriminator: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    weight: float = 1.0,
    scale: Callable[[Tensor], Tensor] = lambda loss: loss,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """Add the discriminator's gradients of reading labelled images as their class, and of nothing else; return the
    figures, scalars without gradient.

    Where few images have a label, a batch has hardly one of them, so they have a batch of their own (as in the code of
    Salimans et al. 2016), and are not shown to be real as often as that.
    """
    with autocast():
        verdict = verdict_of(discriminator, images)
    losses = weight * _cross_entropy(verdict, labels)
    scale(losses.mean()).backward()
    return {"labelled_loss": losses.detach().mean()}


def _cross_entropy(verdict: Verdict, labels: Tensor | None) -> Tensor:
    if verdict.class_logits is None or labels is None:
        missing = "class logits" if verdict.class_logits is None else "labels"
        raise UserError(f"class_loss needs {missing}: a discriminator that tells classes, of data that has labels")
    return F.cross_entropy(verdict.class_logits, labels, ignore_index=-1, reduction="none")
