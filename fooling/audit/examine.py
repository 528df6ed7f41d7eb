"""Everything that the audit finds out about one classifier."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fooling.audit.against_jury import AgainstJury, attack_with_jury
from fooling.audit.attacks import SURE, Attack, Transfer, attacks, log_probability
from fooling.audit.battery import OTHER_CLASSES, Found, images_of, images_of_others, run_battery, starts_of
from fooling.audit.masking import RADII, Masking, look_for_masking
from fooling.audit.scores import calibration_error, figures_of, scale_to_certainty
from fooling.audit.walkout import WalkOut, walk_out
from fooling.classifiers.frozen import frozen, logits_of, probabilities
from fooling.classifiers.judge import JudgeScore, recognised
from fooling.classifiers.jury import Jury
from fooling.classifiers.networks import num_classes_of, reject_index
from fooling.climb.parametrizations import Pixels
from fooling.climb.starts import KINDS
from fooling.errors import UserError, require_positive
from fooling.images import Images, to_float
from fooling.options.settings import Settings
from fooling.run.progress import Count
from fooling.run.threads import paying_threads
from fooling.seeds import seed_of

RADIUS = 0.3  # of the bounded budget's L-inf ball, that of Hein et al. 2019
BUDGETS = {"ball": RADIUS, "box": None}


@dataclass
class Effort(Settings):
    """How hard to try."""

    images: int = 20
    """Starts of each kind that are attacked."""

    steps: int = 100
    """Steps of each attack."""

    restarts: int = 0
    """How often an attack that failed begins anew, elsewhere near its start."""

    walks: int = 10
    """Real images from which it walks out, towards each of four ends."""

    walk_steps: int = 60
    """Steps of such a walk."""

    def __post_init__(self) -> None:
        numbers = {f"audit.{name}": number for name, number in vars(self).items() if name != "restarts"}
        require_positive(**numbers)
        if self.restarts < 0:
            raise UserError(f"audit.restarts must be at least 0, got {self.restarts}")


@dataclass
class Examination:
    """What was found out about one classifier; shares and probabilities from 0 to 1.

    accuracy, calibration_error, clean_confidence: on the clean test images.
    clean_sure: the share of them of which it is 99 % sure.
    found: kind of start -> budget ("ball" or "box") -> the worst found.
    figures: the same -> what the table says of it (see figures_of).
    scale: the median factor by which noise must be multiplied for the network to be 99.9 % sure of it.
    walks: destination -> the walk-outs. walk_figures: the same -> the median and the longest way, and the share of ends
        that the judge still recognises.
    masking: what was found by those who look for a hidden gradient.
    caveats: what else makes the figures say less than they seem to.
    judge: how well the judge reads, on which all of rubbish and recognised rests; None: nobody has measured it.
    jury: what a jury says of the images that it was made sure of, in the box and from rubbish (see Jury.shares), and of
        those where the attack on it ended (see AgainstJury.figures). Empty where there is none.
    misled: where that attack ended.
    """

    label: str
    classes: tuple[str, ...]
    rejects: bool
    accuracy: float
    calibration_error: float
    clean_confidence: float
    clean_sure: float
    scale: float
    found: dict[str, dict[str, Found]] = field(default_factory=dict)
    figures: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    walks: dict[str, WalkOut] = field(default_factory=dict)
    walk_figures: dict[str, dict[str, float]] = field(default_factory=dict)
    masking: Masking | None = None
    caveats: list[str] = field(default_factory=list)
    judge: JudgeScore | None = None
    jury: dict[str, float] = field(default_factory=dict)
    misled: AgainstJury | None = None

    @property
    def warnings(self) -> list[str]:
        """All that a reader must know before believing the figures, one sentence each."""
        return [*self.caveats, *(self.masking.signs if self.masking else [])]

    def overall(self, budget: str) -> dict[str, float]:
        """The means over all kinds of start that are rubbish; of the fewest steps, the least; of images, the sum."""
        rows = [figures[budget] for kind, figures in self.figures.items() if kind != OTHER_CLASSES]
        means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
        sure = sum(row["fooled_99"] for row in rows)
        seen = sum(row["fooled_99"] * row["recognised"] for row in rows if row["fooled_99"])
        return means | {
            "recognised": seen / sure if sure else float("nan"),
            "steps": min(row["steps"] for row in rows),
            "images": sum(row["images"] for row in rows),
        }

    def numbers(self) -> dict[str, Any]:
        """All of it but the images, as plain values; None where there is no such number, or it is infinite."""
        return _finite(
            {
                "accuracy": self.accuracy,
                "calibration_error": self.calibration_error,
                "clean_confidence": self.clean_confidence,
                "clean_sure": self.clean_sure,
                "reject_class": self.rejects,
                "scale_to_certainty": self.scale,
                "overall": {budget: self.overall(budget) for budget in BUDGETS},
                "starts": self.figures,
                "walk_outs": self.walk_figures,
                "jury": self.jury or None,
                "checks": self.masking.numbers() if self.masking else None,
                "warnings": self.warnings,
            }
        )


@paying_threads()
def examine(
    label: str, classifier: nn.Module, data: Images, others: dict[str, Images], judge: nn.Module | None,
    other: nn.Module | None, effort: Effort, *, seed: int, say: Callable[[str], None] = print,
    score: JudgeScore | None = None, jury: Jury | None = None,
) -> Examination:  # fmt: skip
    """Attack one classifier in every way.

    classifier: images float (n, c, h, w) in [0, 1] to logits, one for each class of `data` and perhaps a
        last one that rejects.
    data: its test images with labels. others: further data sets, of images of the same shape.
    judge: which looks whether a fooling image shows the target. None: every success counts as rubbish.
    other: a network to transfer attacks from.
    score: how well the judge reads.
    jury: which is asked beside the judge, and attacked with the classifier. It changes no other figure.
    """
    classes = num_classes_of(classifier)
    report, clean = _on_clean(label, classifier, data, classes, seed)
    report.judge = score
    starts = starts_of(data, others, classes, effort.images, seed=seed)
    ways = attacks(restarts=effort.restarts, seed=seed_of(seed, "restarts"))
    transfer: dict[str, Attack] = {} if other is None else {"transfer, then adaptive steps": Transfer(other)}
    images, targets = map(torch.cat, zip(*starts.values(), strict=True))
    say(f"{label}: {_forecast(classifier, images, targets, len(ways) + len(transfer), effort)}")
    raw = probabilities(classifier, images)[:, :classes].amax(1)
    places = _places(starts)
    whole: dict[str, Found] = {}
    reached: dict[str, Tensor] = {}
    plan = [f"{name}, {words}" for words in ("near the start", "anywhere") for name in (*ways, *transfer)]
    plan += ["walks out of real images", "evolution, without a gradient"]
    plan += ["in balls of growing size"] * len(RADII) + ["with images of another network"] * len(transfer)
    plan += ["against the jury too"] * (jury is not None)
    with Count(f"attacking {label}", len(plan), "attacks") as count:

        def tick() -> None:
            count.add(now=plan[min(count.done + 1, len(plan) - 1)])

        for budget, radius in BUDGETS.items():
            battery = partial(
                run_battery, classifier, judge, images, targets, radius=radius, steps=effort.steps, tick=tick
            )
            found = battery(ways)
            reached[budget] = found.sure.clone()  # by its own gradient, before another network helps
            battery(transfer, found=found)
            if budget == "box":
                found.take_over(whole["ball"])  # which is a part of the box
            whole[budget] = found
        for budget, found in whole.items():
            # Whoever tells rubbish by its confidence sees the likeliest class, and may be given the start as it is.
            highest = torch.maximum(raw, probabilities(classifier, found.images)[:, :classes].amax(1))
            for kind, place in places.items():
                of_kind = found.select(place)
                report.found.setdefault(kind, {})[budget] = of_kind
                report.figures.setdefault(kind, {})[budget] = figures_of(of_kind, clean, raw[place], highest[place])
        _walk_out(report, classifier, data, judge, jury, classes, effort, seed)
        tick()
        report.masking = look_for_masking(
            classifier, (images, targets), starts["uniform"], reached["box"][places["uniform"]],
            other=other, judge=judge, class_names=data.class_names, steps=effort.steps,
            evaluations=10 * effort.steps * len(ways) * classes,  # ten times what gradients had for an image of a class
            seed=seed_of(seed, "masking"), tick=tick,
        )  # fmt: skip
        if jury is not None:
            _ask(jury, report, classifier, effort, images, targets)
            tick()
    return report


def _ask(
    jury: Jury, report: Examination, classifier: nn.Module, effort: Effort, starts: Tensor, targets: Tensor
) -> None:
    """What the jury says of what was found, and where an attack on it too ends, from some starts of each kind."""
    boxes = [by_budget["box"] for kind, by_budget in report.found.items() if kind != OTHER_CLASSES]
    sure = [(box.images[box.sure], box.targets[box.sure]) for box in boxes]
    report.jury |= jury.shares(*map(torch.cat, zip(*sure, strict=True)))
    count = sum(len(box.targets) for box in boxes)  # the other classes come last
    some = torch.linspace(0, count - 1, min(count, 2 * effort.images)).long()
    report.misled = attack_with_jury(classifier, jury, starts[some], targets[some], steps=effort.steps)
    report.jury |= report.misled.figures()


def _places(starts: dict[str, tuple[Tensor, Tensor]]) -> dict[str, slice]:
    """Where each kind stands when all are in one row: attacks on many images at once waste less time."""
    ends = list(itertools.accumulate(len(targets) for _, targets in starts.values()))
    return {kind: slice(end - len(starts[kind][1]), end) for kind, end in zip(starts, ends, strict=True)}


def _on_clean(label: str, classifier: nn.Module, data: Images, classes: int, seed: int) -> tuple[Examination, Tensor]:
    p = torch.cat([probabilities(classifier, to_float(some)) for some in data.images.split(1000)])
    top, answer = p.max(1)
    confidences = p[:, :classes].amax(1)
    correct = answer.eq(data.targets)
    noise = Pixels.noise(100, shape=data.images.shape[1:], seed=seed_of(seed, "scaled noise")).params
    names = data.class_names
    report = Examination(
        label=label,
        classes=names,
        rejects=reject_index(classifier) is not None,
        accuracy=correct.float().mean().item(),
        calibration_error=calibration_error(top, correct),
        clean_confidence=confidences.mean().item(),
        clean_sure=(confidences >= SURE).float().mean().item(),
        scale=scale_to_certainty(classifier, noise, classes).median().item(),
        caveats=_caveats(classifier, to_float(data.images[:100]), confidences),
    )
    return report, confidences


def _caveats(classifier: nn.Module, images: Tensor, confidences: Tensor) -> list[str]:
    """What is wrong with a classifier that the battery cannot measure; confidences: of all clean images."""
    once, again = (logits_of(classifier, images) for _ in range(2))
    caveats = []
    if (once >= 0).all() and ((once.sum(1) - 1).abs() < 1e-3).all():
        caveats.append("it gives probabilities where logits are expected, so none of its confidences is what it means")
    sure = (confidences >= SURE).float().mean().item()
    if sure < 0.5:
        caveats.append(
            f"it is 99 % sure of only {sure:.0%} of the clean images, so not being fooled at 99 % says little"
        )
    if (once.softmax(1) - again.softmax(1)).abs().max() > 1e-3:
        caveats.append("its answers change from one look to the next, so a success may be luck")
    return caveats


def _walk_out(
    report: Examination, classifier: nn.Module, data: Images, judge: nn.Module | None, jury: Jury | None, classes: int,
    effort: Effort, seed: int,
) -> None:  # fmt: skip
    """From real images of the target class, those that the classifier is sure of, towards noise, flat greys, others."""
    generator = torch.Generator().manual_seed(seed_of(seed, "walk-outs"))
    targets = torch.arange(effort.walks * 4) % classes
    images = images_of(data, targets, generator)
    sure = probabilities(classifier, images).gather(1, targets[:, None])[:, 0] >= SURE
    images, targets = images[sure][: effort.walks], targets[sure][: effort.walks]
    if not len(images):
        return
    ends = {kind: KINDS[kind](len(images), images, generator) for kind in ("uniform", "grey", "black")}
    ends["another class"] = images_of_others(data, targets, classes, generator)
    for name, destinations in ends.items():
        walk = walk_out(classifier, images, targets, destinations, steps=effort.walk_steps)
        report.walks[name] = walk
        report.walk_figures[name] = {
            "walked_median": walk.walked.median().item(),
            "walked_most": walk.walked.max().item(),
        }
        if judge is not None:
            seen = recognised(judge, walk.images, targets).float().mean().item()
            report.walk_figures[name]["recognised"] = seen
        if jury is not None:
            report.walk_figures[name] |= jury.shares(walk.images, targets)


def _finite(value: Any) -> Any:
    """The same without infinities and NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _forecast(classifier: nn.Module, images: Tensor, targets: Tensor, ways: int, effort: Effort) -> str:
    """How long the attacks take at the most: where every one of them fails."""
    with frozen(classifier) as device:
        some, wanted = images[:64].to(device), targets[:64].to(device)
        log_probability(classifier, some, wanted)
        began = time.perf_counter()
        for _ in range(3):
            log_probability(classifier, some, wanted)
    seconds = (time.perf_counter() - began) / (3 * len(some)) * len(images) * len(BUDGETS) * ways * effort.steps
    length = f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
    return (
        f"{ways} attacks of {effort.steps} steps on {len(images)} images, in two budgets: at most about {length},"
        " less where they succeed"
    )
