"""What a training step of a configuration costs: images per second of processor time, on one thread and random images.

    python tests/benchmarks/step_cost.py mnist cifar10 cifar10-sngan --images 32

A batch is as large as --images says, so that wide networks take seconds; an image of a larger one costs about as much.
Processor time, since that is what other programs on the machine do not change much.
"""

from __future__ import annotations

import sys
import tempfile
import time

import torch

from fooling import cli
from fooling.data.load import DataConfig
from fooling.images import Images
from fooling.options.given import parse
from fooling.run.run import Run
from gan.config import TrainConfig
from gan.training import Gan

PIXELS = {"mnist": (28, 1), "fashion-mnist": (28, 1), "stacked-mnist": (28, 3), "cifar10": (32, 3), "celeba": (64, 3)}


def main(configs: list[str], images: int = 32, steps: int = 8) -> None:
    """Print for each configuration its networks' parameters, and images per second.

    Args:
        configs: Names or files of configurations.
        images: Images in a batch.
        steps: Training steps that are timed, after one that is not. A multiple of how many penalties are apart.
    """
    for name in configs:
        with tempfile.TemporaryDirectory() as folder:
            told = ["--config", name, "--batch_size", str(images), "--output", folder, "--threads", "1"]
            config = parse(TrainConfig, [*told, "--metrics.kimg", "0"])
            with Run(config, total_images=10**9, product="none") as run:
                gan = Gan(config, run, random_images(config.data))
                gan.step()
                started = time.process_time()
                for _ in range(steps):
                    run.images_seen += images * config.discriminator_steps
                    gan.step()
                seconds = time.process_time() - started
        sizes = " and ".join(
            f"{sum(p.numel() for p in n.parameters()) / 1e6:.2f}" for n in (gan.generator, gan.discriminator)
        )
        shown = images * steps * config.discriminator_steps
        print(f"{name}: {shown / seconds:.3g} images/s, {sizes} million parameters", flush=True)


def random_images(data: DataConfig) -> Images:
    own = PIXELS.get(data.name, (64, 3))
    size, channels = data.image_size or own[0], data.channels or own[1]
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (512, channels, size, size), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(512) % 10, tuple(map(str, range(10))))


if __name__ == "__main__":
    sys.exit(cli.run(main))
