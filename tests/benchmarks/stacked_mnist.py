"""How many of a thousand modes does a generator of three-digit images draw, and how evenly?

    python tests/benchmarks/stacked_mnist.py                                     # trains three, and a plain DCGAN
    python tests/benchmarks/stacked_mnist.py --runs runs/stacked-mnist-0 runs/stacked-mnist-dcgan-0

Published, over 26,000 samples as here (modes / KL): DCGAN 99 / 3.40 and PacDCGAN2 1,000 / 0.06 (Lin et al. 2018), R3GAN
1,000 / 0.03 (Huang et al. 2024). Each has a classifier of digits of its own; ours is the judge: 99.55 % right.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fooling import cli
from fooling.data.load import DataConfig
from gan import Generator
from gan.metrics.report import Report
from gan.metrics.ruler import Ruler

SAMPLES = 26_000


def main(runs: list[Path] | None = None, seeds: int = 3, out: Path = Path("runs")) -> None:
    """Print modes and divergence of each run, and those of real images.

    Args:
        runs: Folders of finished runs. Default: train new ones.
        seeds: How many of configs/stacked-mnist.yaml.
        out: The folder to train them into.
    """
    ruler = Ruler.of(DataConfig("stacked-mnist"))
    print(f"measured by {ruler.words}")
    floor = ruler.floor(SAMPLES)
    assert floor is not None  # it has test images
    show("real images", floor)
    if runs is None:
        trained = [("stacked-mnist", seed) for seed in range(seeds)] + [("stacked-mnist-dcgan", 0)]
        runs = [out / f"{name}-{seed}" for name, seed in trained]
        for run, (name, seed) in zip(runs, trained, strict=True):
            command = ["gan", "train", "--config", f"configs/{name}.yaml", "--output", str(run), "--seed", str(seed)]
            subprocess.run([sys.executable, "-m", *command], check=True)
    for run in runs:
        seconds = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]
        show(f"{run} ({seconds / 60:.0f} min)", ruler.measure(Generator.from_pretrained(run / "generator"), SAMPLES))


def show(name: str, report: Report) -> None:
    assert report.modes is not None  # the judge tells classes
    modes = report.modes
    print(f"{name}: {modes.count:,} of {modes.of:,} modes, KL {modes.divergence:.4f}; {report.words}", flush=True)


if __name__ == "__main__":
    sys.exit(cli.run(main))
