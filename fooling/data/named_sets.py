"""Where the named data sets are on disk, how to read them, and how to get them: most come through torchvision."""

from __future__ import annotations

import contextlib
import gzip
import io
import socket
import string
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from fooling.data.image_files import ImageSource, source_of_files
from fooling.errors import MissingFile, UserError
from fooling.images import Images

Split = Literal["train", "test"]


def read(name: str, split: Split, root: Path) -> Images:
    """A data set whose files hold arrays of pixels, at its own size; KeyError for another name."""
    if name == "mnist":
        return _read_idx_pair(Path(__file__).parent.parent / "mnist", _MNIST_STEMS[split], string.digits)
    return _read_idx(name, split, root) if name in _IDX else _read_arrays(name, split, root)


def read_encoded(name: str, split: Split, root: Path, *, category: str) -> ImageSource:
    """A data set whose files hold encoded images, still to be decoded: celeba, or a category of lsun."""
    return _read_celeba(split, root) if name == "celeba" else _read_lsun(split, root, category)


_MNIST_STEMS = {"train": "train", "test": "t10k"}
_CLOTHES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
# In MNIST's file format: torchvision's name for each set, with its options, and the classes.
_IDX = {
    "fashion-mnist": ("FashionMNIST", {}, _CLOTHES.split(",")),
    "kmnist": ("KMNIST", {}, ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]),
    "emnist-letters": ("EMNIST", {"split": "letters"}, string.ascii_lowercase),
    "emnist-digits": ("EMNIST", {"split": "digits"}, string.digits),
}


def _read_idx(name: str, split: Split, root: Path) -> Images:
    """A set in MNIST's format, from the folder where torchvision puts it; downloaded by torchvision if need be."""
    class_name, options, class_names = _IDX[name]
    folder = root / class_name / "raw"
    stem = f"{name}-{split}" if class_name == "EMNIST" else _MNIST_STEMS[split]
    try:
        data = _read_idx_pair(folder, stem, class_names)
    except (FileNotFoundError, NotADirectoryError):
        files = f"{class_name}/raw/{stem}-{{images-idx3,labels-idx1}}-ubyte[.gz]"
        _download(name, class_name, root, files, train=split == "train", **options)
        data = _read_idx_pair(folder, stem, class_names)
    if class_name == "EMNIST":  # its files hold every image mirrored along its diagonal
        data = replace(data, images=data.images.transpose(2, 3).contiguous())
    if name == "emnist-letters":  # and count the letters from 1
        data = replace(data, labels=data.targets - 1)
    return data


def _read_idx_pair(folder: Path, stem: str, class_names: Sequence[str]) -> Images:
    images = _read_idx_file(folder / f"{stem}-images-idx3-ubyte")
    labels = _read_idx_file(folder / f"{stem}-labels-idx1-ubyte")
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise UserError(f"{folder}/{stem}-* do not belong together: {tuple(images.shape)} and {tuple(labels.shape)}")
    first = stem == "emnist-letters-train" or stem == "emnist-letters-test"  # which count from 1
    if len(labels) and not first <= int(labels.min()) <= int(labels.max()) < len(class_names) + first:
        raise UserError(
            f"{folder}/{stem}-* are damaged: labels go to {int(labels.max())}, of {len(class_names)} classes"
        )
    if not len(images) or images.shape[1] != images.shape[2]:
        raise UserError(f"{folder}/{stem}-* are damaged: images of {tuple(images.shape)} are not square")
    return Images(images[:, None], labels.long(), tuple(class_names))


def _read_idx_file(file: Path) -> Tensor:
    """The array in an IDX file, as it is or gzipped. Raises FileNotFoundError or NotADirectoryError for neither."""
    # By hand: torchvision's datasets.MNIST cannot read from .gz files alone.
    try:
        raw = file.read_bytes() if file.exists() else gzip.decompress(file.with_name(f"{file.name}.gz").read_bytes())
        # Two zero bytes, the type (8: unsigned byte), the number of dimensions, each of them as big-endian int32.
        if raw[:3] != b"\0\0\x08":
            raise ValueError(f"it begins with {raw[:4].hex()}, which is not that of bytes in the IDX format")
        shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
        if (shape < 0).any():
            raise ValueError(f"it says that its shape is {tuple(shape.tolist())}")
        return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape).copy())
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
        raise UserError(f"{file} is damaged ({_one_line(error)}): remove it to have it downloaded again") from error


