"""The ruler of generated digits, made of a judge that plays no part in any training (fooling/classifiers/judge.py).

    python tests/benchmarks/ruler.py        # prints the judge's accuracy and the floor

Its penultimate features are what Fréchet distances here are measured on: write "judge FD", never "FID".
"""

from __future__ import annotations

import torch
from torch import Tensor

from fooling.classifiers.judge import trained_judge
from fooling.data.load import DataConfig, load
from fooling.images import to_float
from gan.metrics.distances import frechet_distance
from gan.metrics.precision_recall import Overlap, overlap


class Ruler:
    """Judge FD, precision, recall and coverage of 10,000 images against MNIST's 10,000 test digits."""

    def __init__(self):
        self.judge = trained_judge(DataConfig())
        test = load(split="test")
        self.real = self.features(test.images)
        self.accuracy = (self.judge.logits(self.real).argmax(1) == test.labels).float().mean().item()

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Of uint8 images (n, 1, 28, 28): what would be seen in a PNG."""
        return torch.cat([self.judge.features(to_float(chunk)) for chunk in images.split(500)])

    def measure(self, images: Tensor) -> tuple[float, Overlap]:
        features = self.features(images)
        return frechet_distance(self.real, features), overlap(self.real, features)

    def floor(self) -> tuple[float, Overlap]:
        """What real digits get: as many training digits against the test digits."""
        return self.measure(load().images[:10_000])


if __name__ == "__main__":
    ruler = Ruler()
    distance, shares = ruler.floor()
    print(f"judge: {ruler.accuracy:.2%} on MNIST's test digits; floor: judge FD {distance:.3f}, {shares}")
