"""The ladder: the adversary climbs from pixels to a network, and the critic learns at every rung.

    gan ladder --config ladder-quick                                # seven to ten minutes on two cores
    accelerate launch -m gan ladder --config configs/ladder.yaml    # an hour, less on GPUs

Every rung is a run of its own in the ladder's folder, and is resumed alone; the same command goes on with what is left.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from fooling.audit.examine import Effort
from fooling.classifiers.judge import score_judge, trained_judge
from fooling.classifiers.jury import trained_jury
from fooling.classifiers.train import TrainConfig as ClassifierConfig
from fooling.classifiers.train import labelled
from fooling.data.load import DataConfig
from fooling.errors import UserError, require_positive
from fooling.files import write_json, write_png, write_text
from fooling.options.paths import path_of
from fooling.options.settings import Settings
from fooling.run.config import RunConfig
from fooling.run.processes import Processes
from fooling.run.tracking import Tracker, WandbConfig, WandbTracker
from fooling.teach.harden import HardenConfig
from fooling.teach.negatives import NegativesConfig
from gan.config import DiscriminatorConfig, TrainConfig
from gan.ladder.page import ladder_page
from gan.ladder.rungs import RUNGS, Measured, Measures, RungName, train_rung
from gan.ladder.table import as_markdown, as_text, ladder_picture
from gan.metrics.ruler import Ruler


def _gan(**settings: Any) -> TrainConfig:
    return TrainConfig(discriminator=DiscriminatorConfig(network="classifier"), **settings)


@dataclass
class LadderConfig(Settings):
    """Climb from a fooling image to a GAN, with one critic throughout, and measure every rung by the same code."""

    name: str = "ladder"
    """The ladder's name, and that of its folder below runs/."""

    output: str | None = None
    """The ladder's folder. Default: runs/NAME."""

    rungs: list[RungName] = field(default_factory=lambda: [rung.name for rung in RUNGS])
    """Which rungs, in their order."""

    data: DataConfig = field(default_factory=DataConfig)
    """The images and their labels, of all rungs."""

    climbs: int = 1000
    """Images climbed from noise on each critic."""

    steps: int = 400
    """The most steps that such a climb may take."""

    audit: Effort = field(default_factory=Effort)
    """How hard the audit of each critic tries."""

    samples: int = 10_000
    """Samples of each generator that the ruler measures."""

    seed: int = 0
    """From which all randomness follows, of every rung."""

    threads: int | None = None
    """CPU threads of each process. Default: this machine's cores shared among its processes."""

    plain: ClassifierConfig = field(default_factory=ClassifierConfig)
    """The plain classifier, which learns nothing of its adversary."""

    rounds: HardenConfig = field(
        default_factory=lambda: HardenConfig(rounds=8, kimg=180, negatives=NegativesConfig(pool=16))
    )
    """Taught round by round, on the pool of past fooling images."""

    harden: HardenConfig = field(default_factory=lambda: HardenConfig(negatives=NegativesConfig(climbed=32, noise=8)))
    """Taught inside every batch, on climbs made against it."""

    generator: TrainConfig = field(default_factory=_gan)
    """Taught by a generator, which learns to be taken for real: K + 1 classes."""

    both: TrainConfig = field(default_factory=lambda: _gan(negatives=NegativesConfig(climbed=32, noise=8)))
    """Taught by both, climbs and a generator."""

    few: TrainConfig = field(
        default_factory=lambda: _gan(negatives=NegativesConfig(climbed=32, noise=8), labels_per_class=10)
    )
    """The same with ten labels of each class."""

    wandb: WandbConfig = field(default_factory=WandbConfig)
    """Where to watch the rungs, and the whole."""

    def __post_init__(self) -> None:
        require_positive(climbs=self.climbs, steps=self.steps, samples=self.samples)
        if self.name in ("", ".", "..") or set(self.name) & set("/\\"):
            raise UserError(f"name must be the name of a folder, got {self.name!r}")
        if not self.rungs:
            raise UserError(f"name at least one rung: {', '.join(rung.name for rung in RUNGS)}")
        for name in ("generator", "both", "few"):
            if getattr(self, name).discriminator.network != "classifier":
                raise UserError(f"{name}.discriminator.network must be classifier: it is the critic of that rung")

    @property
    def folder(self) -> Path:
        return path_of(self.output or f"runs/{self.name}")

    def of(self, name: RungName) -> RunConfig:
        """The settings of a rung's run: its own, with what all rungs share."""
        return replace(
            getattr(self, name), name=f"{self.name}-{name}", output=str(self.folder / name), seed=self.seed,
            data=self.data, threads=self.threads, wandb=replace(self.wandb, name=f"{self.name}-{name}"),
        )  # fmt: skip


def ladder(config: LadderConfig) -> Path:
    """Train and measure every rung, or go on with what is left; returns the ladder's folder, in which are ladder.html,
    ladder.md, ladder.json and ladder.png beside a folder for each rung.

    Raises UserError for settings that do not fit each other or the data, as the rungs' own trainings do.
    """
    processes = Processes()
    rungs = [rung for rung in RUNGS if rung.name in config.rungs]
    data, test = processes.first_here(lambda: labelled(config.data))
    if test is None:
        raise UserError("the ladder needs test images with labels, to measure its rungs by")
    judge = processes.first_here(partial(trained_judge, config.data))
    ruler = Ruler.of(config.data, "judge", processes, train=data)
    ruler.refuse_too_few(climbs=config.climbs, samples=config.samples)
    measures = Measures(
        test, judge, score_judge(judge, config.data), trained_jury(config.data), ruler, climbs=config.climbs,
        steps=config.steps, audit=config.audit, samples=config.samples, seed=config.seed,
    )  # fmt: skip
    for rung in rungs:
        if processes.is_main:
            print(f"\nrung {rung.number}, {rung.name}: {rung.words}", flush=True)
        train_rung(rung, config.of(rung.name))
    measured = [measures.of(rung, config.folder / rung.name) for rung in rungs]
    measures.cross(measured)
    if processes.is_main:
        _write(config, measured, ruler)
    return config.folder


def _write(config: LadderConfig, measured: list[Measured], ruler: Ruler) -> None:
    folder, picture = config.folder, ladder_picture(measured)
    figures = {one.rung.name: one.figures for one in measured}
    ruled = f"{config.samples:,} samples and {config.climbs:,} climbs, measured by {ruler.words}"
    write_json({"ruler": ruler.words, "rungs": figures, "settings": asdict(config)}, folder / "ladder.json")
    write_text(f"{ruled}.\n\n{as_markdown(measured)}\n", folder / "ladder.md")
    write_png(picture, folder / "ladder.png")
    page = write_text(ladder_page(measured, picture, ruled=ruled), folder / "ladder.html")
    print(f"\n{as_text(measured)}")
    tracker: Tracker = Tracker()
    if config.wandb.mode != "disabled":
        tracker = WandbTracker(replace(config.wandb, name=config.name), folder, asdict(config))
    tracker.log({f"{rung}/{name}": value for rung, row in figures.items() for name, value in row.items()}, step=0)
    tracker.log_image("ladder", picture, step=0)
    tracker.log_page("ladder", page, step=0)
    tracker.finish()
    print(f"{folder}: ladder.html, ladder.md, ladder.json, ladder.png, and a run for each rung")
