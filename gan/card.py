"""The model card that is saved beside a generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fooling.run import card
from gan.config import TrainConfig

_EXAMPLE = """\
from gan import Generator

generator = Generator.from_pretrained("path/to/this/folder")    # or "owner/name" on the Hugging Face Hub
images = generator.sample(64, seed=0)                           # float32 ({shape}) in [0, 1]"""


def model_card(config: TrainConfig, summary: Mapping[str, Any], *, image_size: int, channels: int) -> str:
    """The README.md of a saved generator: how to load it, how it was made, with every setting.

    summary: as from Run.summary.
    """
    shape = f"64, {channels}, {image_size}, {image_size}"
    return card.model_card(
        config,
        config.data,
        summary,
        task="unconditional-image-generation",
        tags=("gan", "dcgan"),
        what=f"A generator of images of {card.named(config.data)}, {image_size} x {image_size} pixels in"
        f" {'grey' if channels == 1 else 'colour'}, trained with fooling-gan.",
        example=_EXAMPLE.format(shape=shape),
        notes="What is saved is the average of the weights over training. The pictures above are of fixed latents, not"
        " chosen.",
        picture="samples.png",
    )
