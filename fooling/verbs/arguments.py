"""What every verb can be told, and how it is understood: the classifier, the images, the classes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard, TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from fooling.classifiers.load import InputConfig, data_for, misfit, open_classifier
from fooling.classifiers.networks import class_names, input_shape_of
from fooling.data.image_files import refuse_programs
from fooling.data.load import DataConfig, NothingHeldOut, load_config
from fooling.errors import MissingFile, UserError, require_positive
from fooling.images import Images, to_float
from fooling.options.paths import path_of
from fooling.options.settings import Settings
from fooling.run.tracking import WandbConfig


@dataclass
class VerbConfig(Settings):
    """What every verb can be told."""

    model: str = "lenet"
    """lenet, softmax or harden, which ship with the package; or the folder of a run or of a saved classifier,
    hub:owner/name, or package.module:factory."""

    input: InputConfig = field(default_factory=InputConfig)
    """The images that a package.module:factory takes."""

    data: DataConfig = field(default_factory=DataConfig)
    """The test images, and what their classes are called. Default: what the run that --model names was trained on, else
    MNIST; at the size that the classifier takes."""

    seed: int = 0
    """From which all randomness follows."""

    output: str | None = None
    """The folder to write, which must not exist yet. Default: one named after the verb and its classes, in runs/."""

    wandb: WandbConfig = field(default_factory=WandbConfig)
    """Where to see the pictures besides the folder."""


def check_climb(confidence: float = 0.99, steps: int = 1, step_size: float | None = None) -> None:
    """Raise UserError for a climb that cannot be."""
    if not 0 < confidence < 1:
        raise UserError(f"confidence must lie between 0 and 1, got {confidence}")
    require_positive(steps=steps, step_size=1.0 if step_size is None else step_size)


Config = TypeVar("Config", bound=VerbConfig)


def opened(config: Config) -> tuple[Config, nn.Module, Images | None, tuple[str, ...]]:
    """The config with the data that is meant, the classifier, the test images and what the classes are called.

    No test images where those of the classifier's own run are not at hand, or its folder has none held out: it can be
    fooled without.
    """
    classifier = open_classifier(config.model, config.input)
    wanted = data_for({config.model: classifier}, config.data)
    names = class_names(classifier)
    data: Images | None
    try:
        data = known = load_config(wanted, "test")
    except NothingHeldOut:
        data, known = None, load_config(wanted)
    except UserError as error:
        if wanted.name == config.data.name:  # somebody asked for it
            raise
        print(f"left out: {error}")
        return replace(config, data=wanted), classifier, None, names
    first = known.class_names if fits(known, classifier) else ()
    return replace(config, data=wanted), classifier, data, (*first, *names[len(first) :])


def fits(data: Images | None, classifier: nn.Module) -> TypeGuard[Images]:
    """Whether these are images of the classes that the classifier was made for, as far as one can see."""
    return data is not None and misfit(data, classifier) is None


def fitting(data: Images | None, classifier: nn.Module) -> Images:
    """The data that fits. Raises UserError where it does not, or there is none."""
    why = "there are no test images that it was not trained on" if data is None else misfit(data, classifier)
    if data is None or why:
        raise UserError(f"{why}; or name an image of yours with --image")
    return data


def read_image(path: str | os.PathLike, shape: Sequence[int]) -> Tensor:
    """The image in a file as float32 (c, h, w) in [0, 1], in grey or colour as `shape` (c, h, w) says.

    One of another size is cropped around its middle to the shape's proportions and resized, and a line says so.

    Raises MissingFile, or UserError for a file that is no image, is transparent somewhere, or holds more than 8 bits
    for a channel.
    """
    path, (channels, height, width) = path_of(path), shape
    if not path.is_file():
        raise MissingFile(f"no such file: {path}")
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")  # PIL's, about harmless oddities of files
            refuse_programs(image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # a photograph may lie on its side
            if image.mode in ("LAB", "HSV"):  # which PIL cannot take to grey
                image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()).replace(str(path), "it")
        raise UserError(f"{path} is not a readable image ({reason})") from error
    if image.mode.startswith(("I", "F")):
        raise UserError(f"{path} has more than 8 bits for a channel, so its black and white are not known: convert it")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise UserError(f"{path} is transparent in places, so its colours are not known: put it on a background")
    shown: Image.Image = image.convert("RGB") if image.mode in ("LAB", "HSV") else image
    picture: Image.Image = shown.convert("L" if channels == 1 else "RGB")
    if picture.size != (width, height):
        cropped = ", its margins cut off" if picture.width * height != picture.height * width else ""
        print(f"{path}: resized from {picture.width} x {picture.height} to {width} x {height} pixels{cropped}")
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC)
    pixels = np.array(picture)
    return torch.from_numpy(pixels).view(height, width, channels).permute(2, 0, 1).float() / 255


def own_image(path: str, classifier: nn.Module, data: Images | None, *, invert: bool) -> Tensor:
    """The image in a file as `read_image` reads it for a classifier, turned round where asked for.

    A line says so where it looks as if it should be: a digit in ink on paper is none to a network of white on black.
    """
    image = read_image(path, input_shape_of(classifier))
    image = 1 - image if invert else image
    if fits(data, classifier):
        usual, mean = to_float(data.images[:1000]).mean().item(), image.mean().item()
        if abs(mean - usual) > abs(1 - mean - usual) + 0.2:
            shade, other = ("light", "dark") if mean > usual else ("dark", "light")
            advice = f"--invert {str(not invert).lower()} turns it round"
            print(f"{path} is mostly {shade}, the images that the network knows are mostly {other}: {advice}")
    return image


def of_label(data: Images, label: int) -> tuple[Tensor, Tensor]:
    """The numbers (n,) and the images (n, c, h, w) in [0, 1] of that label. Raises UserError where there is none."""
    if data.labels is None:
        raise UserError("the data set has no labels: name an image of yours with --image")
    numbers = (data.labels == label).nonzero()[:, 0]
    if len(numbers) == 0:
        raise UserError(f"the data set has no test image of class {label}")
    return numbers, to_float(data.images[numbers])
