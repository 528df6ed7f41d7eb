"""A row of samples for every class: gan sheet runs/mnist --count 10 --out sheet.png"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fooling.data.load import load_config
from fooling.errors import UserError, require_positive
from fooling.files import writable, write_png
from fooling.show.layout import percent
from gan.latent import draw_latents
from gan.saved import Saved, open_generator
from gan.verbs.arguments import ReadingConfig, RunArgument, data_of, latents_by_class, reader_of, shape_of
from gan.verbs.rows import draw_rows

_AT_MOST, _MOST_ROWS = 10_000, 20


@dataclass
class SheetConfig(ReadingConfig, RunArgument):
    """Draw a row of samples for every class."""

    count: int = 10
    """Samples of each class. A generator that was trained with classes draws them, in a column, from one latent; of any
    other, they are the first that are read as the class."""

    labels: list[int] | None = None
    """The classes, one for each row. Default: all, or the first 20 of more."""

    seed: int = 0
    """The same seed draws the same images."""

    truncation: float = 1.0
    """What latents are scaled by. A DCGAN draws worse from shorter ones, which it never met: 0.5 smears."""

    out: str = "sheet.png"
    """The PNG file to write."""

    def __post_init__(self) -> None:
        require_positive(count=self.count)
        if self.labels == []:
            raise UserError("--labels needs at least one class")
        if Path(self.out).suffix.lower() != ".png":
            raise UserError(f"--out must name a .png file, got {self.out}")


def sheet(config: SheetConfig) -> Path:
    """Draw a row of samples for every class; returns the picture's path.

    Raises UserError, before anything is written, for settings, a run or a class that cannot be.
    """
    saved, path = open_generator(config.run), writable(config.out)
    rows, texts, how = (_asked_for if saved.generator.num_classes else _read)(config, saved)
    title = f"{sum(map(len, rows))} samples of {saved.name}, by class"
    write_png(draw_rows(rows, texts, title=title), path)
    print(f"{len(rows)} classes, {how}, in {path}{saved.unfinished}")
    return path


def _asked_for(config: SheetConfig, saved: Saved) -> tuple[list[Tensor], list[str], str]:
    """The images of each row, its words, and how its class was told: as the label that it was drawn for."""
    generator = saved.generator
    labels = range(min(generator.num_classes, _MOST_ROWS)) if config.labels is None else config.labels
    latents = draw_latents(config.count, generator.latent_dim, config.seed)
    rows = [generator.sample(latents=latents, labels=label, truncation=config.truncation) for label in labels]
    names = tuple(map(str, range(generator.num_classes)))
    with suppress(UserError):  # the data is not at hand
        known = load_config(data_of(config.data, saved), "test").class_names
        names = known if len(known) == len(names) else names
    return rows, [names[label] for label in labels], "each drawn for its label, in every column from one latent"


def _read(config: SheetConfig, saved: Saved) -> tuple[list[Tensor], list[str], str]:
    """The same of a generator without classes: as its images are read."""
    generator, reader = saved.generator, reader_of(config, saved)
    labels = range(min(reader.classes, _MOST_ROWS)) if config.labels is None else config.labels
    for label in labels:
        reader.check_class("--labels", label)
    found, read = latents_by_class(
        labels, config.count, generator, reader, config.seed, at_most=_AT_MOST, truncation=config.truncation
    )  # fmt: skip
    none = torch.empty(0, *shape_of(generator))
    rows = [generator.sample(latents=z, truncation=config.truncation) if len(z) else none for z in found]
    shares = [(read == label).float().mean().item() for label in labels]
    texts = [
        f"{reader.names[k]}\n{percent(share) if share else 'none'}" for k, share in zip(labels, shares, strict=True)
    ]
    return rows, texts, f"as read by {reader.words}"
