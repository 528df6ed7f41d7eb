"""Draw something meaningless that the network takes for a class: fooling trick --target 3"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from fooling.classifiers.frozen import probabilities
from fooling.classifiers.networks import input_shape_of
from fooling.climb.parametrizations import CPPN, Fourier, Parametrization, Pixels
from fooling.climb.per_image import check_target
from fooling.errors import UserError
from fooling.run.results import Results
from fooling.show.layout import with_article
from fooling.verbs.arguments import VerbConfig, check_climb, opened
from fooling.verbs.story import story_of


@dataclass
class TrickConfig(VerbConfig):
    """Draw something meaningless that the network takes for a class."""

    target: int = 3
    """The class that the network shall see."""

    start: Literal["noise", "smooth", "black", "grey", "white"] = "noise"
    """What it begins with: uniform noise, smooth noise, or one flat shade."""

    parametrization: Literal["pixels", "fourier", "cppn"] = "pixels"
    """What is moved: the pixels, the Fourier coefficients of a smooth image, or the weights of a drawing network."""

    confidence: float = 0.99
    """Stop when the network is as sure as this."""

    steps: int = 500
    """Give up after so many steps."""

    step_size: float | None = None
    """Length of a step. Default: 0.02 of the way from black to white for every pixel, 0.05 for other parameters."""

    def __post_init__(self) -> None:
        check_climb(self.confidence, self.steps, self.step_size)
        if self.start != "noise" and self.parametrization != "pixels":
            raise UserError(f"--start {self.start} is for --parametrization pixels, not for {self.parametrization}")


def trick(config: TrickConfig) -> Path:
    """Climb from something meaningless until the network takes it for the target class; returns the folder of results.

    Raises UserError, before anything is written, for settings, a model or a class that cannot be.
    """
    config, classifier, _, names = opened(config)
    check_target(config.target, len(names))
    what, start = meaningless_start(classifier, config.parametrization, config.start, config.target, config.seed)
    step = {"step": "sign", "step_size": 0.02} if config.parametrization == "pixels" else {}
    if config.step_size is not None:
        step["step_size"] = config.step_size
    results = Results(f"trick-{config.target}", config.output, config.wandb, asdict(config))
    story = story_of(
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


def meaningless_start(
    classifier: nn.Module, parametrization: str, kind: str, target: int, seed: int
) -> tuple[str, Parametrization]:
    """What it is, and the start of one climb that the classifier does not take for the target class yet.

    parametrization: pixels, fourier or cppn. kind: noise; of pixels also smooth, black, grey or white.
    Raises UserError if the classifier takes whatever there is for the target class.
    """
    shape = input_shape_of(classifier)
    what, make = {
        ("pixels", "noise"): ("uniform noise", lambda n: Pixels.noise(n, shape=shape, seed=seed)),
        ("pixels", "smooth"): ("smooth noise", lambda n: Pixels.smooth(n, shape=shape, seed=seed)),
        ("pixels", "black"): ("a black image", lambda n: Pixels.black(n, shape=shape)),
        ("pixels", "grey"): ("a grey image", lambda n: Pixels.grey(n, shape=shape)),
        ("pixels", "white"): ("a white image", lambda n: Pixels.white(n, shape=shape)),
        ("fourier", "noise"): ("a grey haze", lambda n: Fourier.noise(n, shape=shape, seed=seed)),
        ("cppn", "noise"): ("a random drawing", lambda n: CPPN.noise(n, shape=shape, seed=seed)),
    }[parametrization, kind]
    starts = make(50)
    others = probabilities(classifier, starts.image_fn(starts.params)).argmax(1) != target
    if not others.any():
        raise UserError(f"{what} is class {target} to the network already: choose another --target or --start")
    starts.params = starts.params[others][:1]
    return what, starts
