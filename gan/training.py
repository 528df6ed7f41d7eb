"""Train a GAN: a generator learns to fool a discriminator, which learns to tell.

accelerate launch -m gan train --config configs/mnist.yaml
gan train --config configs/mnist.yaml --output elsewhere        # the same on one process, into another folder

From Python: generator = gan.train(gan.TrainConfig(name="digits", kimg=300))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fooling.data.batches import Batches
from fooling.data.few_labels import keep_labels
from fooling.data.load import load_config
from fooling.errors import UserError
from fooling.images import Images
from fooling.run.card import named
from fooling.run.checkpoints import Stateful
from fooling.run.run import Run
from fooling.seeds import seed_of
from gan.augment import flip_reals
from gan.class_losses import labelled_step
from gan.config import TrainConfig
from gan.draws import Draws
from gan.game import Game
from gan.losses import Loss
from gan.metrics.ruler import Ruler
from gan.metrics.watch import Best, CollapseWatch
from gan.negatives import Negatives
from gan.networks.classifying_discriminator import ClassifyingDiscriminator
from gan.networks.generator import Generator
from gan.penalties import Penalty
from gan.players import Players
from gan.products import Products
from gan.steps import discriminator_step, generator_step

# What the randomness of a run is for: each use has a stream of its own, whatever the seed. 3 is in gan.products.
_WEIGHTS, _LATENTS, _DISCRIMINATOR, _GENERATOR, _FLIPS, _LABELLED, _NEGATIVES = 1, 2, 4, 5, 6, 7, 8


def train(
    config: TrainConfig, *, loss: Loss | None = None, penalty: Callable[[float], Penalty] | None = None
) -> Generator:
    """Train as configured, or go on with a run that was interrupted; the folder runs/NAME then holds everything.
    Returns the generator that is saved there, in evaluation mode: the best, where that was measured.

    loss, penalty: of your own, in place of those that the configuration names; the penalty is made with its gamma.

    Raises UserError, before anything is written, for settings that do not fit each other, the data or the processes;
    also where training stops because a loss or a gradient is not finite. Raises Stopped after Ctrl-C.
    """
    with Run(config, total_images=round(config.kimg * 1000), product="generator/model.safetensors") as run:
        data = run.processes.first_here(lambda: load_config(config.data))
        ruler = _ruler(config, run, data)
        gan = Gan(config, run, data, loss=loss, penalty=penalty, measured=ruler is not None)
        batch = config.batch_size * config.discriminator_steps
        on = f"{len(data)} images of {named(config.data)}"
        for seen in run.steps(gan, batch_size=batch, on=on, data=data):
            if seen == batch:  # once, when training has begun
                gan.products.introduce(gan.generator, gan.discriminator)
            if ruler is not None and run.due(config.metrics.kimg):
                run.check_finite()
                gan.measure(ruler)
            if run.due(config.samples.kimg):
                run.check_finite()
                gan.products.draw()
        return gan.best()


class Gan:
    """The two networks, their optimisers, the average, and one step of training them.

    state: what a checkpoint holds of it. A step's randomness is a function of (seed, images seen), and each process
    takes its rows of what is drawn for all of them, so that neither a resume nor the number of processes changes it.

    measured: whether `measure` will be called, so that there is a best generator to keep.
    """

    def __init__(
        self,
        config: TrainConfig,
        run: Run,
        data: Images,
        *,
        loss: Loss | None = None,
        penalty: Callable[[float], Penalty] | None = None,
        measured: bool = False,
    ):
        self.config, self.run = config, run
        self.share = run.processes.share(config.batch_size)
        if (self.share.stop - self.share.start) % config.micro_batches:
            raise UserError(
                f"micro_batches {config.micro_batches} do not divide the {self.share.stop - self.share.start} images"
                " that each process has of a batch"
            )
        self._take_data(data)
        self.players = players = Players(config, run, data, seed_of(config.seed, _WEIGHTS))
        self.generator, self.discriminator, self.ema = players.generator, players.discriminator, players.ema
        channels, height, width = data.images.shape[1:]
        shape, mean = (channels, height, width), run.processes.mean
        self.game = Game(config, self.generator, self.discriminator, shape, loss=loss, penalty=penalty, mean=mean)
        self.best_so_far = Best()
        self.floor: dict[str, float] | None = None  # what real images measure
        self.products = Products(config, run, players.average, self.batches, data.class_names)
        self.state: dict[str, Stateful] = dict(players.state)
        if measured:
            self.state["best"] = self.best_so_far
        if self.game.adaptive is not None:
            self.state["augmentation"] = self.game.adaptive
        self.negatives = None
        if max(config.negatives.counts):
            weight = config.class_loss.negatives_weight
            self.negatives = Negatives(config.negatives, data, run.processes, weight=weight)
            self.state["negatives"] = self.negatives
        run.watch(CollapseWatch().notice)

    def _take_data(self, data: Images) -> None:
        config, run = self.config, self.run
        if config.labels_per_class is not None:
            data = keep_labels(data, config.labels_per_class, config.label_seed)
        self.batches = Batches(data, run.device, seed=config.seed)
        self.labelled = None
        if config.labels_per_class is not None:
            kept = data.targets >= 0
            few = replace(data, images=data.images[kept], labels=data.targets[kept])
            self.labelled = Batches(few, run.device, seed=seed_of(config.seed, _LABELLED))

    def step(self) -> dict[str, Tensor]:
        """Updates of the discriminator, then one of the generator; returns the figures of the step."""
        config, run, game = self.config, self.run, self.game
        progress = run.images_seen / run.total_images
        precision, parts = run.precision.autocast, config.micro_batches
        figures: dict[str, Tensor] = {}
        for number in range(config.discriminator_steps):
            seen = run.images_seen + number * config.batch_size
            reals, labels = self._reals(seen)
            is_last = number + 1 == config.discriminator_steps  # of which the generator learns
            with precision(), torch.set_grad_enabled(is_last):
                fakes = self._fakes(seen, labels)
            scaler = run.scaler("discriminator")
            shared: dict[str, Any] = {
                "labels": labels, "terms": game.terms, "augment": game.augment(progress), "parts": parts,
                "autocast": precision,
            }  # fmt: skip
            penalty = game.penalty(seen // config.batch_size, progress)
            draws = self._draws(_DISCRIMINATOR, seen)
            figures |= discriminator_step(
                self.discriminator, reals, fakes, game.loss, penalty, draws=draws, scale=scaler.scale, **shared
            )
            if self.labelled is not None:
                figures |= self._labelled_step(seen, progress, scaler.scale)
            if self.negatives is not None:
                figures |= self._negatives_step(seen, scaler.scale)
            figures |= self.players.update_discriminator(progress)
        # The fakes that the discriminator has learned from still hold the graph that the generator learns by.
        scaler, draws = run.scaler("generator"), self._draws(_GENERATOR, seen)
        figures |= generator_step(
            self.discriminator, reals, fakes, game.loss, draws=draws, scale=scaler.scale, **shared
        )
        figures |= self.players.update_generator(progress, config.batch_size * config.discriminator_steps)
        run.note(gamma=game.gamma(progress))
        return figures | game.adapt(figures, config.batch_size)

    def _reals(self, seen: int) -> tuple[Tensor, Tensor | None]:
        images, labels = self.batches.take(seen + self.share.start, self.share.stop - self.share.start)
        return flip_reals(images, self._draws(_FLIPS, seen)) if self.config.flip_reals else images, labels

    def _fakes(self, seen: int, labels: Tensor | None) -> Tensor:
        """An image for each label of the reals, so that classes come as often as in the data."""
        latents = self._draws(_LATENTS, seen).normal(self.generator.latent_dim)
        return self.generator(latents, labels) if self.generator.num_classes else self.generator(latents)

    def _draws(self, purpose: int, seen: int) -> Draws:
        return Draws(seed_of(self.config.seed, purpose, seen), self.config.batch_size, self.share, self.run.device)

    def _labelled_step(self, seen: int, progress: float, scale: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        assert self.labelled is not None
        images, labels = self.labelled.take_labelled(seen + self.share.start, self.share.stop - self.share.start)
        if (augment := self.game.augment(progress)) is not None:
            images = augment(images, self._draws(_LABELLED, seen))
        return labelled_step(
            self.discriminator, images, labels, weight=self.config.class_loss.weight, scale=scale,
            autocast=self.run.precision.autocast,
        )  # fmt: skip

    def _negatives_step(self, seen: int, scale: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        assert self.negatives is not None and isinstance(self.discriminator, ClassifyingDiscriminator)
        images, _ = self.batches.take(seen, self.config.batch_size)  # of all processes: starts are made of them
        precision = self.run.precision
        return self.negatives.step(
            self.discriminator.classifier, images, seed_of(self.config.seed, _NEGATIVES, seen),
            scale=scale, autocast=precision.autocast, bf16=precision.is_bf16,
        )  # fmt: skip

    def measure(self, ruler: Ruler) -> None:
        """Measure the averaged generator, and keep it if it is the best so far; all processes share the work."""
        count, run = self.config.metrics.count, self.run
        report = ruler.measure(self.players.average, count)
        if self.floor is None and (floor := ruler.floor(count)) is not None:
            self.floor = {f"floor_{name}": value for name, value in floor.figures().items()}
            run.say(f"measured by {ruler.words}; as many training images have {floor.words}")
        run.note(**report.figures(), **(self.floor or {}))
        run.say(f"{run.images_seen / 1000:,g} kimg: {report.words}")
        self.best_so_far.notice(report, run.images_seen, self.players.average)

    def best(self) -> Generator:
        """The generator to offer, in evaluation mode: the best that was measured, or the last."""
        return self.best_so_far.network(self.players.average)

    def publish(self) -> None:
        """Write both networks for others to load."""
        self.products.publish(self.best(), self.best_so_far.words, self.discriminator)

    def finish(self) -> None:
        """Write the networks and the films, and hand the films and the generator to the tracker."""
        self.publish()
        self.products.finish(self.discriminator)
        if warning := self.best_so_far.warning:
            self.run.alert(warning)


def _ruler(config: TrainConfig, run: Run, data: Images) -> Ruler | None:
    """What the samples are measured by along the way; None where nothing is, and where nothing can be, it says why."""
    if not config.metrics.kimg:
        return None
    try:
        ruler = Ruler.of(config.data, config.metrics.ruler, run.processes, train=data)
    except UserError as error:
        if config.metrics.ruler != "auto":
            raise
        run.say(f"samples are not measured along the way: {error}")
        return None
    ruler.refuse_too_few(**{"metrics.count": config.metrics.count})
    return ruler
