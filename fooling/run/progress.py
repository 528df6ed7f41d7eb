"""How far a run or a long loop has come: a bar on a terminal, a line now and then elsewhere, nothing on other ranks."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm
from typing_extensions import Self


class Progress:
    """Progress in thousands of images, with the speed, the time left and the last figures."""

    line_seconds = 30.0

    def __init__(self, name: str, images_seen: int, total_images: int, *, shown: bool = True):
        self.name, self.total, self.shown = name, total_images, shown
        self._first, self._started = images_seen, time.perf_counter()
        self._next_line = 0.0
        self._bar = None
        if shown and sys.stderr.isatty():
            self._bar = tqdm(
                total=total_images / 1000, initial=images_seen / 1000, desc=name, unit="kimg", dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} kimg, {remaining} left{postfix}",
            )  # fmt: skip

    def update(self, images_seen: int, figures: dict[str, float]) -> None:
        """Show the state after `images_seen` images; figures named loss and images_per_second are shown beside it."""
        if not self.shown:
            return
        shown = [f"{figures['images_per_second']:.0f} images/s"]
        shown += [f"{name} {value:.3f}" for name, value in figures.items() if name.endswith("loss")]
        if self._bar is not None:
            self._bar.set_postfix_str(", ".join(shown), refresh=False)
            self._bar.update(min(images_seen, self.total) / 1000 - self._bar.n)  # the last batch may go beyond
            return
        elapsed = time.perf_counter() - self._started
        if elapsed >= self._next_line or images_seen >= self.total:
            self._next_line = elapsed + self.line_seconds
            left = elapsed / max(images_seen - self._first, 1) * max(self.total - images_seen, 0)
            shown.insert(0, f"{_clock(left)} left")
            done = f"{images_seen / 1000:.0f} of {self.total / 1000:.0f} kimg"
            self.say(f"{self.name}: {done}, {', '.join(shown)}")

    @staticmethod
    def say(line: str) -> None:
        """Print a line, above the bar if there is one."""
        tqdm.write(line)
        sys.stdout.flush()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class Count:
    """How far a loop of known length has come: on a terminal a bar, where it takes more than two seconds; elsewhere a
    line, first after five seconds and then every 20.

        with Count("training the judge", steps, "steps") as count:
            for step in range(steps):
                ...
                count.add()

    what: is being done. unit: what is counted, in the plural.
    """

    first_line_seconds, line_seconds = 5.0, 20.0

    def __init__(self, what: str, total: int, unit: str):
        self.what, self.total, self.unit, self.done = what, total, unit, 0
        self._started, self._next_line = time.perf_counter(), self.first_line_seconds
        self._bar = tqdm(
            total=total, desc=what, unit=f" {unit}", delay=2, leave=False, dynamic_ncols=True, disable=None
        )

    def add(self, count: int = 1, now: str = "") -> None:
        """So many more are done; now: what the next one is."""
        self.done += count
        if not self._bar.disable:  # tqdm's disable=None: stderr is a terminal
            self._bar.set_postfix_str(now, refresh=False)
            self._bar.update(count)
            return
        elapsed = time.perf_counter() - self._started
        if elapsed >= self._next_line and self.done < self.total:  # whoever called says that all is done
            self._next_line = elapsed + self.line_seconds
            share, left = self.done / self.total, elapsed / max(self.done, 1) * (self.total - self.done)
            line = f"{self.what}: {self.done:,} of {self.total:,} {self.unit} ({share:.0%}), about {_clock(left)} left"
            Progress.say(f"{line}; {now}" if now else line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
