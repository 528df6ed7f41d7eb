"""Classifiers that take images in [0, 1] and give logits: two of ours, and anyone's through an adapter.

A classifier is any nn.Module from images float32 (n, c, h, w) in [0, 1] to logits (n, classes). Ours say more about
themselves: `input_shape`, `num_classes`, `reject_class` and `features`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fooling.errors import MissingFile, UserError
from fooling.pretrained import HUB, Pretrained


class Classifier(Pretrained):
    """Images float32 (n, channels, image_size, image_size) in [0, 1] to logits (n, num_classes).

    image_size: height and width in pixels.
    channels: 1 for grey, 3 for colour.
    num_classes: how many classes the data has.
    reject_class: give one more logit, the last, that says "none of these"; num_classes does not count it.
    """

    def __init__(self, *, image_size: int = 28, channels: int = 1, num_classes: int = 10, reject_class: bool = False):
        super().__init__()
        self.config = {
            "image_size": image_size,
            "channels": channels,
            "num_classes": num_classes,
            "reject_class": reject_class,
        }
        self.input_shape = (channels, image_size, image_size)
        self.num_classes = num_classes
        self.reject_class = reject_class

    @property
    def num_logits(self) -> int:
        return self.num_classes + self.reject_class

    def features(self, images: Tensor) -> Tensor:
        """What the last layer looks at: float (n, features)."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(self.features(images))


class SoftmaxRegression(Classifier):
    """One linear map from pixels to logits (multinomial logistic regression), starting from zero.

    It sees pixels as they are, in [0, 1], so that a pixel which is always black keeps weight zero.
    """

    def __init__(self, *, image_size: int = 28, channels: int = 1, num_classes: int = 10, reject_class: bool = False):
        super().__init__(image_size=image_size, channels=channels, num_classes=num_classes, reject_class=reject_class)
        self.logits = nn.Linear(channels * image_size**2, self.num_logits)
        nn.init.zeros_(self.logits.weight)
        nn.init.zeros_(self.logits.bias)

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)


class LeNet(Classifier):
    """Two 5x5 convolutions with 16 and 32 channels, each followed by ReLU and 2x2 max pooling, and 128 hidden units.

    After LeCun et al. 1998, "Gradient-based learning applied to document recognition", with today's ReLU and pooling.
    Layers that an objective can name: conv1, relu1, pool1, conv2, relu2, pool2, hidden, relu3, logits.
    """

    def __init__(self, *, image_size: int = 28, channels: int = 1, num_classes: int = 10, reject_class: bool = False):
        super().__init__(image_size=image_size, channels=channels, num_classes=num_classes, reject_class=reject_class)
        side = ((image_size - 4) // 2 - 4) // 2  # each convolution takes off 4 pixels, each pooling halves
        if side < 1:
            raise UserError(f"LeNet needs images of at least 16 pixels, got image_size={image_size}")
        self.conv1, self.relu1, self.pool1 = nn.Conv2d(channels, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.relu2, self.pool2 = nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2)
        self.hidden, self.relu3 = nn.Linear(32 * side**2, 128), nn.ReLU()
        self.logits = nn.Linear(128, self.num_logits)

    def features(self, images: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.conv1(2 * images - 1)))
        x = self.pool2(self.relu2(self.conv2(x)))
        return self.relu3(self.hidden(x.flatten(1)))


