"""A fresh attack on a classifier, always the same: how a round of teaching is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fooling.classifiers.judge import recognised
from fooling.classifiers.jury import Jury
from fooling.classifiers.networks import input_shape_of, num_classes_of
from fooling.climb.ascent import Ascent, ascend
from fooling.climb.objectives import LogProbability
from fooling.climb.parametrizations import Pixels
from fooling.errors import require_positive
from fooling.files import write_json
from fooling.options.settings import Settings
from fooling.run.processes import Processes


@dataclass
class AttackConfig(Settings):
    """The fresh attack after each round: climbs from uniform noise towards every class in turn, anywhere in the box."""

    count: int = 1000
    """Images to climb."""

    steps: int = 400
    """The most steps an image may take."""

    step_size: float = 0.02
    """How far each sign step goes, of the way from black to white."""

    judge: bool = True
    """Say also how many of the successes an independent judge recognises; for other data than MNIST it is trained on
    first use, in a few minutes."""

    def __post_init__(self) -> None:
        require_positive(count=self.count, steps=self.steps, step_size=self.step_size)


def attack_afresh(
    classifier: nn.Module, config: AttackConfig, *, seed: int, processes: Processes | None = None
) -> Ascent:
    """Climb from `config.count` images of uniform noise until the classifier is 99 % sure of the target class.

    classifier: one of ours, or Adapted; the target of image i is class i % num_classes, never the reject class.
    processes: those who share the images, each of which calls this and is given all of them. Default: this one alone.
    """
    classes = num_classes_of(classifier)
    starts = Pixels.noise(config.count, shape=input_shape_of(classifier), seed=seed)
    targets = torch.arange(config.count) % classes
    rows = slice(None) if processes is None else processes.rows(config.count)
    attack = ascend(
        classifier, LogProbability(targets[rows]), Pixels(starts.params[rows]), until=0.99,
        steps=config.steps, step="sign", step_size=config.step_size,
    )  # fmt: skip
    if processes is None:
        return attack
    gathered: dict[str, Any] = {name: processes.gather(rows) for name, rows in vars(attack).items() if rows is not None}
    return Ascent(**gathered)


def attack_figures(attack: Ascent, judge: nn.Module | None = None, jury: Jury | None = None) -> dict[str, float]:
    """What a round reports of it: success at 99 % and at 50 %, the median confidence, the mean of the steps of those
    that succeeded (of all, where none did), and the share of those in which the judge sees the target class too; with a
    jury also the share in which it does, and the lowest and highest of its jurors."""
    steps = attack.steps[attack.success] if attack.success.any() else attack.steps
    figures = {
        "fooled_99": attack.success.float().mean().item(),
        "fooled_50": (attack.confidences >= 0.5).float().mean().item(),
        "median_confidence": attack.confidences.median().item(),
        "steps_needed": steps.float().mean().item(),
    }
    if judge is not None and attack.success.any():
        targets = attack.probabilities[attack.success].argmax(1)  # what it is 99 % sure of
        figures["recognised"] = recognised(judge, attack.images[attack.success], targets).float().mean().item()
    if jury is not None and attack.success.any():
        figures |= jury.shares(attack.images[attack.success], attack.probabilities[attack.success].argmax(1))
    return figures


class Rounds:
    """The figures of the rounds so far, and where the present one began."""

    def __init__(self) -> None:
        self.figures: list[dict[str, float]] = []
        self.started_at = 0

    def __len__(self) -> int:
        return len(self.figures)

    def end(self, figures: dict[str, float], images_seen: int) -> None:
        self.figures.append(figures)
        self.started_at = images_seen

    def describe_last(self) -> str:
        """Such as "round 3: test accuracy 99.20 %, fooled 100.0 % at 99 % in 6.2 steps"."""
        last = self.figures[-1]
        accurate = f"test accuracy {last['test_accuracy']:.2%}, " if "test_accuracy" in last else ""
        seen = f", the judge recognises {last['recognised']:.1%} of what fooled it" if "recognised" in last else ""
        seen += f", the jury {last['recognised_by_jury']:.1%}" if "recognised_by_jury" in last else ""
        return (
            f"round {len(self)}: {accurate}fooled {last['fooled_99']:.1%} at 99 % and {last['fooled_50']:.1%} at 50 %,"
            f" median confidence {last['median_confidence']:.4f}, {last['steps_needed']:.1f} steps{seen}"
        )

    def write(self, file: Path) -> None:
        write_json(self.figures, file)

    def state_dict(self) -> dict[str, Any]:
        return vars(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
