"""Steps per CPU second of `harden` against adversarial training on rubbish with torchattacks, in turns, on one thread.

    pip install --no-deps torchattacks
    python tests/benchmarks/hardening.py [--rounds 5]

Both teach a LeNet with a reject class on 128 digits and 32 climbs of ten steps from noise, made against the network as
it is, by Adam. torchattacks climbs as it is used for adversarial training: its PGD, each image towards a target of its
own, nowhere bounded. Ours climbs as `harden` does: rule, step size, objective and momentum drawn for each image. The
shifted, perturbed and faded digits of our recipes are left out, since the peer has none.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import torch
from rows import HEADING, in_turns, keep
from torch.nn import functional as F

from fooling import LeNet, cli
from fooling.data.batches import Batches
from fooling.data.load import load
from fooling.run.run import Run
from fooling.run.tracking import WandbConfig
from fooling.teach.harden import HardenConfig, Teaching
from fooling.teach.negatives import NegativesConfig

BATCH, CLIMBED, STEPS = 128, 32, 10


def main(rounds: int = 5, steps: int = 20, json: Path | None = None) -> None:
    """Print the row.

    Args:
        rounds: How often they take turns.
        steps: Training steps in a turn.
        json: A file for the row.
    """
    import torchattacks

    torch.set_num_threads(1)
    data = load()
    network = LeNet(reject_class=True)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    attack = torchattacks.PGD(network, eps=1.0, alpha=0.05, steps=STEPS, random_start=False)
    attack.set_mode_targeted_by_label(quiet=True)
    batches, seen = Batches(data), 0

    def theirs() -> None:
        nonlocal seen
        for _ in range(steps):
            images, labels = batches.take_labelled(seen, BATCH)
            seen += BATCH
            climbed = attack(torch.rand(CLIMBED, 1, 28, 28), torch.randint(10, (CLIMBED,)))
            logits = network(torch.cat([images, climbed]))
            rejected = torch.full((CLIMBED,), 10)
            loss = F.cross_entropy(logits[:BATCH], labels) + F.cross_entropy(logits[BATCH:], rejected)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        config = HardenConfig(
            output=folder, threads=1, batch_size=BATCH, mixed_precision="no", wandb=WandbConfig(mode="disabled"),
            negatives=NegativesConfig(climbed=CLIMBED, kinds=["uniform"]), ramp_kimg=0,
        )  # fmt: skip
        run = stack.enter_context(Run(config, total_images=10**9, product="none"))
        teaching = Teaching(config, run, data)

        def ours() -> None:
            for _ in range(steps):
                figures = teaching.step()
                run.images_seen += BATCH
                torch.stack(list(figures.values())).tolist()

        print(HEADING)
        what = f"hardening step: {BATCH} digits, {CLIMBED} climbs of {STEPS} steps"
        peers = {"torchattacks PGD": theirs}
        keep(in_turns(what, steps, "steps/s", ours, peers, rounds=rounds, clock=time.process_time), json)


if __name__ == "__main__":
    sys.exit(cli.run(main))
