"""How long a command takes to begin: `--help`, and `gan train` and `fooling train` to their first step, in turns with
what Python needs to import torch alone.

    python tests/benchmarks/start.py [--rounds 5]

Whole processes, from the call on. The first step is taken for done when its line is in metrics.jsonl.
"""

from __future__ import annotations

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
HELPS = {"gan --help": ["gan", "--help"], "gan train --help": ["gan", "train", "--help"]}


def main(rounds: int = 5, json: Path | None = None) -> None:
    """Print starts per second, of each against `import torch`.

    Args:
        rounds: How often they take turns.
        json: A file for the rows.
    """
    starts: dict[str, list[float]] = {"import torch": [], **{name: [] for name in (*HELPS, *TRAININGS)}}
    for _ in range(rounds):
        starts["import torch"].append(_whole([sys.executable, "-c", "import torch"]))
        for name, command in HELPS.items():
            starts[name].append(_whole([sys.executable, "-m", *command]))
        for name, command in TRAININGS.items():
            starts[name].append(_first_step([sys.executable, "-m", *command]))
    rows = [
        Row(f"{name}, from the call{' to the first step' * (name in TRAININGS)}", "import torch", "starts/s",
            [1 / seconds for seconds in found], [1 / seconds for seconds in starts["import torch"]])
        for name, found in starts.items() if name != "import torch"
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
