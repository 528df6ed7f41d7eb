"""Inversion: the latent whose image is nearest to a given one.

found = invert(generator, image)
found.distances[0], found.images[0]         # how near it came, and what it drew
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fooling.classifiers.frozen import device_of, frozen
from fooling.climb.ascent import ascend
from fooling.climb.objectives import Distance
from fooling.climb.parametrizations import Latent
from fooling.errors import UserError, require_positive
from fooling.images import check_images
from gan.latent import draw_latents
from gan.networks.generator import Generator

_POOL = 2000  # latents among whose images the starts are looked for
_STEP_SIZE, _EVERY = 0.1, 10
# Adam with steps of one size stays as far away as these reach: the nearest go on with a method that measures its steps,
# which halves the distance.
_POLISHED, _ITERATIONS = 4, 300


@dataclass(frozen=True)
class Inversion:
    """Where the climbs towards an image ended, the nearest first.

    latents: float (starts, latent_dim).
    labels: int64 (starts,), the class that each was drawn as; None for a generator without classes.
    images: float (starts, c, h, w) in [0, 1], what they draw.
    distances: float (starts,), the L2 distance of each from the given image.
    steps: the steps of the climb at which it was looked at, the last being behind its end.
    curve: float (len(steps), starts), the distances at those.
    path: float (len(steps), c, h, w), the images of the nearest at those.
    """

    latents: Tensor
    labels: Tensor | None
    images: Tensor
    distances: Tensor
    steps: list[int]
    curve: Tensor
    path: Tensor


def invert(generator: Generator, image: Tensor, *, starts: int = 16, steps: int = 100, seed: int = 0) -> Inversion:
    """The latents whose images come nearest to an image (c, h, w) in [0, 1], by gradient descent on the distance.

    Of 2,000 latents those whose images are nearest are the starts; of a generator with classes, of all classes. Each
    climbs towards the image (Creswell & Bharath 2018, arXiv:1802.05701, equation 1) with Adam, and the nearest four go
    on with L-BFGS, without leaving their class.

    starts: how many climbs. steps: of each. seed: of the latents.

    The generator is left as it was found. Raises UserError for an image of another shape than it draws.
    """
    require_positive(starts=starts, steps=steps)
    check_images(image[None])
    pool = draw_latents(max(_POOL, starts), generator.latent_dim, seed)
    labels = torch.arange(len(pool)) % generator.num_classes if generator.num_classes else None
    drawn = generator.sample(latents=pool, labels=labels)
    image = image.cpu()
    if image.shape != drawn.shape[1:]:
        theirs, ours = (" x ".join(map(str, shape)) for shape in (image.shape, drawn.shape[1:]))
        raise UserError(f"the image is {theirs}, the generator draws {ours} (channels x height x width)")
    nearest = _distances(drawn, image).argsort(stable=True)[:starts]

    device, marks = device_of(generator), [*range(0, steps, _EVERY), steps]
    ends = None if labels is None else labels[nearest]
    climb = ascend(
        _Nobody(), -Distance(image.to(device).expand(starts, -1, -1, -1)),
        Latent(generator, pool[nearest].to(device), ends), steps=steps, step_size=_STEP_SIZE, trace=marks,
    )  # fmt: skip
    assert climb.trace is not None  # it was asked for
    latents, path = climb.params.cpu(), torch.cat([climb.trace.images.cpu(), torch.empty(1, starts, *image.shape)])
    curve = torch.stack([_distances(images, image) for images in path])

    best = curve[-2].argsort(stable=True)[:_POLISHED]
    latents[best] = _polished(generator, latents[best], None if ends is None else ends[best], image)
    path[-1] = generator.sample(latents=latents, labels=ends)
    curve[-1] = _distances(path[-1], image)
    order = curve[-1].argsort(stable=True)
    return Inversion(
        latents[order], None if ends is None else ends[order], path[-1, order], curve[-1, order],
        [*marks, steps + _EVERY], curve[:, order], path[:, order[0]],
    )  # fmt: skip


def _polished(generator: Generator, latents: Tensor, labels: Tensor | None, image: Tensor) -> Tensor:
    """The latents (n, latent_dim) from where L-BFGS (Liu & Nocedal 1989) goes no nearer, all as one problem: one by one
    it goes a little nearer, and takes nearly n times as long."""
    with frozen(generator) as device:
        moved, target = latents.to(device).requires_grad_(), image.to(device)
        given = () if labels is None else (labels.to(device),)
        rule = torch.optim.LBFGS([moved], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

        def distance() -> Tensor:
            rule.zero_grad()
            squared = (generator(moved, *given) - target).square().sum()
            squared.backward()
            return squared

        rule.step(distance)
    return moved.detach().cpu()


def _distances(images: Tensor, image: Tensor) -> Tensor:
    return torch.linalg.vector_norm((images - image).flatten(1), dim=1)


class _Nobody(nn.Module):
    """A classifier that sees nothing: the climb asks none."""

    def forward(self, images: Tensor) -> Tensor:
        return images.new_zeros(len(images), 1)
