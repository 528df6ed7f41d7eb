"""Make the networks that ship with the package again: python tests/benchmarks/weights.py [--output DIR]

They are trained as configs/classifier.yaml, softmax.yaml and harden.yaml, fooling/classifiers/judge.py and
fooling/teach/jurors.py say, on one thread, in a quarter of an hour; kept in float16 where that costs no accuracy; and
compared with what they were before that: the accuracy and the largest change of a probability on the test digits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from fooling.classifiers.frozen import probabilities
from fooling.classifiers.judge import JudgeNet, JudgeScore, train_judge, write_score
from fooling.classifiers.networks import Classifier
from fooling.classifiers.train import TrainConfig, accuracy, train
from fooling.data.load import load
from fooling.images import to_float
from fooling.options.given import parse
from fooling.pretrained import WEIGHTS
from fooling.teach.harden import HardenConfig, harden
from fooling.teach.jurors import RECIPES as JURORS
from fooling.teach.jurors import train_juror

ROOT = Path(__file__).parent.parent.parent
RECIPES = {
    "lenet": ("classifier", TrainConfig, train),
    "softmax": ("softmax", TrainConfig, train),
    "harden": ("harden", HardenConfig, harden),
}
HEAD = """\
---
library_name: fooling-gan
license: mit
pipeline_tag: image-classification
tags: [image-classification]
---

"""
JUDGE_CARD = (
    HEAD
    + """\
# judge

Says whether an image really shows a digit. It was trained apart from all others, on MNIST's training digits moved,
turned and dirtied (`fooling.classifiers.judge.train_judge`, seed 99, four epochs). It has {accuracy:.2f} % of the test
digits right, is never attacked, and teaches nobody.
"""
)

JUROR_CARD = (
    HEAD
    + """\
# {name}

A juror (`fooling.classifiers.jury`): one of several networks that say together whether an image shows a digit. It was
taught on MNIST's training digits as `fooling.teach.jurors.RECIPES["{name}"]` says. It has {accuracy:.2f} % of the test
digits right alone, and teaches nobody.
"""
)


def trained(name: str, runs: Path) -> tuple[Classifier, str]:
    """The network, and its card."""
    if name == "judge":
        judge = train_judge(load("mnist"))
        return judge, JUDGE_CARD.format(accuracy=100 * accuracy(judge, load("mnist", "test")))
    if name.startswith("jury/"):
        juror = train_juror(load("mnist"), JURORS[name.removeprefix("jury/")])
        right = accuracy(juror, load("mnist", "test"))
        return juror, JUROR_CARD.format(name=name.removeprefix("jury/"), accuracy=100 * right)
    config, config_class, verb = RECIPES[name]
    told = ["--config", str(ROOT / "configs" / f"{config}.yaml"), "--output", str(runs / config), "--threads", "1"]
    verb(parse(config_class, [*told, "--wandb.mode", "disabled"]))
    folder = runs / config / "classifier"
    return Classifier.from_pretrained(folder), (folder / "README.md").read_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    parser.add_argument("--runs", type=Path, default=Path("runs/weights"), help="where the trainings are, or will be")
    parser.add_argument("--only", nargs="+", default=["judge", *RECIPES, *(f"jury/{name}" for name in JURORS)])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    test = load("mnist", "test")
    for name in arguments.only:
        network, card = trained(name, arguments.runs)
        for dtype in (torch.float16, torch.float32):  # the smaller one where nothing is lost by it
            folder = network.save_pretrained(arguments.output / name, card=card, dtype=dtype)
            kept = (JudgeNet if name == "judge" else Classifier).from_pretrained(folder)
            before, after = (probabilities(n, to_float(test.images)) for n in (network, kept))
            print(
                f"{name}: {accuracy(network, test):.2%} right, {accuracy(kept, test):.2%} in {dtype},"
                f" probabilities moved by at most {(after - before).abs().max():.5f},"
                f" {(folder / 'model.safetensors').stat().st_size / 1000:.0f} kB"
            )
            if name == "judge":
                write_score(JudgeScore(accuracy(kept, test), len(test)), test, folder)
            if accuracy(kept, test) == accuracy(network, test) or name.startswith("jury/"):
                break  # a juror's figures are those of what ships


if __name__ == "__main__":
    main()
