"""The climb of one image, told: in words, in pictures and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fooling.climb.ascent import Criterion, ascend
from fooling.climb.objectives import LogProbability, Objective
from fooling.climb.parametrizations import Parametrization
from fooling.run.results import Results
from fooling.show.explanations import Gradients, input_gradients
from fooling.show.figures import draw_probabilities, draw_strip, film, round_steps
from fooling.show.grids import grid
from fooling.show.layout import percent, with_article

_FRAMES = 40  # images that are kept of a climb, at most


@dataclass(frozen=True)
class Story:
    """How an image became one of the target class to a network.

    what: what it began as. names: what the classes are called. target: the class.
    path: the images on the way, what the network says of each and where it would go next; steps: when that was.
    success: whether the network became as sure as it should.
    """

    what: str
    names: Sequence[str]
    target: int
    path: Gradients
    steps: list[int]
    success: bool

    @property
    def words(self) -> str:
        """What happened, in one sentence."""
        first, last = self.path.probabilities[[0, -1]]
        called, target = int(first.argmax()), with_article(self.names[self.target])
        steps = f"{self.steps[-1]} step{'s' * (self.steps[-1] != 1)}"
        change = (self.path.images[-1] - self.path.images[0]).abs().mean().item()
        then = "that" if called == self.target else target
        end = percent(last[self.target])
        outcome = f"is called {then} with {end}" if self.success else f"reached only {end} as {target}"
        return (
            f"{self.what[0].upper()}{self.what[1:]}, called {with_article(self.names[called])}"
            f" with {percent(first[called])}, {outcome} after {steps}"
            f" that moved the average pixel {percent(change)} of the way from black to white"
        )

    @property
    def summary(self) -> dict[str, Any]:
        """The same in numbers, for JSON."""
        first, last = self.path.probabilities[[0, -1]]
        return {
            "start": self.what,
            "start_class": self.names[int(first.argmax())],
            "start_confidence": first.max().item(),
            "target": self.names[self.target],
            "target_confidence_before": first[self.target].item(),
            "target_confidence_after": last[self.target].item(),
            "steps": self.steps[-1],
            "success": self.success,
            "mean_change": (self.path.images[-1] - self.path.images[0]).abs().mean().item(),
        }

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The climb's images, gradients and probabilities at its steps, for npz."""
        path = self.path
        steps = torch.tensor(self.steps)
        return dict(steps=steps, images=path.images, gradients=path.maps[:, 0], probabilities=path.probabilities)

    def write(self, results: Results, name: str, title: str) -> None:
        """The strip NAME.png and the film NAME.gif."""
        results.picture(name, draw_strip(self.path, self.steps, self.names, title=title))
        results.film(name, film(self.path, self.steps, self.names, title=title))

    def write_end(self, results: Results, title: str) -> None:
        """The last image: probabilities.png with its bars, image.png by itself, pixel for pixel."""
        image, probabilities = self.path.images[-1], self.path.probabilities[-1]
        results.picture("probabilities", draw_probabilities(image, probabilities, self.names, title=title))
        results.picture("image", grid(image[None], padding=0))


def story_of(
    classifier: nn.Module,
    start: Parametrization,
    target: int,
    *,
    what: str,
    names: Sequence[str],
    until: float | Criterion,
    steps: int,
    objective: Objective | None = None,
    **step: Any,
) -> Story:
    """The story of one image's climb until the network is so sure, or whatever else `until` asks.

    objective: what is climbed. Default: the target's log-probability.
    step: as ascend takes it.
    """
    # Not up the logit: on a hardened network 6 % of climbs from noise arrive by it, and 92 % by this one.
    objective = LogProbability(target) if objective is None else objective
    ascent = ascend(classifier, objective, start, until=until, steps=steps, trace=range(steps + 1), **step)
    assert ascent.trace is not None  # it was asked for
    shown = _kept(int(ascent.steps[0]))
    path = input_gradients(classifier, ascent.trace.images[shown, 0], [target])
    return Story(what, names, target, path, shown, bool(ascent.success[0]))


def _kept(taken: int) -> list[int]:
    """Steps to keep of a climb: those of its strip, and as many between them as a film needs, evenly."""
    strip = round_steps(taken)
    every = strip[1] if taken else 1
    dense = next(d for d in range(1, every + 1) if every % d == 0 and (taken <= d * _FRAMES or d == every))
    return [*range(0, taken, dense), taken]


def nudged(what: str, story: Story) -> str:
    called = int(story.path.probabilities[0].argmax()) == story.target
    arrived = "until the network is sure that it is" if called else "until the network calls it"
    return f"{what}, nudged {arrived if story.success else 'towards'} {with_article(story.names[story.target])}"
