"""Named data sets, each as one uint8 tensor (n, c, h, w) and its labels.

Those of fooling/data/named_sets.py by name, or a folder of images, of which a share is held out for testing. What is
encoded on disk, as JPEG or PNG, is decoded once into a memory-mapped cache (fooling/data/image_files.py).
"""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from fooling.data.image_files import decode_once, list_image_files, source_of_files
from fooling.data.named_sets import Split, read, read_encoded
from fooling.data.stacked_mnist import stacked_mnist
from fooling.errors import UserError
from fooling.images import Images
from fooling.options.paths import path_of
from fooling.options.settings import Settings
from fooling.seeds import seed_of

Name = Literal[
    "mnist", "stacked-mnist", "fashion-mnist", "kmnist", "emnist-letters", "emnist-digits",
    "cifar10", "svhn", "stl10", "celeba", "lsun", "folder",
]  # fmt: skip


class NothingHeldOut(UserError):
    """A folder has no images for testing: too few for its share, or none were asked for."""


@dataclass
class DataConfig(Settings):
    """Which images to use, and where they are."""

    name: Name = "mnist"
    """Which data set. mnist and stacked-mnist ship with the package; folder is your own images."""

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

    test_share: float = 0.1
    """For folder: the share of the images that is held out for testing, and never trained on."""

    split_seed: int = 0
    """For folder: from which it follows, with their names, which images these are."""


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
    test_share: float = 0.1,
    split_seed: int = 0,
) -> Images:
    """The named data set as one uint8 tensor (n, c, h, w) with its labels; the arguments are those of DataConfig.

    Of a folder of your own, "test" gives about `test_share` of the images and "train" the others. Which they are
    follows from `split_seed` and the name of each below the folder, so that another file moves none; each class keeps
    one to train on, however small.

    Raises UserError for an unknown name, an impossible setting or damaged files, and where no image is held out and
    "test" is asked for; MissingFile, which says what was looked for and where, for data that is neither on disk nor
    within reach of a download.
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
    if not 0 <= test_share < 1:
        raise UserError(f"test_share must be at least 0 and below 1, got {test_share}")
    root = path_of(root) if root is not None else default_root()
    settings: dict[str, Any] = {"image_size": image_size or 64, "channels": channels or 3, "skip_broken": skip_broken}
    if name == "folder":
        if folder is None:
            raise UserError("data set 'folder' needs --data.folder DIR, the directory of your images")
        return _read_folder(path_of(folder).resolve(), split, root, test_share, split_seed, settings)
    if name in ("celeba", "lsun"):
        source = read_encoded(name, split, root, category=category)
        return Images(decode_once(source, root / "decoded", **settings).images, None)
    data = stacked_mnist(split, root) if name == "stacked-mnist" else read(name, split, root)
    return replace(data, images=_with_channels(_resized(data.images, image_size), channels))


def load_config(config: DataConfig, split: Split = "train") -> Images:
    """The data set that a configuration names; see load."""
    return load(split=split, **vars(config))


def held_out(config: DataConfig) -> Images | None:
    """The images that a configuration holds out for testing; None for a folder of which there are none."""
    try:
        return load_config(config, "test")
    except NothingHeldOut:
        return None


def as_written(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a DataConfig that a run wrote. What an older version did not write is what it did: it trained on
    every image of a folder."""
    older = {"test_share": 0.0} if settings.get("name") == "folder" else {}
    return {**asdict(DataConfig()), **older, **settings}


def default_root() -> Path:
    """Where downloads and decoded images live unless told otherwise: $FOOLING_CACHE, or ~/.cache/fooling."""
    try:
        return path_of(os.environ.get("FOOLING_CACHE") or "~/.cache/fooling")
    except UserError:
        if os.environ.get("FOOLING_CACHE"):
            raise
        return Path(tempfile.gettempdir(), "fooling")  # nobody is at home, as for some services


def _read_folder(
    folder: Path, split: Split, root: Path, test_share: float, split_seed: int, settings: dict[str, Any]
) -> Images:
    """One part of a folder of images, in the order of their names.

    All are decoded into one array, those to train on first: each part is a slice of it, and nothing is copied into
    memory.
    """
    files = list_image_files(folder)
    held = dict(zip(files, _held_out(folder, files, test_share, split_seed), strict=True))
    files.sort(key=held.__getitem__)
    # Each order has a cache folder of its own; where nothing is held out, that of older versions.
    label = f"{folder.name[:40]}-test{test_share:g}-{split_seed}" if any(held.values()) else folder.name
    decoded = decode_once(source_of_files(label, folder, files), root / "decoded", **settings)
    kept = [files[i] for i in decoded.kept]
    labels, names = _class_folders(folder, kept)
    for_training = sum(not held[file] for file in kept)
    part = slice(for_training) if split == "train" else slice(for_training, None)
    if not len(decoded.images[part]):
        if split == "train":
            raise UserError(f"none of the images in {folder} that are to be trained on can be read")
        raise NothingHeldOut(
            f"none of the {len(kept)} images in {folder} is held out for testing, with --data.test_share"
            f" {test_share:g}: give a larger share, or more images"
        )
    return Images(decoded.images[part], None if labels is None else labels[part], names)


def _held_out(folder: Path, files: Sequence[Path], share: float, seed: int) -> list[bool]:
    """Which files are for testing: each by its own name and the seed, so that another file moves none; but one of each
    class never."""
    names = [file.relative_to(folder) for file in files]
    # macOS writes an accent as a letter of its own: the same name is to have the same number everywhere.
    ranks = [seed_of(seed, "held out", unicodedata.normalize("NFC", name.as_posix())) / 2**63 for name in names]
    first: dict[str, float] = {}
    of_class = [name.parts[0] if len(name.parts) > 1 else "" for name in names]
    for label, rank in zip(of_class, ranks, strict=True):
        first[label] = max(rank, first.get(label, 0.0))
    return [rank < min(share, first[label]) for label, rank in zip(of_class, ranks, strict=True)]


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
