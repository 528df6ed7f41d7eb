"""A film through latents, of what lies between images: gan walk runs/mnist --seeds 3 17 42 --out walk.gif"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fooling.errors import UserError, require_positive
from fooling.files import writable, write_gif, write_mp4
from fooling.show.grids import grid
from gan.latent import Way, draw_latents
from gan.latent import walk as tour_through
from gan.networks.generator import Generator
from gan.saved import open_generator
from gan.verbs.arguments import RunArgument

_STOPS, _MOST_CLASSES = 9, 20
_ALONE = 256  # pixels on a screen, about, of an image that has the film to itself


@dataclass
class WalkConfig(RunArgument):
    """Film what a generator draws on the way from one image to the next."""

    seeds: list[int] | None = None
    """Where the way leads: to the first image of gan sample --seed for each of these. Default: nine images of --seed;
    every one is begun with, side by side."""

    samples: list[int] | None = None
    """Where the way leads, as numbers of images that gan sample draws from --seed, counted from 0, row by row."""

    seed: int = 0
    """The same seed leads to the same images."""

    way: Way = "circle"
    """circle keeps the length that latents have, straight cuts the corner, through images that are pale or smeared."""

    closed: bool = True
    """Come back to the first image, for a film without an end; or end on the last."""

    steps: int = 12
    """Frames from one image to the next."""

    fps: float = 12.0
    """Frames per second, at most 50 in a GIF."""

    labels: list[int] | None = None
    """The classes to draw on the way, side by side, for a generator that was trained with classes. Default: each."""

    scale: int | None = None
    """Pixels of the film for each pixel of an image. Default: as many as a small image needs to be seen well."""

    out: str = "walk.gif"
    """The film to write, a .gif or a .mp4; the latter needs PyAV (pip install av)."""

    def __post_init__(self) -> None:
        require_positive(steps=self.steps, fps=self.fps)
        if self.seeds is not None and self.samples is not None:
            raise UserError("--seeds and --samples both say where the way leads: give one of them")
        named = self.seeds if self.samples is None else self.samples
        if named is not None and len(named) < 2:
            raise UserError("a way leads through at least two images: give more --seeds or --samples")
        if min(self.samples or [0]) < 0:
            raise UserError(f"--samples are numbers of images, from 0 on, got {min(self.samples or [0])}")
        if Path(self.out).suffix.lower() not in (".gif", ".mp4"):
            raise UserError(f"--out must name a .gif or a .mp4 file, got {self.out}")


def walk(config: WalkConfig) -> Path:
    """Film what a generator draws on the way from one image to the next; returns the film's path.

    Raises UserError, before anything is written, for settings or a run that cannot be.
    """
    saved, path = open_generator(config.run), writable(config.out)
    stops, labels = _stops(config, saved.generator), _labels(config, saved.generator)
    tour = tour_through(stops, config.steps, way=config.way, closed=config.closed)
    together = config.seeds is None and config.samples is None and config.closed
    frames = list(_frames(saved.generator, tour, labels, config.steps if together else None, config.scale))
    if path.suffix.lower() == ".gif":
        write_gif(frames, path, config.fps, colours=128)
    else:
        write_mp4(frames, path, config.fps)
    print(
        f"{len(frames)} frames through {len(stops)} images, {len(frames) / config.fps:.3g} seconds,"
        f" in {path}{saved.unfinished}"
    )
    return path


def _stops(config: WalkConfig, generator: Generator) -> Tensor:
    dim = generator.latent_dim
    if config.seeds is not None:
        return torch.cat([draw_latents(1, dim, seed) for seed in config.seeds])
    numbers = list(range(_STOPS)) if config.samples is None else config.samples
    return draw_latents(max(numbers) + 1, dim, config.seed)[numbers]


def _labels(config: WalkConfig, generator: Generator) -> list[int] | None:
    if config.labels is None and generator.num_classes:
        return list(range(min(generator.num_classes, _MOST_CLASSES)))
    return config.labels


def _frames(
    generator: Generator, tour: Tensor, labels: list[int] | None, apart: int | None, scale: int | None
) -> Iterator[np.ndarray]:
    """The pictures of the film.

    labels: classes that go the way side by side. apart: as many images as the tour has stops go it side by side, so
    many frames apart. Neither: one image alone.
    """
    if labels is not None:
        each = [generator.sample(latents=tour, labels=[label] * len(tour)) for label in labels]
        panels = torch.stack(each, 1)
    else:
        images = generator.sample(latents=tour)
        starts = range(0, len(tour), apart or len(tour))
        panels = torch.stack([images.roll(-start, 0) for start in starts], 1)
    if scale is None and panels.shape[1] == 1:
        scale = max(1, _ALONE // max(panels.shape[-2:]))
    count = panels.shape[1]
    columns = None if labels is None else count if count <= 5 else -(-count // 2)  # classes in one row, or in two
    for images in panels:
        yield grid(images, columns, scale=scale)
