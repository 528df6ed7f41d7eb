"""How far a run has come: a bar on a terminal, a line now and then elsewhere, nothing on other ranks."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm


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
            shown.insert(0, f"{int(left) // 60}:{int(left) % 60:02d} left")
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
