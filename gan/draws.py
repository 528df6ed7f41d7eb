"""Random numbers for the images of a step, the same however many processes share it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Draws:
    """What is drawn at random for each image of a batch: this process's rows of one draw for the whole batch.

    Every call draws anew. Those of two objects with one seed are the same, in their order, whichever rows they keep:
    so a resume repeats them, and processes or parts of a batch together have what one would have for all of it.

    seed: usually seed_of(the run's, the purpose, the images seen). count: images in the whole batch. rows: which of
    them are wanted. device: where the numbers are to be; they are drawn on the CPU.
    """

    def __init__(self, seed: int, count: int, rows: slice | None = None, device: torch.device | str = "cpu"):
        self.seed, self.count, self.device = seed, count, torch.device(device)
        self.rows = slice(*(rows or slice(None)).indices(count))
        self._generator = torch.Generator().manual_seed(seed)

    def uniform(self, *shape: int) -> Tensor:
        """float32 (rows, *shape), evenly from [0, 1)."""
        return self._kept(torch.rand, shape)

    def normal(self, *shape: int) -> Tensor:
        """float32 (rows, *shape), standard normal."""
        return self._kept(torch.randn, shape)

    def split(self, parts: int) -> list[Draws]:
        """Draws of as many parts of the rows, divided as torch.chunk does; each begins at the first draw."""
        kept = torch.arange(self.count)[self.rows].chunk(parts)
        slices = [slice(int(part[0]), int(part[-1]) + 1) for part in kept]
        return [Draws(self.seed, self.count, rows, self.device) for rows in slices]

    def _kept(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        return draw(self.count, *shape, generator=self._generator)[self.rows].to(self.device, non_blocking=True)
