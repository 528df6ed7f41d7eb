"""How the GAN's step grows: with threads, with the batch and with the size of the images, and the fitted growth.

    python tests/benchmarks/scaling.py [--rounds 3]

The networks of configs/mnist.yaml, on random images. The growth is the slope of log seconds over log size: 1 where
twice the work takes twice as long, below it where small work leaves the machine idle.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from math import log
from pathlib import Path
from statistics import linear_regression, median

import torch
from rows import HEADING, Row, keep
from step_cost import random_images

from fooling import cli
from fooling.options.given import parse
from fooling.run.run import Run
from fooling.run.threads import cores
from gan.config import TrainConfig
from gan.training import Gan

BATCHES, SIZES = (16, 32, 64, 128, 256), (16, 32, 64, 128)


def main(rounds: int = 3, steps: int = 4, json: Path | None = None) -> None:
    """Print images per second of each, against one thread, and the fitted growth.

    Args:
        rounds: How often they take turns.
        steps: Training steps in a turn; a multiple of how many penalties are apart.
        json: A file for the rows.
    """
    print(HEADING)
    counts = [1 << k for k in range(cores().bit_length()) if 1 << k <= cores()]
    by_threads = timed({count: (count, 64, 32) for count in counts}, steps, rounds)
    speeds = {count: [64 * steps / spent for spent in seconds] for count, seconds in by_threads.items()}
    rows = [
        Row(f"a step on {count} threads", "one thread", "images/s", speeds[count], speeds[1]) for count in counts[1:]
    ]
    for row in rows:
        print(row.as_markdown())
    for what, sizes, of in (
        ("the batch", BATCHES, lambda size: (1, size, 32)),
        ("the pixels", SIZES, lambda size: (1, 16, size)),
    ):
        seconds = timed({size: of(size) for size in sizes}, steps, rounds)
        amounts = [size if what == "the batch" else size**2 for size in sizes]
        medians = [median(seconds[size]) for size in sizes]
        growth = linear_regression([log(n) for n in amounts], [log(s) for s in medians]).slope
        said = ", ".join(f"{size}: {1000 * s / steps:.1f}" for size, s in zip(sizes, medians, strict=True))
        print(f"with {what}, ms a step on one thread ({said}): the power {growth:.2f}")
    keep(rows, json)


def timed(cases: dict[int, tuple[int, int, int]], steps: int, rounds: int) -> dict[int, list[float]]:
    """Seconds of so many steps, once a round, of each case: threads, images in a batch, pixels."""
    seconds: dict[int, list[float]] = {name: [] for name in cases}
    with ExitStack() as stack:
        ready = {name: step_of(*case, steps, stack) for name, case in cases.items()}
        for turn in range(rounds + 1):
            for name, (threads, *_) in cases.items():
                torch.set_num_threads(threads)
                started = time.perf_counter()
                ready[name]()
                seconds[name] += [time.perf_counter() - started] * (turn > 0)
    return seconds


def step_of(threads: int, batch: int, size: int, steps: int, stack: ExitStack) -> Callable[[], None]:
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    told = ["--config", "mnist", "--batch_size", str(batch), "--data.image_size", str(size), "--output", folder]
    config = parse(TrainConfig, [*told, "--threads", str(threads), "--metrics.kimg", "0"])
    run = stack.enter_context(Run(config, total_images=10**9, product="none"))
    gan = Gan(config, run, random_images(config.data))

    def step() -> None:
        for _ in range(steps):
            gan.step()
            run.images_seen += batch

    return step


if __name__ == "__main__":
    sys.exit(cli.run(main))
