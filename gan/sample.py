"""Draw images from a trained generator."""

from __future__ import annotations

from pathlib import Path

from fooling.errors import UserError
from fooling.files import write_png
from fooling.show.grids import grid
from gan.networks.dcgan import Generator


def sample(run: str, count: int = 64, seed: int = 0, out: str = "samples.png", truncation: float = 1.0) -> Path:
    """Draw a grid of images from a trained generator and write it as a PNG.

    Args:
        run: A run's folder, a generator's folder, or hub:owner/name.
        count: How many images.
        seed: The same seed draws the same images.
        out: The PNG file to write.
        truncation: Below 1: more typical and less varied images.
    """
    if Path(out).suffix.lower() != ".png":
        raise UserError(f"--out must name a .png file, got {out}")
    within = Path(run).expanduser() / "generator"
    generator = Generator.from_pretrained(within if within.is_dir() else run)
    images = generator.sample(count, seed=seed, truncation=truncation)
    path = write_png(grid(images), Path(out).expanduser())
    print(f"{count} images of {images.shape[-1]} pixels in {path}")
    return path
