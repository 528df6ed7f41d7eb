"""Small objects that hold one entry for each image of a climb, and the classes that they drive images towards."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from fooling.errors import UserError


class PerImage:
    """Base of objectives and criteria: settings for all images together, tensors with one entry for each image.

    A subclass may keep per-image state in any attribute that is a tensor (n, ...), or another PerImage, or a tuple of
    them; `select` then follows the images when some of them leave the batch.
    """

    def select(self, which: Tensor | slice) -> Self:
        """The same for some of the images: a mask (n,), indices or a slice."""
        return self._mapped(lambda tensor: tensor[which])

    def to(self, device: torch.device | str) -> Self:
        return self._mapped(lambda tensor: tensor.to(device))

    def check(self, count: int, classes: int) -> None:
        """Raise UserError unless this fits `count` images and a classifier with `classes` logits."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and len(value) != count:
                raise UserError(f"{self}: {name} has {len(value)} entries for {count} images")
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, PerImage):
                    part.check(count, classes)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Self:
        def mapped(value: Any) -> Any:
            if isinstance(value, Tensor):
                return change(value)
            if isinstance(value, PerImage):
                return value._mapped(change)
            return tuple(map(mapped, value)) if isinstance(value, tuple) else value

        changed = copy.copy(self)
        vars(changed).update({name: mapped(value) for name, value in vars(self).items()})
        return changed

    def __repr__(self) -> str:
        values = [v for value in vars(self).values() for v in (value if isinstance(value, tuple) else (value,))]
        shown = [_shown(v) for v in values if v is not None]
        return f"{type(self).__name__}({', '.join(shown)})"


def as_target(target: int | Iterable[int] | Tensor) -> int | Tensor:
    """A class for all images (int), or int64 (n,) with one for each. Raises UserError for anything else."""
    if isinstance(target, int) and not isinstance(target, bool):
        return target
    try:
        tensor = torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"a target is a class number, or one for each image, got {target!r}") from error
    if tensor.is_floating_point() or tensor.dtype == torch.bool or tensor.dim() > 1:
        raise UserError(f"targets are whole numbers (n,), got {tensor.dtype} of shape {tuple(tensor.shape)}")
    return tensor.long() if tensor.dim() else int(tensor)


def check_target(target: int | Tensor, classes: int) -> None:
    """Raise UserError for a class that the classifier does not have."""
    numbers = torch.as_tensor(target)
    if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < classes:
        bad = int(numbers.max()) if int(numbers.min()) >= 0 else int(numbers.min())
        raise UserError(f"no class {bad}: the classifier has {classes} classes, 0 to {classes - 1}")


def at(values: Tensor, target: int | Tensor) -> Tensor:
    """values (n, classes) at each image's target: (n,)."""
    return values[:, target] if isinstance(target, int) else values.gather(1, target[:, None])[:, 0]


def _shown(value: object) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    if value.dim() != 1:
        return f"<{' x '.join(map(str, value.shape))}>"
    first = ", ".join(f"{v:g}" for v in value[:4].tolist())
    return f"[{first}]" if len(value) <= 4 else f"[{first}, ... {len(value)} in all]"
