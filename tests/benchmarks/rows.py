"""Two ways to do the same work, timed in turns in one run, as rows of one table in Markdown and JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Row:
    """What one round after the other measured of ours and of a peer.

    what: the work, with its size. peer: whose. unit: of the speeds, higher is better. ours, peers: one speed a round.
    """

    what: str
    peer: str
    unit: str
    ours: list[float]
    peers: list[float]

    @property
    def ratios(self) -> list[float]:
        """Ours over the peer's, round by round: above 1, ours is faster."""
        return [ours / peer for ours, peer in zip(self.ours, self.peers, strict=True)]

    def as_dict(self) -> dict[str, object]:
        ratios = self.ratios
        return {**asdict(self), "ratio": median(ratios), "lowest": min(ratios), "highest": max(ratios)}

    def as_markdown(self) -> str:
        cells = [self.what, self.peer, _speed(self.ours, self.unit), _speed(self.peers, self.unit), _range(self.ratios)]
        return f"| {' | '.join(cells)} |"


HEADING = "| what | peer | ours | the peer's | ours over the peer's |\n|---|---|---:|---:|---:|"


def in_turns(
    what: str,
    amount: float,
    unit: str,
    ours: Callable[[], object],
    peers: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Row]:
    """Do the work in each way once untimed, and then in turns, `rounds` times; a row for each peer.

    amount: how much of the unit one call does, such as 128 images for images/s. clock: time.process_time where one
    thread works, since other programs on the machine change it least.
    """
    ways = {"ours": ours, **peers}
    for call in ways.values():
        call()
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, call in ways.items():
            started = clock()
            call()
            speeds[name].append(amount / (clock() - started))
    rows = [Row(what, name, unit, speeds["ours"], speeds[name]) for name in peers]
    for row in rows:
        print(row.as_markdown(), flush=True)
    return rows


def keep(rows: Sequence[Row], file: Path | None) -> None:
    """Write them as JSON, where a file was named."""
    if file:
        file.write_text(json.dumps([row.as_dict() for row in rows], indent=1) + "\n")


def _speed(speeds: Sequence[float], unit: str) -> str:
    return f"{_number(median(speeds))} {unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _range(ratios: Sequence[float]) -> str:
    return f"{_number(median(ratios))} ({_number(min(ratios))} to {_number(max(ratios))})"
