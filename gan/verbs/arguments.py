"""What the verbs that ask a generator something can be told: which generator, and what reads its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import torch
from torch import Tensor, nn

from fooling.classifiers.frozen import logits_of
from fooling.classifiers.judge import score_judge, trained_judge
from fooling.classifiers.load import InputConfig, open_classifier
from fooling.classifiers.networks import class_names, input_shape_of, num_classes_of
from fooling.data.load import DataConfig, load_config
from fooling.errors import UserError
from fooling.options.settings import Settings
from fooling.run.tracking import WandbConfig
from gan.latent import draw_latents
from gan.networks.generator import Generator
from gan.saved import Saved

_MOST_CLASSES = 200
_BLOCK = 1000  # latents that are drawn and read together


@dataclass
class RunArgument(Settings):
    """Which generator."""

    run: str
    """A run's folder, also while it trains; or a generator's folder, or hub:owner/name."""


@dataclass
class VerbConfig(RunArgument):
    """What every verb that leaves a folder of results can be told."""

    seed: int = 0
    """From which all randomness follows."""

    output: str | None = None
    """The folder to write, which must not exist yet. Default: runs/NAME-VERB, with the name of the run."""

    wandb: WandbConfig = field(default_factory=WandbConfig)
    """Where to see the pictures besides the folder."""


@dataclass
class ReadingConfig(Settings):
    """What reads the class of a generated image."""

    model: str | None = None
    """The classifier that reads the images: lenet, the folder of a run, hub:owner/name, or package.module:factory.
    Default: the judge of the data, an independent one that is trained on first use, and for MNIST ships."""

    input: InputConfig = field(default_factory=InputConfig)
    """The images that a package.module:factory takes."""

    data: DataConfig = field(default_factory=DataConfig)
    """The images that the generator learned from. Default: as its run says, else MNIST."""


class Reader:
    """Reads which class generated images show.

    names: what the classes are called. words: who reads, and how far it can be leant on where that is known, such as
    "the judge, which has 99.55 % of 10,000 held-out images right".
    """

    def __init__(self, classifier: nn.Module, words: str):
        self.classifier, self.words = classifier, words
        self.classes = num_classes_of(classifier)
        self.names = class_names(classifier)[: self.classes]

    def __call__(self, images: Tensor) -> Tensor:
        """The class of each image (n, c, h, w), int64 (n,) on the CPU; one that is told to be none is never a class."""
        return logits_of(self.classifier, images).argmax(1)

    def check_class(self, option: str, label: int) -> None:
        """Raise UserError for a class that there is not, which was given for an option of that name."""
        if not 0 <= label < self.classes:
            raise UserError(f"{option} {label} is no class: there are {self.classes}, 0 to {self.classes - 1}")


def reader_of(config: ReadingConfig, saved: Saved) -> Reader:
    """What reads the images of a generator, as configured; its judge is trained if need be.

    Raises UserError where the data has no classes, or the classifier takes other images.
    """
    shape = shape_of(saved.generator)
    if config.model is not None:
        classifier, words = open_classifier(config.model, config.input), config.model
    else:
        data = data_of(config.data, saved)
        images, what = load_config(data), data.folder or data.name
        if images.labels is None:
            raise UserError(f"the images in {what} have no classes: name what reads them, --model")
        if len(images.class_names) > _MOST_CLASSES:  # as of three digits in one image
            classes = len(images.class_names)
            raise UserError(f"no judge learns the {classes:,} classes of {what}: name what reads them, --model")
        classifier = trained_judge(data)
        score = score_judge(classifier, data)
        words = "the judge" if score is None else score.words.replace("the judge has", "the judge, which has")
        if score is not None and score.warning:
            print(score.warning)
    if input_shape_of(classifier) != shape:
        theirs, ours = (" x ".join(map(str, s)) for s in (input_shape_of(classifier), shape))
        who = config.model or f"the judge of {config.data.name}"
        raise UserError(f"{who} reads images of {theirs}, the generator draws {ours}: name another with --model")
    return Reader(classifier, words)


def data_of(config: DataConfig, saved: Saved) -> DataConfig:
    """The images that a generator learned from: those that are named, else those that its run names, else MNIST; in the
    size that it draws, where nothing else is said.

    Raises UserError where it draws images that are none of MNIST's size, and nothing is said.
    """
    channels, size, _ = shape_of(saved.generator)
    named = config if replace(config, root=None) != DataConfig() else saved.data
    if named is None:
        if (channels, size) != (1, 28):
            raise UserError("what this generator learned from is not known: say it with --data.name")
        named = config
    return replace(
        named,
        root=config.root or named.root,
        image_size=named.image_size or size,
        channels=named.channels or (cast(Literal[1, 3], channels) if channels in (1, 3) else None),
    )


def shape_of(generator: Generator) -> tuple[int, int, int]:
    """(channels, height, width) of what a generator draws."""
    _, channels, height, width = generator.sample(1).shape
    return channels, height, width


def chosen(generator: Generator, seed: int, numbers: Sequence[int]) -> tuple[Tensor, list[int] | None]:
    """The latents (n, latent_dim) and the labels of those images of `gan sample --seed SEED`, counted from 0.

    Raises UserError for a number below 0.
    """
    if min(numbers, default=0) < 0:
        raise UserError(f"an image is named by its number among the samples, from 0 on, got {min(numbers)}")
    latents = draw_latents(max(numbers, default=-1) + 1, generator.latent_dim, seed)[list(numbers)]
    return latents, [n % generator.num_classes for n in numbers] if generator.num_classes else None


def latents_by_class(
    labels: Sequence[int],
    count: int,
    generator: Generator,
    reader: Reader,
    seed: int,
    *,
    at_most: int,
    truncation: float = 1.0,
) -> tuple[list[Tensor], Tensor]:
    """For each of the labels, latents (up to count, latent_dim) whose images are read as it; and the class that each
    of the drawn ones was read as, (drawn,).

    They are fewer where `at_most` drawn ones hold no more.
    """
    latents, read = torch.empty(0, generator.latent_dim), torch.empty(0, dtype=torch.int64)
    while len(latents) < at_most and any((read == label).sum() < count for label in labels):
        latents = draw_latents(len(latents) + _BLOCK, generator.latent_dim, seed)
        images = generator.sample(latents=latents[-_BLOCK:], truncation=truncation)
        read = torch.cat([read, reader(images)])
    return [latents[read == label][:count] for label in labels], read
