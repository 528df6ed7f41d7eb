"""Climbs from several starts: where the first leads nowhere, the next one is tried."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from fooling.climb.ascent import Ascent, Criterion, ascend
from fooling.climb.objectives import Objective
from fooling.climb.parametrizations import Parametrization
from fooling.climb.per_image import PerImage
from fooling.errors import UserError


def ascend_from(
    classifier: nn.Module,
    objective: Objective,
    starts: Sequence[Parametrization],
    *,
    until: float | Criterion,
    **how: Any,
) -> tuple[Ascent, Tensor]:
    """`ascend` from the first of the starts; the images that have not arrived, from the second; and so on.

    starts: of one kind and of as many images each, such as [Shell.noise(generator, 100, seed=k) for k in range(4)].
    until, how: as ascend takes them, but for a trace.

    Returns where the climbs ended, and from which of the starts each came, int64 (n,): of one that never arrived, the
    climb that brought the highest confidence. Raises UserError as ascend does, and for starts that do not fit.
    """
    counts = {len(start) for start in starts}
    if len(counts) != 1:
        raise UserError(f"expected starts of as many images each, got {[len(start) for start in starts]}")
    if "trace" in how:
        raise UserError("a trace is of one climb: climb once more from the start that arrived")
    whole = ascend(classifier, objective, starts[0], until=until, **how)
    came_from = torch.zeros_like(whole.steps)
    for number, start in enumerate(starts[1:], 1):
        left = (~whole.success).nonzero()[:, 0]
        if not len(left):
            break
        some = copy.copy(start.select(left))
        some.params = start.params[left]
        arrived = until.select(left) if isinstance(until, PerImage) else until
        again = ascend(classifier, objective.select(left), some, until=arrived, **how)
        better = again.success | (again.confidences > whole.confidences[left])
        whole = _with(whole, left[better], again, better)
        came_from[left[better]] = number
    return whole, came_from


def _with(whole: Ascent, rows: Tensor, again: Ascent, better: Tensor) -> Ascent:
    """The ends of all climbs with those of some, put in their rows."""
    parts: dict[str, Any] = {name: values for name, values in vars(whole).items() if isinstance(values, Tensor)}
    for name, values in parts.items():
        parts[name] = values.index_copy(0, rows, getattr(again, name)[better])
    return replace(whole, **parts)
