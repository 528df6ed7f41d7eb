"""The ruler's figures against torchmetrics' and prdc's, on the same features: how near, and how fast, in turns.

    pip install prdc
    python tests/benchmarks/distances.py [--count 10000] [--rounds 5]

On one thread, by processor time. prdc measures distances in all pairs by scikit-learn, on as many threads as it likes,
so its processor time is of all of them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from rows import HEADING, Row, in_turns, keep
from torch import Tensor, nn
from torchmetrics import Metric

from fooling import cli
from gan.metrics.distances import frechet_distance, kernel_distance
from gan.metrics.precision_recall import overlap


class Features(nn.Module):
    """What torchmetrics takes for a network: the images are the features."""

    num_features = 96

    def forward(self, features: Tensor) -> Tensor:
        return features


def main(count: int = 10_000, rounds: int = 5, json: Path | None = None) -> None:
    """Print a row for each figure.

    Args:
        count: Real features, and as many of samples.
        rounds: How often they take turns.
        json: A file for the rows.
    """
    from prdc import compute_prdc
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(96, 96, generator=generator) / 10
    real, fake = (torch.randn(count, 96, generator=generator) @ mixing + shift for shift in (0.0, 0.1))
    fid, kid = FrechetInceptionDistance(Features()), KernelInceptionDistance(Features(), subset_size=1000)
    found: dict[str, float] = {}

    def torchmetrics(metric: Metric) -> None:
        metric.reset()
        for features, is_real in ((real, True), (fake, False)):
            for part in features.split(500):
                metric.update(part, real=is_real)
        value = metric.compute()
        found["its"] = float(value[0] if isinstance(value, tuple) else value)

    print(HEADING)
    rows: list[Row] = []
    subsets = "all pairs against 100 subsets of 1,000"
    for what, distance, metric in (
        (f"Fréchet distance, {count:,} features of 96", frechet_distance, fid),
        (f"kernel distance, {count:,} features of 96: {subsets}", kernel_distance, kid),
    ):
        rows += in_turns(
            what, 1, "figures/s", lambda distance=distance: found.update(ours=distance(real, fake)),
            {"torchmetrics": lambda metric=metric: torchmetrics(metric)}, rounds=rounds, clock=time.process_time,
        )  # fmt: skip
        print(f"ours {found['ours']:.6g}, torchmetrics {found['its']:.6g}")
    shares: dict[str, object] = {}
    rows += in_turns(
        f"precision, recall, density, coverage, {count:,} features of 96", 1, "figures/s",
        lambda: shares.update(ours=overlap(real, fake)),
        {"prdc": lambda: shares.update(its=compute_prdc(real.numpy(), fake.numpy(), 5))}, rounds=rounds,
        clock=time.process_time,
    )  # fmt: skip
    print(f"ours {shares['ours']}, prdc {shares['its']}")
    keep(rows, json)


if __name__ == "__main__":
    sys.exit(cli.run(main))
