"""Images that show nothing: noise of every kind, to climb from and to learn from.

Each kind is a function (count, images, generator) -> float (count, c, h, w) in [0, 1]. `images` (m, c, h, w) in [0, 1]
are real ones: they give the shape, and the pixels of the kinds that are made of real images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from torch import Tensor

from fooling.errors import UserError
from fooling.images import blurred

Kind = Callable[[int, Tensor, torch.Generator], Tensor]


def rubbish(kinds: Sequence[str], count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Float (count, c, h, w) in [0, 1], each image of a kind drawn from `kinds`; a function of the generator alone.

    images: float (m, c, h, w) in [0, 1], as above. Raises UserError for an unknown kind.
    """
    check_kinds(kinds)
    drawn = torch.randint(len(kinds), (count,), generator=generator)
    out = torch.empty(count, *images.shape[1:])
    for number, kind in enumerate(kinds):
        which = drawn == number
        if which.any():
            out[which] = KINDS[kind](int(which.sum()), images, generator)
    return out


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise UserError for a kind that is not known, or where there is none."""
    for kind in kinds or [""]:
        if kind not in KINDS:
            raise UserError(f"unknown noise {kind!r}: expected one of {', '.join(KINDS)}")


def uniform(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Every pixel uniform in [0, 1]."""
    return torch.rand(count, *images.shape[1:], generator=generator)


def black(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Nearly black: noise of two hundredths, so that no two climbs from it are the same."""
    return 0.02 * uniform(count, images, generator)


def grey(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Nearly grey."""
    return 0.49 + black(count, images, generator)


def white(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Nearly white."""
    return 0.98 + black(count, images, generator)


def flat(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Nearly one grey level each, drawn from [0, 1]."""
    levels = torch.rand(count, 1, 1, 1, generator=generator)
    return (levels + black(count, images, generator) - 0.01).clamp_(0, 1)


def binary(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Black and white pixels, the share of white ones drawn for each image from [0, 1]."""
    shares = torch.rand(count, 1, 1, 1, generator=generator)
    return (uniform(count, images, generator) < shares).float()


def sparse(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """One pixel in ten is lit, uniformly in [0, 1]; the others are black."""
    lit = uniform(count, images, generator) < 0.1
    return uniform(count, images, generator) * lit


def smooth(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform noise through a Gaussian of 1 to 2.5 pixels, stretched to fill [0, 1] (Hein et al. 2019,
    arXiv:1812.05720, section 4)."""
    return low_passed(uniform(count, images, generator), _widths(count, generator))


def permuted(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Real images, the pixels of each in an order of their own: the right histogram, no object."""
    whole = _some(count, images, generator)
    return shuffled(whole.flatten(2), generator).view_as(whole)


def patches(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Real images cut into four by four patches, the patches of each in an order of their own: strokes, no object."""
    whole = _some(count, images, generator)
    channels, height, width = images.shape[1:]
    sizes = {"down": 4, "across": 4, "c": channels, "h": height // 4, "w": width // 4}
    grid = (..., slice(4 * sizes["h"]), slice(4 * sizes["w"]))  # what four by four of them cover; the rest is black
    cut = rearrange(whole[grid], "n c (down h) (across w) -> n (c h w) (down across)", **sizes)
    out = torch.zeros_like(whole)
    out[grid] = rearrange(shuffled(cut, generator), "n (c h w) (down across) -> n c (down h) (across w)", **sizes)
    return out


def faded(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Real images, 30 to 100 % of the way to uniform noise or to one grey level: where a walk-out leads. The first of
    them can still be read, so they are for a network that shall be unsure of them, not for one that shall reject them.
    """
    gone = 0.3 + 0.7 * torch.rand(count, 1, 1, 1, generator=generator)
    nothing = rubbish(("uniform", "flat"), count, images, generator)
    return (1 - gone) * _some(count, images, generator) + gone * nothing


def acet(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """Half permuted images, half uniform noise, then low-passed and stretched: the noise of CEDA and ACET (Hein et al.
    2019, arXiv:1812.05720, section 4)."""
    half = count // 2
    mixed = torch.cat([permuted(half, images, generator), uniform(count - half, images, generator)])
    return low_passed(mixed, _widths(count, generator))


KINDS: dict[str, Kind] = {
    "uniform": uniform, "grey": grey, "black": black, "white": white, "flat": flat, "binary": binary,
    "sparse": sparse, "smooth": smooth, "permuted": permuted, "patches": patches, "faded": faded,
    "acet": acet,
}  # fmt: skip

# Unlike enough that a network which knows them all does not take what lies between them for an object either.
STARTS = ("uniform", "flat", "black", "white", "binary", "sparse", "smooth", "permuted", "patches")


def shuffled(things: Tensor, generator: torch.Generator) -> Tensor:
    """Tensors (n, d, k) with the k things of each in an order of its own, drawn on the CPU."""
    order = torch.rand(len(things), 1, things.shape[2], generator=generator).argsort(2)
    return things.gather(2, order.to(things.device).expand_as(things))


def low_passed(images: Tensor, widths: Tensor) -> Tensor:
    """Images (n, c, h, w) through Gaussians of so many pixels (n,), each then stretched to fill [0, 1]."""
    if not len(images):
        return images
    images = blurred(images, widths)
    darkest, brightest = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return ((images - darkest) / (brightest - darkest).clamp_min(1e-6)).clamp_(0, 1)


def _some(count: int, images: Tensor, generator: torch.Generator) -> Tensor:
    return images[torch.randint(len(images), (count,), generator=generator)]


def _widths(count: int, generator: torch.Generator) -> Tensor:
    return 1 + 1.5 * torch.rand(count, generator=generator)
