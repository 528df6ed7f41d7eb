"""The latent that draws an image of yours, or comes nearest: gan invert runs/mnist --image digit.png"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from fooling.data.load import DataConfig, held_out
from fooling.errors import UserError, require_positive
from fooling.images import to_float
from fooling.run.results import Results
from fooling.run.threads import paying_threads
from fooling.seeds import seed_of
from fooling.show.grids import grid
from fooling.show.layout import Sheet, panel_size, percent
from fooling.verbs.arguments import read_image
from gan.inversion import Inversion
from gan.inversion import invert as inversion_of
from gan.saved import Saved, open_generator
from gan.verbs.arguments import VerbConfig, data_of, shape_of

_OWN = 2  # images of the generator's own that are looked for as well
_BEST, _OTHERS, _ITS_OWN = "#2166ac", "#b8b8b8", "#b2182b"


@dataclass
class InvertConfig(VerbConfig):
    """Find the latent that draws a given image, or comes nearest to it."""

    image: str | None = None
    """A file of yours; cropped and resized to what the generator draws."""

    negative: bool = False
    """Turn --image round, light for dark: ink on paper, for a generator of white digits on black."""

    index: int | None = None
    """A test image of the data instead, by its number. Default: 0."""

    data: DataConfig = field(default_factory=DataConfig)
    """The images that --index counts. Default: what the run was trained on, else MNIST."""

    starts: int = 16
    """How many latents go and look: of 2,000 those whose images are nearest."""

    steps: int = 100
    """Steps that each takes, before the nearest four go on with a finer method."""

    def __post_init__(self) -> None:
        require_positive(starts=self.starts, steps=self.steps)
        if self.image is not None and self.index is not None:
            raise UserError("--image and --index both say what to look for: give one of them")
        if self.negative and self.image is None:
            raise UserError("--negative is for --image")


@paying_threads()
def invert(config: InvertConfig) -> Path:
    """Find the latent that draws an image, or comes nearest to it; returns the folder of results.

    Raises UserError, before anything is written, for settings, a run or an image that cannot be.
    """
    saved = open_generator(config.run)
    generator, what, image = saved.generator, *_looked_for(config, saved)
    results = Results(f"{saved.name}-invert", config.output, config.wandb, asdict(config))
    how = {"starts": config.starts, "steps": config.steps, "seed": config.seed}
    found = inversion_of(generator, image, **how)
    own = generator.sample(_OWN, seed=seed_of(config.seed, "own"))
    own_distances = [inversion_of(generator, each, **how).distances[0].item() for each in own]

    nearest, pixels = found.distances[0].item(), image.numel()
    length, usual = found.latents[0].norm().item(), generator.latent_dim**0.5
    as_label = "" if found.labels is None else f", as class {int(found.labels[0])},"
    print(
        f"The nearest to {what} that the generator was found to draw{as_label} is {nearest:.3g} away,"
        f" {_off(nearest, pixels)}, from a latent of length {length:.3g}, where {usual:.3g} is usual. Images of its own"
        f" were found again to {_and(own_distances)}{saved.unfinished}"
    )
    with results:
        results.picture("invert", _draw_found(image, found, what, pixels))
        results.picture("distances", _draw_distances(found, own_distances))
        results.film("invert", _film(image, found))
        results.picture("image", grid(found.images[:1], padding=0))
        results.numbers(
            {
                "image": what,
                "distance": nearest,
                "root_mean_square": nearest / pixels**0.5,
                "distances_of_own_images": own_distances,
                "latent_length": length,
                "usual_length": usual,
                "label": None if found.labels is None else int(found.labels[0]),
            },
            latent=found.latents[0],
            latents=found.latents,
            distances=found.distances,
            steps=torch.tensor(found.steps),
            curve=found.curve,
            image=image,
            found=found.images[0],
        )
    return results.folder


def _looked_for(config: InvertConfig, saved: Saved) -> tuple[str, Tensor]:
    """What it is, and the image (c, h, w) in [0, 1]."""
    if config.image is not None:
        image = read_image(config.image, shape_of(saved.generator))
        return Path(config.image).name, 1 - image if config.negative else image
    data, index = held_out(data_of(config.data, saved)), config.index or 0
    if data is None:
        raise UserError("there are no test images: name an image of yours with --image")
    if not 0 <= index < len(data):
        raise UserError(f"there is no test image {index}: there are {len(data):,}, from 0 on")
    return f"test image {index}", to_float(data.images[index])


def _draw_found(image: Tensor, found: Inversion, what: str, pixels: int) -> np.ndarray:
    height, width = panel_size(*image.shape[-2:])
    sheet = Sheet([height], [width] * 3, title="The nearest that the generator was found to draw", key=_KEY)
    sheet.image(0, 0, image, what)
    sheet.image(0, 1, found.images[0], f"found: {found.distances[0]:.3g} away")
    difference = found.images[0] - image
    limit = max(difference.sum(0).abs().max().item(), 1e-3)
    sheet.map(0, 2, difference, limit, "difference")
    sheet.colour_key(limit)
    return sheet.picture()


_KEY = ("found darker", "found lighter", "difference, of which black to white is 1")


def _draw_distances(found: Inversion, own: list[float]) -> np.ndarray:
    """How far every start was from the image on its way, and at what distance images of its own are found."""
    figure = Figure(figsize=(6.4, 3.6), dpi=144, facecolor="white", layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    climb, ends = found.steps[:-1], found.steps[-2:]
    for i in range(found.curve.shape[1] - 1, -1, -1):
        colour, width = (_BEST, 2.0) if i == 0 else (_OTHERS, 0.9)
        axes.plot(climb, found.curve[:-1, i].tolist(), color=colour, linewidth=width)
        axes.plot(ends, found.curve[-2:, i].tolist(), color=colour, linewidth=width, linestyle=":")
    axes.axhline(sum(own) / len(own), color=_ITS_OWN, linewidth=1, linestyle="--")
    axes.text(0, sum(own) / len(own), "images of its own", color=_ITS_OWN, fontsize=8, va="bottom")
    axes.set(xlabel="step (dotted: L-BFGS, from there on)", ylabel="distance from the image", ylim=(0, None))
    axes.set_xlim(0, found.steps[-1])
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _film(image: Tensor, found: Inversion) -> Iterator[np.ndarray]:
    """The given image, and the nearest start on its way to it."""
    for now in found.path:
        yield grid(torch.stack([image, now]), scale=max(1, 168 // max(image.shape[-2:])))


def _off(distance: float, pixels: int) -> str:
    return f"in the root mean square {percent(distance / pixels**0.5)} of the way from black to white"


def _and(distances: list[float]) -> str:
    return " and ".join(f"{distance:.3g}" for distance in distances)