# Through torchvision: its name for each set, and the files that it looks for.
_ARRAYS = {
    "cifar10": ("CIFAR10", "cifar-10-batches-py/ or cifar-10-python.tar.gz"),
    "svhn": ("SVHN", "{train,test}_32x32.mat"),
    "stl10": ("STL10", "stl10_binary/ or stl10_binary.tar.gz"),
}


def _read_arrays(name: str, split: Split, root: Path) -> Images:
    class_name, files = _ARRAYS[name]
    if name == "cifar10":
        dataset = _torchvision(name, class_name, root, files, train=split == "train")
        images, labels = dataset.data.transpose(0, 3, 1, 2), dataset.targets  # the others have their channels first
    else:
        dataset = _torchvision(name, class_name, root, files, split=split)
        images, labels = dataset.data, dataset.labels
    names = tuple(getattr(dataset, "classes", string.digits))
    return Images(torch.from_numpy(np.ascontiguousarray(images)), torch.as_tensor(np.int64(labels)), names)


def _torchvision(name: str, class_name: str, root: Path, files: str, **arguments: Any) -> Any:
    """The torchvision data set: from files already there without touching the network, else by its own download."""
    from torchvision import datasets

    try:
        return getattr(datasets, class_name)(root=root, **arguments)
    except (RuntimeError, FileNotFoundError):  # how torchvision says that files are missing, or are not the ones
        return _download(name, class_name, root, files, **arguments)
    except ImportError as error:
        raise _needs_extra(name, error) from error
    except Exception as error:  # whatever its readers stumble over
        raise UserError(f"cannot read {name}, {files} in {root}: {_one_line(error)}") from error


def _download(name: str, class_name: str, root: Path, files: str, **arguments: Any) -> Any:
    """The torchvision data set, after its own download."""
    from torchvision import datasets

    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(60)  # torchvision would wait for ever
    try:
        root.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):
            return getattr(datasets, class_name)(root=root, download=True, **arguments)
    except ImportError as error:
        raise _needs_extra(name, error) from error
    except Exception as error:  # torchvision lets through whatever the network or the disk raises
        raise MissingFile(
            f"cannot get {name}: no {files} in {root}, and the download failed ({_one_line(error)})"
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


def _needs_extra(name: str, error: ImportError) -> UserError:
    return UserError(f"{name} needs another package ({error}): pip install 'fooling-gan[datasets]'")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _read_celeba(split: Split, root: Path) -> ImageSource:
    """CelebA's aligned faces, 178 x 218 JPEGs by the hundred thousand."""
    files = "celeba/img_align_celeba/ or celeba/img_align_celeba.zip with identity_CelebA.txt and its list_*.txt"
    dataset = _torchvision("celeba", "CelebA", root, files, split=split)
    folder = root / "celeba" / "img_align_celeba"
    return source_of_files(f"celeba-{split}", folder, [folder / name for name in dataset.filename])


def _read_lsun(split: Split, root: Path, category: str) -> ImageSource:
    """One of LSUN's scene categories, a database of up to millions of JPEGs; its test split is LSUN's "val"."""
    # Not by torchvision's LSUN, which keeps and trusts a pickle of the keys in whatever folder it is started from.
    name = f"{category}_{'train' if split == 'train' else 'val'}_lmdb"
    folder = root / name
    if not (folder / "data.mdb").is_file():
        raise MissingFile(f"cannot get lsun: no {name}/data.mdb in {root}; download it from LSUN's site")
    try:
        import lmdb
    except ImportError as error:
        raise _needs_extra("lsun", error) from error
    try:
        database = lmdb.open(str(folder), readonly=True, lock=False, readahead=False, meminit=False)
        with database.begin() as transaction:
            keys = list(transaction.cursor().iternext(values=False))
    except lmdb.Error as error:
        raise UserError(f"cannot read {folder}: {_one_line(error)}") from error

    def encoded(index: int) -> io.BytesIO:
        with database.begin() as transaction:
            return io.BytesIO(transaction.get(keys[index], b""))

    stat = (folder / "data.mdb").stat()
    state = [len(keys), stat.st_size, stat.st_mtime_ns]
    return ImageSource(name, str(folder), state, len(keys), open=encoded, name=lambda i: f"{name}, key {keys[i]!r}")
