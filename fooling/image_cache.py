"""Images from many files, decoded once into a memory-mapped uint8 array beside a manifest of what it was made from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from fooling.errors import MissingFile, UserError

EXTENSIONS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class DecodedImages:
    """images: uint8 (n, c, size, size), memory-mapped. kept: which of the items they are (all but skipped ones)."""

    images: Tensor
    kept: list[int]


def list_image_files(folder: Path) -> list[Path]:
    """Every image file below `folder`, sorted, told by its extension. Raises MissingFile where there is none."""
    if not folder.is_dir():
        raise MissingFile(f"no such folder: {folder}")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file())
    if not files:
        raise MissingFile(f"no images in {folder} (looked for {' '.join(sorted(EXTENSIONS))})")
    return files


def decode_once(
    items: Sequence[Any],
    root: Path,
    label: str,
    *,
    image_size: int,
    channels: int,
    skip_broken: bool = False,
) -> DecodedImages:
    """Images centre-cropped to a square and resized, from the cache when nothing has changed since it was written.

    items: image files, or a data set whose items are (PIL image, label).
    root: the folder that holds one cache folder for each (label, items, settings).
    label: a readable start for the cache folder's name.

    A file that is not a readable image raises UserError with its name; with `skip_broken` it is left out and counted.
    """
    files = [i for i in items if isinstance(i, Path)] if isinstance(items, list) else []
    settings = {"image_size": image_size, "channels": channels, "skip_broken": skip_broken}
    source = [[str(f), (stat := f.stat()).st_size, stat.st_mtime_ns] for f in files] or [label, len(items)]
    place = [str(Path(os.path.commonpath([f.parent for f in files]))) if files else label, settings]
    folder = root / f"{label}-{image_size}px-{_digest(place)[:10]}"
    manifest_file = folder / "manifest.json"
    wanted = {"settings": settings, "items": len(items), "source": _digest(source)}

    manifest = json.loads(manifest_file.read_text()) if manifest_file.exists() else None
    if manifest is None or {k: manifest[k] for k in wanted} != wanted:
        if manifest is not None:
            print(f"{label} has changed since {folder} was made: decoding it again")
        broken = _decode_all(items, folder, wanted, settings, label)
        manifest = json.loads(manifest_file.read_text())
        if broken:
            print(f"skipped {len(broken)} of {len(items)} files as not readable images, listed in {manifest_file}")
    skipped = {entry["index"] for entry in manifest["broken"]}
    kept = [i for i in range(len(items)) if i not in skipped]
    # Mode "c" is copy-on-write: torch wants a writable array, and the file stays as it is.
    return DecodedImages(torch.from_numpy(np.load(folder / "images.npy", mmap_mode="c")), kept)


def _decode_all(items: Sequence[Any], folder: Path, wanted: dict, settings: dict, label: str) -> list[dict]:
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}; choose another --data.root") from error
    size, channels = settings["image_size"], settings["channels"]
    broken: list[dict] = []

    def decode(index: int) -> np.ndarray | None:
        item = items[index]
        try:
            return _square(Image.open(item) if isinstance(item, Path) else item[0], size, channels)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            if not settings["skip_broken"]:
                raise UserError(
                    f"not a readable image: {item if isinstance(item, Path) else index} "
                    "(mend or remove it, or pass --data.skip_broken true)"
                ) from error
            broken.append({"index": index, "item": str(item) if isinstance(item, Path) else index})
            return None

    try:
        shape = (len(items), channels, size, size)
        images = np.lib.format.open_memmap(partial / "all.npy", "w+", np.uint8, shape)
        count = 0
        with ThreadPoolExecutor() as pool:  # PIL lets go of the interpreter lock while it decodes
            chunks = range(0, len(items), 1024)  # in chunks, so that what is decoded does not pile up
            with tqdm(total=len(items), desc=f"decoding {label}", unit="img", leave=False) as bar:
                for start in chunks:
                    for image in pool.map(decode, range(start, min(start + 1024, len(items)))):
                        bar.update()
                        if image is not None:
                            images[count] = image
                            count += 1
        if count == 0:
            raise UserError(f"no readable image among the {len(items)} files of {label}")
        images.flush()
        if count < len(items):
            shorter = np.lib.format.open_memmap(partial / "images.npy", "w+", np.uint8, (count, *shape[1:]))
            shorter[:] = images[:count]
            shorter.flush()
            (partial / "all.npy").unlink()
        else:
            (partial / "all.npy").rename(partial / "images.npy")
        broken.sort(key=lambda entry: entry["index"])
        (partial / "manifest.json").write_text(json.dumps({**wanted, "broken": broken}, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return broken


def _square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """The largest centred square, upright, on white where it is transparent: uint8 (channels, size, size)."""
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:  # else what lies under the transparent parts would show
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("RGB" if channels == 3 else "L")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side), reducing_gap=3)
    return np.asarray(image).reshape(size, size, channels).transpose(2, 0, 1)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
