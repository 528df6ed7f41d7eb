"""Verbs on the command line: each is a Python function, and its arguments are the function's."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from inspect import signature
from keyword import kwlist
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from fooling.errors import Stopped, UserError


class Verb(NamedTuple):
    """What a program can be asked to do."""

    target: str
    """The "module:function" that does it, imported only when asked for."""

    help: str
    """A line that says what it does."""

    many_processes: bool = False
    """Whether it shares its work among the processes it is started on. On several, any other verb is refused: they
    would wait for each other for ever, or each write a folder of its own."""


def main(program: str, verbs: Mapping[str, Verb | tuple[str, str]], argv: list[str] | None = None) -> int:
    """Run `program VERB ...`, and return its exit code: 2 after an error that the user can mend, said in one line.

    verbs: what there is to ask for; a plain pair is a Verb's first two. The parameters of a verb's function become the
        options, or the fields of its one parameter if that is a dataclass.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, verbs))
        print(f"usage: {program} VERB [options]\n")
        print("\n".join(f"  {verb:<{width}}  {Verb(*entry).help}" for verb, entry in verbs.items()))
        print(f"\n{program} VERB --help lists the options of a verb.")
        return 0 if argv else 2
    verb, rest = argv[0], argv[1:]
    if verb not in verbs:
        return _fail(f"unknown verb {verb!r}: expected one of {', '.join(verbs)}")
    target, _, many_processes = Verb(*verbs[verb])
    processes = int(os.environ.get("WORLD_SIZE") or 1)  # what torchrun and accelerate launch say
    if processes > 1 and not many_processes:
        return _fail(
            f"`{program} {verb}` cannot share its work among {processes} processes:"
            f" start it on one, as `{program} {verb} ...`, without a launcher"
        )
    module, name = target.split(":")
    try:
        _call(f"{program} {verb}", getattr(import_module(module), name), rest)
    except UserError as error:
        return _fail(str(error))
    except Stopped as stopped:
        return _say(str(stopped), stopped.exit_code)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    return 0


def _call(program: str, function: Callable[..., Any], argv: list[str]) -> None:
    from jsonargparse import ArgumentParser, auto_cli, set_parsing_settings

    class Parser(ArgumentParser):  # its own error() prints the whole usage, "error" twice, and types as Python does
        def error(self, message: str, ex: Exception | None = None) -> None:
            line = re.sub(r"<class '(\w+)'>|typing\.", r"\1", " ".join(str(message).split()))
            raise UserError(_without_underscores(line))

        def format_help(self) -> str:
            aligned = re.sub(r"(--\w+_ \w+_)(?=  )", r"\1  ", super().format_help())
            return _without_underscores(aligned)

    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    hints = get_type_hints(function)
    parameters = list(signature(function).parameters)
    config_class = hints[parameters[0]] if len(parameters) == 1 else None
    argv = _for_the_parser(argv, config_class if is_dataclass(config_class) else function)
    if is_dataclass(config_class):
        argv = _list_first(argv, config_class)
        function(auto_cli(config_class, args=argv, prog=program, parser_class=Parser))
    else:
        auto_cli(function, args=argv, prog=program, parser_class=Parser)


def _for_the_parser(argv: list[str], options: Any) -> list[str]:
    """What a person types, as the parser knows it: `--from 7` is `--from_ 7`, and `--to 5 8` is `--to [5,8]`."""
    names = _option_names(options)
    given: list[str] = []
    values: list[str] = []  # of the list option that is being read
    element: type | None = None  # what it is a list of; None while none is being read
    for token in [*argv, "--"]:
        if element is not None and not token.startswith("--"):
            values.append(token)
            continue
        if values:
            given.append(_as_list(values, element))
        option, equals, value = token.partition("=")
        values, element = [], names.get(option)
        if element is not None and equals:  # --option=value takes one
            value, element = _as_list([value], element), None
        given.append(option + "_" * (option + "_" in names) + equals + value)
    return given[:-1]


def _as_list(values: list[str], element: type) -> str:
    """What was typed for a list option, as YAML: numbers as they are, and words in quotes, lest `yes` be a truth value,
    `1` a number and `a,b` two words. What is written as a list already, such as `[5,8]`, is left to the parser."""
    if len(values) == 1 and (re.fullmatch(r"\[.*\]", values[0]) or (values[0] == "null" and element is not str)):
        return values[0]
    return _quoted(values) if element is str else f"[{','.join(values)}]"


def _quoted(words: list[str]) -> str:
    import yaml  # not json: its way to write what is beyond 16 bits is none that YAML reads

    return yaml.safe_dump(words, default_style='"', default_flow_style=True, width=float("inf")).strip()


def _option_names(options: Any, prefix: str = "--") -> dict[str, type | None]:
    """Every option, as Python spells it, and what it is a list of, if it is a list."""
    names: dict[str, type | None] = {}
    for name, hint in get_type_hints(options).items():
        parts = (hint, *get_args(hint))  # also X | None
        names[prefix + name] = next((get_args(part)[0] for part in parts if get_origin(part) is list), None)
        for part in parts:
            if is_dataclass(part):
                names |= _option_names(part, f"{prefix}{name}.")
    return names


def _without_underscores(text: str) -> str:
    """`from` is a word of Python's own, so there the option is called `from_`."""
    return re.sub(rf"\b({'|'.join(kwlist)})_\b", r"\1", text, flags=re.IGNORECASE)


def _list_first(argv: list[str], config_class: type) -> list[str]:
    """The arguments that belong to no option, wherever they stand, as one list in front, where the first field is a
    list that must be given. Every option has one value by now, but for those of the parser's own."""
    first = fields(config_class)[0]
    if first.default is not MISSING or first.default_factory is not MISSING:
        return argv
    given: list[str] = []
    options: list[str] = []
    awaited = False  # is this token the value of the option before it?
    for token in argv:
        option = token.startswith("-") and not awaited
        (options if option or awaited else given).append(token)
        awaited = option and "=" not in token and token not in ("-h", "--help", "--print_config")
    return [_quoted(given), *options] if given else options


def _fail(message: str) -> int:
    exit_code = _say(f"error: {message}", 2)
    if not _speaks():  # a launcher ends all processes once one has ended: leave the one that speaks the time to do so
        time.sleep(5)
    return exit_code


def _say(message: str, exit_code: int) -> int:
    if _speaks():
        print(message, file=sys.stderr, flush=True)
    return exit_code


def _speaks() -> bool:
    """Every process has the same to say: the first of each machine does."""
    return int(os.environ.get("LOCAL_RANK", 0)) == 0
