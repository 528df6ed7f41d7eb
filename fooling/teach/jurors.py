"""How the jurors of fooling/classifiers/jury.py are taught, each in its own way, so that what misleads one need not
mislead another.

No image that was climbed against a classifier is among what they learn from: what a juror may call none of these is
rubbish that is made, not found. The firm ones see images pushed against themselves, never against anybody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fooling.classifiers.judge import moved
from fooling.classifiers.jury import JurorNet
from fooling.classifiers.networks import Classifier, LeNet
from fooling.climb.starts import low_passed, patches, rubbish
from fooling.data.batches import Batches
from fooling.images import Images, blurred
from fooling.run.optimizer import new_adam, new_network, update
from fooling.run.progress import Count
from fooling.run.schedules import one_cycle
from fooling.seeds import seed_of

_BATCH, _PEAK_RATE = 128, 4e-3
_PLAIN_KINDS = ("uniform", "flat", "black", "white", "binary", "sparse", "smooth", "permuted", "acet")


@dataclass(frozen=True)
class Recipe:
    """How a juror is taught.

    network: what it is. dirt: up to how much of an image noise and stains may be. rubbish: images that show nothing,
    for each one of the data; it then has a class for them. push: how far the worst of one step may move every pixel of
    an image that it learns from (fast adversarial training: Wong et al. 2020, arXiv:2001.03994, algorithm 3). epochs:
    how often it sees each image.
    """

    network: Callable[..., Classifier]
    seed: int
    dirt: float = 0.0
    rubbish: float = 0.0
    push: float = 0.0
    epochs: float = 3


RECIPES = {
    "clean": Recipe(LeNet, seed=1),
    "dirty": Recipe(JurorNet, seed=2, dirt=0.75),
    "wary": Recipe(JurorNet, seed=3, dirt=0.6, rubbish=0.5, push=0.1),
    "firm": Recipe(LeNet, seed=4, dirt=0.5, rubbish=0.5, push=0.1, epochs=4),
}


def train_juror(data: Images, recipe: Recipe) -> Classifier:
    """A juror, of images with labels (Adam, one-cycle rate); a function of the data and the recipe."""
    channels, image_size = data.images.shape[1:3]
    seed = seed_of(recipe.seed, "juror")

    def make() -> Classifier:
        return recipe.network(
            image_size=image_size, channels=channels, num_classes=len(data.class_names),
            reject_class=recipe.rubbish > 0, class_names=data.class_names,
        )  # fmt: skip

    juror = new_network(make, seed).train()
    batches, optimizer = Batches(data, seed=seed), new_adam(juror, _PEAK_RATE)
    steps = round(recipe.epochs * len(data) / _BATCH)
    with Count("training a juror", steps, "steps") as count:
        for step in range(steps):
            generator = torch.Generator().manual_seed(seed_of(seed, step))
            images, labels = batches.take_labelled(step * _BATCH, _BATCH)
            real = images
            if recipe.dirt:
                images = stained(moved(images, generator), recipe.dirt, generator)
            if recipe.rubbish:
                nothing = made_rubbish(round(recipe.rubbish * _BATCH), real, generator)
                images = torch.cat([images, nothing])
                labels = torch.cat([labels, labels.new_full((len(nothing),), len(data.class_names))])
            if recipe.push:
                images = pushed(juror, images, labels, recipe.push, generator)
            F.cross_entropy(juror(images), labels).backward()
            update(optimizer, one_cycle(_PEAK_RATE, step / steps))
            count.add()
    return juror.eval()


def stained(images: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Three in four images (n, c, h, w) paled by up to `most`, towards noise, smooth stains or one grey level, and some
    of them softer; the ink of a third uneven, one in ten black on white, and one in four out of the middle."""
    n, furthest = len(images), images.shape[-1] // 8
    sides = torch.randint(-furthest, furthest + 1, (2,), generator=generator).tolist()
    images = torch.cat([images[: n // 4].roll(sides, (2, 3)), images[n // 4 :]])
    is_uneven = torch.rand(n, 1, 1, 1, generator=generator) < 1 / 3
    images = torch.where(is_uneven, images * (0.25 + 0.75 * _hills(images, generator)), images)
    which = torch.randint(4, (n, 1, 1, 1), generator=generator)
    share = most * torch.rand(n, 1, 1, 1, generator=generator) * (which > 0)
    level = torch.rand(n, 1, 1, 1, generator=generator)
    noise = torch.rand(images.shape, generator=generator)
    stains = low_passed(noise, 0.7 + 2 * torch.rand(n, generator=generator))
    dirt = torch.where(which == 1, noise, torch.where(which == 2, stains * level, level))
    soft = torch.rand(n, 1, 1, 1, generator=generator) < 0.15
    images = torch.where(soft, blurred(images, 0.5 + torch.rand(n, generator=generator)), images)
    images = (1 - share) * images + share * dirt
    return torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.1, 1 - images, images)


def pushed(juror: nn.Module, images: Tensor, labels: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Every second image (n, c, h, w) moved, each pixel by at most `most`, to where one step leads, from a random point
    near it, that lowers what the juror gives its label."""
    juror.eval()
    some = images[::2]
    offset = most * (2 * torch.rand(some.shape, generator=generator) - 1)
    there = (some + offset).clamp(0, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(juror(there), labels[::2]), there)
    juror.train()
    offset = (offset + 1.25 * most * gradient.sign()).clamp(-most, most)
    images = images.clone()
    images[::2] = (some + offset).clamp(0, 1)
    return images


def made_rubbish(count: int, real: Tensor, generator: torch.Generator) -> Tensor:
    """Float (count, c, h, w) in [0, 1] that show none of the classes, of every kind in turn; the first kinds are those
    of fooling/climb/starts.py, the others made of the strokes of real images (m, c, h, w)."""
    parts = [kind(len(range(number, count, len(_KINDS))), real, generator) for number, kind in enumerate(_KINDS)]
    return torch.cat(parts)


def _plain(count: int, real: Tensor, generator: torch.Generator) -> Tensor:
    return rubbish(_PLAIN_KINDS, count, real, generator)


def _faint(count: int, real: Tensor, generator: torch.Generator) -> Tensor:
    """Rubbish of low contrast on black or grey."""
    strength, level = torch.rand(2, count, 1, 1, 1, generator=generator)
    return strength * rubbish(_PLAIN_KINDS, count, real, generator) + (1 - strength) * level * 0.7


def _labyrinths(count: int, real: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of one wavelength, stretched until it is nearly black and white, all over or in a spot."""
    widths = 0.5 + 1.5 * torch.rand(count, generator=generator)
    noise = torch.rand(count, *real.shape[1:], generator=generator)
    waves = blurred(noise, widths) - blurred(noise, 1.6 * widths)
    waves = waves / waves.std((1, 2, 3), keepdim=True)
    gain, level = 4 * torch.rand(count, 1, 1, 1, generator=generator), torch.rand(count, 1, 1, 1, generator=generator)
    in_spots = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    spots = torch.where(in_spots, (_hills(noise, generator) > 0.5).float(), 1.0)
    return (spots * torch.sigmoid((0.5 + gain) * waves) + (1 - spots) * level * noise).clamp(0, 1)


def _hills(images: Tensor, generator: torch.Generator) -> Tensor:
    """Float of the shape of images (n, c, h, w), in [0, 1]: high in places, low in others."""
    # A coarse grid drawn large: a Gaussian as wide would take longer than the juror's own step.
    coarse = torch.rand(*images.shape[:2], 5, 5, generator=generator)
    return F.interpolate(coarse, images.shape[2:], mode="bilinear", align_corners=True)


def _shuffled(count: int, real: Tensor, generator: torch.Generator) -> Tensor:
    """Strokes in patches of an order of their own, softened in half of them."""
    images = patches(count, real, generator)
    soft = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    return torch.where(soft, blurred(images, 0.4 + torch.rand(count, generator=generator)), images)


def _heaps(count: int, real: Tensor, generator: torch.Generator) -> Tensor:
    """Three or four real images one over the other, moved and turned, paled or not."""
    heap = torch.zeros(count, *real.shape[1:])
    for _ in range(4):
        some = real[torch.randint(len(real), (count,), generator=generator)]
        quarters = int(torch.randint(4, (), generator=generator))
        down, across = torch.randint(-6, 7, (2,), generator=generator).tolist()
        weight = 0.6 + 0.4 * torch.rand(count, 1, 1, 1, generator=generator)
        heap = torch.maximum(heap, weight * some.rot90(quarters, (2, 3)).roll((down, across), (2, 3)))
    return heap


def _rests(count: int, real: Tensor, generator: torch.Generator) -> Tensor:
    """What is left of real images of which all but small parts were wiped away: a twelfth to a third of their ink."""
    some = real[torch.randint(len(real), (count,), generator=generator)]
    hills = _hills(some, generator)
    order = (hills * (some > 0.2)).flatten(1)
    ink = (some > 0.2).flatten(1).sum(1)
    left = (ink * (0.08 + 0.25 * torch.rand(count, generator=generator))).long().clamp_min(1)
    bar = order.sort(1, descending=True).values.gather(1, left[:, None])[..., None, None]
    return some * (hills >= bar)


def _blots(count: int, real: Tensor, generator: torch.Generator) -> Tensor:
    """Real images whose strokes ran until little can be told of them."""
    some = real[torch.randint(len(real), (count,), generator=generator)]
    size = (9, 11)[int(torch.randint(2, (), generator=generator))]
    wide = F.max_pool2d(some, size, 1, size // 2)
    rough = low_passed(torch.rand(some.shape, generator=generator), 1 + torch.rand(count, generator=generator))
    return (wide * (0.7 + 0.6 * rough)).clamp(0, 1)


def _drowned(count: int, real: Tensor, generator: torch.Generator) -> Tensor:
    """Real images of which at most an eighth is left, under noise or stains."""
    some = real[torch.randint(len(real), (count,), generator=generator)]
    left = 0.12 * torch.rand(count, 1, 1, 1, generator=generator)
    return left * some + (1 - left) * rubbish(("uniform", "smooth", "acet", "permuted"), count, real, generator)


def _grained(count: int, real: Tensor, generator: torch.Generator) -> Tensor:
    """Noise that is a little smoother than noise, as a few steps of a climb leave it."""
    noise = torch.rand(count, *real.shape[1:], generator=generator)
    weight = 0.2 + 0.8 * torch.rand(count, 1, 1, 1, generator=generator)
    smooth = low_passed(noise, 0.4 + 0.6 * torch.rand(count, generator=generator))
    gain = 0.5 + 2 * torch.rand(count, 1, 1, 1, generator=generator)
    mixed = weight * smooth + (1 - weight) * torch.rand(noise.shape, generator=generator)
    return (gain * (mixed - 0.5) + 0.5).clamp(0, 1)


_KINDS = (_plain, _faint, _labyrinths, _shuffled, _heaps, _rests, _blots, _drowned, _grained)
