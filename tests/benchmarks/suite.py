"""All speeds against named peers, in one table, Markdown and JSON.

    pip install -e ".[test]" scikit-learn foolbox adversarial-robustness-toolbox cleverhans captum
    pip install --no-deps torchgan torchattacks             # whose pins are of 2021
    python tests/benchmarks/suite.py --output speeds        # an hour of an idle machine

Each script runs in a process of its own, so that no peer changes what another finds; what a script prints beside its
rows is printed too. Of the GAN's step and the climb, a peer that is not installed has no row; the rest need theirs.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import torch
from rows import HEADING, Row

from fooling import cli
from fooling.errors import UserError
from fooling.run.threads import cores

# Images as large as CIFAR-10's, which a machine without a network has too: the time of a step is the same.
STAND_IN = "--data.name stacked-mnist --data.image_size 32"
# The scripts, what they are told, and whether they are given one thread.
SCRIPTS: dict[str, tuple[list[str], bool]] = {
    "speed": (["--threads", "1"], True),
    "attack_speed": ([], True),
    "convolutions": (["--precision", "bf16"], True),
    "hardening": ([], True),
    "distances": ([], True),
    "data": ([], True),
    "processes": ([], True),
    "processes-cifar10": (["--experiment", "cifar10", "--kimg", "6", f"--options={STAND_IN}"], True),
    "scaling": ([], False),
    "start": ([], False),
    "busy": ([], False),
}


def main(output: Path = Path("speeds"), only: list[str] = [], rounds: int = 3) -> None:  # noqa: B006
    """Print the table, and write it to OUTPUT.md and OUTPUT.json.

    Args:
        output: Where to, without the ending.
        only: Scripts to run. Default: all.
        rounds: How often ours and the peers take turns.
    """
    if unknown := set(only) - set(SCRIPTS):
        raise UserError(f"no script named {', '.join(sorted(unknown))}: expected some of {', '.join(SCRIPTS)}")
    rows: list[Row] = []
    failed: list[str] = []
    for name in only or SCRIPTS:
        try:
            rows += run(name, rounds)
        except UserError as error:  # the rest of an hour is not lost with it
            failed.append(f"{name}: {error}")
            print(failed[-1], flush=True)
    machine = f"{cores()} cores of {processor()}, PyTorch {torch.__version__}"
    table = "\n".join([f"{machine}, {rounds} rounds", "", HEADING, *(row.as_markdown() for row in rows)])
    print(f"\n{table}")
    output.with_suffix(".md").write_text(f"{table}\n")
    found = {"machine": machine, "rounds": rounds, "rows": [row.as_dict() for row in rows]}
    output.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    if failed:
        raise UserError(f"not in the table: {'; '.join(failed)}")


def processor() -> str:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor()


def run(name: str, rounds: int) -> list[Row]:
    told, one_thread = SCRIPTS[name]
    script = Path(__file__).with_name(f"{name.partition('-')[0]}.py")
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    environment |= {"OMP_NUM_THREADS": "1"} if one_thread else {}
    print(f"\n{name}", flush=True)
    with tempfile.TemporaryDirectory() as place:
        kept = Path(place, "rows.json")
        command = [sys.executable, str(script), *told, "--rounds", str(rounds), "--json", str(kept)]
        done = subprocess.run(command, env=environment, check=False)
        if done.returncode:
            raise UserError(f"{script.name} ended with exit code {done.returncode}")
        fields = Row.__dataclass_fields__
        return [Row(**{key: row[key] for key in fields}) for row in json.loads(kept.read_text())]


if __name__ == "__main__":
    sys.exit(cli.run(main))
