"""The rungs: how the critic of each is trained, and what all are measured by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from fooling.audit.examine import Effort, examine
from fooling.classifiers.frozen import probabilities
from fooling.classifiers.judge import JudgeNet, JudgeScore
from fooling.classifiers.jury import Jury
from fooling.classifiers.networks import Classifier, num_classes_of
from fooling.classifiers.train import train as train_classifier
from fooling.climb.ascent import ascend
from fooling.climb.objectives import LogProbability
from fooling.climb.parametrizations import Pixels
from fooling.images import Images, to_float
from fooling.run.config import RunConfig
from fooling.seeds import seed_of
from fooling.teach.fresh_attack import AttackConfig, attack_afresh, attack_figures
from fooling.teach.harden import harden
from gan.ladder.measured import Found, keep, kept
from gan.metrics.ruler import Ruler
from gan.networks.generator import Generator
from gan.training import train as train_gan

RungName = Literal["plain", "rounds", "harden", "generator", "both", "few"]

_SURE = 0.99
_SHOWN = 1000  # samples of a generator that the other critics are shown


@dataclass(frozen=True)
class Rung:
    """number: from 1, the lowest. words: who the adversary is, and what the critic learns of it."""

    number: int
    name: RungName
    words: str
    has_generator: bool = False


RUNGS = (
    Rung(1, "plain", "the adversary climbs pixels, and the critic never hears of it"),
    Rung(2, "rounds", "the critic learns, round by round, all past fooling images as none of these"),
    Rung(3, "harden", "climbs are made against the critic inside every batch"),
    Rung(4, "generator", "the adversary is a network, and the critic its discriminator", has_generator=True),
    Rung(5, "both", "climbs and a generator at once", has_generator=True),
    Rung(6, "few", "both again, with ten labels of each class", has_generator=True),
)


def train_rung(rung: Rung, config: RunConfig) -> None:
    """Train it, or go on with it; a finished one is left as it is."""
    training: Any = {"plain": train_classifier, "rounds": harden, "harden": harden}.get(rung.name, train_gan)
    training(config)


@dataclass
class Measured:
    """A rung with its networks, and what was found of them (gan/ladder/measured.py)."""

    rung: Rung
    critic: Classifier
    generator: Generator | None
    found: Found

    @property
    def figures(self) -> dict[str, float]:
        return self.found.figures


@dataclass
class Measures:
    """What measures every rung: the same images, the same attacks, the same judge."""

    test: Images
    judge: JudgeNet
    score: JudgeScore | None
    jury: Jury | None
    ruler: Ruler
    climbs: int
    steps: int
    audit: Effort
    samples: int
    seed: int

    def of(self, rung: Rung, folder: Path) -> Measured:
        """Measure the rung whose run is in `folder`, or take what is kept there. All processes call this, and share
        what can be shared."""
        processes = self.ruler.processes
        critic = Classifier.from_pretrained(folder / "classifier").to(processes.device)
        generator = Generator.from_pretrained(folder / "generator") if rung.has_generator else None
        if generator is not None:
            generator.to(processes.device)
        how = {
            "judge": self.ruler.words, "climbs": self.climbs, "steps": self.steps, "samples": self.samples,
            "seed": self.seed, "audit": asdict(self.audit), "jury": self.jury is not None,
        }  # fmt: skip
        found = processes.hear_main(kept(folder, how) if processes.is_main else None)
        if found is None:
            found = self._find(rung.name, critic, generator)
            if processes.is_main:
                keep(found, folder, how)
        found.figures |= _cost(folder)
        return Measured(rung, critic, generator, found)

    def _find(self, name: str, critic: Classifier, generator: Generator | None) -> Found:
        classes = num_classes_of(critic)
        audited = examine(
            name, critic, self.test, {}, self.judge, None, self.audit, seed=self.seed, score=self.score, say=self._say,
            jury=self.jury,
        )  # fmt: skip
        overall = audited.overall("box")
        figures = {
            "accuracy": audited.accuracy,
            "calibration_error": audited.calibration_error,
            "sure": audited.clean_sure,
            "rubbish": overall["rubbish_99"],
            **{f"walked_to_{to}": audited.walk_figures[to]["walked_median"]
               for to in ("uniform", "grey") if to in audited.walk_figures},
        }  # fmt: skip
        attack = attack_afresh(
            critic, AttackConfig(count=self.climbs, steps=self.steps), seed=seed_of(self.seed, "ladder"),
            processes=self.ruler.processes,
        )  # fmt: skip
        attacked = attack_figures(attack, self.judge, self.jury)
        figures |= {"arrived": attacked["fooled_99"], "climb_steps": attacked["steps_needed"]}
        figures |= {"recognised": attacked.get("recognised", float("nan"))}
        figures |= {name: share for name, share in attacked.items() if name.startswith("recognised_")}
        figures |= {name: share for name, share in audited.jury.items() if name.startswith("misled_")}
        figures |= {"climbs_fd": self.ruler.measure_images(attack.images).frechet_distance}
        samples = None
        if generator is not None:
            report = self.ruler.measure(generator, self.samples)
            figures |= {"samples_fd": report.frechet_distance}
            figures |= {f"samples_{name}": share for name, share in vars(report.overlap).items()}
            samples = self._one_of_each(generator, classes)
        noise = Pixels.noise(classes, shape=self.test.images.shape[1:], seed=seed_of(self.seed, "ladder picture"))
        ends = ascend(
            critic, LogProbability(torch.arange(classes)), noise, until=_SURE, steps=self.steps, step="sign",
            step_size=0.02, progress=False,
        )  # fmt: skip
        return Found(ends.images.cpu(), noise.params.detach().cpu(), samples, figures)

    def cross(self, measured: Sequence[Measured]) -> None:
        """Add to each rung's figures how many of its samples every rung's critic is sure of: taken_by_NAME."""
        for one in measured:
            if one.generator is None:
                continue
            images = to_float(self.ruler.draw(one.generator, _SHOWN, seed_of(self.seed, "ladder cross")).images)
            for other in measured:
                sure = probabilities(other.critic, images)[:, : num_classes_of(other.critic)].amax(1) >= _SURE
                one.figures[f"taken_by_{other.rung.name}"] = sure.float().mean().item()

    def _one_of_each(self, generator: Generator, classes: int) -> Tensor:
        """For each class the first sample that the judge takes for it, or the first of all where there is none."""
        drawn = self.ruler.draw(generator, _SHOWN, seed_of(self.seed, "ladder samples"))
        looks = probabilities(self.judge, to_float(drawn.images)).argmax(1)
        rows = [int((looks == label).int().argmax()) for label in range(classes)]
        return to_float(drawn.images[rows])

    def _say(self, words: str) -> None:
        if self.ruler.processes.is_main:
            print(words, flush=True)


def _cost(folder: Path) -> dict[str, float]:
    """What training took, by the last line of the run's log."""
    with suppress(OSError, ValueError, LookupError, TypeError):  # the log is for people: nothing else hangs by it
        last = json.loads((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        return {"minutes": last["seconds"] / 60}
    return {"minutes": float("nan")}
