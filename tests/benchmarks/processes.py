"""Throughput of two processes of one thread against one, and of two runs of half the batch at once, which share nothing
but the machine: what is left of twice the speed where nobody waits for a step. Through the real command, in turns.

    python tests/benchmarks/processes.py [--rounds 3] [--experiment configs/mnist.yaml] [--options="--batch_size 128"]
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from json import loads
from pathlib import Path

from rows import HEADING, Row, keep

from fooling import cli
from fooling.options.given import parse
from gan.config import TrainConfig


def main(
    experiment: Path = Path("configs/mnist.yaml"),
    rounds: int = 3,
    kimg: float = 60,
    options: str = "",
    json: Path | None = None,
) -> None:
    """Print images per second of one process, of two, and of two runs at once, and the ratios.

    Args:
        experiment: The YAML of what to train.
        rounds: How often they take turns.
        kimg: Thousands of images in a turn; the first sixth is left out of the measure.
        options: Further options of gan train, in one string.
        json: A file for the row.
    """
    given = shlex.split(options)
    half = parse(TrainConfig, ["--config", str(experiment), *given]).batch_size // 2
    one, two, apart = "one process", "two processes", "two runs of half the batch at once"
    speeds: dict[str, list[float]] = {one: [], two: [], apart: []}
    for _ in range(rounds):
        speeds[one].append(speed(experiment, 1, kimg, given))
        speeds[two].append(speed(experiment, 2, kimg, given))
        with ThreadPoolExecutor(2) as at_once:
            halves = [at_once.submit(speed, experiment, 1, kimg / 2, [*given, f"--batch_size={half}"]) for _ in "12"]
        speeds[apart].append(sum(run.result() for run in halves))
        print(", ".join(f"{name}: {found[-1]:.0f} images/s" for name, found in speeds.items()), flush=True)
    rows = [
        Row(f"{experiment.stem}, {name} of one thread", one, "images/s", speeds[name], speeds[one])
        for name in (two, apart)
    ]
    print("\n".join([HEADING, *(row.as_markdown() for row in rows)]))
    keep(rows, json)


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
