"""Named data sets, each as one uint8 tensor (n, c, h, w) and its labels.

MNIST ships with the package. The others come through torchvision, or from a folder of images; those that are single
files on disk are decoded once into a memory-mapped cache (fooling/image_cache.py).
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from fooling.errors import MissingFile, UserError
from fooling.image_cache import DecodedImages, decode_once, list_image_files

Split = Literal["train", "test"]
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
    """For folder: leave out files that cannot be read as images, and count them, instead of stopping at the first."""


@dataclass(frozen=True)
class Images:
    """A data set in memory, or memory-mapped.

    images: uint8 (n, c, h, w), 0 to 255.
    labels: int64 (n,), indices into class_names; None where the set has no labels.
    """

    images: Tensor
    labels: Tensor | None
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)


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

    Raises UserError for an unknown name or an impossible setting and MissingFile for data that is neither on disk nor
    within reach of a download; both say which folder and files were looked for.
    """
    if image_size is not None and image_size < 1:
        raise UserError(f"image_size must be at least 1 pixel, got {image_size}")
    if channels not in (None, 1, 3):
        raise UserError(f"channels must be 1 (grey) or 3 (colour), got {channels}")
    root = Path(root).expanduser() if root is not None else default_root()
    if name == "mnist":
        data = _mnist(split)
    elif name == "folder":
        return _folder(folder, root, image_size, channels, skip_broken)
    elif name in _IN_MEMORY:
        data = _in_memory(name, split, root)
    elif name in ("celeba", "lsun"):
        return _decoded(name, split, root, category, image_size, channels)
    else:
        raise UserError(f"unknown data set {name!r}: expected one of {', '.join(Name.__args__)}")
    images = _with_channels(_resized(data.images, image_size), channels)
    return Images(images, data.labels, data.class_names)


def load_config(config: DataConfig, split: Split = "train") -> Images:
    """The data set that a configuration names; see load."""
    return load(split=split, **vars(config))


def default_root() -> Path:
    """Where downloads and decoded images live unless told otherwise: $FOOLING_CACHE, or ~/.cache/fooling."""
    return Path(os.environ.get("FOOLING_CACHE", "~/.cache/fooling")).expanduser()


def to_float(images: Tensor, device: torch.device | str | None = None) -> Tensor:
    """uint8 images (0 to 255) as float32 in [0, 1], same shape, converted on `device`."""
    return images.to(device).to(torch.float32).div_(255)


class Batches:
    """An endless shuffled stream of a data set, in which position k is a function of (seed, k) alone.

    Every pass holds each image once, in an order drawn from (seed, pass). Nothing is remembered between calls, so a
    resumed run sees what the uninterrupted one would have seen, and processes that take neighbouring slices of one
    batch together see the batch that one process would have seen.

    The images move to `device` for good if they fill at most half of its free memory; otherwise each batch moves.
    """

    def __init__(self, data: Images, device: torch.device | str = "cpu", *, seed: int = 0):
        if len(data) == 0:
            raise UserError("the data set is empty")
        self.device = torch.device(device)
        self.seed = seed
        self.images, self.labels = data.images, data.labels
        if self.device.type != "cpu" and data.images.nbytes <= _free_memory(self.device) // 2:
            self.images = data.images.to(self.device)
        self._pass, self._order = -1, torch.empty(0, dtype=torch.int64)

    def indices(self, start: int, count: int) -> Tensor:
        """Which images stand at positions start to start + count: int64 (count,)."""
        parts = []
        while count > 0:
            number, offset = divmod(start, len(self.images))
            if number != self._pass:
                order = torch.Generator().manual_seed(seed_of(self.seed, number))
                self._pass, self._order = number, torch.randperm(len(self.images), generator=order)
            part = self._order[offset : offset + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return torch.cat(parts)

    def take(self, start: int, count: int) -> tuple[Tensor, Tensor | None]:
        """Images float32 (count, c, h, w) in [0, 1] and labels int64 (count,), on the device, from position `start`."""
        indices = self.indices(start, count)
        images = to_float(self.images[indices.to(self.images.device)], self.device)
        labels = None if self.labels is None else self.labels[indices].to(self.device)
        return images, labels


def seed_of(*numbers: int) -> int:
    """One 63-bit seed out of several whole numbers, such as (seed, step): well mixed, the same on every machine."""
    return int(np.random.SeedSequence([n % 2**64 for n in numbers]).generate_state(1, np.uint64)[0] >> 1)


def _free_memory(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def _mnist(split: Split) -> Images:
    prefix = {"train": "train", "test": "t10k"}[split]
    folder = Path(__file__).parent / "mnist"
    images = _read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
    labels = _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
    return Images(images[:, None], labels.long(), tuple("0123456789"))


def _read_idx(path: Path) -> Tensor:
    # The IDX format: two zero bytes, the type (8 = unsigned byte), the number of dimensions, each as big-endian int32.
    raw = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape).copy())


@dataclass(frozen=True)
class _Source:
    """A torchvision data set that keeps its images in one array, and how to read it."""

    class_name: str
    arguments: Callable[[Split], dict[str, Any]]
    files: str  # what is looked for, relative to the root
    images: Callable[[Any], Any]  # the data set -> (n, c, h, w)
    labels: Callable[[Any], Any] = lambda d: d.targets


def _grey(dataset: Any) -> Tensor:
    return dataset.data[:, None]


