"""The rules that the two networks play by: loss, terms, penalty and augmentation, as a configuration names them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gan.augment import AdaptiveProbability, augmentation_of
from gan.class_losses import DiscriminatorsAlone, terms_of
from gan.config import TrainConfig
from gan.draws import Draws
from gan.losses import Loss, loss_named
from gan.networks.discriminator import verdict_of
from gan.penalties import Penalty, penalty_named
from gan.steps import Augment


class Game:
    """What both steps are given, the same for both players.

    loss, terms: see gan.losses and gan.class_losses.
    adaptive: the probability of augmentation where the discriminator's scores decide on it, else None.

    loss, penalty: of somebody's own, in place of those that the configuration names.
    mean: over the processes.
    """

    def __init__(
        self,
        config: TrainConfig,
        generator: nn.Module,
        discriminator: nn.Module,
        image_shape: tuple[int, int, int],
        *,
        loss: Loss | None = None,
        penalty: Callable[[float], Penalty] | None = None,
        mean: Callable[[Tensor], Tensor] = lambda local: local,
    ):
        self.config, self._own_penalty = config, penalty
        self.loss = loss or loss_named(config.loss, config.label_smoothing)
        if not config.class_loss.adversarial:
            self.loss = DiscriminatorsAlone(self.loss)
        self.terms = terms_of(
            config.class_loss,
            tells_classes=_tells_classes(discriminator, image_shape),
            draws_classes=bool(getattr(generator, "num_classes", 0)),
            mean=mean,
        )
        self._augmentation = augmentation_of(config.augment, image_shape)
        self.adaptive = None
        if self._augmentation is not None and config.augment.target:
            self.adaptive = AdaptiveProbability(config.augment)
        self._mean = mean

    def gamma(self, progress: float) -> float:
        """The penalty's weight at `progress`, from 0 to 1."""
        return self.config.schedule.value(self.config.penalty.gamma, self.config.penalty.final_gamma, progress)

    def penalty(self, step: int, progress: float) -> Penalty | None:
        """The penalty on the steps that have one: every so many, and as many times stronger (Karras et al. 2020)."""
        config = self.config.penalty
        if not config.gamma or step % config.every:
            return None
        weight = config.every * self.gamma(progress)
        return self._own_penalty(weight) if self._own_penalty else penalty_named(config.kind, weight)

    def augment(self, progress: float) -> Augment | None:
        """What the discriminator is shown in place of images, reals and fakes alike; None: themselves."""
        if (augmentation := self._augmentation) is None:
            return None
        probability = self.probability(progress)

        def augmented(images: Tensor, draws: Draws) -> Tensor:
            return augmentation(images, draws.uniform(augmentation.numbers), probability)

        return augmented

    def probability(self, progress: float) -> Tensor | float:
        """Of each augmentation, for each image."""
        if self.adaptive is not None:
            return self.adaptive.probability
        config = self.config.augment
        return self.config.schedule.value(config.probability, config.final_probability, progress)

    def adapt(self, figures: dict[str, Tensor], images: int) -> dict[str, Tensor]:
        """Adapt the augmentation to the figures of a step on so many images; gives what is in force, as a figure."""
        if self.adaptive is None:
            return {}
        self.adaptive.update(self._mean(figures["real_sign"]), images)
        return {"augmentation": self.adaptive.probability}


@torch.no_grad()
def _tells_classes(discriminator: nn.Module, image_shape: tuple[int, int, int]) -> bool:
    """Whether its verdicts have class logits: seen from one, since it may be anybody's network."""
    training, device = discriminator.training, next(discriminator.parameters()).device
    labels = torch.zeros(1, dtype=torch.int64, device=device) if getattr(discriminator, "num_classes", 0) else None
    discriminator.eval()
    verdict = verdict_of(discriminator, torch.zeros(1, *image_shape, device=device), labels)
    discriminator.train(training)
    return verdict.class_logits is not None
