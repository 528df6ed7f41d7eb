"""What the latents of a generator of digits bear: arithmetic on class means, and how near inversion comes.

    python tests/benchmarks/latents.py --run runs/mnist

Run it on one thread, OMP_NUM_THREADS=1: times are of the processor, so that a busy machine changes them little.
"""

from __future__ import annotations

import sys
import time

import torch
from torch import Tensor

from fooling import cli
from fooling.classifiers.frozen import predict
from fooling.classifiers.judge import trained_judge
from fooling.data.load import DataConfig, load
from fooling.images import to_float
from gan.inversion import invert
from gan.latent import class_means, combine, draw_latents, shift
from gan.networks.generator import Generator
from gan.saved import open_generator

STRENGTHS = (0.5, 1.0, 2.0, 4.0)


def main(run: str = "runs/mnist", count: int = 1000, inverted: int = 10) -> None:
    """Print the figures.

    Args:
        run: A run of a generator without classes, trained on MNIST.
        count: Fresh latents, each turned into every class that it does not draw.
        inverted: Test images that are looked for, and as many of its own.
    """
    generator = open_generator(run).generator
    add_means(generator, count)
    look_for("test images", generator, to_float(load("mnist", "test").images[:inverted]))
    look_for("its own", generator, generator.sample(inverted, seed=123))


def add_means(generator: Generator, count: int) -> None:
    judge = trained_judge(DataConfig())

    def read(latents: Tensor) -> Tensor:
        return predict(judge, generator.sample(latents=latents)).argmax(1)

    latents = draw_latents(2000, generator.latent_dim, seed=7)
    means = class_means(latents, read(latents))
    fresh = draw_latents(count, generator.latent_dim, seed=1)
    drawn = read(fresh)
    for keep_length in (True, False):
        hits, tried = torch.zeros(len(STRENGTHS)), 0
        for before in range(10):
            for after in set(range(10)) - {before}:
                some = fresh[drawn == before]
                moved = shift(some, means[after] - means[before], STRENGTHS, keep_length=keep_length)
                hits += (read(moved.flatten(0, 1)) == after).view(len(STRENGTHS), -1).sum(1)
                tried += len(some)
        shares = ", ".join(f"{h / tried:.1%} at t = {t:g}" for t, h in zip(STRENGTHS, hits.tolist(), strict=True))
        print(f"of {tried} pairs of a fresh latent and another class, turned into it: {shares} ({keep_length=})")
    one, other, third = draw_latents(3 * count, generator.latent_dim, seed=2).split(count)
    classes = [read(z) for z in (one, other, third)]
    same = (classes[0] == classes[2]) & (classes[0] != classes[1])
    sums = torch.stack([combine(z[:2], z[2:]) for z in torch.stack([one, other, third], 1)[same]])
    share = (read(sums) == classes[1][same]).float().mean()
    print(f"one sample + one of another class - another of the first's: read as the other {share:.1%} of {len(sums)}")


def look_for(what: str, generator: Generator, images: Tensor) -> None:
    before = time.process_time()
    distances = torch.stack([invert(generator, image).distances[0] for image in images])
    seconds = (time.process_time() - before) / len(images)
    low, middle, high = (distances.quantile(q).item() for q in (0, 0.5, 1))
    off = middle / images[0].numel() ** 0.5
    print(
        f"{what}: found to {middle:.3g} (median of {len(images)}; {low:.3g} to {high:.3g}), {off:.1%} of black to white"
        f" in the root mean square; {seconds:.1f} s each"
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