def _grey_transposed(dataset: Any) -> Tensor:  # EMNIST's files hold every image mirrored along its diagonal
    return dataset.data.transpose(1, 2)[:, None]


def _idx_files(folder: str, stem: str = "") -> str:
    return f"{folder}/raw/{stem}{{train,{'test' if stem else 't10k'}}}-{{images-idx3,labels-idx1}}-ubyte"


def _train(split: Split) -> dict[str, Any]:
    return {"train": split == "train"}


def _split(split: Split) -> dict[str, Any]:
    return {"split": split}


_IN_MEMORY = {
    "fashion-mnist": _Source("FashionMNIST", _train, _idx_files("FashionMNIST"), _grey),
    "kmnist": _Source("KMNIST", _train, _idx_files("KMNIST"), _grey),
    "emnist-letters": _Source(
        "EMNIST", lambda s: {"split": "letters", **_train(s)}, _idx_files("EMNIST", "emnist-letters-"),
        _grey_transposed, lambda d: d.targets - 1,  # its first class is 1
    ),
    "emnist-digits": _Source(
        "EMNIST", lambda s: {"split": "digits", **_train(s)}, _idx_files("EMNIST", "emnist-digits-"), _grey_transposed
    ),
    "cifar10": _Source(
        "CIFAR10", _train, "cifar-10-batches-py/ or cifar-10-python.tar.gz", lambda d: d.data.transpose(0, 3, 1, 2)
    ),
    "svhn": _Source("SVHN", _split, "{train,test}_32x32.mat", lambda d: d.data, lambda d: d.labels),
    "stl10": _Source(
        "STL10", _split, "stl10_binary/ or stl10_binary.tar.gz", lambda d: d.data, lambda d: d.labels
    ),
}  # fmt: skip


def _in_memory(name: str, split: Split, root: Path) -> Images:
    source = _IN_MEMORY[name]
    dataset = _torchvision(name, source.class_name, root, source.files, **source.arguments(split))
    images = torch.as_tensor(np.ascontiguousarray(source.images(dataset)))
    labels = torch.as_tensor(np.asarray(source.labels(dataset))).long()
    names = [c for c in getattr(dataset, "classes", []) if c != "N/A"]
    return Images(images, labels, tuple(names) or tuple(str(i) for i in range(int(labels.max()) + 1)))


def _torchvision(name: str, class_name: str, root: Path, files: str, **arguments: Any) -> Any:
    """The torchvision data set: from files already there without touching the network, else by its own download."""
    from torchvision import datasets

    make = getattr(datasets, class_name)
    try:
        try:
            return make(root=root, **arguments)
        except (RuntimeError, FileNotFoundError):  # how torchvision says that files are missing
            root.mkdir(parents=True, exist_ok=True)
            with contextlib.redirect_stdout(io.StringIO()):
                return make(root=root, download=True, **arguments)
    except ImportError as error:
        raise UserError(f"{name}: {error}: pip install 'fooling-gan[datasets]'") from error
    except Exception as error:  # torchvision lets through whatever the network or disk raises
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MissingFile(f"cannot get {name}: no {files} in {root}, and the download failed ({reason})") from error


def _decoded(name: str, split: Split, root: Path, category: str, size: int | None, channels: int | None) -> Images:
    """CelebA and LSUN: files by the hundred thousand, decoded once."""
    if name == "celeba":
        files = "celeba/img_align_celeba/ or celeba/img_align_celeba.zip with its list_*.txt"
        dataset = _torchvision(name, "CelebA", root, files, split=split, target_type="identity")
        items = [root / "celeba" / "img_align_celeba" / f for f in dataset.filename]
        decoded = decode_once(items, root / "decoded", f"celeba-{split}", image_size=size or 64, channels=channels or 3)
    else:
        lmdb = f"{category}_{'train' if split == 'train' else 'val'}"
        if not (root / f"{lmdb}_lmdb").is_dir():
            raise MissingFile(f"cannot get lsun: looked for {lmdb}_lmdb/ in {root}; LSUN's site has it to download")
        dataset = _torchvision(name, "LSUN", root, f"{lmdb}_lmdb/", classes=[lmdb])
        decoded = decode_once(dataset, root / "decoded", lmdb, image_size=size or 64, channels=channels or 3)
    return Images(decoded.images, None)


def _folder(folder: Any, root: Path, size: int | None, channels: int | None, skip_broken: bool) -> Images:
    if folder is None:
        raise UserError("data set 'folder' needs --data.folder DIR, the directory of your images")
    folder = Path(folder).expanduser().resolve()
    files = list_image_files(folder)
    decoded: DecodedImages = decode_once(
        files, root / "decoded", folder.name, image_size=size or 64, channels=channels or 3, skip_broken=skip_broken
    )
    kept = [files[i].relative_to(folder).parts for i in decoded.kept]
    names = sorted({parts[0] for parts in kept if len(parts) > 1})
    if not names or any(len(parts) == 1 for parts in kept):  # an image beside the class folders has no class
        return Images(decoded.images, None)
    return Images(decoded.images, torch.tensor([names.index(parts[0]) for parts in kept]), tuple(names))


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
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]  # ITU-R BT.601 luma, as PIL's "L"
    return torch.cat([(c * weights).sum(1, keepdim=True).round_().to(torch.uint8) for c in images.split(4096)])