class Adapted(nn.Module):
    """Anyone's PyTorch classifier, made to take images in [0, 1].

    module: maps (n, *input_shape) to logits (n, classes).
    input_shape: (channels, height, width) that the module takes.
    value_range: what black and white are to the module, before mean and std: (0, 1), (-1, 1), (0, 255) ...
    mean, std: subtracted and divided by after that, one number for each channel (as in torchvision's Normalize).

    Raises UserError where these do not fit each other, or the module does not give logits for such images.
    """

    reject_class = False

    def __init__(
        self,
        module: nn.Module,
        *,
        input_shape: Sequence[int],
        value_range: Sequence[float] = (0.0, 1.0),
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
    ):
        super().__init__()
        if len(input_shape) != 3 or min(input_shape) < 1:
            raise UserError(f"input_shape must be (channels, height, width), got {tuple(input_shape)}")
        if len(value_range) != 2 or not value_range[0] < value_range[1]:
            raise UserError(f"value_range must be (low, high) with low < high, got {tuple(value_range)}")
        low, high = value_range
        for name, values in (("mean", mean), ("std", std)):
            if len(values) not in (1, input_shape[0]):
                raise UserError(f"{name} needs 1 or {input_shape[0]} numbers, one for each channel, got {len(values)}")
        if min(std) <= 0:
            raise UserError(f"std must be positive, got {tuple(std)}")
        self.module = module
        self.input_shape = tuple(input_shape)
        like = next(module.parameters(), torch.empty(0))  # its device and precision
        mean, std = (like.new_tensor(values)[:, None, None] for values in (mean, std))
        self.register_buffer("scale", (high - low) / std, persistent=False)
        self.register_buffer("shift", (low - mean) / std, persistent=False)
        self.num_classes = self._count_logits()

    def forward(self, images: Tensor) -> Tensor:
        """Computed in the module's own precision; the logits come in that of the images."""
        logits = self.module((images * self.scale + self.shift).to(self.scale.dtype))
        return logits.to(images.dtype) if isinstance(logits, Tensor) else logits

    def _count_logits(self) -> int:
        with frozen(self), torch.no_grad():
            try:
                logits = self(self.shift.new_full((2, *self.input_shape), 0.5))
            except RuntimeError as error:
                reason = str(error).splitlines()[0]
                raise UserError(f"the module does not take images of shape {self.input_shape}: {reason}") from error
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != 2:
            got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise UserError(f"the module must give logits of shape (n, classes), for n = 2 it gave {got}")
        return logits.shape[1]


def load_classifier(
    source: str | os.PathLike,
    *,
    input_shape: Sequence[int] | None = None,
    value_range: Sequence[float] = (0.0, 1.0),
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
) -> nn.Module:
    """The classifier that `source` names, in evaluation mode, taking images in [0, 1].

    source: a folder written by save_pretrained; hub:owner/name on the Hugging Face Hub; or package.module:factory, a
        function without arguments (or an nn.Module) that is imported, from the current directory too.
    The other arguments describe what such a factory makes (see Adapted); a classifier of ours knows them itself.

    Raises MissingFile or UserError, in one line.
    """
    name = str(source)
    if not name.startswith(HUB) and re.fullmatch(r"[\w.]+:\w+", name) and not Path(name).exists():
        if input_shape is None:
            raise UserError(f"{name}: state the images it takes, --shape 1 28 28 or input_shape=(1, 28, 28) in Python")
        module = _import(name)
        return Adapted(module, input_shape=input_shape, value_range=value_range, mean=mean, std=std).eval()
    return Classifier.from_pretrained(source)


@contextlib.contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Inside the block: evaluation mode and no gradients for parameters. After it, also after an exception: as before.

    Every submodule gets its own mode back and every parameter its own requires_grad; `.grad` is never touched.
    """
    modes = {module: module.training for root in modules for module in root.modules()}
    wants = {parameter: parameter.requires_grad for root in modules for parameter in root.parameters()}
    try:
        for module in modes:
            module.training = False
        for parameter in wants:
            parameter.requires_grad = False
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, want in wants.items():
            parameter.requires_grad = want


def device_of(classifier: nn.Module) -> torch.device:
    """Where a classifier computes; the CPU for one that holds no tensor."""
    tensors = [*classifier.parameters(), *classifier.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


def _import(name: str) -> nn.Module:
    module_name, attribute = name.split(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # a console script does not look in the current directory by itself
    try:
        made = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        raise MissingFile(f"cannot import {name}: {error}") from error
    except AttributeError as error:
        raise UserError(f"cannot import {name}: {error}") from error
    if callable(made) and not isinstance(made, nn.Module):
        try:
            made = made()
        except Exception as error:  # whatever somebody else's code raises
            raise UserError(f"{name}() failed with {type(error).__name__}: {' '.join(str(error).split())}") from error
    if not isinstance(made, nn.Module):
        raise UserError(f"{name} must give a torch.nn.Module, it gave {type(made).__name__}")
    return made
