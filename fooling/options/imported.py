"""Objects that somebody names as package.module:attribute: their own classifier, network, loss."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fooling.errors import MissingFile, UserError


def names_an_object(name: str) -> bool:
    """Whether it has the form package.module:attribute."""
    return re.fullmatch(r"[\w.]+:\w+", name) is not None


def imported(name: str) -> Any:
    """What package.module:attribute names, imported from the current directory too.

    Raises MissingFile for a module that is not there, and UserError for one without such an attribute, or whose own
    code fails.
    """
    module, _, attribute = name.partition(":")
    with current_directory_first():
        try:
            return getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise MissingFile(f"cannot import {name}: {error}") from error
        except AttributeError as error:
            raise UserError(f"cannot import {name}: {error}") from error
        except (Exception, SystemExit) as error:  # whatever somebody else's code raises
            raise UserError(f"cannot import {name}: {blamed(module, error)}") from error


def blamed(whose: str, error: BaseException) -> str:
    """That somebody's code has failed, and with what, in a line."""
    return f"{whose} failed with {type(error).__name__}: {' '.join(str(error).split())[:300] or 'it does not say why'}"


@contextmanager
def current_directory_first() -> Iterator[None]:
    """Imports look in the current directory, which a console script does not do by itself, until this ends."""
    if "" in sys.path:
        yield
        return
    sys.path.insert(0, "")
    try:
        yield
    finally:
        with suppress(ValueError):  # whoever was imported may have put it away
            sys.path.remove("")
