"""Measure trained generators against real images, side by side.

    gan evaluate runs/mnist runs/mnist-best
    gan evaluate runs/stacked-mnist --count 26000           # the benchmark's count: how many of a thousand modes
    accelerate launch -m gan evaluate runs/cifar10 --cas true

The same seed gives the same table, on however many processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from fooling.data.load import DataConfig
from fooling.errors import UserError, require_positive
from fooling.images import Images
from fooling.options.settings import Settings
from fooling.options.types import listed
from fooling.run.processes import Processes
from fooling.run.results import Results
from fooling.run.threads import paying_threads
from fooling.run.tracking import WandbConfig
from fooling.show.grids import grid
from gan.metrics.classification_accuracy import classification_accuracy_score
from gan.metrics.features import Kind
from gan.metrics.pictures import class_bars, neighbours_sheet
from gan.metrics.report import Report, as_markdown, as_text
from gan.metrics.ruler import Ruler, some
from gan.saved import Saved, open_generator
from gan.verbs.arguments import data_of

_LOOKED_UP = 2000  # samples whose nearest training images are looked for, to be shown
_TAUGHT = 60_000  # samples that a classifier is taught with, at most


@dataclass
class EvaluateConfig(Settings):
    """Measure trained generators against real images, side by side."""

    runs: list[str]
    """Runs' folders, also while they train; or generators' folders, or hub:owner/name."""

    count: int = 10_000
    """Samples of each. Figures of other counts cannot be compared."""

    cas: bool = False
    """The classification accuracy score too: teach a classifier with samples, and test it on real images. It takes
    minutes."""

    ruler: Kind = "auto"
    """Whose features images are compared in. judge: a classifier of the data set. inception: that of the FID, for
    photographs. auto: inception for cifar10, stl10 and images without labels, else the judge."""

    data: DataConfig = field(default_factory=DataConfig)
    """The real images. Default: as the runs say, else MNIST."""

    seed: int = 1
    """Of the samples."""

    output: str | None = None
    """The folder to write, which must not exist yet. Default: runs/evaluate."""

    wandb: WandbConfig = field(default_factory=WandbConfig)
    """Where to see the figures and the pictures besides the folder."""

    def __post_init__(self) -> None:
        require_positive(count=self.count)
        if not self.runs:
            raise UserError("name at least one run to evaluate")


@paying_threads()
def evaluate(config: EvaluateConfig) -> Path:
    """Measure as configured, print the table, and return the folder of evaluation.md, summary.json and the pictures:
    samples beside the training images nearest to them, and how often each class was drawn.

    Raises UserError for a generator that cannot be loaded, or draws other images than the data's.
    """
    processes = Processes()
    names = list(dict.fromkeys(config.runs))
    saved = dict(zip(names, processes.first_here(lambda: [open_generator(name) for name in names]), strict=True))
    config = replace(config, data=_data_of(config.data, saved))
    results = Results("evaluate", config.output, config.wandb, asdict(config))
    ruler = Ruler.of(config.data, config.ruler, processes)
    ruler.refuse_too_few(count=config.count)
    if processes.is_main:
        print(f"measuring by {ruler.words}", flush=True)
    reports: dict[str, Report] = {}
    samples: dict[str, Images] = {}
    if (floor := ruler.floor(config.count, thorough=True)) is not None:
        reports["floor"] = replace(floor, classification_accuracy=_taught_by_reals(ruler, config))
    for label, one in zip(_labels(names), saved.values(), strict=True):
        generator = one.generator.to(processes.device)
        report = ruler.measure(generator, config.count, config.seed, thorough=True)
        reports[label] = replace(report, classification_accuracy=_taught_by_samples(ruler, one, config))
        samples[label] = ruler.draw(generator, _LOOKED_UP, config.seed)
    looked_up = {label: ruler.look_up(drawn) for label, drawn in samples.items() if ruler.test is not None}
    if not processes.is_main:
        return results.folder
    text = f"{config.count:,} samples of each, seed {config.seed}, measured by {ruler.words}."
    if config.cas:
        text += f" {_how_taught(ruler, saved, samples)}"
    print(as_text(reports))
    if config.cas:
        print(_how_taught(ruler, saved, samples))
    with results:
        results.text("evaluation.md", f"{text}\n\n{as_markdown(reports)}\n")
        for label, drawn in samples.items():
            prefix = f"{label}-" if len(samples) > 1 else ""
            results.picture(f"{prefix}samples", grid(drawn.images[:64], scale=None))
            if label in looked_up:
                rows, distances, of_test = looked_up[label]
                sheet = neighbours_sheet(label, drawn.images, ruler.train.images, rows, distances, of_test)
                results.picture(f"{prefix}neighbours", sheet)
        if (bars := class_bars(reports, ruler.wanted, ruler.train.class_names)) is not None:
            results.picture("classes", bars)
        results.numbers(
            {
                "ruler": ruler.extractor.words,
                "real": ruler.real,
                "count": config.count,
                "figures": {label: report.figures() for label, report in reports.items()},
                "classes": {label: r.modes.histogram for label, r in reports.items() if r.modes is not None},
            }
        )
        results.tracker.log(
            {f"{label}/{name}": value for label, report in reports.items() for name, value in report.figures().items()},
            step=0,
        )
    return results.folder


def _data_of(config: DataConfig, saved: dict[str, Saved]) -> DataConfig:
    """The data to measure by, of which all runs must be: a distance to other images than a run's own means nothing."""
    found = {name: data_of(config, one) for name, one in saved.items()}
    first = next(iter(found))
    for name, data in found.items():
        if replace(data, root=None) != replace(found[first], root=None):
            raise UserError(f"{first} and {name} learned from different images: evaluate them apart")
    return found[first]


