"""The two networks that play against each other, what updates them, and the average that is shown."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from fooling.images import Images
from fooling.pretrained import Pretrained
from fooling.run.checkpoints import Stateful
from fooling.run.optimizer import new_adam, new_network, update
from fooling.run.run import Run
from gan.config import TrainConfig
from gan.ema import ExponentialMovingAverage
from gan.fine_tuning import begin_with
from gan.networks.generator import Generator
from gan.networks.make import make_discriminator, make_generator


class Players:
    """A new generator and a new discriminator, out of one seed, or those of the run that training goes on from.

    average: of the generator's weights. state: what a checkpoint holds of it all.

    data: for whose images and classes they are made.
    """

    def __init__(self, config: TrainConfig, run: Run, data: Images, seed: int):
        self.config, self.run = config, run
        channels, image_size = data.images.shape[1:3]
        size: dict[str, Any] = {"image_size": image_size, "channels": channels, "num_classes": len(data.class_names)}

        def make() -> nn.ModuleList:  # one after the other
            generator = make_generator(config.generator, **size)
            discriminator = make_discriminator(config.discriminator, **size, class_names=data.class_names)
            return nn.ModuleList([generator, discriminator])

        generator, self.discriminator = new_network(make, seed, run.device)
        self.generator = cast(Generator, generator)
        if config.init_from is not None:
            begin_with(config.init_from, self.generator, cast(Pretrained, self.discriminator), run)
        self.ema = ExponentialMovingAverage(
            self.generator, half_life=config.ema.half_life_kimg * 1000, ramp_up=config.ema.ramp_up
        )
        rates = config.optimizer
        self._optimizers = {
            name: new_adam(network, rates.learning_rate, betas=(rates.beta1, rates.beta2))
            for name, network in (("generator", self.generator), ("discriminator", self.discriminator))
        }
        self.state: dict[str, Stateful] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.ema.network,
            **{f"{name}_optimizer": optimizer for name, optimizer in self._optimizers.items()},
        }

    @property
    def average(self) -> Generator:
        return self.ema.network

    def update_discriminator(self, progress: float) -> dict[str, Tensor]:
        """Use the gradients that it has; gives their norm. progress: from 0 to 1."""
        return self._update("discriminator", progress, self.config.optimizer.discriminator_ratio)

    def update_generator(self, progress: float, images: int) -> dict[str, Tensor]:
        """Use the gradients that it has, and take it into the average after so many images; gives their norm."""
        figures = self._update("generator", progress, 1.0)
        config, seen = self.config.ema, self.run.images_seen + images
        half_life = self.config.schedule.value(config.half_life_kimg, config.final_half_life_kimg, progress)
        self.ema.half_life = 1000 * half_life
        self.ema.update(self.generator, images_seen=seen, batch_size=images)
        self.run.note(ema_half_life_kimg=self.ema.half_life_after(seen) / 1000)
        return figures

    def _update(self, name: str, progress: float, ratio: float) -> dict[str, Tensor]:
        config, schedule, optimizer = self.config.optimizer, self.config.schedule, self._optimizers[name]
        for group in optimizer.param_groups:
            group["betas"] = (config.beta1, schedule.value(config.beta2, config.final_beta2, progress))
        rate = ratio * schedule.rate(config.learning_rate, config.final_learning_rate, progress)
        self.run.note(**{f"{name}_learning_rate": rate})
        norm = update(optimizer, rate, self.run.processes, self.run.scaler(name))
        return {f"{name}_gradient_norm": norm}
