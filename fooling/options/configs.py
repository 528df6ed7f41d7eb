"""Configurations in YAML: those that ship, by name, and what any such file says of the options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from fooling.errors import MissingFile, UserError
from fooling.options.paths import path_of
from fooling.options.table import Option
from fooling.options.types import check, choices_of, did_you_mean, understood

PACKAGE = Path(__file__).parent.parent

Pairs = Iterator[tuple[tuple[str, ...], Any]]
"""Checked values, with the paths of their options."""


def shipped_configs() -> dict[str, Path]:
    """The configurations that come with the package, by name: in a wheel they lie in it, in a clone beside it."""
    folder = next((f for f in (PACKAGE / "configs", PACKAGE.parent / "configs") if f.is_dir()), PACKAGE)
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def find_config(name: str) -> str:
    """The file that `--config` names: one on disk, or else one that ships. Settings in braces stay what they are."""
    shipped = shipped_configs()
    if name.startswith("{") or _named("config", name).is_file():
        return name
    if name in shipped:
        return str(shipped[name])
    what = "is a folder" if name and path_of(name).is_dir() else "is neither a file nor one that ships"
    guess = did_you_mean(Path(name).stem, shipped).replace("mean ", "mean --config ")
    raise MissingFile(
        f"--config {name or repr(name)} {what}" + (guess or f": those that ship are {', '.join(shipped)}")
    )


def read_settings(file: str, path: tuple[str, ...], options: Sequence[Option]) -> Pairs:
    """What a file, or settings in braces, say of the options of a group; of all where the path is empty.

    Raises UserError for whatever is not as it should be, and says where it stands.
    """
    group = ".".join(path)
    if file.startswith("{"):
        where, text = f"--{group or 'config'}", file
    else:
        where = file
        try:
            text = _named(group or "config", file).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            inside = [o.name for o in options if o.path[:-1] == path and file in map(str, choices_of(o.hint))]
            guess = f": did you mean --{inside[0]} {file}?" if inside else ""
            raise MissingFile(f"--{group} takes a YAML file, and there is no {file}{guess}") from error
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or f"it holds no text in UTF-8, from byte {_start(error)} on"
            raise UserError(f"cannot read {file or repr(file)}: {reason}") from error
    said = read_yaml(text, where)
    if said is not None:  # a file without settings changes none
        yield from _of_mapping(said, path, options, where)


def _named(option: str, file: str) -> Path:
    try:
        return path_of(file)
    except UserError as error:
        raise UserError(f"--{option}: {error}") from error


def _start(error: Exception) -> int:
    return getattr(error, "start", 0)


def read_yaml(text: str, where: str) -> Any:
    """What YAML says, each value as the text that stands there. Raises UserError, which begins with `where`."""
    try:
        return yaml.load(text, _Texts)
    except RecursionError as error:
        raise UserError(f"{where} cannot be read as YAML: its brackets stand inside each other too deep") from error
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{where}{line} cannot be read as YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{where} cannot be read as YAML: {' '.join(str(error).split())}") from error


def _of_mapping(said: Any, path: tuple[str, ...], options: Sequence[Option], where: str) -> Pairs:
    group = ".".join(path)
    if not isinstance(said, dict):
        holds = "nothing" if said is None else "a list" if isinstance(said, list) else repr(said)
        raise UserError(f"{where}: {group or 'it'} must hold settings, such as `name: value`, and holds {holds}")
    known = {key: o for o in options if o.path[:-1] == path for key in (o.path[-1], o.name.rpartition(".")[2])}
    for key, value in said.items():
        option = known.get(str(key))
        if option is None:
            raise UserError(f"{where}: unknown setting {'.'.join((*path, str(key)))}{_meant(str(key), path, options)}")
        if option.is_group:
            yield from _of_mapping(value, option.path, options, where)
        else:
            yield option.path, check(f"{where}: {option.name}", understood(value, option.hint), option.hint)


def _meant(key: str, path: tuple[str, ...], options: Sequence[Option]) -> str:
    """The setting that a person may have meant: one with a similar name here, or one of that name elsewhere."""
    here = [option.name for option in options if option.path[:-1] == path]
    if guess := did_you_mean(".".join((*path, key)), here):
        return guess
    elsewhere = [option.name for option in options if option.path[-1] == key]
    return f": did you mean {' or '.join(elsewhere)}?" if elsewhere else f": known are {', '.join(here)}"


class _Texts(yaml.SafeLoader):
    """YAML whose every value is the text that stands there, and None where that is null or nothing. What it means is
    for the type of its option to say: so `no` can be a word, and 1e-3 a number, which YAML 1.1 denies."""

    yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("<<"))]}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key.value, str) or key.value in keys:
                problem = f"{key.value} stands there twice" if isinstance(key.value, str) else "a name must be a word"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            keys.add(key.value)
        return super().construct_mapping(node, deep)


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str | None:
    return None if node.style is None and node.value in ("", "~", "null", "Null", "NULL") else str(node.value)


_Texts.add_constructor("tag:yaml.org,2002:str", _text)
