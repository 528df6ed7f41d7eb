"""A generator as the prior of a climb: its latents are moved in place of pixels, so that what comes out is an image of
its kind.

    generator = load_generator("runs/mnist")
    ascend(classifier, Logit(3), Shell.noise(generator, 100), until=0.999)
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import Self

from fooling.classifiers.load import module_named
from fooling.climb.parametrizations import Latent
from fooling.climb.step_rules import RuleName
from fooling.errors import MissingFile, UserError
from fooling.options.imported import names_an_object
from fooling.options.paths import path_of
from fooling.pretrained import HUB, Pretrained

_TURN = 3 / 8  # of the sphere's radius: about 20 degrees


class Shell(Latent):
    """Latents kept at the length sqrt(latent_dim), which a standard normal one nearly has where there are many numbers.

    Other lengths a generator has hardly met: longer ones, where a climb leads, draw what is no image of its kind. Steps
    are long, by default a turn of 20 degrees: with short ones a quarter of all climbs end on a hill that is too low,
    and long ones step over it (tests/benchmarks/through.py).

    within: degrees that a latent may be turned away from where it began; None for any.
    """

    step: RuleName = "l2"

    def __init__(
        self,
        generator: nn.Module,
        latents: Tensor,
        labels: int | Sequence[int] | Tensor | None = None,
        *,
        within: float | None = None,
    ):
        super().__init__(generator, latents, labels)
        self.params = self.origins = _of_length(latents, latents.shape[1] ** 0.5)
        self.within = within
        self.step_size = _TURN * latents.shape[1] ** 0.5

    def clip(self, params: Tensor) -> Tensor:
        radius = params.shape[1] ** 0.5
        params = _of_length(params, radius)
        if self.within is None:
            return params
        origins, limit = self.origins.to(params.device), math.radians(self.within)
        cosines = (params * origins).sum(1, keepdim=True) / radius**2
        edge = math.cos(limit) * origins + math.sin(limit) * _of_length(params - cosines * origins, radius)
        return torch.where(cosines < math.cos(limit), edge, params)

    def select(self, which: Tensor | slice) -> Self:
        some = copy.copy(super().select(which))
        some.origins = self.origins[which.to(self.origins.device) if isinstance(which, Tensor) else which]
        return some


def _of_length(latents: Tensor, length: float) -> Tensor:
    return latents * (length / torch.linalg.vector_norm(latents, dim=1, keepdim=True).clamp_min(1e-12))


def load_generator(source: str | os.PathLike) -> nn.Module:
    """The generator that `source` names, in evaluation mode: a module from latents (n, latent_dim), and labels int64
    (n,) where it says that it has classes (num_classes), to images (n, c, h, w) in [0, 1].

    source: the folder of a run, or the generator's own; hub:owner/name on the Hugging Face Hub; or
        package.module:factory, a function without arguments (or an nn.Module) that is imported, from the current
        directory too. It has to say how long its latents are, in an attribute latent_dim.

    Raises MissingFile or UserError, in one line.
    """
    name, folder = str(source), path_of(source)
    within = folder / "generator"
    if not name.startswith(HUB) and names_an_object(name) and not folder.exists():
        generator = module_named(name)
    elif (folder / "config.yaml").is_file() and not (within / "config.json").is_file():
        raise MissingFile(f"the run {folder} has no generator: gan train writes one with its first checkpoint")
    else:
        generator = Pretrained.from_pretrained(within if (within / "config.json").is_file() else source)
    if not isinstance(getattr(generator, "latent_dim", None), int):
        raise UserError(f"{name} holds a {type(generator).__name__}, which is no generator: it says no latent_dim")
    return generator.eval()


def labels_for(generator: nn.Module, label: int) -> int | None:
    """The label with which this generator draws a class; None for a generator without classes.

    Raises UserError for a class that it does not draw.
    """
    classes = getattr(generator, "num_classes", 0)
    if classes and not 0 <= label < classes:
        raise UserError(f"the generator draws {classes} classes, 0 to {classes - 1}: none is class {label}")
    return label if classes else None