def _labels(names: Sequence[str]) -> list[str]:
    """Short names for them, as files can have: the last part of each path, or as many as tell them all apart."""
    parts = [[part for part in name.split("/") if part] or [name] for name in names]
    for count in range(1, max(map(len, parts)) + 1):
        labels = ["-".join(path[-count:]) for path in parts]
        if len({*labels, "floor"}) == len(labels) + 1:
            return labels
    return [f"{number}-{label}" for number, label in enumerate(labels)]


def _how_taught(ruler: Ruler, saved: Mapping[str, Saved], labels: Iterable[str]) -> str:
    """Whose labels the classifiers learned."""
    read = [label for label, one in zip(labels, saved.values(), strict=True) if not one.generator.num_classes]
    taught = f"Each classifier was taught with {min(len(ruler.train), _TAUGHT):,} images, of the classes asked for"
    others = f"; those of {listed(read, 'and')} as {ruler.extractor.name} reads them" if read else ""
    return f"{taught}{others}."


def _taught_by_samples(ruler: Ruler, saved: Saved, config: EvaluateConfig) -> float | None:
    count = min(len(ruler.train), _TAUGHT)
    return _taught(ruler, ruler.draw(saved.generator, count, config.seed), config) if config.cas else None


def _taught_by_reals(ruler: Ruler, config: EvaluateConfig) -> float | None:
    """What the same classifier makes of as many real images."""
    if not config.cas or ruler.train.labels is None:
        return None
    rows = some(len(ruler.train), _TAUGHT)
    reals = replace(ruler.train, images=ruler.train.images[rows], labels=ruler.train.labels[rows])
    return _taught(ruler, reals, config)


def _taught(ruler: Ruler, samples: Images, config: EvaluateConfig) -> float:
    if samples.labels is None or ruler.test is None:
        raise UserError("the classification accuracy score needs labels, and test images: leave --cas out")
    processes, score = ruler.processes, 0.0
    if processes.is_main:  # one small network, of which nothing can be shared
        score = classification_accuracy_score(samples, ruler.test, seed=config.seed, device=processes.device)
    return processes.hear_main(score)
