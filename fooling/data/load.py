"""Named data sets, each as one uint8 tensor (n, c, h, w) and its labels.

Those of fooling/data/named_sets.py by name, or a folder of images. What is encoded on disk, as JPEG or PNG, is decoded
once into a memory-mapped cache (fooling/data/image_files.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from fooling.data.image_files import decode_once, list_image_files, source_of_files
from fooling.data.named_sets import Split, read, read_encoded
from fooling.errors import UserError
from fooling.images import Images

Name = Literal[
    "mnist", "fashion-mnist", "kmnist", "emnist-letters", "emnist-digits",
    "cifar10", "svhn", "stl10", "celeba", "lsun", "folder",
]  # fmt: skip


@dataclass
class DataConfig:
    """Which images to use, and where they are."""

    name: Name = "mnist"
    """Which data set. mnist ships with the package; folder is your own images."""

    root: str | None = None
    """Where downloaded data sets and the cache of decoded images live. Default: $FOOLING_CACHE or ~/.cache/fooling."""

    folder: str | None = None
    """For folder: the directory tree of images. Its first-level folders, if there are any, become the labels."""

    category: str = "bedroom"
    """For lsun: which scene category."""

    image_size: int | None = None
    """Height and width in pixels to crop and resize to. Default: the data set's own (64 where images vary in size)."""

    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for colour. Default: the data set's own (3 for folder)."""

    skip_broken: bool = False
    """For folder, celeba and lsun: leave out broken images, and count them, instead of stopping at the first."""


def load(
    name: Name = "mnist",
    split: Split = "train",
    *,
    root: str | os.PathLike | None = None,
    folder: str | os.PathLike | None = None,
    category: str = "bedroom",
    image_size: int | None = None,
    channels: int | None = None,
    skip_broken: bool = False,
) -> Images:
    """The named data set as one uint8 tensor (n, c, h, w) with its labels; the arguments are those of DataConfig.

    A folder of your own has no splits: it is all there is, whichever is asked for.

    Raises UserError for an unknown name, an impossible setting or damaged files, and MissingFile, which says what was
    looked for and where, for data that is neither on disk nor within reach of a download.
    """
    if name not in get_args(Name):
        raise UserError(f"unknown data set {name!r}: expected one of {', '.join(get_args(Name))}")
    if folder is not None and name != "folder":
        raise UserError(f"folder {folder} is for the data set named folder, and {name} was asked for")
    if split not in get_args(Split):
        raise UserError(f"unknown split {split!r}: expected train or test")
    if image_size is not None and image_size < 1:
        raise UserError(f"image_size must be at least 1 pixel, got {image_size}")
    if channels not in (None, 1, 3):
        raise UserError(f"channels must be 1 (grey) or 3 (colour), got {channels}")
    root = Path(root).expanduser() if root is not None else default_root()
    settings = {"image_size": image_size or 64, "channels": channels or 3, "skip_broken": skip_broken}
    if name == "folder":
        if folder is None:
            raise UserError("data set 'folder' needs --data.folder DIR, the directory of your images")
        folder = Path(folder).expanduser().resolve()
        files = list_image_files(folder)
        decoded = decode_once(source_of_files(folder.name, folder, files), root / "decoded", **settings)
        return Images(decoded.images, *_class_folders(folder, [files[i] for i in decoded.kept]))
    if name in ("celeba", "lsun"):
        source = read_encoded(name, split, root, category=category)
        return Images(decode_once(source, root / "decoded", **settings).images, None)
    data = read(name, split, root)
    return replace(data, images=_with_channels(_resized(data.images, image_size), channels))


def load_config(config: DataConfig, split: Split = "train") -> Images:
    """The data set that a configuration names; see load."""
    return load(split=split, **vars(config))


def default_root() -> Path:
    """Where downloads and decoded images live unless told otherwise: $FOOLING_CACHE, or ~/.cache/fooling."""
    return Path(os.environ.get("FOOLING_CACHE", "~/.cache/fooling")).expanduser()


def _class_folders(folder: Path, files: Sequence[Path]) -> tuple[Tensor | None, tuple[str, ...]]:
    """Labels from the first-level folders; none if there are no folders, or images beside them, which have no class."""
    parts = [file.relative_to(folder).parts for file in files]
    if any(len(p) == 1 for p in parts):
        return None, ()
    names = sorted({p[0] for p in parts})
    numbers = {name: i for i, name in enumerate(names)}
    return torch.tensor([numbers[p[0]] for p in parts]), tuple(names)


def _resized(images: Tensor, size: int | None) -> Tensor:
    if size is None or images.shape[-2:] == (size, size):
        return images
    resize = torch.nn.functional.interpolate
    chunks = [resize(c.float(), (size, size), mode="bilinear", antialias=True) for c in images.split(4096)]
    return torch.cat([c.round_().clamp_(0, 255).to(torch.uint8) for c in chunks])


def _with_channels(images: Tensor, channels: int | None) -> Tensor:
    if channels is None or images.shape[1] == channels:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1)
    # By hand: torchvision's rgb_to_grayscale rounds down, so that pictures get darker.
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]  # ITU-R BT.601 luma, as PIL's "L"
    return torch.cat([(c * weights).sum(1, keepdim=True).round_().to(torch.uint8) for c in images.split(4096)])
