"""The verbs of `fooling`: each asks a classifier a question, says the answer in words, and leaves a folder of pictures.

fooling trick --target 3
fooling morph --from 7 --to 3
fooling explain --digit 5 --towards 5 8
fooling evolve --encoding cppn
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from fooling.classifiers import load_classifier
from fooling.data import Images, load_config, to_float
from fooling.errors import UserError
from fooling.evolution import evolve as evolution_of
from fooling.explain import (
    Nudges,
    class_names,
    confused,
    filters,
    input_gradients,
    mistakes,
    nudge,
    predict,
    untrained,
    weight_maps,
)
from fooling.figures import (
    draw_confused,
    draw_filters,
    draw_gallery,
    draw_gradients,
    draw_mistakes,
    draw_nudges,
    draw_probabilities,
    draw_weight_maps,
)
from fooling.outputs import check_target
from fooling.panels import percent, with_article
from fooling.parametrizations import CPPN, Pixels
from fooling.results import Results
from fooling.settings import EvolveConfig, ExplainConfig, MorphConfig, TrickConfig, VerbConfig
from fooling.starts import doubtful_example, meaningless_start, read_image, sure_example
from fooling.stories import Story, climb
from fooling.train import MODELS, trained_classifier

Pictures = dict[str, np.ndarray]


def trick(config: TrickConfig) -> Path:
    """Climb from something meaningless until the network takes it for the target class; returns the folder of results.

    Raises UserError, before anything is written, for settings, a model or a class that cannot be.
    """
    classifier, _, names = _open(config)
    check_target(config.target, len(names))
    what, start = meaningless_start(classifier, config.parametrization, config.start, config.target, config.seed)
    step = {"step": "sign", "step_size": 0.02} if config.parametrization == "pixels" else {}
    if config.step_size is not None:
        step["step_size"] = config.step_size
    results = Results(f"trick-{config.target}", config.output, config.wandb, asdict(config))
    story = climb(
        classifier, start, config.target, what=what, names=names,
        confidence=config.confidence, steps=config.steps, **step,
    )  # fmt: skip
    print(story.words)
    with results:
        outcome = "that the network calls" if story.success else "on its way to"
        story.write(results, "trick", f"{what} {outcome} {with_article(names[config.target])}")
        story.write_end(results, "What the network says of it")
        results.numbers(story.summary, **story.tensors)
    return results.folder


def morph(config: MorphConfig) -> Path:
    """Nudge a real image until the network takes it for another class; returns the folder of results.

    Raises UserError, before anything is written, for settings, a model, a class or an image that cannot be, and where
    the network takes the image for the target class as it is.
    """
    classifier, data, names = _open(config)
    check_target(config.to, len(names))
    if config.image is None:
        label = 7 if config.from_ is None else config.from_
        check_target(label, len(names))
        if label == config.to:
            raise UserError(f"the image is {with_article(names[label])} already: choose another class with --to")
        number, image = sure_example(classifier, _fitting(data, classifier), label, which=config.seed)
        what, where = with_article(names[label]), f" (test image {number})"
    else:
        image = read_image(config.image, classifier.input_shape)
        label = int(predict(classifier, image[None]).argmax())
        if label == config.to:
            raise UserError(
                f"{config.image} is {with_article(names[label])} to the network already: choose another --to"
            )
        what, where = "your image", f" ({Path(config.image).name})"
    results = Results(f"morph-{label}-{config.to}", config.output, config.wandb, asdict(config))
    story = climb(
        classifier, Pixels(image[None]), config.to, what=what + where, names=names,
        confidence=config.confidence, steps=config.steps, step="std", step_size=config.step_size,
    )  # fmt: skip
    print(story.words)
    with results:
        story.write(results, "morph", _nudged(what, story))
        story.write_end(results, "What the network says of it now")
        results.numbers(story.summary, **story.tensors)
    return results.folder


def explain(config: ExplainConfig) -> Path:
    """Show what would make an image more of each class, and what the network looks for; returns the folder of results.

    Raises UserError, before anything is written, for settings, a model, a class, a layer or an image that cannot be.
    """
    classifier, data, names = _open(config)
    classes = list(dict.fromkeys(config.towards))
    for k in classes:
        check_target(k, len(names))
    if config.image is None:
        label = 5 if config.digit is None else config.digit
        check_target(label, len(names))
        number, image = doubtful_example(classifier, _fitting(data, classifier), label, classes)
        what, where = f"this {names[label]}", f" (test image {number})"
    else:
        image = read_image(config.image, classifier.input_shape)
        label = int(predict(classifier, image[None]).argmax())
        what, where = "your image", f" ({Path(config.image).name})"

    results = Results(f"explain-{label}", config.output, config.wandb, asdict(config))
    pictures = _of_the_network(classifier, image, what, names, config.layer)
    if _fits(data, classifier):
        pictures |= _of_the_test_images(classifier, data, names)
    stories = [
        climb(
            classifier, Pixels(image[None]), k, what=what + where, names=names,
            confidence=0.99, steps=500, step="std", step_size=config.step_size / 4,
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
            story.write(results, f"towards-{story.target}", _nudged(what, story))
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


def evolve(config: EvolveConfig) -> Path:
    """Breed an image for every class that the network is sure of, by its answers alone; returns the folder of results.

    Raises UserError, before anything is written, for settings or a model that cannot be.
    """
    classifier, _, names = _open(config)
    encoding = {"direct": Pixels, "cppn": CPPN}[config.encoding]
    start = encoding.noise(200, shape=classifier.input_shape, seed=config.seed)
    results = Results(f"evolve-{config.encoding}", config.output, config.wandb, asdict(config))
    evolution = evolution_of(
        classifier, start, until=config.confidence, evaluations=config.evaluations, seed=config.seed
    )
    arrived = int((evolution.confidences >= config.confidence).sum())
    print(
        f"{arrived} of {len(names)} classes reached {percent(config.confidence)} without a gradient,"
        f" after asking the network about {evolution.evaluations:,} images"
    )
    with results:
        texts = [f"{name}: {percent(p)}" for name, p in zip(names, evolution.confidences.tolist(), strict=True)]
        title = "Bred without gradients: what the network takes for each class"
        results.picture("evolve", draw_gallery(evolution.images, texts, title=title))
        results.numbers(
            {
                "confidences": dict(zip(names, evolution.confidences.tolist(), strict=True)),
                "classes_reached": arrived,
                "evaluations": evolution.evaluations,
            },
            images=evolution.images,
            history=evolution.history,
        )
    return results.folder


def _open(config: VerbConfig) -> tuple[nn.Module, Images, tuple[str, ...]]:
    """The classifier, the test images and what the classes are called."""
    if config.model in MODELS:
        classifier = trained_classifier(config.model)
    else:
        take = config.input
        classifier = load_classifier(
            config.model, input_shape=take.shape, value_range=take.range, mean=take.mean, std=take.std
        )
    data = load_config(config.data, "test")
    names = class_names(classifier)
    known = data.class_names if _fits(data, classifier) else ()
    return classifier, data, (*known, *names[len(known) :])


def _fits(data: Images, classifier: nn.Module) -> bool:
    """Whether these are images of the classes that the classifier was made for, as far as one can see."""
    return data.images.shape[1:] == classifier.input_shape and len(data.class_names) == classifier.num_classes


def _fitting(data: Images, classifier: nn.Module) -> Images:
    if not _fits(data, classifier):
        raise UserError(
            f"the test images are {_shape(data.images.shape[1:])} in {len(data.class_names)} classes, the classifier"
            f" takes {_shape(classifier.input_shape)} in {classifier.num_classes}: name others with --data.name,"
            " or an image of yours with --image"
        )
    return data


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _nudged(what: str, story: Story) -> str:
    until = "until the network calls it" if story.success else "towards"
    return f"{what}, nudged {until} {with_article(story.names[story.target])}"


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
    wrong = mistakes(classifier, images, data.labels, count=20)
    print(f"the network gets {wrong.wrong:,} of {wrong.total:,} test images wrong")
    torn = {"confused": draw_confused(confused(classifier, images, data.labels), names)}
    return torn | ({"mistakes": draw_mistakes(wrong, names)} if wrong.wrong else {})
