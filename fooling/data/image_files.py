"""Images from many files, decoded once into a memory-mapped uint8 array beside a manifest of what it was made from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from filelock import FileLock, Timeout
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm

from fooling.errors import CannotWrite, MissingFile, UserError

EXTENSIONS = {".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class ImageSource:
    """Encoded images, each as PIL opens it.

    label: a readable start for the name of their cache folder. origin: where they are, which tells them from others.
    state: JSON that differs once they have changed. open: the one at an index, as a path or a stream.
    name: what the one at an index is called in an error.
    """

    label: str
    origin: str
    state: Any
    count: int
    open: Callable[[int], Path | BinaryIO]
    name: Callable[[int], str]


@dataclass(frozen=True)
class DecodedImages:
    """images: uint8 (n, c, size, size), memory-mapped. kept: which of the source's they are (all but broken ones)."""

    images: Tensor
    kept: Sequence[int]


def list_image_files(folder: Path) -> list[Path]:
    """Every image file below `folder`, in the order of their names, told by extension; hidden ones are left out, and so
    is what we ourselves have left there: a run's samples are no data.

    Links to folders are followed, unless they lead back up. Raises MissingFile where there is no image.
    """
    if not folder.is_dir():
        raise MissingFile(f"no such folder: {folder}")
    try:
        files = list(_walk(folder, frozenset()))
    except OSError as error:
        raise UserError(f"cannot read the folder {error.filename}: {error.strerror}") from error
    if not files:
        raise MissingFile(f"no images in {folder} (looked for {' '.join(sorted(EXTENSIONS))})")
    return files


