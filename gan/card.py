"""The model card that is saved beside a generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fooling.run import card
from gan.config import TrainConfig

_EXAMPLE = """\
from gan import Generator

generator = Generator.from_pretrained("path/to/this/folder")    # or "owner/name" on the Hugging Face Hub
images = generator.sample(64, seed=0)                           # float32 ({shape}) in [0, 1]"""
_OF_CLASSES = """
threes = generator.sample(64, labels=3)                         # of a class: {classes}"""


def model_card(
    config: TrainConfig,
    summary: Mapping[str, Any],
    *,
    image_size: int,
    channels: int,
    class_names: Sequence[str] = (),
    best: str = "",
) -> str:
    """The README.md of a saved generator: how to load it, how it was made, with every setting.

    summary: as from Run.summary.
    class_names: what it can be asked for; none where it draws whatever comes.
    best: when it was so good, and how good, where that was measured.
    """
    example = _EXAMPLE.format(shape=f"64, {channels}, {image_size}, {image_size}")
    if class_names:
        shown = [*class_names[:12], *["..."] * (len(class_names) > 12)]
        example += _OF_CLASSES.format(classes=", ".join(f"{number} {name}" for number, name in enumerate(shown)))
    return card.model_card(
        config,
        config.data,
        summary,
        task="unconditional-image-generation",
        tags=("gan", config.generator.network.partition(":")[0]),
        what=f"A generator of images of {card.named(config.data)}, {image_size} x {image_size} pixels in"
        f" {'grey' if channels == 1 else 'colour'}, trained with fooling-gan.",
        example=example,
        notes="What is saved is the average of the weights over training. The pictures above are of fixed latents, not"
        f" chosen.{' ' * bool(best)}{best}",
        picture="samples.png",
    )
