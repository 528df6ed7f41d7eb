"""Show what the network sees and looks for: fooling explain --digit 5 --towards 5 8"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fooling.classifiers.frozen import probabilities
from fooling.classifiers.networks import num_classes_of, reject_index
from fooling.climb.parametrizations import Pixels
from fooling.climb.per_image import check_target
from fooling.errors import UserError
from fooling.images import Images, to_float
from fooling.run.results import Results
from fooling.run.threads import paying_threads
from fooling.show.explanations import (
    Nudges,
    confused,
    filters,
    input_gradients,
    mistakes,
    nudge,
    untrained,
    weight_maps,
)
from fooling.show.figures import (
    draw_confused,
    draw_filters,
    draw_gradients,
    draw_mistakes,
    draw_nudges,
    draw_probabilities,
    draw_weight_maps,
)
from fooling.show.layout import with_article
from fooling.verbs.arguments import VerbConfig, check_climb, fits, fitting, of_label, opened, own_image
from fooling.verbs.story import nudged, story_of


@dataclass
class ExplainConfig(VerbConfig):
    """Show what the network sees in an image, and what it looks for in all."""

    digit: int | None = None
    """The class of the test image to look at, the one hardest to tell from --towards. Default: 5."""

    towards: list[int] | None = None
    """The classes to look for: what would make the image more of each? Default: its own, and the one that it is most
    easily taken for."""

    image: str | None = None
    """A file of yours to look at, instead of a test image; cropped and resized as the network needs it."""

    invert: bool = False
    """Turn --image round, light for dark: ink on paper, for a network of white digits on black."""

    layer: str | None = None
    """The layer whose channels to show. Default: the first convolution."""

    step_size: float = 0.02
    """Standard deviation of what a step adds to the pixels, of which black is 0 and white is 1."""

    def __post_init__(self) -> None:
        check_climb(step_size=self.step_size)
        if self.towards == []:
            raise UserError("--towards needs at least one class")
        if self.image is not None and self.digit is not None:
            raise UserError("--digit and --image both say what to look at: give one of them")


Pictures = dict[str, np.ndarray]


@paying_threads()
def explain(config: ExplainConfig) -> Path:
    """Show what would make an image more of each class, and what the network looks for; returns the folder of results.

    Raises UserError, before anything is written, for settings, a model, a class, a layer or an image that cannot be.
    """
    config, classifier, data, names = opened(config)
    classes = list(dict.fromkeys(config.towards or []))
    for k in classes:
        check_target(k, len(names))
    if config.image is None:
        label = 5 if config.digit is None else config.digit
        check_target(label, len(names))
        number, image = doubtful_example(classifier, fitting(data, classifier), label, classes or [label])
        what, where = f"this {names[label]}", f" (test image {number}, the hardest to tell)"
    else:
        image = own_image(config.image, classifier, data, invert=config.invert)
        label = int(probabilities(classifier, image[None]).argmax())
        what, where = "your image", f" ({Path(config.image).name})"

    if not classes:
        likeliest = probabilities(classifier, image[None])[0, : num_classes_of(classifier)].argsort(descending=True)
        classes = [k for k in (label, *likeliest.tolist()) if k != reject_index(classifier)]
        classes = list(dict.fromkeys(classes))[:2]
    results = Results(f"explain-{label}", config.output, config.wandb, asdict(config))
    pictures = _of_the_network(classifier, image, what, names, config.layer)
    if fits(data, classifier):
        pictures |= _of_the_test_images(classifier, data, names)
    stories = [
        story_of(
            classifier, Pixels(image[None]), k, what=what + where, names=names,
            until=0.99, steps=500, step="std", step_size=config.step_size / 4,
        )
        for k in classes
    ]  # fmt: skip
    nudges = nudge(classifier, image[None], classes, config.step_size)
    pictures |= _of_the_image(classifier, nudges, what, names)
    for story in stories:
        print(story.words)
    with results:
        for name, picture in pictures.items():
            results.picture(name, picture)
        for story in stories:
            story.write(results, f"towards-{story.target}", nudged(what, story))
        results.numbers(
            {"start": what + where, "towards": [story.summary for story in stories]},
            image=image,
            classes=nudges.gradients.classes[0],
            probabilities=nudges.gradients.probabilities[0],
            gradients=nudges.gradients.maps[0],
            moved=nudges.moved[0],
            moved_probabilities=nudges.probabilities[0],
        )
    return results.folder


def _of_the_image(classifier: nn.Module, nudges: Nudges, what: str, names: Sequence[str]) -> Pictures:
    gradients = nudges.gradients
    image, classes = gradients.images[0], gradients.classes[0].tolist()
    more = " or ".join(f"more of {with_article(names[k])}" for k in classes)
    rows, labels = [gradients], ["trained"]
    with contextlib.suppress(UserError):  # some networks cannot be made afresh
        rows.insert(0, input_gradients(untrained(classifier), image[None], classes))
        labels.insert(0, "untrained")
    towards = " or ".join(with_article(names[k]) for k in classes)
    return {
        "probabilities": draw_probabilities(
            image, gradients.probabilities[0], names, title=f"What the network says of {what}"
        ),
        "gradients": draw_gradients(rows, labels, names, title=f"What would make {what} {more}?"),
        "step": draw_nudges(nudges, names, title=f"{what} and one step towards {towards}"),
    }


def _of_the_network(
    classifier: nn.Module, image: Tensor, what: str, names: Sequence[str], layer: str | None
) -> Pictures:
    if layer is None:
        with contextlib.suppress(UserError):  # it is not linear
            return {"weights": draw_weight_maps(weight_maps(classifier), names)}
    try:
        found = filters(classifier, image, layer=layer)
    except UserError:
        if layer is not None:
            raise
        return {}  # neither linear nor with a convolution
    title = f"The channels of {found.layer}: what each is, makes of {what}, and is most excited by"
    return {"filters": draw_filters(found, title=title, on=what)}


def _of_the_test_images(classifier: nn.Module, data: Images, names: Sequence[str]) -> Pictures:
    images = to_float(data.images)
    wrong = mistakes(classifier, images, data.targets, count=20)
    print(f"the network gets {wrong.wrong:,} of {wrong.total:,} test images wrong")
    torn = {"confused": draw_confused(confused(classifier, images, data.labels), names)}
    return torn | ({"mistakes": draw_mistakes(wrong, names)} if wrong.wrong else {})


def doubtful_example(classifier: nn.Module, data: Images, label: int, others: Sequence[int]) -> tuple[int, Tensor]:
    """The index and the image (c, h, w) of the test image of that label that is hardest to tell from other classes.

    others: the classes; where that is only the label itself, all the others.
    """
    numbers, images = of_label(data, label)
    logs = probabilities(classifier, images).log()
    contenders = [k for k in others if k != label] or [k for k in range(num_classes_of(classifier)) if k != label]
    # Both must be likely: two classes that are both out of the question are not a doubt.
    doubt = torch.minimum(logs[:, label], logs[:, contenders].amax(1))
    chosen = doubt.argmax()
    return int(numbers[chosen]), images[chosen]
