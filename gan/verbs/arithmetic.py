"""Add and subtract latents: gan arithmetic runs/mnist --from 7 --to 3

    gan arithmetic runs/mnist --add 3 17 --subtract 5       # images that gan sample has drawn, by their numbers

After Radford et al. 2016, arXiv:1511.06434, section 6.3.2: smiling woman - neutral woman + neutral man.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fooling.errors import UserError, require_positive
from fooling.run.results import Results
from fooling.run.threads import paying_threads
from fooling.seeds import seed_of
from fooling.show.grids import grid
from fooling.show.layout import Sheet, panel_size, percent, with_article
from gan.latent import class_means, combine, draw_latents, shift
from gan.networks.generator import Generator
from gan.saved import Saved, open_generator
from gan.verbs.arguments import ReadingConfig, VerbConfig, chosen, latents_by_class, reader_of
from gan.verbs.rows import draw_rows

_FOR_MEANS = 2000  # latents; of five times as many the means carry no better
_SHOWN, _FRAMES = 10, 25


@dataclass
class ArithmeticConfig(ReadingConfig, VerbConfig):
    """Add and subtract latents, and see what that draws."""

    from_: int | None = None
    """The class to begin with. Default: 7."""

    to: int | None = None
    """The class to turn it into, by adding the difference of the two classes' mean latents. Default: 3."""

    strengths: list[float] = field(default_factory=lambda: [0.5, 1.0, 2.0, 4.0])
    """How many times to add that difference."""

    count: int = 1000
    """Samples that it is tried on, none of which the means are of."""

    add: list[int] | None = None
    """Add up these images instead, by their numbers among what gan sample draws from --seed, counted from 0."""

    subtract: list[int] | None = None
    """Take these away from them."""

    def __post_init__(self) -> None:
        require_positive(count=self.count)
        if not self.strengths:
            raise UserError("--strengths needs at least one number")
        if self.add is None and self.subtract is not None:
            raise UserError("--subtract takes images away from those of --add: give these too")
        if self.add is not None and (self.from_ is not None or self.to is not None):
            raise UserError("--add is about images, --from and --to are about classes: give one or the other")
        if self.add is not None and len(self.add) + len(self.subtract or []) < 2:
            raise UserError("one image adds up to nothing new: give more to --add, or some to --subtract")


@paying_threads()
def arithmetic(config: ArithmeticConfig) -> Path:
    """Turn images of one class into another by adding the difference of the classes' mean latents, or add and subtract
    chosen images; returns the folder of results.

    Raises UserError, before anything is written, for settings, a run or a class that cannot be.
    """
    saved = open_generator(config.run)
    results = Results(f"{saved.name}-arithmetic", config.output, config.wandb, asdict(config))
    if config.add is not None:
        _of_images(config, config.add, config.subtract or [], saved, results)
    else:
        _of_classes(config, 7 if config.from_ is None else config.from_, 3 if config.to is None else config.to,
                    saved, results)  # fmt: skip
    return results.folder


def _of_classes(config: ArithmeticConfig, before: int, after: int, saved: Saved, results: Results) -> None:
    generator = saved.generator
    if generator.num_classes:
        raise UserError(
            "this generator draws the class that it is asked for, and its latents know none: gan sample --labels;"
            " of its latents, add up images with --add"
        )
    reader = reader_of(config, saved)
    reader.check_class("--from", before)
    reader.check_class("--to", after)
    if before == after:
        raise UserError(f"the images are {with_article(reader.names[before])} already: choose another --to")
    latents = draw_latents(_FOR_MEANS, generator.latent_dim, seed_of(config.seed, "means"))
    labels = reader(generator.sample(latents=latents))
    for label in (before, after):
        if not (labels == label).any():
            name = with_article(reader.names[label])
            raise UserError(f"none of {_FOR_MEANS:,} samples is read as {name}: there is no mean of what draws one")
    means = class_means(latents, labels)
    direction = means[after] - means[before]
    (fresh,), drawn = latents_by_class(
        [before], config.count, generator, reader, seed_of(config.seed, "fresh"), at_most=100 * _FOR_MEANS
    )
    strengths = [0.0, *sorted(t for t in set(config.strengths) if t)]
    read = torch.stack([reader(generator.sample(latents=moved)) for moved in shift(fresh, direction, strengths)])
    shares = (read == after).float().mean(1).tolist()

    names = {label: with_article(reader.names[label]) for label in (before, after)}
    told = ", ".join(
        f"{percent(share)} at t\u00a0=\u00a0{t:g}" for t, share in zip(strengths, shares, strict=True) if t
    )
    title = f"{names[before]} becomes {names[after]}: t times the difference of their mean latents is added"
    print(
        f"{title[0].upper()}{title[1:]}. Of {len(fresh):,} fresh samples, read as {names[after]}: {told}"
        f" (by {reader.words}){saved.unfinished}"
    )
    with results:
        rows = [generator.sample(latents=moved) for moved in shift(fresh[:_SHOWN], direction, strengths)]
        texts = [
            f"t\u00a0=\u00a0{t:g}\n{percent(share)} {names[after]}" for t, share in zip(strengths, shares, strict=True)
        ]
        texts[0] = "as drawn"
        results.picture("arithmetic", draw_rows(rows, texts, title=title))
        results.film("arithmetic", _film(generator, fresh[:_SHOWN], direction, strengths[-1]))
        results.numbers(
            {
                "from": reader.names[before],
                "to": reader.names[after],
                "samples": len(fresh),
                "drawn": len(drawn),
                "read_by": reader.words,
                "read_as_to": {f"{t:g}": share for t, share in zip(strengths, shares, strict=True)},
            },
            means=means,
            direction=direction,
            latents=fresh,
            strengths=torch.tensor(strengths),
            read=read,
        )


def _film(generator: Generator, latents: Tensor, direction: Tensor, strongest: float) -> Iterator[np.ndarray]:
    for strength in torch.linspace(0, strongest, _FRAMES).tolist():
        yield grid(generator.sample(latents=shift(latents, direction, [strength])[0]), 5, scale=None)


def _of_images(config: ArithmeticConfig, add: list[int], subtract: list[int], saved: Saved, results: Results) -> None:
    generator = saved.generator
    latents, labels = chosen(generator, config.seed, [*add, *subtract])
    total = combine(latents[: len(add)], latents[len(add) :])
    images = generator.sample(latents=latents, labels=labels)
    image = generator.sample(latents=total[None], labels=labels and labels[:1])
    signs = [*["+"] * len(add), *["\u2212"] * len(subtract)]
    equation = " ".join(f"{sign} {number}" for sign, number in zip(signs, [*add, *subtract], strict=True))[2:]
    print(
        f"{equation}, of the samples of seed {config.seed}: of single latents nobody can foresee what comes out, while"
        f" --from and --to add means of many{saved.unfinished}"
    )
    with results:
        height, width = panel_size(*images.shape[-2:], about=140)
        columns = [width, 26] * len(images) + [width]
        sheet = Sheet([height], columns, title=f"Latents added up: {equation}")
        for i, number in enumerate([*add, *subtract]):
            sheet.image(0, 2 * i, images[i], f"sample {number}")
            sheet.sign(0, 2 * i + 1, "=" if i + 1 == len(images) else signs[i + 1])
        sheet.image(0, 2 * len(images), image[0])
        results.picture("arithmetic", sheet.picture())
        results.picture("image", grid(image, padding=0))
        results.numbers(
            {"add": add, "subtract": subtract}, latents=latents, latent=total, images=images, image=image[0]
        )
