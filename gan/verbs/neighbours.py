"""What lies around an image, and how far one can go before it is another: gan neighbours runs/mnist --sample 5"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from fooling.errors import UserError, require_positive
from fooling.run.results import Results
from fooling.run.threads import paying_threads
from fooling.seeds import seed_of
from fooling.show.layout import percent, with_article
from gan.latent import draw_latents, rotate
from gan.saved import Saved, open_generator
from gan.verbs.arguments import Reader, ReadingConfig, VerbConfig, chosen, reader_of
from gan.verbs.rows import draw_rows

_SHOWN = 10


@dataclass
class NeighboursConfig(ReadingConfig, VerbConfig):
    """Draw what lies around an image, and see how far one can go before it is another."""

    sample: int = 0
    """Which image, by its number among what gan sample draws from --seed, counted from 0."""

    degrees: list[float] = field(default_factory=lambda: [10.0, 20.0, 30.0, 45.0, 60.0, 90.0])
    """How far to go, as an angle between latents. At 90, nothing is left of the image: as far are any two of them."""

    count: int = 200
    """Directions to go into, from which it is read how many neighbours are of the image's class."""

    def __post_init__(self) -> None:
        require_positive(count=self.count)
        if not self.degrees or not all(0 < angle <= 180 for angle in self.degrees):
            raise UserError("--degrees are angles above 0 and up to 180")


@paying_threads()
def neighbours(config: NeighboursConfig) -> Path:
    """Draw the neighbours of an image in random directions, a row for each distance; returns the folder of results.

    Raises UserError, before anything is written, for settings or a run that cannot be.
    """
    saved = open_generator(config.run)
    generator, angles = saved.generator, sorted(set(config.degrees))
    latent, labels = chosen(generator, config.seed, [config.sample])
    results = Results(f"{saved.name}-neighbours", config.output, config.wandb, asdict(config))
    reader = _reader_if_any(config, saved)
    latents = latent.expand(config.count, -1)
    towards = draw_latents(config.count, generator.latent_dim, seed_of(config.seed, "neighbours"))
    all_labels = labels and labels * config.count
    image = generator.sample(latents=latent, labels=labels)
    rows = [generator.sample(latents=rotate(latents, towards, angle), labels=all_labels) for angle in angles]
    texts = [f"{angle:g}°" for angle in angles]
    what, summary = f"sample {config.sample}", {"sample": config.sample, "degrees": angles}
    told = f"Neighbours of {what}, {' '.join(f'{angle:g}°' for angle in angles)} away"
    if reader is not None:
        read = int(reader(image))
        shares = [(reader(images) == read).float().mean().item() for images in rows]
        name = with_article(reader.names[read])
        texts = [
            f"{text}\n{percent(share) if share else 'none'} {name}" for text, share in zip(texts, shares, strict=True)
        ]
        told = (
            f"Sample {config.sample} is {name}, and of {config.count} neighbours as many are {name} too: "
            + ", ".join(f"{percent(share)} at {angle:g}°" for angle, share in zip(angles, shares, strict=True))
            + f" (read by {reader.words})"
        )
        summary |= {"read_as": reader.names[read], "read_by": reader.words, "read_as_the_same": shares}
    print(f"{told}{saved.unfinished}")
    with results:
        shown = [image, *(images[:_SHOWN] for images in rows)]
        title = f"{what}, and what lies around it"
        results.picture("neighbours", draw_rows(shown, [what, *texts], title=title))
        results.numbers(summary, latent=latent[0], towards=towards, image=image[0])
    return results.folder


def _reader_if_any(config: NeighboursConfig, saved: Saved) -> Reader | None:
    """What reads the images; None where nobody asked for one, and there is none or it would say what the label says."""
    if config.model is None and saved.generator.num_classes:
        return None
    try:
        return reader_of(config, saved)
    except UserError as error:
        if config.model is not None:
            raise
        print(f"not read: {error}")
        return None
