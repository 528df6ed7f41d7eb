"""Nudge a real image until the network takes it for another class: fooling morph --from 7 --to 3"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor, nn

from fooling.classifiers.frozen import probabilities
from fooling.climb.parametrizations import Pixels
from fooling.climb.per_image import check_target
from fooling.errors import UserError
from fooling.images import Images
from fooling.run.results import Results
from fooling.run.threads import paying_threads
from fooling.show.layout import with_article
from fooling.verbs.arguments import VerbConfig, check_climb, fitting, of_label, opened, own_image
from fooling.verbs.story import nudged, story_of


@dataclass
class MorphConfig(VerbConfig):
    """Nudge a real image until the network takes it for another class."""

    from_: int | None = None
    """The class of the test image that it begins with. Default: 7."""

    to: int = 3
    """The class that the network shall see."""

    image: str | None = None
    """A file of yours to begin with, instead of a test image; cropped and resized as the network needs it."""

    invert: bool = False
    """Turn --image round, light for dark: ink on paper, for a network of white digits on black."""

    confidence: float = 0.99
    """Stop when the network is as sure as this."""

    steps: int = 500
    """Give up after so many steps."""

    step_size: float = 0.005
    """Standard deviation of what a step adds to the pixels, of which black is 0 and white is 1."""

    def __post_init__(self) -> None:
        check_climb(self.confidence, self.steps, self.step_size)
        if self.image is not None and self.from_ is not None:
            raise UserError("--from and --image both say what to begin with: give one of them")


@paying_threads()
def morph(config: MorphConfig) -> Path:
    """Nudge a real image until the network takes it for another class; returns the folder of results.

    Raises UserError, before anything is written, for settings, a model, a class or an image that cannot be, and where
    the network takes the image for the target class as it is.
    """
    config, classifier, data, names = opened(config)
    check_target(config.to, len(names))
    if config.image is None:
        label = 7 if config.from_ is None else config.from_
        check_target(label, len(names))
        if label == config.to:
            raise UserError(f"the image is {with_article(names[label])} already: choose another class with --to")
        number, image = sure_example(classifier, fitting(data, classifier), label, which=config.seed)
        what, where = with_article(names[label]), f" (test image {number})"
    else:
        image = own_image(config.image, classifier, data, invert=config.invert)
        label = int(probabilities(classifier, image[None]).argmax())
        if label == config.to:
            raise UserError(
                f"{config.image} is {with_article(names[label])} to the network already: choose another --to"
            )
        what, where = "your image", f" ({Path(config.image).name})"
    results = Results(f"morph-{label}-{config.to}", config.output, config.wandb, asdict(config))
    story = story_of(
        classifier, Pixels(image[None]), config.to, what=what + where, names=names,
        until=config.confidence, steps=config.steps, step="std", step_size=config.step_size,
    )  # fmt: skip
    print(story.words)
    with results:
        story.write(results, "morph", nudged(what, story))
        story.write_end(results, "What the network says of it now")
        results.numbers(story.summary, **story.tensors)
    return results.folder


def sure_example(classifier: nn.Module, data: Images, label: int, which: int = 0) -> tuple[int, Tensor]:
    """The index and the image (c, h, w) of a test image of that label that the classifier gets right.

    which: 0 for the first of them, 1 for the second ...; more than there are begins again.
    Raises UserError if there is none.
    """
    numbers, images = of_label(data, label)
    right = (probabilities(classifier, images).argmax(1) == label).nonzero()[:, 0]
    if len(right) == 0:
        raise UserError(f"the classifier calls none of the {len(numbers)} test images of class {label} by that name")
    chosen = right[which % len(right)]
    return int(numbers[chosen]), images[chosen]
