"""What a program and its verbs say of themselves, in 80 columns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from fooling.options.table import REQUIRED, Option
from fooling.options.types import alternatives, choices_of, element_of, listed

_WIDTH, _COLUMN = 80, 28
_KINDS = {bool: "true|false", int: "INT", float: "NUMBER", str: "TEXT"}
_CONFIG = {"--config FILE": "A YAML file of settings, or the name of one that ships. May be repeated."}
_PRINT_CONFIG = {"--print_config": "Print all settings as such a file, and stop."}


def help_of_program(program: str, verbs: Mapping[str, str]) -> str:
    """The verbs, each with its line."""
    own = {
        f"{program} VERB --help": "the options that are used most; --help all lists all",
        f"{program} --version": "the version",
        f"{program} --print_completion bash": "what makes the Tab key complete them; also zsh",
    }
    parts = [[f"usage: {program} VERB [options]"], _table(verbs), _table(own, column=_WIDTH // 2)]
    return "\n\n".join("\n".join(part) for part in parts)


def help_of_verb(command: str, summary: str, options: Sequence[Option], first: Sequence[str] = ()) -> str:
    """The options of a verb.

    command: such as "gan train". first: names of options, to show them alone, in this order; empty: all are shown.
    """
    words = [option for option in options if option.is_required and len(option.path) == 1]
    usage = " ".join([f"usage: {command}", *map(_word, words), "[options]"])
    settable = [option for option in options if not option.is_group and option not in words]
    parts = [[usage], textwrap.wrap(summary, _WIDTH), _table({_word(word): word.help for word in words})]
    if first:
        by_name = {option.name: option for option in settable}
        parts.append(_table(_CONFIG | _rows([by_name[name] for name in first], short=True)))
        parts.append([f"These are used most. All {len(settable)} options: {command} --help all"])
    else:
        top = [option for option in settable if len(option.path) == 1]
        parts.append(_table(_CONFIG | _PRINT_CONFIG | _rows(top)))
        for group in (option for option in options if option.is_group):
            below = [option for option in settable if option.path[:-1] == group.path]
            parts.append([*textwrap.wrap(f"{group.help.rstrip('.')}:", _WIDTH), *_table(_rows(below))])
        if groups := [f"--{option.name}" for option in options if option.is_group]:
            parts.append(textwrap.wrap(f"{listed(groups)} FILE reads that group from a YAML file.", _WIDTH))
    return "\n\n".join("\n".join(part) for part in parts if part)


def _rows(options: Sequence[Option], *, short: bool = False) -> dict[str, str]:
    """Such as `--kimg NUMBER`, and what is said of it."""
    return {f"--{option.name} {_kind(option)}": _said(option, short) for option in options}


def _word(option: Option) -> str:
    """How what must be given, and has no option, is shown."""
    name = option.name.upper()
    return f"{name} [{name} ...]" if element_of(option.hint) else name


def _kind(option: Option) -> str:
    element = element_of(option.hint)
    part = element or next(part for part in alternatives(option.hint) if part is not None)
    choices = "|".join(map(str, choices_of(part)))
    kind = _KINDS.get(part) or (choices if len(choices) < 40 else "NAME")
    return f"{kind} ..." if element else kind


def _said(option: Option, short: bool) -> str:
    """What is said of an option, or the beginning of it, and its default, which some say in their own words."""
    said, one_of = option.help, ""
    if short:
        said = " ".join([f"{re.split(r'[.;](?= |$)', said)[0]}.", *re.findall(r"(?<= )Default: .*", said)])
    elif _kind(option).startswith("NAME"):
        one_of = f" One of {', '.join(map(str, choices_of(option.hint)))}."
    default = "" if option.default in (None, REQUIRED, []) else f" Default: {_written(option.default)}."
    return f"{said}{one_of}{default}"


def _written(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    return " ".join(map(_written, value)) if isinstance(value, list) else str(value)


def _table(rows: Mapping[str, str], column: int = _COLUMN) -> list[str]:
    """What is typed on the left, and what is said of it on the right, below where there is no room."""
    width = min(column, max((len(left) for left in rows), default=0) + 4)
    lines: list[str] = []
    for left, right in rows.items():
        text = textwrap.wrap(right, _WIDTH - width, break_on_hyphens=False) or [""]
        if len(left) + 4 > width:
            lines.append(f"  {left}")
        else:
            lines.append(f"  {left:<{width - 2}}{text.pop(0)}".rstrip())
        lines += [" " * width + line for line in text]
    return lines
