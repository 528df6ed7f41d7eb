"""Draw images from a trained generator: gan sample runs/mnist --count 64 --out grid.png"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import yaml
from torch import Tensor

from fooling.errors import UserError
from fooling.files import write_png
from fooling.run.checkpoints import list_checkpoints
from fooling.show.grids import grid
from gan.networks.dcgan import Generator


def sample(
    run: str,
    count: int = 64,
    seed: int = 0,
    out: str | None = None,
    truncation: float = 1.0,
    scale: int | None = None,
    each: bool = False,
) -> Path:
    """Draw images from a trained generator, as a grid in one PNG or as a folder of single ones; returns its path.

    Args:
        run: A run's folder, also while it trains; or a generator's folder, or hub:owner/name.
        count: How many images.
        seed: The same seed draws the same images.
        out: What to write: a PNG file, or with --each a folder, which must not exist yet. Default: samples.png, or
            samples.
        truncation: What latents are scaled by. A DCGAN draws worse from shorter ones, which it never met: 0.5 smears.
        scale: Pixels of the picture for each pixel of an image. Default: as many as a small image needs to be seen
            well, and one with --each.
        each: Write every image to a file of its own, 00000.png, 00001.png ...
    """
    path = Path(out or ("samples" if each else "samples.png")).expanduser()
    if each and path.exists():
        raise UserError(f"{path} exists: choose another folder with --out")
    if not each and path.suffix.lower() != ".png":
        raise UserError(f"--out must name a .png file, got {path}; a folder is for --each")
    generator, trained = _generator_of(run)
    images = generator.sample(count, seed=seed, truncation=truncation)
    if each:
        _write_each(images, path, 1 if scale is None else scale)
    else:
        write_png(grid(images, scale=scale), path)
    print(f"{count} image{'s' * (count != 1)} of {images.shape[-1]} pixels in {path}{trained}")
    return path


def _generator_of(run: str) -> tuple[Generator, str]:
    """The generator that a user names, and words on how far it has been trained where that is not to the end."""
    folder = Path(run).expanduser()
    config, within = folder / "config.yaml", folder / "generator"
    settings = yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else {}
    if "generator" not in settings:  # no run of a GAN: the generator's own folder, or one on the Hub
        return Generator.from_pretrained(within if within.is_dir() else run), ""
    checkpoints = list_checkpoints(folder / "checkpoints")
    if not (within / "config.json").is_file():
        when = "when the same command goes on with it" if checkpoints else "with the first checkpoint"
        raise UserError(f"the run {folder} has no generator yet: it is written {when}")
    total = round(float(settings["kimg"]) * 1000)
    seen = int(checkpoints[0].name) if checkpoints else total
    unfinished = f", from an unfinished run: {seen / 1000:.3g} of {total / 1000:g} kimg" if seen < total else ""
    return Generator.from_pretrained(within), unfinished


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
