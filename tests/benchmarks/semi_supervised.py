"""How many digits does a classifier get wrong that knows the labels of a hundred?

    python tests/benchmarks/semi_supervised.py                                # trains three, one after the other
    python tests/benchmarks/semi_supervised.py --runs runs/few-0 runs/few-1   # measures what is there

Each is trained by configs/semi-supervised.yaml with weights and a hundred labels of a seed of its own. An image counts
as read right by the highest of the ten classes: whether the network takes it for real is not asked, as in the code of
Salimans et al. 2016, who have 0.93 % wrong (mean of ten).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import mean

from fooling import Classifier, cli
from fooling.classifiers.frozen import logits_of
from fooling.data.load import load
from fooling.images import Images, to_float


def main(runs: list[Path] | None = None, seeds: int = 3, out: Path = Path("runs")) -> None:
    """Print the test error of each run's classifier, and their mean.

    Args:
        runs: Folders of finished runs. Default: train new ones.
        seeds: How many of these.
        out: The folder to train them into.
    """
    test, errors = load("mnist", "test"), []
    for run in runs if runs is not None else [out / f"semi-supervised-{seed}" for seed in range(seeds)]:
        if runs is None:
            seed = ["--seed", str(len(errors)), "--label_seed", str(len(errors))]
            command = ["gan", "train", "--config", "configs/semi-supervised.yaml", "--output", str(run), *seed]
            subprocess.run([sys.executable, "-m", *command], check=True)
        errors.append(error_of(Classifier.from_pretrained(run / "classifier"), test))
        seconds = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]
        print(f"{run} ({seconds / 60:.1f} min): {errors[-1]:.2%} of the test digits wrong", flush=True)
    print(f"mean of {len(errors)}: {mean(errors):.2%}")


def error_of(classifier: Classifier, test: Images) -> float:
    """The part of the images of which another class than the label's is the likeliest of all classes."""
    classes = logits_of(classifier, to_float(test.images))[:, : classifier.num_classes]
    return (classes.argmax(1) != test.targets).double().mean().item()


if __name__ == "__main__":
    sys.exit(cli.run(main))
