"""What the networks are made with: what is possible, and what is kept of it for config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from fooling.errors import UserError

_Conditioning = TypeVar("_Conditioning", bound=str)


def kept(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The locals() of an __init__ at its start, as a network's `config`: a folder says what was said, so that one
    without a newer option is as it was before that."""
    return {k: v for k, v in arguments.items() if k not in ("self", "__class__") and v is not None}


def conditioning_of(
    num_classes: int | None, conditioning: _Conditioning | None, default: _Conditioning
) -> _Conditioning | None:
    """How a network is told the class: as asked, or its family's way; None where there are no classes.

    Raises UserError for a way without classes.
    """
    if num_classes is not None:
        require_whole(num_classes=num_classes)
        return conditioning or default
    if conditioning is not None:
        raise UserError(f"conditioning {conditioning} needs num_classes: how many there are")
    return None


def resolutions(image_size: int) -> list[int]:
    """The sides that the networks pass through, smallest first: [4, 7, 14, 28] for 28, [4, 8, 16, 32, 64] for 64.

    Raises UserError for a size that is not 4 or 7 doubled at least once.
    """
    sides = [image_size]
    while sides[0] > 7 and sides[0] % 2 == 0:
        sides.insert(0, sides[0] // 2)
    if sides[0] == 7:
        sides.insert(0, 4)  # 7 to 4 by the same stride of 2
    if sides[0] != 4 or image_size < 8:
        raise UserError(f"image_size {image_size} is impossible here: expected 28, 32, 64 or 128 (4 or 7, doubled)")
    return sides


def require_whole(**numbers: int) -> None:
    """Raise UserError naming the first that is not a whole number of at least 1."""
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 1:
            raise UserError(f"{name} must be a whole number of at least 1, got {number}")


def halvings(image_size: int) -> list[int]:
    """The sides of networks that halve them exactly, largest first: [28, 14, 7] for 28, [64, 32, 16, 8, 4] for 64.

    Raises UserError as resolutions does.
    """
    sides = resolutions(image_size)[::-1]
    return sides[:-1] if sides[-2] == 7 else sides


def doublings(width: int, max_width: int | None, count: int) -> list[int]:
    """Features at so many sides, the largest side first: `width`, doubled at each up to max_width."""
    require_whole(width=width, max_width=width if max_width is None else max_width)
    return [min(width * 2**k, max(width, max_width or width * 2**k)) for k in range(count)]
