"""What the steps of a run report, until a line of its log is made of it."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from fooling.run.processes import Processes


class NotFinite(Exception):
    """Figures of a step that are not finite.

    names: which. images_seen: when.
    """

    def __init__(self, names: list[str], images_seen: int):
        super().__init__(f"{', '.join(names)} not finite at {images_seen} images")


class Record:
    """Figures of steps, of which a line of the log has the means over steps and processes, and numbers in force, of
    which it has the last. Nothing waits for the device until they are asked for."""

    def __init__(self, processes: Processes):
        self.processes = processes
        self._steps: list[tuple[int, list[str], Tensor]] = []
        self._noted: dict[str, float] = {}
        self._in_steps = 0.0
        self._since = time.perf_counter()

    def __bool__(self) -> bool:
        return bool(self._steps)

    def add(self, images_seen: int, figures: dict[str, Tensor], seconds: float) -> None:
        """A step's figures, scalars on the device, and how long the host was busy with it."""
        self._steps.append((images_seen, list(figures), torch.stack([v.detach() for v in figures.values()])))
        self._in_steps += seconds

    def note(self, **numbers: float) -> None:
        """Numbers in force at this step, such as a learning rate."""
        self._noted |= numbers

    def means(self) -> dict[str, float]:
        """The mean of each figure over the steps that have it, and over processes. Raises NotFinite."""
        table = self.processes.mean(torch.cat([row for *_, row in self._steps])).cpu()
        values: dict[str, list[float]] = {}
        rows = table.split([len(names) for _, names, _ in self._steps])
        for (images_seen, names, _), row in zip(self._steps, rows, strict=True):
            if not row.isfinite().all():
                raise NotFinite([n for n, v in zip(names, row, strict=True) if not v.isfinite()], images_seen)
            for name, value in zip(names, row.tolist(), strict=True):
                values.setdefault(name, []).append(value)
        return {name: sum(v) / len(v) for name, v in values.items()}

    def take(self) -> tuple[dict[str, float], int]:
        """A line's figures, and how many images were seen before its last step since its first; all is forgotten then.

        Among them is the time that was spent outside steps: with pictures, measurements, checkpoints.
        """
        figures = self.means() | self._noted
        now = time.perf_counter()
        figures["seconds_outside_steps"] = max(0.0, now - self._since - self._in_steps)
        if torch.cuda.is_available() and self.processes.device.type == "cuda":
            figures["gpu_memory_gib"] = torch.cuda.max_memory_allocated(self.processes.device) / 2**30
        images = self._steps[-1][0] - self._steps[0][0]
        self._steps, self._noted, self._in_steps, self._since = [], {}, 0.0, now
        return figures, images
