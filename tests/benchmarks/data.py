"""Images per second into a training, against torchvision's data sets behind a DataLoader of 0, 2 and 4 workers.

    python tests/benchmarks/data.py [--rounds 5] [--images 5000]

MNIST as it ships; and a folder of JPEGs of 178 by 218 pixels, CelebA's size, drawn at random, cropped and shrunk to 64:
when it is read for the first time, and from then on. By the clock, since workers are processes of their own.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from reference import BATCH, ImagesOneByOne, endless
from rows import HEADING, Row, in_turns, keep
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

from fooling import cli
from fooling.data.batches import Batches
from fooling.data.load import load

WORKERS = (0, 2, 4)


def main(rounds: int = 5, images: int = 5000, batches: int = 50, json: Path | None = None) -> None:
    """Print a row for each data set and number of workers, and how long a first and a second start take.

    Args:
        rounds: How often they take turns.
        images: Files in the folder.
        batches: Batches of 128 in a turn.
        json: A file for the rows.
    """
    print(HEADING)
    digits = load()
    rows = compared("MNIST", Batches(digits), ImagesOneByOne(digits, 28), batches, rounds)
    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place, "faces", "all"), Path(place, "cache")
        draw(folder, images)
        for start in ("first", "second"):
            started = time.perf_counter()
            faces = load("folder", folder=str(folder.parent), image_size=64, root=str(cache))
            seconds = time.perf_counter() - started
            print(f"{start} start with the folder: {seconds:.2f} s, {len(faces) / seconds:,.0f} images/s")
        steps = [transforms.Resize(64), transforms.CenterCrop(64), transforms.ToTensor()]
        theirs = datasets.ImageFolder(str(folder.parent), transforms.Compose(steps))
        rows += compared(f"{images:,} JPEGs, 64 pixels", Batches(faces), theirs, batches, rounds)
    keep(rows, json)


def compared(what: str, ours: Batches, theirs: Dataset, batches: int, rounds: int) -> list[Row]:
    position = 0

    def take() -> None:
        nonlocal position
        for _ in range(batches):
            ours.take(position, BATCH)
            position += BATCH

    def of_workers(count: int) -> Callable[[], None]:
        loader = DataLoader(
            theirs, BATCH, shuffle=True, num_workers=count, drop_last=True, persistent_workers=count > 0
        )
        stream = endless(loader)
        return lambda: [next(stream) for _ in range(batches)] and None

    peers = {f"torchvision, {count} workers": of_workers(count) for count in WORKERS}
    return in_turns(f"{what}, in batches of {BATCH}", batches * BATCH, "images/s", take, peers, rounds=rounds)


def draw(folder: Path, count: int) -> None:
    source = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        small = Image.fromarray(source.integers(0, 256, (28, 22, 3), dtype=np.uint8))
        small.resize((178, 218), Image.Resampling.BICUBIC).save(folder / f"{number:06d}.jpg", quality=90)


if __name__ == "__main__":
    sys.exit(cli.run(main))
