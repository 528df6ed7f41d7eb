"""What the ruler costs, and the floor that it measures of real images against real images.

    python tests/benchmarks/ruler.py                                    # MNIST, and its generator if there is one
    python tests/benchmarks/ruler.py --run runs/fashion-mnist --name fashion-mnist

Run it on one thread, OMP_NUM_THREADS=1: times are of the processor, so that a busy machine changes them little.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fooling import cli
from fooling.data.load import DataConfig, Name
from gan import Generator
from gan.metrics.ruler import Ruler

T = TypeVar("T")


def main(run: Path = Path("runs/mnist"), name: Name = "mnist", counts: list[int] = [10_000, 5_000]) -> None:  # noqa: B006
    """Print the floor, and how long measuring a generator takes.

    Args:
        run: The folder of a run, whose generator is measured; left out where there is none.
        name: Of the data set.
        counts: Of samples in a measurement.
    """
    ruler = timed("making it, the judge and the data", lambda: Ruler.of(DataConfig(name)))
    print(ruler.words)
    for count in counts:
        floor = timed(f"floor of {count:,}, real features kept or not", lambda count=count: ruler.floor(count))
        print(f"floor: {floor.words}" if floor is not None else "no floor: too few images are held out")
    if not (run / "generator").is_dir():
        return print(f"{run} has no generator to measure")
    generator = Generator.from_pretrained(run / "generator")
    for count in counts:
        ruler.measure(generator, count)
        report = timed(f"{count:,} samples, as in training", lambda count=count: ruler.measure(generator, count))
        print(report.words)
        timed(f"{count:,} samples, thorough", lambda count=count: ruler.measure(generator, count, thorough=True))


def timed(what: str, function: Callable[[], T]) -> T:
    began = time.process_time(), time.perf_counter()
    result = function()
    print(f"{what}: {time.process_time() - began[0]:.1f} s of the processor, {time.perf_counter() - began[1]:.1f} s")
    return result


if __name__ == "__main__":
    sys.exit(cli.run(main))
