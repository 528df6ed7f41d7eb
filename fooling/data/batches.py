"""An endless shuffled stream of a data set, which a resumed run meets again as it was."""

from __future__ import annotations

import torch
from torch import Tensor

from fooling.data.read_ahead import ask_for
from fooling.errors import UserError
from fooling.images import Images, to_float
from fooling.seeds import seed_of


class Batches:
    """An endless shuffled stream of a data set, in which position k is a function of (seed, k) alone.

    Every pass holds each image once, in an order drawn from (seed, pass). Nothing is remembered between calls, so a
    resumed run sees what the uninterrupted one would have seen, and processes that take neighbouring slices of one
    batch together see the batch that one process would have seen.

    The images move to `device` for good if they fill at most half of its free memory; otherwise each batch moves.
    """

    def __init__(self, data: Images, device: torch.device | str = "cpu", *, seed: int = 0):
        if len(data) == 0:
            raise UserError("the data set is empty")
        self.device = torch.device(device)
        self.seed = seed
        self.images, self.labels = data.images, data.labels
        if self.device.type != "cpu" and data.images.nbytes <= _free_memory(self.device) // 2:
            self.images = data.images.to(self.device)
        self._pass, self._order = -1, torch.empty(0, dtype=torch.int64)

    def indices(self, start: int, count: int) -> Tensor:
        """Which images stand at positions start to start + count: int64 (count,)."""
        parts = []
        while count > 0:
            number, offset = divmod(start, len(self.images))
            if number != self._pass:
                order = torch.Generator().manual_seed(seed_of(self.seed, "order", number))
                self._pass, self._order = number, torch.randperm(len(self.images), generator=order)
            part = self._order[offset : offset + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return torch.cat(parts)

    def take_labelled(self, start: int, count: int) -> tuple[Tensor, Tensor]:
        """As `take`, of a data set with labels. Raises UserError for one without."""
        images, labels = self.take(start, count)
        if labels is None:
            raise UserError("the data set has no labels")
        return images, labels

    def take(self, start: int, count: int) -> tuple[Tensor, Tensor | None]:
        """Images float32 (count, c, h, w) in [0, 1] and labels int64 (count,), on the device, from position `start`."""
        indices = self.indices(start, count)
        ask_for(self.images, indices)
        images = to_float(self.images[indices.to(self.images.device)], self.device)
        labels = None if self.labels is None else self.labels[indices].to(self.device)
        return images, labels


def _free_memory(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
