"""The climb without gradients: MAP-Elites, one cell for each class, as in Nguyen et al. 2015, arXiv:1412.1897.

    evolve(classifier, Pixels.noise(200, seed=0))      # direct encoding
    evolve(classifier, CPPN.noise(200, seed=0))        # pictures with symmetry and structure

It asks the classifier for nothing but its probabilities, so it also tells a network that cannot be fooled from one
that merely hides its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from fooling.classifiers.activations import watched
from fooling.classifiers.frozen import check_fit, device_of, frozen
from fooling.climb.parametrizations import Parametrization
from fooling.climb.per_image import check_target
from fooling.errors import UserError
from fooling.seeds import seed_of

Mutation = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class PolynomialMutation:
    """A part `rate` of the numbers, each moved by a polynomially distributed amount within [-1, 1] (Deb 2001, section
    4.3.2; the amount is the smaller the greater `strength`). The defaults are those of Nguyen et al. 2015."""

    rate: float = 0.1
    strength: float = 15.0

    def __call__(self, params: Tensor, generator: torch.Generator) -> Tensor:
        chosen = torch.rand(params.shape, generator=generator) < self.rate
        u = torch.rand(params.shape, generator=generator)
        power = 1 / (self.strength + 1)
        amount = torch.where(u < 0.5, (2 * u) ** power - 1, 1 - (2 - 2 * u) ** power)
        return params + (amount * chosen).to(params)


@dataclass(frozen=True)
class GaussianMutation:
    """A part `rate` of the numbers, each moved by a normal amount of standard deviation `std`."""

    rate: float = 0.1
    std: float = 0.5

    def __call__(self, params: Tensor, generator: torch.Generator) -> Tensor:
        chosen = torch.rand(params.shape, generator=generator) < self.rate
        return params + (self.std * torch.randn(params.shape, generator=generator) * chosen).to(params)


@dataclass(frozen=True)
class Evolution:
    """The elite of each class.

    classes: int64 (k,), what the cells are for.
    images: float (k, c, h, w) in [0, 1], the one that each class got the highest probability with.
    params: float (k, ...), what it was made of.
    confidences: float (k,), that probability.
    evaluations: how many images the classifier was asked about.
    history: float (generations + 1, k), the confidences after the starts and after each generation.
    """

    classes: Tensor
    images: Tensor
    params: Tensor
    confidences: Tensor
    evaluations: int
    history: Tensor


def evolve(
    classifier: nn.Module,
    parametrization: Parametrization,
    *,
    classes: Sequence[int] | None = None,
    until: float = 0.99,
    evaluations: int = 200_000,
    population: int = 100,
    mutation: Mutation | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Evolution:
    """Breed, for each class, an image that the classifier gives it with a probability of at least `until`.

    Each generation mutates elites drawn at random, and every child takes every cell whose elite it beats.

    classifier: images float (n, c, h, w) in [0, 1] to logits (n, classes); it is left exactly as it was found.
    parametrization: what is mutated, and the first generation.
    classes: the cells. Default: all classes, the reject class too.
    evaluations: give up after asking the classifier about so many images.
    population: children in a generation.
    mutation: (params, generator) -> params. Default: polynomial for Pixels, Gaussian for anything else.

    Raises UserError for a class that the classifier does not have, and where the images do not fit it.
    """
    if population < 1 or not 0 < until < 1:
        raise UserError(f"evolution needs population >= 1 and 0 < until < 1, got {population} and {until}")
    device = device_of(classifier, parametrization.params.device)
    mutation = mutation or (PolynomialMutation() if parametrization.in_pixels else GaussianMutation())
    generator = torch.Generator().manual_seed(seed_of(seed))
    networks = (classifier, *parametrization.modules)
    with torch.no_grad(), frozen(*networks), watched(classifier) as forward:
        params = parametrization.params.detach().to(device)
        first = parametrization.image_fn(params[:1])
        check_fit(classifier, first)
        total = forward(first).logits.shape[1]
        cells = torch.arange(total, device=device) if classes is None else torch.as_tensor(classes, device=device)
        check_target(cells, total)

        def confidences_of(some: Tensor) -> Tensor:
            return torch.cat([forward(parametrization.image_fn(p)).probabilities[:, cells] for p in some.split(128)])

        best, index = confidences_of(params).max(0)
        elites, asked, history = params[index], len(params), [best]
        with tqdm(desc="evolving", unit="img", delay=2, leave=False, disable=None if progress else True) as bar:
            while asked < evaluations and not (best >= until).all():
                parents = torch.randint(len(cells), (population,), generator=generator).to(device)
                children = parametrization.clip(mutation(elites[parents], generator))
                values, index = confidences_of(children).max(0)
                better = values > best
                best = torch.where(better, values, best)
                elites[better] = children[index[better]]
                asked += population
                history.append(best)
                bar.update(population)
                bar.set_postfix(arrived=f"{int((best >= until).sum())}/{len(cells)}", refresh=False)
        home = parametrization.params.device
        images = parametrization.image_fn(elites)
        return Evolution(
            cells.to(home), images.to(home), elites.to(home), best.to(home), asked, torch.stack(history).to(home)
        )
