"""What the jury makes of climbs, on the plain and on the hardened network: python tests/benchmarks/jury.py [--out DIR]

How well it agrees with eyes, on the half of the sheet on which its rule was chosen and on the other; how many of the
climbs from noise it recognises, and each juror alone; and where an attack on the classifier and the jury at once ends,
from noise and from starts that nobody trained on. With --out, a picture of each.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fooling.audit.against_jury import attack_with_jury
from fooling.classifiers.jury import NONE, trained_jury
from fooling.classifiers.load import trained_classifier
from fooling.climb.parametrizations import Pixels
from fooling.climb.starts import KINDS
from fooling.data.load import DataConfig, load
from fooling.files import write_png
from fooling.images import to_float
from fooling.show.figures import draw_gallery
from fooling.teach.fresh_attack import AttackConfig, attack_afresh, attack_figures

EYES = Path(__file__).parent.parent / "fooling" / "classifiers"


def eyes() -> tuple[torch.Tensor, torch.Tensor]:
    """The 200 images, and what eyes see there."""
    rows = np.asarray(Image.open(EYES / "eyes.png")).reshape(10, 28, 20, 28).swapaxes(1, 2).reshape(200, 1, 28, 28)
    seen = [what for kind in json.loads((EYES / "eyes.json").read_text()).values() for what in kind]
    return torch.from_numpy(rows.copy()) / 255, torch.tensor([NONE if w == "none" else int(w) for w in seen])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--climbs", type=int, default=500)
    parser.add_argument("--attacks", type=int, default=100, help="from each kind of start")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    jury, (images, seen) = trained_jury(DataConfig()), eyes()
    right = jury.answers(images) == seen
    print(f"agrees with eyes: {right[::2].float().mean():.1%} of the half that it was chosen on,"
          f" {right[1::2].float().mean():.1%} of the other, {right.float().mean():.1%} of all")  # fmt: skip
    alone = jury.each_recognised(images, seen)  # of none, who may say so says -1 as eyes do
    print("alone:", ", ".join(f"{name} {share.float().mean():.1%}" for name, share in alone.items()))
    real = to_float(load("mnist", "test").images[:1000])
    generator = torch.Generator().manual_seed(1)
    for name in ("harden", "lenet"):
        network = trained_classifier(name)
        attack = attack_afresh(network, AttackConfig(count=arguments.climbs), seed=1)
        print(name, {k: round(v, 4) for k, v in attack_figures(attack, jury.jurors["judge"], jury).items()}, flush=True)
        kinds = {
            "uniform": Pixels.noise(arguments.attacks, seed=2).params,
            "permuted": KINDS["permuted"](arguments.attacks, real, generator),
            "patches": KINDS["patches"](arguments.attacks, real, generator),
            "upside down": real[: arguments.attacks].flip(2, 3),
        }
        for kind, starts in kinds.items():
            began, targets = time.process_time(), torch.arange(len(starts)) % 10
            ended = attack_with_jury(network, jury, starts, targets, steps=arguments.steps)
            figures = {key: round(value, 3) for key, value in ended.figures().items()}
            print(f"{name}, {kind}: {figures}, {time.process_time() - began:.0f} CPU seconds", flush=True)
            if arguments.out:
                said = zip(targets.tolist(), jury.answers(ended.images).tolist(), ended.by_held_out, strict=True)
                texts = [f"{t}, jury {a if a != NONE else 'none'}\n{'held out sees' if h else '-'}" for t, a, h in said]
                which = ended.sure.nonzero()[:60, 0].tolist()
                picture = draw_gallery(
                    ended.images[which], [texts[k] for k in which], title=f"{name}, {kind}", columns=10
                )
                write_png(picture, arguments.out / f"{name}-{kind.replace(' ', '-')}.png")


if __name__ == "__main__":
    main()
