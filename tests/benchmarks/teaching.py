"""What teaching costs and gains: the figures of the README's table of taught networks.

    fooling train --config configs/classifier.yaml
    fooling harden --config configs/harden.yaml                 # and harden-uniform.yaml, harden-rounds.yaml
    python tests/benchmarks/teaching.py runs/classifier runs/harden runs/harden-uniform runs/harden-rounds

For each: accuracy on the test digits; 1,000 climbs from uniform noise towards every class, nowhere bounded, sign steps
of 0.02, until 99 % or 400 steps: how many get there, and how many of those an independent judge recognises; how far a
walk-out gets. Then the cost: CPU seconds of a step of each configuration against one of the plain network, in turns.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml

from fooling.attacks import SURE, probabilities
from fooling.battery import images_of
from fooling.classifiers import Classifier
from fooling.data import DataConfig, load
from fooling.fresh_attack import AttackConfig, attack_afresh
from fooling.harden import Teaching
from fooling.judge import recognised, trained_judge
from fooling.lessons import ClimbConfig, HardenConfig, NegativesConfig
from fooling.rubbish import KINDS
from fooling.run import Run
from fooling.tracking import WandbConfig
from fooling.train import TrainConfig, Training, accuracy
from fooling.walkout import walk_out

CONFIGS = ("harden", "harden-uniform", "harden-rounds")


def resistance(folder: str) -> None:
    """Accuracy, climbs from noise and walk-outs of the classifier of one run."""
    classifier, judge, test = (
        Classifier.from_pretrained(Path(folder, "classifier")),
        trained_judge(DataConfig()),
        load(split="test"),
    )
    attack = attack_afresh(classifier, AttackConfig(count=1000), seed=1)
    targets, sure = torch.arange(1000) % 10, attack.success
    seen = recognised(judge, attack.images[sure], targets[sure]).float().mean() if sure.any() else float("nan")
    drawn = recognised(judge, attack.images, targets).float().mean()
    print(
        f"{folder}: accuracy {accuracy(classifier, test):.2%}; climbs from noise: {sure.float().mean():.1%} reach 99 %,"
        f" of those recognised {seen:.1%} (of all {drawn:.1%}), steps {attack.steps[sure].float().mean():.1f}"
    )
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(300) % 10
    digits = images_of(test, targets, generator)
    certain = probabilities(classifier, digits).gather(1, targets[:, None])[:, 0] >= SURE
    digits, targets = digits[certain], targets[certain]
    for kind in ("uniform", "grey", "black"):
        walk = walk_out(classifier, digits, targets, KINDS[kind](len(digits), digits, generator), steps=150)
        seen = recognised(judge, walk.images, targets).float().mean()
        print(f"  walk-out towards {kind}: {walk.walked.median():.0%} of the way, {seen:.0%} still recognised")


def cost(steps: int = 40) -> None:
    """CPU time of a training step, plain and taught, in turns."""
    quiet, data = WandbConfig(mode="disabled"), load()
    with tempfile.TemporaryDirectory() as folder:
        made = {}
        for name in ("plain", *CONFIGS):
            settings = {"output": f"{folder}/{name}", "wandb": quiet, "threads": 1}
            if name == "plain":
                config, make = TrainConfig(**settings), Training
            else:
                config, make = _config(f"configs/{name}.yaml", settings), Teaching
            run = Run(config, total_images=10**9, product="none")
            made[name] = run, make(config, run, data)
            if name == "harden-rounds":  # from the second round on it has images to teach with
                made[name][1].pool.add(torch.rand(1000, 1, 28, 28))
        seconds = dict.fromkeys(made, 0.0)
        for k in range(steps + 5):
            for name, (run, training) in made.items():
                began = time.process_time()
                training.step()
                run.advance(128)
                seconds[name] += (time.process_time() - began) * (k >= 5)
    for name, spent in seconds.items():
        print(f"{name}: {1000 * spent / steps:.1f} ms a step, {spent / seconds['plain']:.1f} times the plain network's")


def _config(file: str, settings: dict) -> HardenConfig:
    told = yaml.safe_load(Path(file).read_text())
    negatives = told.pop("negatives")
    climb = ClimbConfig(**negatives.pop("climb", {}))
    attack = AttackConfig(**told.pop("attack", {}))
    return HardenConfig(**told, negatives=NegativesConfig(**negatives, climb=climb), attack=attack, **settings)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for run_folder in sys.argv[1:]:
        resistance(run_folder)
    cost()
