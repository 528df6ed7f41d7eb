"""How good are the digits after so many minutes, ours and the reference's?

    python tests/benchmarks/quality.py                      # trains both on this machine, one after the other
    python tests/benchmarks/quality.py --run runs/mnist     # measures a run that is there, and trains the reference
    python tests/benchmarks/quality.py --run runs/mnist --reference runs/quality/reference       # trains nothing

The reference (tests/benchmarks/reference.py) gets as long as our run took. Judge FD: see gan/metrics/ruler.py. `gan
evaluate runs/mnist` measures a run alone, and more of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from reference import Reference

from fooling import cli
from fooling.data.load import DataConfig, load
from fooling.files import write_png
from fooling.show.grids import grid
from gan import Generator
from gan.metrics.ruler import Ruler


def main(run: Path | None = None, reference: Path | None = None, out: Path = Path("runs/quality")) -> None:
    """Print judge FD, precision, recall, density and coverage of 10,000 samples.

    Args:
        run: The folder of a finished run. Default: train configs/mnist.yaml into OUT/mnist.
        reference: A reference generator saved by an earlier call. Default: train one for as long as the run took.
        out: Where the pictures, and what is trained, go.
    """
    ruler = Ruler.of(DataConfig())
    print(f"measured by {ruler.words}")
    floor = ruler.floor()
    assert floor is not None  # MNIST has test digits
    print(f"floor (training digits): {floor.words}", flush=True)
    if run is None:
        run = out / "mnist"
        command = [sys.executable, "-m", "gan", "train", "--config", "configs/mnist.yaml", "--output", str(run)]
        subprocess.run(command, check=True)
    seconds = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]
    generator = Generator.from_pretrained(run / "generator")
    ours = ruler.measure(generator)
    print(f"{run} ({seconds / 60:.1f} min): {ours.words}", flush=True)
    write_png(grid(generator.sample(100, seed=1)), out / "ours.png")

    if reference is None:
        trainer = Reference(load())
        images_seen = trainer.train_for(seconds)
        print(f"the reference saw {images_seen / 1000:.0f} kimg in as long")
        reference = trainer.generator.save_pretrained(out / "reference")
    large = Generator.from_pretrained(reference).sample(10_000, seed=1)
    small = torch.nn.functional.interpolate(large, (28, 28), mode="bilinear", antialias=True)
    theirs = ruler.measure_images(small.clamp(0, 1))
    print(f"reference: {theirs.words}", flush=True)
    write_png(grid(small[:100]), out / "reference.png")
    print(f"judge FD of the reference / ours: {theirs.frechet_distance / ours.frechet_distance:.1f}")


if __name__ == "__main__":
    sys.exit(cli.run(main))
