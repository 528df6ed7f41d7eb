"""Throughput of two processes of one thread against one, through the real command, in turns.

python tests/benchmarks/processes.py [--rounds 3] [--experiment configs/mnist.yaml] [--options="--batch_size 128"]
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from json import loads
from pathlib import Path

from rows import HEADING, Row, keep

from fooling import cli


def main(
    experiment: Path = Path("configs/mnist.yaml"),
    rounds: int = 3,
    kimg: float = 60,
    options: str = "",
    json: Path | None = None,
) -> None:
    """Print images per second of one and of two processes, and their ratio.

    Args:
        experiment: The YAML of what to train.
        rounds: How often they take turns.
        kimg: Thousands of images in a turn; the first sixth is left out of the measure.
        options: Further options of gan train, in one string.
        json: A file for the row.
    """
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for processes in speeds:
            speeds[processes].append(speed(experiment, processes, kimg, shlex.split(options)))
            print(f"{processes} process(es) of one thread: {speeds[processes][-1]:.0f} images/s", flush=True)
    row = Row(f"{experiment.stem}, two processes of one thread", "one process", "images/s", speeds[2], speeds[1])
    print(f"{HEADING}\n{row.as_markdown()}")
    keep([row], json)


def speed(config: Path, processes: int, kimg: float, options: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        train = ["-m", "gan", "train", "--config", str(config), "--output", folder, "--kimg", str(kimg), *options]
        quiet = ["--threads", "1", "--wandb.mode", "disabled", "--samples.kimg", "1e6", "--checkpoint_kimg", "1e6",
                 "--metrics.kimg", "0", "--log_kimg", str(kimg / 12)]  # fmt: skip
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, *launcher, *train, *quiet]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        lines = [loads(line) for line in Path(folder, "metrics.jsonl").read_text().splitlines()]
    first, last = lines[len(lines) // 6], lines[-1]
    return (last["images_seen"] - first["images_seen"]) / (last["seconds"] - first["seconds"])


if __name__ == "__main__":
    sys.exit(cli.run(main))
