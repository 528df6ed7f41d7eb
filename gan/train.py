"""Train a GAN: a generator learns to fool a discriminator, which learns to tell.

accelerate launch -m gan train --config configs/mnist.yaml
gan train --config configs/mnist.yaml --output elsewhere        # the same on one process, into another folder
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from fooling.data.batches import Batches
from fooling.data.load import load_config
from fooling.errors import UserError
from fooling.files import write_gif, write_png
from fooling.images import Images
from fooling.run.card import named
from fooling.run.checkpoints import Stateful
from fooling.run.optimizer import new_adam, new_network, update
from fooling.run.run import Run
from fooling.run.schedules import scheduled
from fooling.seeds import seed_of
from fooling.show.grids import grid
from gan.card import model_card
from gan.config import TrainConfig
from gan.ema import ExponentialMovingAverage
from gan.fine_tuning import begin_with
from gan.latent import draw_latents, walk
from gan.losses import LOSSES
from gan.networks.dcgan import Discriminator, Generator
from gan.penalties import ZeroCentered
from gan.steps import discriminator_step, generator_step

# What the randomness of a run is for: each use has a stream of its own, whatever the seed.
_WEIGHTS, _LATENTS, _SAMPLES = 1, 2, 3


def train(config: TrainConfig) -> None:
    """Train as configured, or go on with a run that was interrupted; the folder runs/NAME then holds everything.

    Raises UserError, before anything is written, for settings that do not fit each other, the data or the processes;
    also where training stops because a loss or a gradient is not finite.
    """
    with Run(config, total_images=round(config.kimg * 1000), product="generator/model.safetensors") as run:
        data = run.processes.first_here(lambda: load_config(config.data))
        gan = Gan(config, run, data)
        for seen in run.steps(gan, batch_size=config.batch_size, on=f"{len(data)} images of {named(config.data)}"):
            if seen == config.batch_size:  # once, when training has begun
                gan.show_reals()
            if run.due(config.samples.kimg):
                run.check_finite()
                gan.draw()


class Gan:
    """The two networks, their optimisers, the average, and one step of training them.

    state: what a checkpoint holds of it. A step's randomness is a function of (seed, images seen), and each process
    takes its rows of what is drawn for all of them, so that neither a resume nor the number of processes changes it.
    """

    def __init__(self, config: TrainConfig, run: Run, data: Images):
        self.config, self.run = config, run
        self.batches = Batches(data, run.device, seed=config.seed)
        self.share = run.processes.share(config.batch_size)
        if (self.share.stop - self.share.start) % config.micro_batches:
            raise UserError(
                f"micro_batches {config.micro_batches} do not divide the {self.share.stop - self.share.start} images"
                " that each process has of a batch"
            )
        channels, image_size = data.images.shape[1:3]
        self.size: dict[str, Any] = {"image_size": image_size, "channels": channels}

        def make() -> nn.ModuleList:  # one after the other, out of one seed
            generator = Generator(**self.size, **vars(config.generator))
            return nn.ModuleList([generator, Discriminator(**self.size, **vars(config.discriminator))])

        generator, discriminator = new_network(make, seed_of(config.seed, _WEIGHTS), run.device)
        self.generator, self.discriminator = cast(Generator, generator), cast(Discriminator, discriminator)
        if config.init_from is not None:
            begin_with(config.init_from, self.generator, self.discriminator, run)
        self.ema = ExponentialMovingAverage(
            self.generator, half_life=config.ema.half_life_kimg * 1000, ramp_up=config.ema.ramp_up
        )
        rates = config.optimizer
        self.generator_optimizer, self.discriminator_optimizer = (
            new_adam(network, rates.learning_rate, betas=(rates.beta1, rates.beta2))
            for network in (self.generator, self.discriminator)
        )
        self.state: dict[str, Stateful] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.ema.network,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
        self.loss = LOSSES[config.loss]
        self.shown_latents = draw_latents(
            config.samples.count, config.generator.latent_dim, seed_of(config.seed, _SAMPLES)
        )

    def step(self) -> dict[str, Tensor]:
        """One update of the discriminator, then one of the generator; returns the figures of the step."""
        config, run = self.config, self.run
        seen, progress = run.images_seen, run.images_seen / run.total_images
        reals = self.batches.take(seen + self.share.start, self.share.stop - self.share.start)[0]
        parts, precision = config.micro_batches, run.precision.autocast
        with precision():
            fakes = self.generator(self._latents(seen))

        figures = discriminator_step(
            self.discriminator, reals, fakes, self.loss, self._penalty(seen, progress), parts=parts, autocast=precision
        )
        generator_rate, discriminator_rate = self._learning_rates(progress)
        figures["discriminator_gradient_norm"] = update(self.discriminator_optimizer, discriminator_rate, run.processes)
        # The fakes that the discriminator has learned from still hold the graph that the generator learns by.
        figures |= generator_step(self.discriminator, reals, fakes, self.loss, parts=parts, autocast=precision)
        figures["generator_gradient_norm"] = update(self.generator_optimizer, generator_rate, run.processes)
        self.ema.update(self.generator, images_seen=seen + config.batch_size, batch_size=config.batch_size)
        run.note(ema_half_life_kimg=self.ema.half_life_after(seen + config.batch_size) / 1000)
        return figures

    def _latents(self, seen: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed_of(self.config.seed, _LATENTS, seen))
        latents = torch.randn(self.config.batch_size, self.config.generator.latent_dim, generator=generator)
        return latents[self.share].to(self.run.device, non_blocking=True)

    def _penalty(self, seen: int, progress: float) -> ZeroCentered | None:
        """The penalty on the steps that have one: every so many, and as many times stronger (Karras et al. 2020)."""
        penalty = self.config.penalty
        gamma = scheduled(penalty.gamma, penalty.final_gamma, progress)
        self.run.note(gamma=gamma)
        if not penalty.gamma or (seen // self.config.batch_size) % penalty.every:
            return None
        return ZeroCentered(penalty.every * gamma)

    def _learning_rates(self, progress: float) -> tuple[float, float]:
        """The generator's and the discriminator's, at present."""
        rates = self.config.optimizer
        rate = scheduled(rates.learning_rate, rates.final_learning_rate, progress)
        self.run.note(generator_learning_rate=rate, discriminator_learning_rate=rates.discriminator_ratio * rate)
        return rate, rates.discriminator_ratio * rate

    def show_reals(self) -> None:
        """Write as many real images as a grid of samples has: reals.png, and the tracker."""
        if self.run.is_main:
            count = min(self.config.samples.count, len(self.batches.images))
            picture = grid(self.batches.take(0, count)[0].cpu(), scale=None)
            write_png(picture, self.run.folder / "reals.png")
            self.run.tracker.log_image("reals", picture, step=self.run.images_seen)

    def draw(self) -> None:
        """Write what the averaged generator makes of the shown latents: samples/<images seen>.png, and the tracker."""
        if self.run.is_main:
            seen = self.run.images_seen
            picture = grid(self.ema.network.sample(latents=self.shown_latents), scale=None)
            write_png(picture, self.run.picture_file())
            self.run.tracker.log_image("samples", picture, step=seen, caption=f"{seen / 1000:g} kimg")

    def publish(self) -> None:
        """Write both networks for others to load, the generator with its card and what it draws."""
        run, average = self.run, self.ema.network
        picture = grid(average.sample(latents=self.shown_latents), scale=None)
        average.save_pretrained(
            run.folder / "generator",
            card=model_card(self.config, run.summary(), **self.size),
            beside=lambda folder: write_png(picture, folder / "samples.png"),
        )
        self.discriminator.save_pretrained(run.folder / "discriminator")

    def finish(self) -> None:
        """Write the networks and the films, and hand the films and the generator to the tracker."""
        self.publish()
        run, seen = self.run, self.run.images_seen
        pictures = [Image.open(p).convert("RGB") for p in run.picture_files()]
        size = pictures[-1].size  # older versions drew small images smaller
        drawn = [np.asarray(p.resize(size, Image.Resampling.NEAREST)) for p in pictures]
        films = {
            "progress": write_gif(drawn, run.folder / "progress.gif", fps=8, hold=2, colours=128),
            "latent_walk": write_gif(self._walk(), run.folder / "latent_walk.gif", fps=12, colours=128),
        }
        for name, film in films.items():
            run.tracker.log_animation(name, film, step=seen)
        run.tracker.log_folder(f"{run.folder.name}-generator", "model", run.folder / "generator", run.summary())
        run.say(f"samples, films and metrics are in {run.folder}, the generator in {run.folder / 'generator'}")

    def _walk(self, stops: int = 9, steps: int = 8) -> Iterator[np.ndarray]:
        """Frames of a closed tour through the first latents, seen from each of its stops at once."""
        images = self.ema.network.sample(latents=walk(self.shown_latents[:stops], steps))
        for frame in range(len(images)):
            yield grid(images.roll(-frame, 0)[::steps], scale=None)
