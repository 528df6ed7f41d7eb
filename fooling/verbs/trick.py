"""Draw something meaningless that the network takes for a class: fooling trick --target 3"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from fooling.classifiers.frozen import frozen, probabilities
from fooling.classifiers.networks import input_shape_of, num_classes_of
from fooling.climb.parametrizations import CPPN, Fourier, Parametrization, Pixels
from fooling.climb.per_image import check_target
from fooling.climb.through import load_generator
from fooling.errors import UserError
from fooling.run.results import Results
from fooling.run.threads import paying_threads
from fooling.show.figures import draw_probabilities
from fooling.show.layout import percent, with_article
from fooling.verbs.arguments import VerbConfig, check_climb, opened
from fooling.verbs.latents import Way, away_from_the_source, judgement, second_network, to_the_target
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

    through: str | None = None
    """A generator, whose latents are moved in place of pixels, so that what comes out is an image of its kind: the
    folder of a run or the generator's own, hub:owner/name, or package.module:factory. With classes, it is told to draw
    the target, or the --source."""

    source: int | None = None
    """With --through: the class that a second network shall go on to see, while the first sees the target."""

    auxiliary: str | None = None
    """With --source: the second network, named as for --model. Default: harden, or lenet where --model is harden."""

    confidence: float | None = None
    """Stop when the network is as sure as this. Default: 0.99; with --through 0.999, by when more is drawn."""

    steps: int | None = None
    """Give up after so many steps. Default: 500; with --through 50 from each of up to eight latents, 200 with
    --source."""

    step_size: float | None = None
    """Length of a step. Default: 0.02 of the way from black to white for every pixel, 0.05 for other parameters, a turn
    of 20 degrees for a latent, and 0.1 in each of its numbers with --source."""

    def __post_init__(self) -> None:
        confidence, steps = self.limits
        check_climb(confidence, steps, self.step_size)
        if self.start != "noise" and self.parametrization != "pixels":
            raise UserError(f"--start {self.start} is for --parametrization pixels, not for {self.parametrization}")
        if self.through is not None and (self.start, self.parametrization) != ("noise", "pixels"):
            raise UserError("--through begins with what a generator draws: leave out --start and --parametrization")
        if self.source is not None and self.through is None:
            raise UserError("--source is for --through; to begin with a real image: fooling morph")
        if self.source == self.target:
            raise UserError("--source and --target are the same class: choose another")
        if self.auxiliary is not None and self.source is None:
            raise UserError("--auxiliary names what goes on to see the --source: say which class that is")

    @property
    def limits(self) -> tuple[float, int]:
        """The confidence and the steps that are meant."""
        confidence, steps = (0.99, 500) if self.through is None else (0.999, 50) if self.source is None else (0.99, 200)
        return (
            confidence if self.confidence is None else self.confidence,
            steps if self.steps is None else self.steps,
        )


@paying_threads()
def trick(config: TrickConfig) -> Path:
    """Climb from something meaningless, or through a generator, until the network takes it for the target class;
    returns the folder of results.

    Raises UserError, before anything is written, for settings, a model, a generator or a class that cannot be.
    """
    config, classifier, data, names = opened(config)
    check_target(config.target, len(names))
    way = way_of(config, classifier, names)
    confidence, steps = config.limits
    name = f"trick-{config.target}" if config.source is None else f"trick-{config.source}-{config.target}"
    results = Results(name, config.output, config.wandb, asdict(replace(config, confidence=confidence, steps=steps)))
    with frozen(classifier, *way.others.values()):
        story = story_of(classifier, way.start, config.target, what=way.what, names=names, **way.how)
    print(story.words)
    image = story.path.images[-1]
    judged = None if config.through is None else judgement(image, classifier, data, config.data)
    opinions = {who: probabilities(network, image[None])[0] for who, network in way.others.items()}
    opinions |= {} if judged is None else {"the judge": judged}
    seen = {who: _seen(said, names[: num_classes_of(classifier)]) for who, said in opinions.items()}
    for who, (name, share) in seen.items():
        apart = ", which had no part in it," if who == "the judge" else ""
        print(f"In the end {who}{apart} sees {with_article(name)}, with {percent(share)}")
    with results:
        outcome = "that the network calls" if story.success else "on its way to"
        story.write(results, "trick", f"{way.what} {outcome} {with_article(names[config.target])}")
        story.write_end(results, "What the network says of it")
        if judged is not None:
            results.picture("judge", draw_probabilities(image, judged, names, title="What the judge says of it"))
        results.numbers(story.summary | ({"seen_by": seen} if seen else {}), **story.tensors)
    return results.folder


def _seen(said: Tensor, names: Sequence[str]) -> tuple[str, float]:
    """The likeliest class by its name, and how likely it is; one more than there are names is none of them."""
    best = int(said.argmax())
    return ([*names, "none"][best], said[best].item())


def way_of(config: TrickConfig, classifier: nn.Module, names: Sequence[str]) -> Way:
    """The climb that is asked for. Raises UserError where it cannot be."""
    confidence, steps = config.limits
    step: dict[str, Any] = {} if config.step_size is None else {"step_size": config.step_size}
    if config.through is None:
        what, start = meaningless_start(classifier, config.parametrization, config.start, config.target, config.seed)
        usual = {"step": "sign", "step_size": 0.02} if config.parametrization == "pixels" else {}
        return Way(what, start, {"until": confidence, "steps": steps, **usual, **step})
    generator = load_generator(config.through)
    limits: dict[str, Any] = {"confidence": confidence, "steps": steps, "seed": config.seed}
    if config.source is None:
        return to_the_target(classifier, generator, config.target, **limits, **step)
    check_target(config.source, len(names))
    other = second_network(config.auxiliary, config.model, classifier)
    return away_from_the_source(
        classifier, other, generator, config.source, config.target, names=names, **limits, **step
    )


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
