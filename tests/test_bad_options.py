"""Every option of every verb, given what it cannot be: typed, and in a file."""

from importlib import import_module
from typing import Any

import pytest
import yaml
from refusals import PROGRAMS, complaint

from fooling import cli
from fooling.options.given import arguments_of
from fooling.options.table import Option, options_of
from fooling.options.types import alternatives, element_of

VERBS = [(program, verb) for program, module in PROGRAMS.items() for verb in module.VERBS]


def options_for(program: str, verb: str) -> list[Option]:
    module, _, name = PROGRAMS[program].VERBS[verb].target.partition(":")
    return options_of(getattr(import_module(module), name))


def wrong_words(option: Option) -> list[str]:
    """What is typed for an option that it cannot mean."""
    kinds = [k for k in alternatives(option.hint) if k is not None]
    if option.is_group:
        return ["nowhere.yaml", "{zzz: 1}", "{", "[1]", "a\0b", "x" * 300]
    if element := element_of(option.hint):
        return ["[[1]]"] + ([] if element is str else ["[1", "{a: 1}", "a,b", "1e999", "", "[null]"])
    if str in kinds:
        return []
    words = ["zzz", "", "[]", "1 2", "½", "\u202e3", "null" if None not in alternatives(option.hint) else "nil"]
    if bool in kinds:
        return words  # of which none follows: it would be true
    if int in kinds:
        words += ["1.5", "9223372036854775808", "-9223372036854775809", "1e40", "0x"]
    return [*words, "nan", "inf", "-inf", "1e999", "NaN"]


def wrong_values(option: Option) -> list[str]:
    """What stands in a file for an option that it cannot be, as YAML."""
    if option.is_group:
        return ["", "x", "3", "[1]", "{zzz: 1}", "{1: 2}", "!!python/name:os.system", "*a", "&a [*a]"]
    values = ["{a: 1}", "!!python/object/apply:os.system [ls]", "*nowhere", "{"]
    if None not in alternatives(option.hint):
        values += ["", "~", "null"]
    if not element_of(option.hint):
        values += ["[1]", "[]"]
    typed = [] if element_of(option.hint) else [w for w in wrong_words(option) if w not in ("", "[]")]
    return values + [yaml.safe_dump(word).removesuffix("\n...\n") for word in typed if "\0" not in word]


def in_a_file(option: Option, value: str) -> str:
    *groups, last = option.name.split(".")
    opened = "".join(f"{'  ' * depth}{group}:\n" for depth, group in enumerate(groups))
    return f"{opened}{'  ' * len(groups)}{last}: {value}\n"


def cases(program: str, verb: str, way: str) -> list[tuple[Option, str]]:
    values = wrong_words if way == "typed" else wrong_values
    return [(option, value) for option in options_for(program, verb) for value in values(option)]


def some(every: list[Any]) -> list[Any]:
    """A small part, of all kinds."""
    return every[::31]


@pytest.fixture(autouse=True)
def nothing_is_done(tmp_path, monkeypatch):
    """What is taken for good is not acted upon, and so has exit code 0."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_perform", lambda function, line: arguments_of(function, line))


def put(program: str, verb: str, way: str, chosen: list[tuple[Option, str]], folder, capsys) -> list[str]:
    wrong = []
    for option, value in chosen:
        if way == "typed":
            command = [program, verb, f"--{option.name}={value}"]
        else:
            (folder / "said.yaml").write_bytes(in_a_file(option, value).encode())
            command = [program, verb, "--config", "said.yaml"]
        said = complaint(command, folder, capsys)
        said = said or ("" if option.name in complaint.said or "said.yaml" in complaint.said else complaint.said)
        if said:
            wrong.append(f"{command} {value!r}: {said}")
    return wrong


@pytest.mark.parametrize("way", ["typed", "written"])
@pytest.mark.parametrize(("program", "verb"), [v for v in VERBS if v[1] != "ladder"])
def test_what_an_option_cannot_be_is_one_line_that_names_it(program, verb, way, tmp_path, capsys):
    assert not put(program, verb, way, some(cases(program, verb, way)), tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["typed", "written"])
@pytest.mark.parametrize(("program", "verb"), VERBS)
def test_whatever_an_option_cannot_be_is_one_line_that_names_it(program, verb, way, tmp_path, capsys):
    every = cases(program, verb, way)
    assert not put(program, verb, way, every if verb != "ladder" else some(every), tmp_path, capsys)


def test_the_cases_are_as_many_as_are_promised():
    counts = {(p, v, way): len(cases(p, v, way)) for p, v in VERBS for way in ("typed", "written") if v != "ladder"}
    assert sum(counts.values()) > 5000
