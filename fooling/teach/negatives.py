"""Which negatives a classifier is taught with: so many from each of several sources (fooling/teach/sources.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fooling.climb.parametrizations import latent_dim_of
from fooling.climb.starts import STARTS
from fooling.data.load import DataConfig, load_config
from fooling.errors import UserError
from fooling.options.settings import Settings
from fooling.pretrained import Pretrained
from fooling.teach.sources import (
    REMEMBERED,
    Generated,
    Noise,
    Others,
    Persistent,
    Pool,
    Source,
    Step,
    Worst,
    check_shape,
)


@dataclass
class ClimbConfig(Settings):
    """The short climbs that make negatives inside a batch."""

    steps: int = 10
    """Steps of each climb."""

    smallest: float = 0.01
    """The smallest step; each image's is drawn log-uniformly between the two."""

    largest: float = 0.2
    """The largest step."""

    varied: bool = True
    """Draw the rule, the momentum, the objective and the target class anew for each image. Else: sign steps up the
    likeliest class's log-probability, as ACET takes them."""

    ball: float | None = None
    """Stay within an L-inf ball of this radius around the start. Default: anywhere in [0, 1]."""


@dataclass
class NegativesConfig(Settings):
    """How many negatives of each kind go into a batch, over all processes."""

    climbed: int = 0
    """Ends of short climbs from fresh noise, made against the network as it is at this step."""

    persistent: int = 0
    """Ends of short climbs that go on where earlier ones ended."""

    noise: int = 0
    """Noise as it is."""

    pool: int = 0
    """Fooling images of all past rounds."""

    others: int = 0
    """Images of another data set, named in others_data."""

    generated: int = 0
    """What the generator in generator_folder draws."""

    kinds: list[str] = field(default_factory=lambda: list(STARTS))
    """The kinds of noise (fooling/climb/starts.py) that are used as they are and climbed from."""

    climb: ClimbConfig = field(default_factory=ClimbConfig)
    """The climbs."""

    reseed: float = 0.05
    """The share of persistent climbs that start afresh."""

    others_data: DataConfig = field(default_factory=lambda: DataConfig(name="fashion-mnist"))
    """The other data set."""

    generator_folder: str | None = None
    """A generator saved by save_pretrained."""

    @property
    def counts(self) -> tuple[int, ...]:
        return (self.climbed, self.persistent, self.noise, self.pool, self.others, self.generated)

    def __post_init__(self) -> None:
        if min(self.counts) < 0:
            raise UserError("negatives are counted from 0 up")
        if self.persistent > REMEMBERED:
            raise UserError(f"negatives.persistent must be at most {REMEMBERED}, the places that climbs go on from")
        if not 0 <= self.reseed <= 1:
            raise UserError(f"negatives.reseed must be a share, from 0 to 1, got {self.reseed}")
        if self.generated and self.generator_folder is None:
            raise UserError("negatives.generated needs negatives.generator_folder")


class Mix:
    """So many negatives from each of several sources: Mix((Worst(...), 64), (Noise(...), 16))."""

    def __init__(self, *parts: tuple[Source, int]):
        self.sources, self.counts = [source for source, _ in parts], [count for _, count in parts]

    def draw(self, step: Step) -> Tensor:
        """This process's rows of all of them: float (rows, c, h, w)."""
        return torch.cat([source.draw(count, step) for source, count in zip(self.sources, self.counts, strict=True)])

    def state_dict(self) -> dict[str, Any]:
        return {str(number): source.state_dict() for number, source in enumerate(self.sources)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for number, source in enumerate(self.sources):
            source.load_state_dict(state[str(number)])


def make_negatives(config: NegativesConfig, pool: Pool, shape: Sequence[int]) -> Mix:
    """The sources that are asked for, mixed. Raises UserError where one gives no images of `shape` (c, h, w)."""
    noise, climb = Noise(config.kinds), config.climb
    worst = partial(
        Worst, steps=climb.steps, sizes=(climb.smallest, climb.largest), varied=climb.varied, ball=climb.ball
    )
    parts: list[tuple[Source, int]] = [(noise, config.noise), (pool, config.pool)]
    if config.climbed:
        parts.append((worst(noise), config.climbed))
    if config.persistent:
        parts.append((worst(Persistent(noise, reseed=config.reseed)), config.persistent))
    if config.others:
        others = load_config(config.others_data)
        check_shape(others.images.shape[1:], shape)
        parts.append((Others(others), config.others))
    if config.generated and config.generator_folder is not None:  # the config has seen to it
        generator = Pretrained.from_pretrained(config.generator_folder)
        if not hasattr(generator, "latent_dim"):
            raise UserError(f"{config.generator_folder} holds a {type(generator).__name__}, which is no generator")
        with torch.no_grad():
            check_shape(generator.eval()(torch.zeros(1, latent_dim_of(generator))).shape[1:], shape)
        parts.append((Generated(generator), config.generated))
    return Mix(*[(source, count) for source, count in parts if count])
