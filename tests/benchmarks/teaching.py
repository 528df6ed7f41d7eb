"""What teaching gains against a climb from noise, and what it costs.

    fooling train --config configs/classifier.yaml
    fooling harden --config configs/harden.yaml                 # and harden-uniform.yaml, harden-rounds.yaml
    python tests/benchmarks/teaching.py runs/classifier runs/harden runs/harden-uniform runs/harden-rounds

For each: accuracy on the test digits; 1,000 climbs from uniform noise towards every class, nowhere bounded, sign steps
of 0.02, until 99 % or 400 steps: how many get there, and how many of those an independent judge recognises. Then the
cost: CPU time of a step of each configuration, and of all its steps, against the plain network's, in turns.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
import yaml

from fooling.classifiers.judge import trained_judge
from fooling.classifiers.networks import Classifier
from fooling.classifiers.train import TrainConfig, Training, accuracy
from fooling.data.load import DataConfig, load
from fooling.run.run import Run
from fooling.run.tracking import WandbConfig
from fooling.teach.fresh_attack import AttackConfig, attack_afresh, attack_figures
from fooling.teach.harden import HardenConfig, Teaching
from fooling.teach.negatives import ClimbConfig, NegativesConfig

CONFIGS = ("harden", "harden-faded", "harden-uniform", "harden-rounds", "yardstick-ceda", "yardstick-acet")


def resistance(folder: str) -> None:
    """Accuracy of the classifier of one run, and climbs from noise."""
    classifier, test = Classifier.from_pretrained(Path(folder, "classifier")), load(split="test")
    figures = attack_figures(attack_afresh(classifier, AttackConfig(), seed=1), trained_judge(DataConfig()))
    print(
        f"{folder}: accuracy {accuracy(classifier, test):.2%}; climbs from noise: {figures['fooled_99']:.1%} reach"
        f" 99 %, of those recognised {figures.get('recognised', float('nan')):.1%}, steps {figures['steps_needed']:.1f}"
    )


def cost(steps: int = 40) -> None:
    """CPU time of a training step, plain and taught, in turns; and of all the steps that each configuration takes."""
    quiet, data = WandbConfig(mode="disabled"), load()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        made = {}
        for name in ("plain", *CONFIGS):
            settings = {"output": f"{folder}/{name}", "wandb": quiet, "threads": 1}
            if name == "plain":
                config, make = TrainConfig(**settings), partial(Training, test=None)
            else:
                config, make = _config(f"configs/{name}.yaml", settings), Teaching
            run = stack.enter_context(Run(config, total_images=10**9, product="none"))
            made[name] = run, make(config, run, data)
            if name == "harden-rounds":  # from the second round on it has images to teach with
                made[name][1].pool.add(torch.rand(1000, 1, 28, 28))
        seconds = dict.fromkeys(made, 0.0)
        for k in range(steps + 5):
            for name, (run, training) in made.items():
                began = time.process_time()
                training.step()
                run.images_seen += 128
                seconds[name] += (time.process_time() - began) * (k >= 5)
    whole = {
        name: seconds[name] * training.config.kimg * getattr(training.config, "rounds", 1)
        for name, (_, training) in made.items()
    }
    for name, spent in seconds.items():
        print(
            f"{name}: {1000 * spent / steps:.1f} ms a step, {spent / seconds['plain']:.1f} times the plain network's;"
            f" all its steps {whole[name] / whole['plain']:.1f} times"
        )


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
