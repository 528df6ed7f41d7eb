"""What a verb starts from: an image file of the user's, one of a data set's test images, or something meaningless."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from fooling.data import Images, to_float
from fooling.errors import MissingFile, UserError
from fooling.explain import predict
from fooling.parametrizations import CPPN, Fourier, Parametrization, Pixels


def read_image(path: str | os.PathLike, shape: Sequence[int]) -> Tensor:
    """The image in a file as float32 (c, h, w) in [0, 1], in grey or colour as `shape` (c, h, w) says.

    Raises MissingFile, or UserError for a file that is no image, has another size, is transparent somewhere, or holds
    more than 8 bits for a channel.
    """
    path, (channels, height, width) = Path(path).expanduser(), shape
    if not path.is_file():
        raise MissingFile(f"no such file: {path}")
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is not a readable image") from error
    if image.size != (width, height):
        raise UserError(
            f"{path} is {image.width} x {image.height} pixels, the classifier takes {width} x {height}: resize it first"
        )
    if image.mode.startswith(("I", "F")):
        raise UserError(f"{path} has more than 8 bits for a channel, so its black and white are not known: convert it")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise UserError(f"{path} is transparent in places, so its colours are not known: put it on a background")
    pixels = np.array(image.convert("L" if channels == 1 else "RGB"))
    return torch.from_numpy(pixels).view(height, width, channels).permute(2, 0, 1).float() / 255


def sure_example(classifier: nn.Module, data: Images, label: int, which: int = 0) -> tuple[int, Tensor]:
    """The index and the image (c, h, w) of a test image of that label that the classifier gets right.

    which: 0 for the first of them, 1 for the second ...; more than there are begins again.
    Raises UserError if there is none.
    """
    numbers, images = _of_label(classifier, data, label)
    right = (predict(classifier, images).argmax(1) == label).nonzero()[:, 0]
    if len(right) == 0:
        raise UserError(f"the classifier calls none of the {len(numbers)} test images of class {label} by that name")
    chosen = right[which % len(right)]
    return int(numbers[chosen]), images[chosen]


def doubtful_example(classifier: nn.Module, data: Images, label: int, others: Sequence[int]) -> tuple[int, Tensor]:
    """The index and the image (c, h, w) of the test image of that label that is hardest to tell from other classes.

    others: the classes; where that is only the label itself, all the others.
    """
    numbers, images = _of_label(classifier, data, label)
    logs = predict(classifier, images).log()
    contenders = [k for k in others if k != label] or [k for k in range(logs.shape[1]) if k != label]
    # Both must be likely: two classes that are both out of the question are not a doubt.
    doubt = torch.minimum(logs[:, label], logs[:, contenders].amax(1))
    chosen = doubt.argmax()
    return int(numbers[chosen]), images[chosen]


def meaningless_start(
    classifier: nn.Module, parametrization: str, kind: str, target: int, seed: int
) -> tuple[str, Parametrization]:
    """What it is, and the start of one climb that the classifier does not take for the target class yet.

    parametrization: pixels, fourier or cppn. kind: noise; of pixels also smooth, black, grey or white.
    Raises UserError if the classifier takes whatever there is for the target class.
    """
    shape = classifier.input_shape
    what, make = {
        ("pixels", "noise"): ("uniform noise", lambda n: Pixels.noise(n, shape=shape, seed=seed)),
        ("pixels", "smooth"): ("smooth noise", lambda n: Pixels.smooth(n, shape=shape, seed=seed)),
        ("pixels", "black"): ("a black image", lambda n: Pixels.black(n, shape=shape)),
        ("pixels", "grey"): ("a grey image", lambda n: Pixels.grey(n, shape=shape)),
        ("pixels", "white"): ("a white image", lambda n: Pixels.white(n, shape=shape)),
        ("fourier", "noise"): ("a grey haze", lambda n: Fourier.noise(n, shape=shape, seed=seed)),
        ("cppn", "noise"): ("a random drawing", lambda n: CPPN.noise(n, shape=shape, seed=seed)),
    }[parametrization, kind]
    starts = make(50)
    others = predict(classifier, starts.image_fn(starts.params)).argmax(1) != target
    if not others.any():
        raise UserError(f"{what} is class {target} to the network already: choose another --target or --start")
    starts.params = starts.params[others][:1]
    return what, starts


def _of_label(classifier: nn.Module, data: Images, label: int) -> tuple[Tensor, Tensor]:
    if data.labels is None:
        raise UserError("the data set has no labels: name an image of yours with --image")
    numbers = (data.labels == label).nonzero()[:, 0]
    if len(numbers) == 0:
        raise UserError(f"the data set has no test image of class {label}")
    return numbers, to_float(data.images[numbers])
