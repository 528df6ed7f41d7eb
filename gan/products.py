"""What a training leaves behind: pictures along the way, networks that others load, and films in the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from fooling.classifiers.networks import Classifier
from fooling.classifiers.train import accuracy, publish_classifier, save_classifier
from fooling.data.batches import Batches
from fooling.data.load import held_out
from fooling.files import write_gif, write_png
from fooling.pretrained import Pretrained
from fooling.run.run import Run
from fooling.seeds import seed_of
from fooling.show.grids import grid
from gan.admission import admitting
from gan.card import model_card
from gan.config import TrainConfig
from gan.latent import draw_latents, walk
from gan.networks.generator import Generator
from gan.networks.layer_table import layer_table

_SAMPLES = 3  # a stream of randomness of its own, beside those of gan.training
_MOST_COLUMNS = 20
_ADMITTED = 10_000  # real images by which a classifier is told how much is real


class Products:
    """Pictures of always the same latents, written into the run's folder and handed to its tracker.

    average: the averaged generator, which is what is drawn.
    """

    def __init__(
        self, config: TrainConfig, run: Run, average: Generator, batches: Batches, class_names: Sequence[str] = ()
    ):
        self.config, self.run, self.average, self.batches = config, run, average, batches
        self.class_names = class_names
        classes = average.num_classes
        self.columns = classes if 1 < classes <= _MOST_COLUMNS else None  # a sheet, with a column for each class
        count = config.samples.count
        if self.columns:
            count = -(-count // self.columns) * self.columns
        self.latents = draw_latents(count, average.latent_dim, seed_of(config.seed, _SAMPLES))
        self.labels = torch.arange(count) % classes if classes else None
        if self.columns:  # one latent for all classes of a row
            self.latents = self.latents[torch.arange(count) // self.columns]

    def introduce(self, generator: Generator, discriminator: nn.Module) -> None:
        """Print tables of the networks; write as many real images as a grid of samples has: reals.png."""
        if self.run.is_main:
            device = self.run.device
            label = [torch.zeros(1, dtype=torch.int64, device=device)]
            pixels = torch.zeros(1, *self.batches.images.shape[1:], device=device)
            for network, shown in (
                (generator, torch.zeros(1, generator.latent_dim, device=device)),
                (discriminator, pixels),
            ):
                self.run.say(layer_table(network, shown, *(label if getattr(network, "num_classes", 0) else [])))
            count = min(len(self.latents), len(self.batches.images))
            images, labels = self.batches.take(0, count)
            if self.columns and labels is not None:
                images = self._by_class(images, labels)
            picture = grid(images.cpu(), self.columns, scale=None)
            write_png(picture, self.run.folder / "reals.png")
            self.run.tracker.log_image("reals", picture, step=self.run.images_seen)

    def _by_class(self, images: Tensor, labels: Tensor) -> Tensor:
        """Reals laid out as the samples are, a column for each class, as far as the first ones of the stream go."""
        columns = self.columns or 1
        more, more_labels = self.batches.take(0, min(len(self.batches.images), 40 * len(images)))
        assert more_labels is not None
        rows = len(images) // columns
        found = [more[more_labels == label][:rows] for label in range(columns)]
        rows = min(rows, *map(len, found))
        return torch.stack([part[:rows] for part in found], 1).flatten(0, 1) if rows else images

    def draw(self) -> None:
        """Write what the averaged generator makes of the shown latents: samples/<images seen>.png, and the tracker."""
        if self.run.is_main:
            seen = self.run.images_seen
            picture = self._picture(self.average)
            write_png(picture, self.run.picture_file())
            self.run.tracker.log_image("samples", picture, step=seen, caption=f"{seen / 1000:g} kimg")

    def _picture(self, generator: Generator) -> np.ndarray:
        return grid(generator.sample(latents=self.latents, labels=self.labels), self.columns, scale=None)

    def publish(self, best: Generator, words: str, discriminator: nn.Module) -> None:
        """Write both networks for others to load, the generator with its card and what it draws.

        best: the generator to offer. words: when it was so good, and how good; empty where it is the last.
        """
        run, config = self.run, self.config
        channels, image_size = self.batches.images.shape[1:3]
        names = self.class_names if best.num_classes else ()
        best.save_pretrained(
            run.folder / "generator",
            card=model_card(
                config, run.summary(), image_size=image_size, channels=channels, class_names=names, best=words
            ),
            beside=lambda folder: write_png(self._picture(best), folder / "samples.png"),
        )
        if words:
            self.average.save_pretrained(run.folder / "last_generator")
        if isinstance(discriminator, Pretrained):
            discriminator.save_pretrained(run.folder / "discriminator")
        if (classifier := self._classifier_of(discriminator)) is not None:
            publish_classifier(run, config.data, classifier)

    def finish(self, discriminator: nn.Module) -> None:
        """Write the films, and hand them and the networks to the tracker."""
        run, seen = self.run, self.run.images_seen
        pictures = list(self._drawn_before()) or [Image.fromarray(self._picture(self.average))]
        size = pictures[-1].size  # older versions drew small images smaller
        drawn = [np.asarray(p.resize(size, Image.Resampling.NEAREST)) for p in pictures]
        films = {
            "progress": write_gif(drawn, run.folder / "progress.gif", fps=8, hold=2, colours=128),
            "latent_walk": write_gif(self._walk(), run.folder / "latent_walk.gif", fps=12, colours=128),
        }
        for name, film in films.items():
            run.tracker.log_animation(name, film, step=seen)
        run.tracker.log_folder(f"{run.folder.name}-generator", "model", run.folder / "generator", run.summary())
        if (classifier := self._classifier_of(discriminator)) is not None:
            test = held_out(self.config.data)
            save_classifier(run, self.config.data, classifier, accuracy(classifier, test) if test else None)
        run.say(f"samples, films and metrics are in {run.folder}, the generator in {run.folder / 'generator'}")

    def _drawn_before(self) -> Iterator[Image.Image]:
        """The pictures of all moments so far, but for what is none: a foreign file must not keep a run from ending."""
        for file in self.run.picture_files():
            try:
                with Image.open(file) as picture:
                    yield picture.convert("RGB")
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
                self.run.say(f"warning: left out of the film, {file}: {' '.join(str(error).split())}")

    def _walk(self, stops: int = 9, steps: int = 8) -> Iterator[np.ndarray]:
        """Frames of a closed tour through the first latents, seen from each of its stops at once, each in its class."""
        generator = self.average
        tour = walk(draw_latents(stops, generator.latent_dim, seed_of(self.config.seed, _SAMPLES)), steps)
        labels = torch.arange(stops) % generator.num_classes if generator.num_classes else None
        for frame in range(len(tour)):
            yield grid(generator.sample(latents=tour.roll(-frame, 0)[::steps], labels=labels), scale=None)

    def _classifier_of(self, discriminator: nn.Module) -> Classifier | None:
        """The classifier that a discriminator is, if it is one, as others shall use it."""
        classifier = getattr(discriminator, "classifier", None)
        if not isinstance(classifier, Classifier):
            return None
        return admitting(classifier, self.batches.take(0, min(len(self.batches.images), _ADMITTED))[0].cpu())