def _walk(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    above |= {folder.resolve()}
    with os.scandir(folder) as entries:
        visible = sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
    for entry in visible:
        path = folder / entry.name
        dead_link = entry.is_symlink() and not path.exists()
        if not dead_link and entry.is_dir():
            if path.resolve() not in above and not _is_ours(path):
                yield from _walk(path, above)
        elif path.suffix.lower() in EXTENSIONS and (dead_link or entry.is_file()):
            yield path  # a dead link will be reported as a broken image


def _is_ours(folder: Path) -> bool:
    """Whether it is the folder of a run, or of what a verb found out."""
    marks = ({"config.yaml", "checkpoints"}, {"summary.json", "numbers.npz"})
    return any(all((folder / name).exists() for name in names) for names in marks)


def source_of_files(label: str, origin: Path, files: Sequence[Path]) -> ImageSource:
    """Image files below `origin`, taken to have changed when a name, a size or a time of change has."""
    state = []
    for file in files:
        with contextlib.suppress(OSError):  # a missing file is reported when its turn to be decoded comes
            stat = file.stat()
            state.append([str(file), stat.st_size, stat.st_mtime_ns])
    return ImageSource(label, str(origin), state, len(files), open=files.__getitem__, name=lambda i: str(files[i]))


def decode_once(
    source: ImageSource, root: Path, *, image_size: int, channels: int, skip_broken: bool = False
) -> DecodedImages:
    """Images centre-cropped to a square and resized, from the cache when nothing has changed since it was written.

    root: the folder that holds one cache folder for each (source, settings); made if need be. Processes that want the
    same one at once wait for the first to make it.

    Where the cache cannot be written, they are decoded for this once, and a line says so.

    Raises UserError for the first image that cannot be read, with its name (with `skip_broken` those are left out and
    counted), and where none can be read.
    """
    if source.count == 0:
        raise MissingFile(f"no images in {source.origin}")
    settings = {"image_size": image_size, "channels": channels}
    wanted = {"settings": settings, "count": source.count, "state": _digest(source.state)}
    label = re.sub(r"[^\w.-]+", "_", source.label)[:64]
    folder = root / f"{label}-{image_size}px-{_digest([source.origin, settings])[:10]}"
    cached = _read(folder, wanted, skip_broken)
    if cached is not None:
        return cached
    try:
        return _made(source, folder, wanted, skip_broken)
    except CannotWrite as error:
        print(f"{error}: decoding for this once", flush=True)
        # Its pages stay readable after it is gone, as files do that are open (not on Windows, where it stays).
        with tempfile.TemporaryDirectory(prefix="fooling-", ignore_cleanup_errors=True) as temporary:
            return _made(source, Path(temporary, "images"), wanted, skip_broken)


def _made(source: ImageSource, folder: Path, wanted: dict[str, Any], skip_broken: bool) -> DecodedImages:
    with _alone(folder):
        cached = _read(folder, wanted, skip_broken)  # which another process may have made by now
        if cached is None:
            _build(source, folder, wanted, skip_broken)
            cached = _read(folder, wanted, skip_broken)
    if cached is None:
        raise UserError(f"{folder} changed while it was read: is something else writing there?")
    return cached


def _read(folder: Path, wanted: dict[str, Any], skip_broken: bool) -> DecodedImages | None:
    """What the cache holds, or None where that is not what is wanted, or is damaged."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        broken = {entry["index"] for entry in manifest["broken"]}
        # Mode "c" is copy-on-write: torch wants a writable array, and the file stays as it is.
        images = np.lib.format.open_memmap(folder / "images.npy", "c")
    except Exception:  # whatever is wrong with it, it can be made again
        return None
    size, channels = wanted["settings"]["image_size"], wanted["settings"]["channels"]
    kept = [i for i in range(wanted["count"]) if i not in broken] if broken else range(wanted["count"])
    whole = images.dtype == np.uint8 and images.shape == (len(kept), channels, size, size)
    if not whole or {k: manifest.get(k) for k in wanted} != wanted or (broken and not skip_broken):
        return None
    return DecodedImages(torch.from_numpy(images), kept)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other process builds the same cache folder."""
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for another process that is making {folder}", flush=True)
            lock.acquire()
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def _build(source: ImageSource, folder: Path, wanted: dict[str, Any], skip_broken: bool) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a build that was killed
    print(f"decoding {source.count} images into {folder}", flush=True)
    try:
        partial.mkdir()
        broken = _decode_all(source, partial / "images.npy", **wanted["settings"], skip_broken=skip_broken)
        (partial / "manifest.json").write_text(json.dumps({**wanted, "broken": broken}, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if broken:
        where = folder / "manifest.json"
        print(f"skipped {len(broken)} broken images of {source.count}, listed in {where}", flush=True)


def _decode_all(
    source: ImageSource, file: Path, *, image_size: int, channels: int, skip_broken: bool
) -> list[dict[str, Any]]:
    """Write the images to a .npy file, and return the list of those that are broken."""
    count, broken = source.count, []
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(file.open("wb"))
        pool = ThreadPoolExecutor()  # PIL lets go of the interpreter lock while it decodes and resizes
        stack.callback(pool.shutdown, cancel_futures=True)
        bar = stack.enter_context(tqdm(total=count, desc="decoding", unit="img", leave=False, disable=None))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # PIL's, about harmless oddities of files; what it cannot read, it raises
        _write_header(output, count, channels, image_size)
        for start in range(0, count, 1024):  # in chunks, so that what is decoded does not pile up
            indices = range(start, min(start + 1024, count))
            images = pool.map(lambda i: _decode(source, i, image_size, channels), indices)
            for index, image in zip(indices, images, strict=True):
                bar.update()
                if isinstance(image, np.ndarray):
                    output.write(image.tobytes())
                    continue
                name, reason = source.name(index), image
                if not skip_broken:
                    advice = "mend or remove it, or pass --data.skip_broken true"
                    raise UserError(f"not a readable image: {name} ({reason}); {advice}")
                broken.append({"index": index, "name": name, "reason": reason})
        if len(broken) == count:
            raise UserError(f"none of the images in {source.origin} can be read: {count} of {count} are broken")
        output.seek(0)
        _write_header(output, count - len(broken), channels, image_size)
    return broken


def _write_header(output: BinaryIO, count: int, channels: int, size: int) -> None:
    """A header whose length does not depend on `count`: numpy leaves room for it to grow."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, channels, size, size)}
    np.lib.format.write_array_header_1_0(output, header)


def _decode(source: ImageSource, index: int, size: int, channels: int) -> np.ndarray | str:
    """One image, uint8 (channels, size, size), or the reason why it cannot be read."""
    try:
        with Image.open(source.open(index)) as image:
            refuse_programs(image)
            return _square(image, size, channels)
    except UnidentifiedImageError:
        return "not in a known format"
    except Exception as error:  # PIL lets through whatever its readers stumble over in a broken file
        return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def refuse_programs(image: Image.Image) -> None:
    """Raise ValueError for an image that is opened, and whose pixels another program would have to draw: PIL hands
    PostScript to Ghostscript, whatever the file is called."""
    if image.format in ("EPS", "WMF"):
        raise ValueError(f"{image.format} is no image of pixels")


def _square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """The largest centred square, upright, on white where it is transparent: uint8 (channels, size, size)."""
    mode = "RGB" if channels == 3 else "L"
    image.draft(mode, (3 * size, 3 * size))  # a JPEG can be decoded at a half, a quarter or an eighth of its size
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, of a range that it does not say")
    if image.mode.startswith("I"):  # 16 bits per pixel, which PIL would clip to 8
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:  # else what lies under the transparent parts would show
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2  # may lie within a pixel
    square = (left, top, left + side, top + side)
    image = image.convert(mode).resize((size, size), Image.Resampling.BICUBIC, square, reducing_gap=3)
    return np.asarray(image).reshape(size, size, channels).transpose(2, 0, 1)


def _cannot_write(folder: Path, error: OSError) -> CannotWrite:
    return CannotWrite(f"cannot write {folder}: {error.strerror or error}; choose another --data.root")


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
