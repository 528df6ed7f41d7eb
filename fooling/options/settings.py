"""Settings: the base of every configuration, which checks itself."""

from __future__ import annotations

from functools import cache
from typing import Any, get_type_hints

from fooling.errors import UserError
from fooling.options.types import check, did_you_mean


class Settings:
    """Base of a dataclass that somebody fills in: whatever is set, when it is made or later, must be of its type.

        @dataclass
        class TrainConfig(Settings):
            model: Literal["lenet", "softmax"] = "lenet"

        TrainConfig(model="alexnet")  # UserError: model must be lenet or softmax, got 'alexnet'

    Ints are turned into the floats that are asked for. Types are checked before the class's own __post_init__ runs,
    which is where limits go. fooling/options/types.py says which types there are.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        kind: type = type(self)
        hints = _hints(kind)
        if name not in hints:
            raise UserError(f"{kind.__name__} has no setting {name!r}{did_you_mean(name, hints)}")
        super().__setattr__(name, check(name, value, hints[name]))


@cache
def _hints(settings_class: type) -> dict[str, Any]:
    return get_type_hints(settings_class)
