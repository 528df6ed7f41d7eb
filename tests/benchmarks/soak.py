"""A long training, watched from outside: is its memory flat, and its speed steady?

    python tests/benchmarks/soak.py [--minutes 120] [--config mnist-best] [--folder runs/soak] [--options="--threads 1"]

Ten rows, a tenth of the time each: the memory that is resident, how many files and threads are open, CPU seconds per
thousand images, which other programs on the machine change little, and images per second, which they do change. The
training is ended by Ctrl-C where the time is over, and is a run like any other: given again, it goes on.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from fooling import cli
from fooling.errors import UserError

_PARTS = 10


@dataclass
class Look:
    """What was seen of the training after so many seconds."""

    seconds: float
    images: int
    cpu_seconds: float
    memory: float
    files: int
    threads: int


def main(
    minutes: float = 120, config: str = "mnist-best", folder: Path = Path("runs/soak"), options: str = "--threads 1"
) -> None:
    """Print ten rows, and what changed from the second to the last.

    Args:
        minutes: How long to train.
        config: The configuration, as gan train --config takes it.
        folder: The run's.
        options: Further options of gan train, in one string.
    """
    command = ["gan", "train", "--config", config, "--output", str(folder), *shlex.split(options)]
    training = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL)
    looks: list[Look] = []
    try:
        watched, end = psutil.Process(training.pid), time.monotonic() + 60 * minutes
        while training.poll() is None and time.monotonic() < end:
            with suppress(psutil.Error, OSError, IndexError):  # it has ended, or not begun to log
                looks.append(_look(watched, folder))
            time.sleep(min(15.0, minutes))
    finally:
        if training.poll() is None:
            training.send_signal(signal.SIGINT)
    exit_code = training.wait()
    if exit_code not in (0, 130) or len(looks) <= _PARTS:
        raise UserError(f"the training ended with exit code {exit_code}, after {len(looks)} looks at it")
    rows = [_row(looks[k * len(looks) // _PARTS], looks[(k + 1) * len(looks) // _PARTS - 1]) for k in range(_PARTS)]
    print("| minutes | kimg | MB | files | threads | CPU s per kimg | images/s |\n|---:|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    first, last = looks[len(looks) // _PARTS], looks[-1]
    print(f"memory: {last.memory - first.memory:+.0f} MB from minute {first.seconds / 60:.0f} to the end")


def _look(training: psutil.Process, folder: Path) -> Look:
    with training.oneshot():
        last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
        spent = training.cpu_times()
        return Look(
            time.time() - training.create_time(), last["images_seen"], spent.user + spent.system,
            training.memory_info().rss / 2**20, training.num_fds(), training.num_threads(),
        )  # fmt: skip


def _row(first: Look, last: Look) -> list[str]:
    kimg = (last.images - first.images) / 1000
    cpu, rate = (last.cpu_seconds - first.cpu_seconds) / kimg, 1000 * kimg / (last.seconds - first.seconds)
    return [
        f"{last.seconds / 60:.0f}", f"{last.images / 1000:,.0f}", f"{last.memory:,.0f}", str(last.files),
        str(last.threads), f"{cpu:.2f}", f"{rate:,.0f}",
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(cli.run(main))
