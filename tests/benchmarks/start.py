"""How long a command takes to begin: `--help`, in turns with what Python needs to import torch alone, and `gan train`
and `fooling train` to their first step, in turns with the import of the libraries that no training does without: torch,
its compiler, which every optimiser of torch imports, accelerate and wandb.

    python tests/benchmarks/start.py [--rounds 5]

Whole processes, from the call on, of code that Python has compiled before. The first step is taken for done when its
line is in metrics.jsonl.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import HEADING, Row, keep

from fooling import cli

TRAININGS = {
    "gan train --config mnist": ["gan", "train", "--config", "mnist"],
    "fooling train": ["fooling", "train"],
}
TORCH, LIBRARIES = "import torch", "import torch, torch._dynamo, accelerate, wandb"
HELPS = {"gan --help": ["gan", "--help"], "gan train --help": ["gan", "train", "--help"]}


def main(rounds: int = 5, json: Path | None = None) -> None:
    """Print starts per second, of each against the import.

    Args:
        rounds: How often they take turns.
        json: A file for the rows.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for command in TRAININGS.values():
        _first_step([sys.executable, "-m", *command])
    starts: dict[str, list[float]] = {name: [] for name in (TORCH, *HELPS, LIBRARIES, *TRAININGS)}
    for _ in range(rounds):
        for imports in (TORCH, LIBRARIES):
            starts[imports].append(_whole([sys.executable, "-c", imports]))
        for name, command in HELPS.items():
            starts[name].append(_whole([sys.executable, "-m", *command]))
        for name, command in TRAININGS.items():
            starts[name].append(_first_step([sys.executable, "-m", *command]))
    peers = {**dict.fromkeys(HELPS, TORCH), **dict.fromkeys(TRAININGS, LIBRARIES)}
    rows = [
        Row(f"{name}, from the call{' to the first step' * (name in TRAININGS)}", peer, "starts/s",
            [1 / seconds for seconds in starts[name]], [1 / seconds for seconds in starts[peer]])
        for name, peer in peers.items()
    ]  # fmt: skip
    print("\n".join([HEADING, *(row.as_markdown() for row in rows)]))
    for name, found in starts.items():
        print(f"{name}: {min(found):.2f} to {max(found):.2f} s")
    keep(rows, json)


def _whole(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _first_step(command: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        log, told = Path(folder, "run", "metrics.jsonl"), ["--output", f"{folder}/run", "--log_kimg", "0.001"]
        started = time.perf_counter()
        training = subprocess.Popen([*command, *told], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not (log.exists() and log.stat().st_size):
                if training.poll() is not None:
                    raise RuntimeError(f"{' '.join(command)} ended with exit code {training.returncode}")
                time.sleep(0.005)
            return time.perf_counter() - started
        finally:
            training.kill()
            training.wait()


if __name__ == "__main__":
    sys.exit(cli.run(main))
