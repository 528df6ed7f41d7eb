"""What is left of a training's speed beside other work, all with the threads that a run takes by itself.

    python tests/benchmarks/busy.py [--rounds 3]

For each of `gan train`, `fooling train` and `fooling harden`: images per second on a quiet machine, beside one busy
Python loop, and beside one training of the first example's size with a thread on every core, in turns, by whole
commands. Half is a fair share of two cores beside the last.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from json import loads
from pathlib import Path

from rows import HEADING, Row, keep

from fooling import cli
from fooling.run.threads import cores

COMMANDS = {
    "gan train": ["gan", "train", "--config", "mnist", "--samples.kimg", "1e6", "--metrics.kimg", "0", "--kimg", "30"],
    "fooling train": ["fooling", "train", "--kimg", "150"],
    "fooling harden": ["fooling", "harden", "--config", "harden", "--kimg", "30", "--evaluate_kimg", "1000"],
}
LOOP = "while True: pass"
CONVOLUTIONS = """
import torch
torch.set_num_threads({threads})
images, kernel = torch.rand(64, 16, 28, 28), torch.rand(32, 16, 3, 3, requires_grad=True)
while True: torch.nn.functional.conv2d(images, kernel).relu().sum().backward()
"""


def main(rounds: int = 3, json: Path | None = None) -> None:
    """Print images per second, and the share of the quiet speed.

    Args:
        rounds: How often they take turns.
        json: A file for the rows.
    """
    rows: list[Row] = []
    print(HEADING)
    beside = {
        "quiet": None,
        "beside a busy Python loop": LOOP,
        "beside a training on all cores": CONVOLUTIONS.format(threads=cores()),
    }
    for name, command in COMMANDS.items():
        speeds: dict[str, list[float]] = {where: [] for where in beside}
        for _ in range(rounds):
            for where, other in beside.items():
                speeds[where].append(_speed(command, other))
        for where in list(beside)[1:]:
            rows.append(Row(f"{name}, {where}", "quiet", "images/s", speeds[where], speeds["quiet"]))
            print(rows[-1].as_markdown(), flush=True)
    keep(rows, json)


def _speed(command: list[str], other: str | None) -> float:
    """Images per second, the first sixth left out."""
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    # A session of its own: where the scheduler shares cores between sessions, the two would be one otherwise.
    busy = subprocess.Popen([sys.executable, "-c", other], env=free, start_new_session=True) if other else None
    try:
        with tempfile.TemporaryDirectory() as folder:
            quiet = ["--output", folder, "--wandb.mode", "disabled", "--checkpoint_kimg", "1e6"]
            subprocess.run(
                [sys.executable, "-m", *command, *quiet], check=True, env=free, stdout=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            lines = [loads(line) for line in Path(folder, "metrics.jsonl").read_text().splitlines()]
    finally:
        if busy:
            busy.kill()
            busy.wait()
    first, last = lines[len(lines) // 6], lines[-1]
    return (last["images_seen"] - first["images_seen"]) / (last["seconds"] - first["seconds"])


if __name__ == "__main__":
    sys.exit(cli.run(main))
