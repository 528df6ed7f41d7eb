"""What a setting takes: whether a value is of its type, what a text means as one, and the same in words.

The types are those that a YAML file can say: bool, int, float, str, Path, Literal, X | None, list[X] and dataclasses
of them.
"""

from __future__ import annotations

import math
import types
from dataclasses import is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from fooling.errors import UserError

_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")
TRUTHS = (*_YES, *_NO)


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The types that a hint allows: (int, None) of `int | None`, and most often the hint alone."""
    union = get_origin(hint) in (Union, types.UnionType)
    return tuple(None if part is type(None) else part for part in get_args(hint)) if union else (hint,)


def choices_of(hint: Any) -> tuple[Any, ...]:
    """What a Literal allows, also one that may be None or a list of them; nothing for other types."""
    parts = (element_of(part) or part for part in alternatives(hint))
    return next((get_args(part) for part in parts if get_origin(part) is Literal), ())


def element_of(hint: Any) -> Any:
    """What a list holds, also one that may be None; None for other types."""
    return next((get_args(part)[0] for part in alternatives(hint) if get_origin(part) is list), None)


def group_of(hint: Any) -> type | None:
    """The dataclass that a hint names, also one that may be None; None for other types."""
    return next((part for part in alternatives(hint) if is_dataclass(part) and isinstance(part, type)), None)


def check(name: str, value: Any, hint: Any) -> Any:
    """The value, if it is of the type: as a float if it is an int where a number is wanted, and a tuple as a list.

    Raises UserError, which calls it `name`, for any other: numpy's numbers too, which no YAML file can hold.
    """
    for part in alternatives(hint):
        kind = get_origin(part)
        if part is Any or (part is None and value is None):
            return value
        if kind is Literal and any(value == choice and type(value) is type(choice) for choice in get_args(part)):
            return value
        if kind is list and isinstance(value, (list, tuple)):
            return [check(f"each of {name}", item, get_args(part)[0]) for item in value]
        if part is float and type(value) in (int, float) and math.isfinite(value):
            return float(value)
        if part is int and type(value) is int and not -(2**63) <= value < 2**63:
            raise UserError(f"{name} must be a whole number of at most 63 bits, got {str(value)[:60]}")
        if part in (bool, int, str) and type(value) is part:
            return value
        if part is Path and isinstance(value, (str, Path)):
            return Path(value)
        if is_dataclass(part) and isinstance(part, type) and isinstance(value, part):
            return value
        if not (part is None or kind in (Literal, list) or part in _NAMES or is_dataclass(part)):
            raise TypeError(f"{name} is a {part}, which no setting can be: see {__name__}")
    _refuse(name, value, hint)


def understood(text: Any, hint: Any) -> Any:
    """What was typed, or stands in a file, as a value of the type: for `check`, which refuses what is none.

    A text is all that is ever typed; None is YAML's null, or nothing at all. Lists hold such texts.
    """
    if isinstance(text, list):
        return [understood(item, element_of(hint)) for item in text]
    if not isinstance(text, str) or (text == "null" and None in alternatives(hint)):
        return None if text == "null" else text
    for part in alternatives(hint):
        if part is bool and text.lower() in TRUTHS:
            return text.lower() in _YES
        if part is int and (number := _number(text)) is not None and number.is_integer():
            return int(number) if "e" in text.lower() or "." in text else int(text)
        if part is float and (number := _number(text)) is not None:
            return number
        for choice in choices_of(part):
            if text == str(choice):
                return choice
    return text


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def in_words(hint: Any, plural: bool = False) -> str:
    """What a type takes, such as "a whole number"."""
    part = next(part for part in alternatives(hint) if part is not None)
    if element := element_of(part):
        return f"a list of {in_words(element, plural=True)}"
    if choices := choices_of(part):
        return listed(choices)
    if is_dataclass(part):
        return f"a {getattr(part, '__name__', part)}"
    words = _NAMES[part]
    return f"{words.removeprefix('a ')}{'s' * words.startswith('a ')}" if plural else words


def listed(words: Any, last: str = "or") -> str:
    """Such as "a, b or c"."""
    *most, end = map(str, words)
    return f"{', '.join(most)} {last} {end}" if most else end


def did_you_mean(word: Any, known: Any) -> str:
    """Such as ": did you mean mnist?", or nothing where nothing known is like the word."""
    near = get_close_matches(str(word).lower(), [str(k) for k in known], n=1)
    return f": did you mean {near[0]}?" if near else ""


def _refuse(name: str, value: Any, hint: Any) -> NoReturn:
    got = "nothing" if value is None else repr(value)
    got = got if len(got) <= 60 else f"{got[:57]}..."
    wanted = in_words(hint)
    guess = did_you_mean(value, choices_of(hint)) if isinstance(value, str) else ""
    raise UserError(f"{name} must be {wanted}, got {got}{guess}")
