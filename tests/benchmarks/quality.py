"""How good are the digits after so many minutes, ours and the reference's?

    python tests/benchmarks/quality.py                      # trains both on this machine, one after the other
    python tests/benchmarks/quality.py --run runs/mnist     # measures a run that is there, and trains the reference
    python tests/benchmarks/quality.py --run runs/mnist --reference runs/quality/reference       # trains nothing

The reference (tests/benchmarks/reference.py) gets as long as our run took. Judge FD: see tests/benchmarks/ruler.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from reference import Reference
from ruler import Ruler

from fooling import cli
from fooling.data.load import load
from fooling.files import write_png
from fooling.images import to_uint8
from fooling.show.grids import grid
from gan import Generator


def main(run: Path | None = None, reference: Path | None = None, out: Path = Path("runs/quality")) -> None:
    """Print judge FD, precision, recall and coverage of 10,000 samples.

    Args:
        run: The folder of a finished run. Default: train configs/mnist.yaml into OUT/mnist.
        reference: A reference generator saved by an earlier call. Default: train one for as long as the run took.
        out: Where the pictures, and what is trained, go.
    """
    ruler = Ruler()
    print(f"judge: {ruler.accuracy:.2%} on MNIST's test digits")
    show("floor (training digits)", *ruler.floor())
    if run is None:
        run = out / "mnist"
        command = [sys.executable, "-m", "gan", "train", "--config", "configs/mnist.yaml", "--output", str(run)]
        subprocess.run(command, check=True)
    seconds = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]
    samples = to_uint8(Generator.from_pretrained(run / "generator").sample(10_000, seed=1))
    ours = ruler.measure(samples)
    show(f"{run} ({seconds / 60:.1f} min)", *ours)
    write_png(grid(samples[:100]), out / "ours.png")

    if reference is None:
        trainer = Reference(load())
        images_seen = trainer.train_for(seconds)
        print(f"the reference saw {images_seen / 1000:.0f} kimg in as long")
        reference = trainer.generator.save_pretrained(out / "reference")
    large = Generator.from_pretrained(reference).sample(10_000, seed=1)
    small = torch.nn.functional.interpolate(large, (28, 28), mode="bilinear", antialias=True)
    theirs = ruler.measure(to_uint8(small))
    show("reference", *theirs)
    write_png(grid(small[:100]), out / "reference.png")
    print(f"judge FD of the reference / ours: {theirs[0] / ours[0]:.1f}")


def show(name: str, distance: float, shares) -> None:
    print(f"{name}: judge FD {distance:.3f}, {shares}", flush=True)


if __name__ == "__main__":
    sys.exit(cli.run(main))
