"""The options of a function: what can be set, of which type, what it is otherwise, and what is said about it.

They are the function's parameters, or the fields of its one parameter if that is a dataclass, whose dataclasses are
groups: `data.name` is the field `name` of the field `data`. What is said of a field is the string below it, and of a
parameter its line under "Args:".
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from keyword import iskeyword
from pathlib import Path
from typing import Any, get_type_hints

from fooling.options.types import group_of

REQUIRED = MISSING
"""The default of what must be given."""


@dataclass(frozen=True)
class Option:
    """Something that can be set.

    name: as it is typed, such as data.name. path: as Python spells it: `from` is a word of its own, so there it is
    ("from_",). hint: its type. default: what it is otherwise, or REQUIRED. help: what is said about it.
    """

    name: str
    path: tuple[str, ...]
    hint: Any
    default: Any
    help: str

    @property
    def is_group(self) -> bool:
        return group_of(self.hint) is not None

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED


def options_of(function: Callable[..., Any]) -> list[Option]:
    """All options of a verb, each group before its own."""
    config_class = config_class_of(function)
    if config_class is not None:
        return list(_of_fields(config_class))
    hints, help = get_type_hints(function), _help_of_parameters(function)
    return [
        _option((name,), hints[name], REQUIRED if p.default is p.empty else p.default, help.get(name, ""))
        for name, p in inspect.signature(function).parameters.items()
    ]


def config_class_of(function: Callable[..., Any]) -> type | None:
    """The dataclass that the function takes, if that is all it takes; a dataclass is its own.

    What it takes by keyword alone beside it, such as an object, is for those who call it from Python.
    """
    if isinstance(function, type) and is_dataclass(function):
        return function
    hints = get_type_hints(function)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    first = hints[parameters[0].name] if len(parameters) == 1 else None
    return first if is_dataclass(first) and isinstance(first, type) else None


def summary_of(function: Callable[..., Any]) -> str:
    """The first line of what is said about the verb."""
    said = inspect.getdoc(config_class_of(function) or function) or ""
    return said.split("\n\n")[0].replace("\n", " ")


def default_of(field: Field[Any]) -> Any:
    """What a field of a dataclass is where nothing is said; REQUIRED where something must be."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _of_fields(config_class: type, prefix: tuple[str, ...] = (), made: Any = None) -> Iterator[Option]:
    """made: an instance, whose values are the defaults."""
    hints, help = get_type_hints(config_class), _help_of_fields(config_class)
    for field in fields(config_class):
        default = default_of(field) if made is None else getattr(made, field.name)
        option = _option((*prefix, field.name), hints[field.name], default, help.get(field.name, ""))
        yield option
        if (group := group_of(option.hint)) is not None:
            yield from _of_fields(group, option.path, default if is_dataclass(default) else None)


def _option(path: tuple[str, ...], hint: Any, default: Any, help: str) -> Option:
    parts = [part[:-1] if part.endswith("_") and iskeyword(part[:-1]) else part for part in path]
    return Option(".".join(parts), path, hint, default, help)


def _help_of_fields(config_class: type) -> dict[str, str]:
    """The strings below the fields of a class and of those it stands on."""
    help: dict[str, str] = {}
    for base in reversed(config_class.__mro__):
        body = _classes_in(base.__module__).get(base.__qualname__.rpartition(".")[2], [])
        for field, below in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                help[field.target.id] = _one_line(str(below.value.value))
    return help


@cache
def _classes_in(module: str) -> dict[str, list[ast.stmt]]:
    """The bodies of all classes of a module, as they are written: Python forgets what stands below a field."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or not Path(file).is_file():
        return {}
    tree = ast.parse(Path(file).read_bytes())
    return {node.name: node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def _help_of_parameters(function: Callable[..., Any]) -> dict[str, str]:
    _, _, args = (inspect.getdoc(function) or "").partition("Args:\n")
    entries = re.split(r"^ {4}(\w+): ", args.split("\n\n")[0], flags=re.MULTILINE)[1:]
    return {name: _one_line(said) for name, said in zip(entries[::2], entries[1::2], strict=True)}


def _one_line(text: str) -> str:
    return " ".join(text.split())
