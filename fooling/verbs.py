"""The verbs of `fooling`: each asks a classifier a question, says the answer in words, and leaves a folder of pictures.

fooling trick --target 3
fooling morph --from 7 --to 3
fooling explain --digit 5 --towards 5 8
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fooling.classifiers import load_classifier
from fooling.data import Images, load_config, to_float
from fooling.errors import UserError
from fooling.explain import (
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
    draw_gradients,
    draw_mistakes,
    draw_nudges,
    draw_probabilities,
    draw_weight_maps,
)
from fooling.outputs import check_target
from fooling.panels import percent, with_article
from fooling.parametrizations import CPPN, Fourier, Parametrization, Pixels
from fooling.results import Results
from fooling.settings import ExplainConfig, MorphConfig, TrickConfig, VerbConfig
from fooling.starts import doubtful_example, read_image, sure_example
from fooling.stories import climb

Pictures = dict[str, np.ndarray]


def trick(config: TrickConfig) -> Path:
    """Climb from something meaningless until the network takes it for the target class; returns the folder of results.

    Raises UserError, before anything is written, for settings, a model or a class that cannot be.
    """
    classifier, _, names = _open(config)
    check_target(config.target, len(names))
    what, start, step = _meaningless(config, classifier.input_shape)
    story = climb(
        classifier, start, config.target, what=what, names=names, confidence=config.confidence, steps=config.steps, **step
    )
    print(story.words)
    with Results(f"trick-{config.target}", config.output, config.wandb, asdict(config)) as results:
        title = f"{what} that the network calls {with_article(names[config.target])}"
        story.write(results, "trick", title)
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
        what = f"{with_article(names[label])} (test image {number})"
    else:
        image = read_image(config.image, classifier.input_shape)
        label, what = int(predict(classifier, image[None]).argmax()), Path(config.image).name
        if label == config.to:
            raise UserError(f"{what} is {with_article(names[label])} to the network already: choose another --to")
    story = climb(
        classifier, Pixels(image[None]), config.to, what=what, names=names,
        confidence=config.confidence, steps=config.steps, step="std", step_size=config.step_size,
    )  # fmt: skip
    print(story.words)
    with Results(f"morph-{label}-{config.to}", config.output, config.wandb, asdict(config)) as results:
        title = f"{what.split(' (')[0]}, nudged until the network calls it {with_article(names[config.to])}"
        story.write(results, "morph", title)
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
        label, what, where = int(predict(classifier, image[None]).argmax()), Path(config.image).name, ""

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
    with Results(f"explain-{label}", config.output, config.wandb, asdict(config)) as results:
        for name, picture in pictures.items():
            results.picture(name, picture)
        for story in stories:
            title = f"{what}, nudged until the network calls it {with_article(names[story.target])}"
            story.write(results, f"towards-{story.target}", title)
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
