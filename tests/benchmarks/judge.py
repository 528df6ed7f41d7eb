"""The judge of generated digits: a classifier that plays no part in any training, and the ruler made of it.

    python tests/benchmarks/judge.py        # trains it on first use (3 minutes on two cores), prints its accuracy

Its 128 penultimate features are what Fréchet distances here are measured on: write "judge FD", never "FID".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from fooling.data import Batches, default_root, load, seed_of, to_float
from fooling.pretrained import Pretrained
from gan.metrics import Overlap, frechet_distance, overlap

EPOCHS, BATCH, PEAK_RATE = 6, 128, 3e-3


class Judge(Pretrained):
    """Four 3x3 convolutions with BatchNorm, 128 hidden units: images (n, 1, 28, 28) in [0, 1] to logits (n, 10)."""

    def __init__(self):
        super().__init__()
        self.config = {}
        layers: list[nn.Module] = []
        for before, after, pool in ((1, 32, False), (32, 32, True), (32, 64, False), (64, 64, True)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if pool else []
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 49, 128), nn.ReLU())
        self.logits = nn.Linear(128, 10)

    def features(self, images: Tensor) -> Tensor:
        return self.body(2 * images - 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(self.features(images))


def trained_judge() -> Judge:
    """The judge, trained on first use and kept in the cache folder."""
    folder = default_root() / "judge"
    if not (folder / "model.safetensors").exists():
        _train().save_pretrained(folder)
    return Judge.from_pretrained(folder)


def _train() -> Judge:
    """MNIST's training digits, each batch shifted by up to two pixels; Adam with a one-cycle rate."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(0, 99))
        judge, batches = Judge(), Batches(load(), seed=99)
        steps = EPOCHS * 60_000 // BATCH
        optimizer = torch.optim.Adam(judge.parameters(), PEAK_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
        for step in range(steps):
            images, labels = batches.take(step * BATCH, BATCH)
            top, left = torch.randint(0, 5, (2,)).tolist()
            images = pad(images, (2, 2, 2, 2))[:, :, top : top + 28, left : left + 28]
            loss = cross_entropy(judge(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return judge.eval()


class Ruler:
    """Judge FD, precision, recall and coverage of 10,000 images against MNIST's 10,000 test digits."""

    def __init__(self):
        self.judge = trained_judge()
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
