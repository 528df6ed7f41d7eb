"""The classifier that somebody names: one of ours, a saved one, or anyone's through an adapter."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
import yaml
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from fooling.classifiers.frozen import frozen
from fooling.classifiers.networks import Classifier, input_shape_of, num_classes_of
from fooling.data.load import DataConfig, as_written
from fooling.ending import is_out_of_memory
from fooling.errors import MissingFile, UserError
from fooling.images import Images
from fooling.options.imported import blamed, current_directory_first, imported, names_an_object
from fooling.options.paths import path_of
from fooling.options.settings import Settings
from fooling.options.types import did_you_mean, listed
from fooling.pretrained import HUB, WEIGHTS

Shipped = Literal["lenet", "softmax", "harden"]
SHIPPED = get_args(Shipped)


class Adapted(nn.Module):
    """Anyone's PyTorch classifier, made to take images in [0, 1].

    module: maps (n, *input_shape) to logits (n, classes).
    input_shape: (channels, height, width) that the module takes.
    value_range: what black and white are to the module, before mean and std: (0, 1), (-1, 1), (0, 255) ...
    mean, std: subtracted and divided by after that, one number for each channel (as in torchvision's Normalize).

    Raises UserError where these do not fit each other, or the module does not give logits for such images.
    """

    reject_class = False
    scale: Tensor
    shift: Tensor

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
        if len(input_shape) != 3 or not all(isinstance(side, int) and side > 0 for side in input_shape):
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
        if any(is_lazy(p) for p in [*module.parameters(), *module.buffers()]):
            with torch.no_grad():
                self._ask(torch.zeros(2, *input_shape))  # a lazy one has its shapes from what it is first shown
        like = next(module.parameters(), torch.empty(0))  # its device and precision
        centre, spread = (like.new_tensor(values)[:, None, None] for values in (mean, std))
        self.register_buffer("scale", (high - low) / spread, persistent=False)
        self.register_buffer("shift", (low - centre) / spread, persistent=False)
        self.num_classes = self._count_logits()

    def forward(self, images: Tensor) -> Tensor:
        """Computed in the module's own precision; the logits come in that of the images."""
        logits = self._ask((images * self.scale + self.shift).to(self.scale.dtype))
        if isinstance(logits, Tensor) and logits.isnan().any():
            raise UserError(f"{self._name} gives NaN for images in [0, 1]: see to its weights, --input.mean and .std")
        return logits.to(images.dtype) if isinstance(logits, Tensor) else logits

    def _ask(self, inputs: Tensor) -> Any:
        try:
            return self.module(inputs)
        except UserError:
            raise
        except (Exception, SystemExit) as error:  # whatever somebody else's code raises
            if is_out_of_memory(error):
                raise
            given = f"{len(inputs)} images of shape {self.input_shape}"
            if isinstance(error, RuntimeError):
                reason = " ".join(str(error).split())[:300]
                raise UserError(f"{self._name} does not take images, given {given}: {reason}") from error
            raise UserError(f"{blamed(self._name, error)}, given {given}") from error

    @property
    def _name(self) -> str:
        return f"the module {type(self.module).__name__}"

    def _count_logits(self) -> int:
        with frozen(self), torch.no_grad():
            logits = self(self.shift.new_full((2, *self.input_shape), 0.5))
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != 2:
            got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise UserError(f"the module must give logits of shape (n, classes), for n = 2 it gave {got}")
        return logits.shape[1]


@dataclass
class InputConfig(Settings):
    """The images that a package.module:factory takes; classifiers of ours know this themselves. See Adapted."""

    shape: list[int] | None = None
    """Channels, height and width, such as 1 28 28."""

    range: list[float] = field(default_factory=lambda: [0.0, 1.0])
    """What black and white are to it: 0 1, or -1 1, or 0 255."""

    mean: list[float] = field(default_factory=lambda: [0.0])
    """What is subtracted after that, one number or one for each channel."""

    std: list[float] = field(default_factory=lambda: [1.0])
    """What is divided by in the end, one number or one for each channel."""


def open_classifier(source: str, input: InputConfig) -> nn.Module:
    """The classifier that a person names on the command line; see load_classifier."""
    return load_classifier(source, input_shape=input.shape, value_range=input.range, mean=input.mean, std=input.std)


def trained_classifier(model: Shipped = "lenet") -> Classifier:
    """One of the MNIST classifiers that ship with this package, in evaluation mode: lenet, softmax or harden.

    Their cards in fooling/weights/ say how each was trained, and how to train it again. Raises UserError for another.
    """
    if model not in SHIPPED:
        raise UserError(f"unknown model {model!r}: expected one of {', '.join(SHIPPED)}")
    return Classifier.from_pretrained(WEIGHTS / model)


def load_classifier(
    source: str | os.PathLike,
    *,
    input_shape: Sequence[int] | None = None,
    value_range: Sequence[float] = (0.0, 1.0),
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
) -> nn.Module:
    """The classifier that `source` names, in evaluation mode, taking images in [0, 1].

    source: lenet, softmax or harden, which ship with this package; the folder of a run, or one written by
        save_pretrained; hub:owner/name on the Hugging Face Hub; or package.module:factory, a function without arguments
        (or an nn.Module) that is imported, from the current directory too.
    The other arguments describe what such a factory makes (see Adapted); a classifier of ours knows them itself.

    Raises MissingFile or UserError, in one line.
    """
    name, folder = str(source), path_of(source)
    if name in SHIPPED:
        return trained_classifier(cast(Shipped, name))
    if not name.startswith(HUB) and names_an_object(name) and not folder.exists():
        if input_shape is None:
            raise UserError(
                f"{name}: state the images it takes, --input.shape 1 28 28 or input_shape=(1, 28, 28) in Python"
            )
        module = module_named(name)
        return Adapted(module, input_shape=input_shape, value_range=value_range, mean=mean, std=std).eval()
    if re.fullmatch(r"[\w-]+", name) and not folder.exists():
        guess = did_you_mean(name, SHIPPED) or f": expected {listed(SHIPPED)}, or the folder of a run"
        raise MissingFile(f"no model {name!r} ships, and there is no such folder{guess}")
    of_run = folder / "classifier"
    return Classifier.from_pretrained(of_run if (of_run / "config.json").is_file() else source)


def data_for(classifiers: Mapping[str, nn.Module], data: DataConfig) -> DataConfig:
    """The data to show to classifiers, by what names each: where no data was named, that which their runs were trained
    on; and where no size was asked for, at the size and in the channels that the first of them takes.

    MNIST, where nothing was said of it, stays as it is: then as often as not it is not what is meant. Of a folder that
    a run was trained on, what that held out is held out here, so that no test image is one it has seen.

    Raises UserError where no data was named and their runs were trained on several, or where they hold out different
    images of the folder that was named.
    """
    of_runs = {name: found for name in classifiers if (found := _data_of_run(name)) is not None}
    if _is_unnamed(data):
        if other := _unlike_the_first({name: replace(found, root=None) for name, found in of_runs.items()}):
            raise UserError(f"{other} were trained on different data: say which with --data.name")
        found = next(iter(of_runs.values()), data)
        data = replace(found, root=data.root or found.root)
    elif data.name == "folder":
        held = {n: (d.test_share, d.split_seed) for n, d in of_runs.items() if _folder_of(d) == _folder_of(data)}
        if other := _unlike_the_first(held):
            raise UserError(f"{other} hold out different images of {data.folder}: look at one at a time")
        for test_share, split_seed in held.values():
            data = replace(data, test_share=test_share, split_seed=split_seed)
    if _is_unnamed(data):
        return data
    channels, height, width = input_shape_of(next(iter(classifiers.values())))
    if data.image_size is None and height == width:
        data = replace(data, image_size=height)
    if data.channels is None and channels in (1, 3):
        data = replace(data, channels=cast(Literal[1, 3], channels))
    return data


def _unlike_the_first(found: Mapping[str, object]) -> str | None:
    """The first and another that has something else, as "a and b"; None where all have the same."""
    first = next(iter(found), "")
    return next((f"{first} and {name}" for name in found if found[name] != found[first]), None)


def _folder_of(data: DataConfig) -> Path | None:
    return path_of(data.folder).resolve() if data.name == "folder" and data.folder else None


def _is_unnamed(data: DataConfig) -> bool:
    return replace(data, root=None) == DataConfig()


def _data_of_run(source: str) -> DataConfig | None:
    """What a run in this folder, or around it, was trained on; None where there is no run, or it does not say."""
    folder = path_of(source)
    of_run = folder.parent if folder.name == "classifier" else folder
    if source not in SHIPPED:
        with suppress(OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            written = yaml.safe_load((of_run / "config.yaml").read_text(encoding="utf-8"))
            return DataConfig(**as_written(written["data"]))
    return None


def misfit(data: Images, classifier: nn.Module) -> str | None:
    """Why these cannot be images of the classes that the classifier was made for, as far as one can see, and what to
    do, in one line; None where nothing speaks against it."""
    shape, takes = data.images.shape[1:], input_shape_of(classifier)
    classes = num_classes_of(classifier)
    theirs, own = data.class_names, getattr(classifier, "class_names", None) or ()
    unnamed = own in ((), tuple(map(str, range(classes))))  # then they may be anything's
    same_classes = len(theirs) == classes and (unnamed or theirs == own)
    if same_classes and shape == takes:
        return None
    if same_classes and takes[1] == takes[2] and takes[0] in (1, 3):
        way_out = f"--data.image_size {takes[1]} --data.channels {takes[0]}"
    else:
        way_out = "--data.name SET, or --data.name folder --data.folder DIR"
    named = ["", ""] if len(theirs) != classes or unnamed else [f" ({_some(n)})" for n in (theirs, own)]
    return (
        f"the test images are {_by(shape)} in {len(theirs)} classes{named[0]}, the classifier takes {_by(takes)}"
        f" in {classes}{named[1]}: give it its own with {way_out}"
    )


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:3], *["..."] * (len(names) > 3)])


@current_directory_first()  # what a factory imports when it is called is found there too
def module_named(name: str) -> nn.Module:
    """The network that package.module:factory names: a function without arguments, or an nn.Module.

    Raises MissingFile or UserError, in one line.
    """
    made = imported(name)
    if callable(made) and not isinstance(made, nn.Module):
        try:
            made = made()
        except (Exception, SystemExit) as error:  # whatever somebody else's code raises
            raise UserError(blamed(f"{name}()", error)) from error
    if not isinstance(made, nn.Module):
        raise UserError(f"{name} must give a torch.nn.Module, it gave {type(made).__name__}")
    return made
