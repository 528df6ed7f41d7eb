"""Breed an image for every class without looking at a gradient: fooling evolve --encoding cppn"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fooling.classifiers.networks import input_shape_of, num_classes_of
from fooling.climb.evolution import evolve as evolution_of
from fooling.climb.parametrizations import CPPN, Pixels
from fooling.errors import require_positive
from fooling.run.results import Results
from fooling.run.threads import paying_threads
from fooling.show.figures import draw_gallery
from fooling.show.layout import percent
from fooling.verbs.arguments import VerbConfig, check_climb, opened


@dataclass
class EvolveConfig(VerbConfig):
    """Breed an image for every class without looking at a gradient."""

    encoding: Literal["direct", "cppn"] = "direct"
    """What is bred: pixels, or networks that draw pictures with symmetry and structure."""

    confidence: float = 0.99
    """Stop when the network is as sure as this of every class."""

    evaluations: int = 200_000
    """Give up after asking the network about so many images."""

    def __post_init__(self) -> None:
        check_climb(self.confidence)
        require_positive(evaluations=self.evaluations)


@paying_threads()
def evolve(config: EvolveConfig) -> Path:
    """Breed an image for every class that the network is sure of, by its answers alone; returns the folder of results.

    Raises UserError, before anything is written, for settings or a model that cannot be.
    """
    config, classifier, _, names = opened(config)
    encoding: type[Pixels | CPPN] = {"direct": Pixels, "cppn": CPPN}[config.encoding]
    start = encoding.noise(200, shape=input_shape_of(classifier), seed=config.seed)
    results = Results(f"evolve-{config.encoding}", config.output, config.wandb, asdict(config))
    evolution = evolution_of(
        classifier, start, until=config.confidence, evaluations=config.evaluations, seed=config.seed
    )
    sure = evolution.confidences >= config.confidence
    arrived, classes = int(sure[: num_classes_of(classifier)].sum()), num_classes_of(classifier)  # "none" is no class
    print(
        f"{arrived} of {classes} classes reached {percent(config.confidence)} without a gradient,"
        f" after asking the network about {evolution.evaluations:,} images"
    )
    with results:
        between = ": " if max(map(len, names)) <= 4 else "\n"  # none: 99.07 %
        texts = [f"{name}{between}{percent(p)}" for name, p in zip(names, evolution.confidences.tolist(), strict=True)]
        outcome = "what the network takes for" if arrived == classes else "how sure the network is of"
        title = f"Bred without gradients: {outcome} each class"
        results.picture("evolve", draw_gallery(evolution.images, texts, title=title))
        results.numbers(
            {
                "confidences": dict(zip(names, evolution.confidences.tolist(), strict=True)),
                "classes_reached": arrived,
                "evaluations": evolution.evaluations,
            },
            images=evolution.images,
            history=evolution.history,
        )
    return results.folder
