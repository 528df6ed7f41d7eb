"""What is given for options, on a command line and in the files it names, and what a function makes of it.

Files come first, in the order in which they are named, and what is typed comes after them, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from inspect import signature
from typing import Any, Literal, TypeVar, get_type_hints

import yaml

from fooling.errors import UserError
from fooling.options.configs import find_config, read_settings, read_yaml, shipped_configs
from fooling.options.table import Option, config_class_of, default_of, options_of
from fooling.options.types import TRUTHS, alternatives, check, did_you_mean, element_of, group_of, in_words, understood

T = TypeVar("T")
Path = tuple[str, ...]

OWN_OPTIONS = ("config", "print_config", "help")
"""What every verb can be told besides its own options."""


@dataclass
class Given:
    """What was given.

    values: checked, by the paths of their options. print_config: "all", to print what comes of them instead of doing
    it; "skip_default", to print what differs from the defaults.
    """

    values: dict[Path, Any] = field(default_factory=dict)
    print_config: Literal["all", "skip_default"] | None = None


def given(options: Sequence[Option], arguments: Iterable[str]) -> Given:
    """What a command line says. Raises UserError for whatever is not as it should be."""
    line, tokens = Given(), list(arguments)
    known = {f"--{name}": o for o in options for name in (".".join(o.path), o.name)}  # `from` is also `from_`
    words: list[str] = []
    files: list[tuple[Path, str]] = []
    typed: list[tuple[Option, list[str], bool]] = []
    while tokens:
        token = tokens.pop(0)
        if not token.startswith("-"):
            words.append(token)
            continue
        name, equals, value = token.partition("=")
        if name == "--print_config":
            line.print_config = check(name, value or "all", Literal["all", "skip_default"])
            continue
        adds = name.endswith("+")  # to the list that a file gives
        option = known.get(name.removesuffix("+"))
        if name != "--config" and (option is None or (adds and element_of(option.hint) is None)):
            raise UserError(f"unknown option {name}{_meant(name, options)}")
        values = [value] if equals else _values_of(option, tokens)
        if not values:
            takes = "a file" if option is None or option.is_group else in_words(option.hint)
            raise UserError(f"{name} needs {takes} after it")
        if option is None:
            files.append(((), find_config(values[0])))
        elif option.is_group:
            files.append((option.path, values[0]))
        else:
            typed.append((option, values, adds))
    for path, file in files:
        line.values |= dict(read_settings(file, path, options))
    for option, values, adds in typed:
        setting = check(f"--{option.name}", _typed(option, values), option.hint)
        list_before = line.values.get(option.path, option.default) or []
        line.values[option.path] = [*list_before, *setting] if adds else setting
    _take_words(words, options, line.values)
    return line


def _values_of(option: Option | None, tokens: list[str]) -> list[str]:
    """What belongs to an option of the tokens behind it, from which it is taken: one, or for a list all that come.

    What can be true or false is true where neither is said.
    """
    if option is not None and bool in alternatives(option.hint) and not (tokens and tokens[0].lower() in TRUTHS):
        return ["true"]
    many = option is not None and element_of(option.hint) is not None
    taken: list[str] = []
    while tokens and not tokens[0].startswith("--") and (many or not taken):
        taken.append(tokens.pop(0))
    return taken


def _typed(option: Option, values: list[str]) -> Any:
    """What was typed for an option. A list may be written as YAML writes it, too, such as [5,8]."""
    if element_of(option.hint) is None or (values == ["null"] and None in alternatives(option.hint)):
        return understood(values[0], option.hint)
    if len(values) == 1 and values[0].startswith("[") and values[0].endswith("]"):
        return understood(read_yaml(values[0], f"--{option.name}"), option.hint)
    return understood(values, option.hint)


def _take_words(words: list[str], options: Sequence[Option], values: dict[Path, Any]) -> None:
    """What belongs to no option is what must be given, in that order; a list takes all there is."""
    for option in options:
        if words and option.is_required and len(option.path) == 1 and option.path not in values:
            count = len(words) if element_of(option.hint) is not None else 1
            values[option.path] = check(option.name, _typed(option, words[:count]), option.hint)
            words = words[count:]
    if words:
        is_config = words[0] in shipped_configs() or words[0].endswith((".yaml", ".yml"))
        guess = (
            f"did you mean --config {words[0]}?" if is_config else "options begin with --, and take one value or a list"
        )
        raise UserError(f"{words[0]!r} belongs to no option: {guess}")


def _meant(name: str, options: Sequence[Option]) -> str:
    """The option that a person may have meant: of that name in a group, or with a similar name."""
    bare = name.lstrip("-").replace("-", "_")
    names = [*(option.name for option in options), *OWN_OPTIONS]
    found = [n for n in names if bare in (n, n.rpartition(".")[2])]
    if not found and (near := did_you_mean(bare, names) or did_you_mean(bare, [n.rpartition(".")[2] for n in names])):
        word = near.removeprefix(": did you mean ").removesuffix("?")
        found = [n for n in names if n == word] or [n for n in names if n.endswith(f".{word}")]
    return f": did you mean {' or '.join(f'--{n}' for n in found)}?" if found else ": --help all lists all of them"


def parse(config_class: type[T], arguments: Iterable[str]) -> T:
    """The configuration that a command line says, such as parse(TrainConfig, ["--config", "mnist", "--kimg", "10"]).

    Raises UserError for whatever is not as it should be.
    """
    return config_class(**_fields(config_class, given(options_of(config_class), arguments).values))


# ---- what a function makes of it


def arguments_of(function: Callable[..., Any], line: Given) -> dict[str, Any]:
    """What to call a function with. Raises UserError where something is missing, or does not go with the rest."""
    for option in options_of(function):
        if option.is_required and len(option.path) == 1 and option.path not in line.values:
            raise UserError(f"{option.name} must be given: {option.help}")
    config_class = config_class_of(function)
    if config_class is None:
        return {path[0]: value for path, value in line.values.items()}
    parameter = next(iter(signature(function).parameters))
    return {parameter: config_class(**_fields(config_class, line.values))}


def _fields(config_class: type, values: dict[Path, Any], prefix: Path = (), made: Any = None) -> dict[str, Any]:
    """What a dataclass, or an instance of it, is to be made with anew."""
    told: dict[str, Any] = {}
    hints = get_type_hints(config_class)
    for one in fields(config_class):
        path = (*prefix, one.name)
        if path in values:
            told[one.name] = values[path]
        elif any(path == other[: len(path)] for other in values):  # a group, of which something was set
            before = getattr(made, one.name) if made is not None else default_of(one)
            group = group_of(hints[one.name])
            assert group is not None
            below = _fields(group, values, path, before)
            instance = is_dataclass(before) and not isinstance(before, type)
            told[one.name] = replace(before, **below) if instance else group(**below)
    return told


def as_yaml(function: Callable[..., Any], arguments: dict[str, Any], line: Given) -> str:
    """What a function is to be called with, as a file for --config."""
    if config_class_of(function) is not None:
        (config,) = arguments.values()
        arguments = asdict(config)
    settings: dict[str, Any] = {}
    for option in options_of(function):
        value: Any = arguments
        for part in option.path:
            value = value.get(part, option.default) if isinstance(value, dict) else option.default
        if not option.is_group and (line.print_config == "all" or value != option.default):
            *groups, last = option.name.split(".")
            place = settings
            for group in groups:
                place = place.setdefault(group, {})
            place[last] = value
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
