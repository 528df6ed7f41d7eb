"""The ruler: how good generated images are next to real ones, in the features of a named network.

ruler = Ruler.of(DataConfig("fashion-mnist"))
print(ruler.measure(generator).words)
print(ruler.floor().words)              # what real images get, and nobody can beat but by luck
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from fooling.data.load import DataConfig, default_root, held_out, load_config
from fooling.errors import UserError, require_positive
from fooling.images import Images, to_uint8
from fooling.options.paths import path_of
from fooling.options.settings import Settings
from fooling.run.card import named
from fooling.run.processes import Processes
from fooling.seeds import seed_of
from gan.latent import draw_latents
from gan.metrics.distances import frechet_distance, kernel_distance
from gan.metrics.features import Extractor, Kind, extractor_for, features_of, in_full, kept_features
from gan.metrics.modes import count_modes, inception_score
from gan.metrics.neighbours import Copying, copying, nearest
from gan.metrics.precision_recall import overlap, reach
from gan.metrics.report import Report
from gan.networks.generator import Generator

NEIGHBOURS = 5  # of precision, recall, density and coverage
_ENOUGH = 1000  # held-out images to measure against; with fewer, it is against those that were trained on
_MOST = {"real": 50_000, "training": 100_000}  # images that are looked at of a data set with more
_LOOKED_UP = 2000  # samples whose nearest training images are looked for


@dataclass
class MetricsConfig(Settings):
    """How good the samples are, measured along the way on the averaged generator."""

    kimg: float = 100.0
    """Thousands of images between measurements; 0 makes none, and then the last generator counts as the best."""

    count: int = 5000
    """Samples in a measurement; figures of other counts cannot be compared."""

    ruler: Kind = "auto"
    """Whose features images are compared in. judge: a classifier of the data set. inception: that of the FID, for
    photographs. auto: inception for cifar10, stl10 and images without labels, else the judge."""

    def __post_init__(self) -> None:
        if self.kimg < 0:
            raise UserError(f"metrics.kimg must be at least 0, got {self.kimg}")
        require_positive(**{"metrics.count": self.count})


class Ruler:
    """Measures generators of one data set, in the features of one network; see `of`.

    All processes make one and measure together: they share the sampling and the looking, and each is given the report.

    words: which network, and which real images. has_floor: whether there are real images besides those. train, test:
    all that there are. wanted: (k,), how often images of each class are wanted, in proportion; empty
    where nothing tells.
    """

    def __init__(
        self,
        extractor: Extractor,
        train: Images,
        test: Images | None,
        *,
        name: str = "the data",
        even_classes: bool = False,
        processes: Processes | None = None,
        root: Path | None = None,
    ):
        """name: of the data. even_classes: each is wanted as often, whatever the data has. root: where features of real
        images are kept; default as default_root."""
        self.extractor, self.train, self.test = extractor, train, test
        self.processes, self.root = processes or Processes(), root or default_root()
        self.has_floor = test is not None and len(test) >= _ENOUGH
        source, part = (test, "test") if test is not None and self.has_floor else (train, "training")
        rows = some(len(source), _MOST["real"])
        self._real_images = source.images if len(rows) == len(source) else source.images[rows]
        of = "" if len(rows) == len(source) else f"of {len(source):,} "
        self.real = f"{len(rows):,} {of}{part} images of {name}"
        self.wanted = torch.ones(extractor.classes) if even_classes else self._shares_of_classes()
        self._reaches: dict[int, tuple[Tensor, Tensor]] = {}

    @classmethod
    def of(
        cls,
        data: DataConfig,
        kind: Kind = "auto",
        processes: Processes | None = None,
        *,
        train: Images | None = None,
    ) -> Ruler:
        """The ruler of a data set: measured against its test images, or where fewer than 1,000 are held out, against
        those to train on. A judge that does not ship is trained on first use, in minutes.

        train: those to train on, all of them with their labels, where they have been loaded already.

        Raises UserError, in one line, where there is no network for it (see extractor_for), or images are too few.
        """
        processes = processes or Processes()

        def load() -> tuple[Images, Images | None, Extractor]:
            images = load_config(data) if train is None else train
            return images, held_out(data), extractor_for(data, images, kind, processes.device)

        images, test, extractor = processes.first_here(load)
        root = None if data.root is None else path_of(data.root)
        even = data.name == "stacked-mnist"  # whose protocol says so
        ruler = cls(extractor, images, test, name=named(data), even_classes=even, processes=processes, root=root)
        if len(ruler._real_images) <= ruler._too_few:
            raise UserError(
                f"{ruler.real} are too few to measure by: {extractor.name} has {extractor.size} features, and more"
                " images than that are needed"
            )
        return ruler

    @property
    def _too_few(self) -> int:
        return max(self.extractor.size, NEIGHBOURS)

    def refuse_too_few(self, **counts: int) -> None:
        """Raises UserError for a count of images, by the name of its option, that cannot be measured."""
        for name, count in counts.items():
            if count <= self._too_few:
                raise UserError(
                    f"{name} must be above {self._too_few} to be measured by {self.extractor.name}, got {count}"
                )

    @property
    def words(self) -> str:
        """Such as "judge-v1 of mnist (the judge has 99.55 % of 10,000 held-out images right), against the 10,000 test
        images of mnist"."""
        return f"{self.extractor.words}, against the {self.real}"

    # ---- measuring

    def measure(self, generator: Generator, count: int = 10_000, seed: int = 1, *, thorough: bool = False) -> Report:
        """How good a generator's samples are: the same seed draws the same, however many processes share them.

        thorough: also what takes longer: the kernel distance, the inception score, and whether it copies.

        A conditional generator is asked for classes as often as the data has them. Raises UserError for one that draws
        other images than the data's, and for a count that leaves too few to measure by.
        """
        require_positive(count=count)
        latents, labels = self._drawn_for(generator, count, seed)
        features = features_of(
            self.extractor, count, lambda rows: self._sample(generator, latents, labels, rows), self.processes
        )
        return self._report(features, labels, thorough)

    def measure_images(self, images: Tensor, *, thorough: bool = False) -> Report:
        """How good these images are, float in [0, 1] or uint8 (n, c, h, w), wherever they come from."""
        images = to_uint8(images)
        self._check_shape(images)
        features = features_of(self.extractor, len(images), images.__getitem__, self.processes)
        return self._report(features, None, thorough)

    def floor(self, count: int = 10_000, *, thorough: bool = False) -> Report | None:
        """What as many training images get: as good as new images of the same kind can be. None without test images,
        for a training image would be measured against itself."""
        if not self.has_floor:
            return None
        rows = some(len(self.train), count)
        report = self._report(self._kept(self.train.images[rows], "training images"), None, thorough)
        return replace(report, copying=None)  # each is its own nearest

    def draw(self, generator: Generator, count: int, seed: int = 1) -> Images:
        """The samples themselves, uint8, with the labels they were made for, or those that the extractor gives them."""
        latents, labels = self._drawn_for(generator, count, seed)
        mine = self.processes.rows(count)
        images = self.processes.gather(self._sample(generator, latents, labels, mine))
        if labels is None and self.extractor.classes:
            labels = self._classes(features_of(self.extractor, count, images.__getitem__, self.processes)).cpu()
        return Images(images, labels, self.train.class_names)

    def look_up(self, samples: Images) -> tuple[Tensor, Tensor, Tensor]:
        """For samples, which training image is nearest to each, the distances (n,), and those of the test images."""
        features = features_of(self.extractor, len(samples), samples.images.__getitem__, self.processes)
        with in_full(self.processes.device):
            distances, rows = nearest(features, self._training_features)
        return self._training_rows[rows.cpu()], distances.cpu(), self._test_distances.cpu()

    # ---- how

    def _report(self, features: Tensor, labels: Tensor | None, thorough: bool) -> Report:
        with in_full(self.processes.device):
            return self._compared(features, labels, thorough)

    def _compared(self, features: Tensor, labels: Tensor | None, thorough: bool) -> Report:
        # As many of either, since the four shares depend on the numbers.
        rows = some(len(features), len(self._real_features))
        alike = features if len(rows) == len(features) else features[rows]
        real, real_reach = self._reals_like(len(alike))
        classes = self._classes(features) if self.extractor.classes else None
        return Report(
            kind=self.extractor.kind,
            ruler=self.extractor.name,
            real=self.real,
            count=len(features),
            frechet_distance=frechet_distance(self._real_features, features),
            overlap=overlap(real, alike, neighbours=NEIGHBOURS, real_reach=real_reach),
            modes=None if classes is None else count_modes(classes, self.wanted),
            label_accuracy=None if labels is None or classes is None else _share(classes.cpu() == labels),
            kernel_distance=kernel_distance(self._real_features, features) if thorough else None,
            inception_score=inception_score(self.extractor.probabilities(features)) if thorough else None,
            copying=self._copying(features) if thorough and self.test is not None else None,
        )

    def _drawn_for(self, generator: Generator, count: int, seed: int) -> tuple[Tensor, Tensor | None]:
        """The latents of so many samples, and the classes to ask for, as the data has them; None for no classes."""
        latents = draw_latents(count, generator.latent_dim, seed)
        if not generator.num_classes:
            return latents, None
        known = len(self.train.class_names)
        if self.train.labels is None or generator.num_classes != known:
            raise UserError(f"the generator draws {generator.num_classes} classes, the data has {known or 'none'}")
        drawn = torch.Generator().manual_seed(seed_of(seed, "labels"))
        return latents, self.train.labels[torch.randint(len(self.train), (count,), generator=drawn)]

    def _sample(self, generator: Generator, latents: Tensor, labels: Tensor | None, rows: slice) -> Tensor:
        with in_full(self.processes.device):
            images = to_uint8(generator.sample(latents=latents[rows], labels=None if labels is None else labels[rows]))
        self._check_shape(images)
        return images

    def _check_shape(self, images: Tensor) -> None:
        ours, theirs = (" x ".join(map(str, i.shape[1:])) for i in (self.train.images, images))
        if ours != theirs:
            raise UserError(f"the generated images are {theirs}, the real ones {ours} (channels x height x width)")

    def _classes(self, features: Tensor) -> Tensor:
        return torch.cat([self.extractor.probabilities(part).argmax(1) for part in features.split(1024)])

    def _shares_of_classes(self) -> Tensor:
        """How often each class is wanted: as often as the images to train on have it."""
        return (
            self.train.targets.bincount(minlength=self.extractor.classes) if self.extractor.classes else torch.ones(0)
        )

    def _kept(self, images: Tensor, what: str) -> Tensor:
        return kept_features(self.extractor, images, self.processes, self.root, what)

    @cached_property
    def _real_features(self) -> Tensor:
        return self._kept(self._real_images, "real images")

    def _reals_like(self, count: int) -> tuple[Tensor, Tensor]:
        """So many of the real features, and their reach."""
        if count not in self._reaches:
            real = self._real_features[some(len(self._real_features), count)]
            self._reaches[count] = (real, reach(real, NEIGHBOURS))
        return self._reaches[count]

    def _copying(self, features: Tensor) -> Copying:
        few = features[some(len(features), _LOOKED_UP)]
        return copying(nearest(few, self._training_features)[0], self._test_distances)

    @cached_property
    def _training_rows(self) -> Tensor:
        return some(len(self.train), _MOST["training"])

    @cached_property
    def _training_features(self) -> Tensor:
        return self._kept(self.train.images[self._training_rows], "training images")

    @cached_property
    def _test_distances(self) -> Tensor:
        """Of test images to their nearest training image."""
        assert self.test is not None  # whoever asks has looked
        few = self.test.images[some(len(self.test), _LOOKED_UP)]
        return nearest(self._kept(few, "test images"), self._training_features)[0]


def some(total: int, count: int) -> Tensor:
    """Which of `total` rows to take where `count` are enough: chosen by chance, always the same, in their order.

    Neither the first nor every so many: a folder of images lies sorted by class, and MNIST's writers follow each other
    in a rhythm, so that every sixth training digit is five times as far from the test digits as a random choice is.
    """
    if count >= total:
        return torch.arange(total)
    chosen = torch.randperm(total, generator=torch.Generator().manual_seed(seed_of("some", total)))
    return chosen[:count].sort().values


def _share(hits: Tensor) -> float:
    return hits.float().mean().item()
