"""The ladder's table over several seeds: the mean of each figure, and the lowest and the highest.

for seed in 0 1 2; do gan ladder --config ladder --seed $seed --name ladder-$seed; done
python tests/benchmarks/ladder.py --runs runs/ladder-0 runs/ladder-1 runs/ladder-2
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean

from fooling import cli
from gan.ladder.table import LINES


def main(runs: list[Path]) -> None:
    """Print it as Markdown.

    Args:
        runs: Folders of finished ladders, of one configuration.
    """
    found = [json.loads((run / "ladder.json").read_text())["rungs"] for run in runs]
    rungs = list(dict.fromkeys(name for one in found for name in one))
    print(f"| | {' | '.join(rungs)} |\n|---{'|---:' * len(rungs)}|")
    for name, words, _, said in LINES:
        cells = []
        for rung in rungs:
            values = [one[rung][name] for one in found if name in one.get(rung, {})]
            values = [value for value in values if value == value]  # none is recognised where none arrived
            spread = f" ({said(min(values))} to {said(max(values))})" if len(values) > 1 else ""
            cells.append(f"{said(mean(values))}{spread}" if values else "-")
        print(f"| {words} | {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(cli.run(main))
