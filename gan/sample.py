"""Draw images from a trained generator: gan sample runs/mnist --count 64 --out grid.png

gan sample runs/conditional --labels 3 3 8      # with classes: two 3s and an 8
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from torch import Tensor

from fooling.errors import UserError
from fooling.files import writable, write_png
from fooling.show.grids import grid
from gan.saved import open_generator


def sample(
    run: str,
    count: int | None = None,
    seed: int = 0,
    out: str | None = None,
    truncation: float = 1.0,
    scale: int | None = None,
    each: bool = False,
    labels: list[int] | None = None,
) -> Path:
    """Draw images from a trained generator, as a grid in one PNG or as a folder of single ones; returns its path.

    Args:
        run: A run's folder, also while it trains; or a generator's folder, or hub:owner/name.
        count: How many images. Default: as many as there are labels, else 64.
        seed: The same seed draws the same images.
        out: What to write: a PNG file, or with --each a folder, which must not exist yet. Default: samples.png, or
            samples.
        truncation: What latents are scaled by. A DCGAN draws worse from shorter ones, which it never met: 0.5 smears.
        scale: Pixels of the picture for each pixel of an image. Default: as many as a small image needs to be seen
            well, and one with --each.
        each: Write every image to a file of its own, 00000.png, 00001.png ...
        labels: The class of each image, in order, or one for all; for a generator that was trained with classes.
            Default: every class in turn.
    """
    path = writable(out or ("samples" if each else "samples.png"))
    if each and path.exists():
        raise UserError(f"{path} exists: choose another folder with --out")
    if not each and path.suffix.lower() != ".png":
        raise UserError(f"--out must name a .png file, got {path}; a folder is for --each")
    saved = open_generator(run)
    classes = labels if labels is None or len(labels) != 1 or count is None else labels * count
    images = saved.generator.sample(count, seed=seed, truncation=truncation, labels=classes)
    count = len(images)
    if each:
        _write_each(images, path, 1 if scale is None else scale)
    else:  # every class in turn is a column for each
        columns = saved.generator.num_classes if labels is None and saved.generator.num_classes <= 20 else None
        write_png(grid(images, columns or None, scale=scale), path)
    print(f"{count} image{'s' * (count != 1)} of {images.shape[-1]} pixels in {path}{saved.unfinished}")
    return path


def _write_each(images: Tensor, folder: Path, scale: int) -> None:
    """A folder of single images, which appears whole or not at all."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".partial-{folder.name}-"))
        try:
            partial.chmod(0o755)  # mkdtemp's folders are for their owner only
            for number, image in enumerate(images):
                write_png(grid(image[None], padding=0, scale=scale), partial / f"{number:05d}.png")
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}") from error
