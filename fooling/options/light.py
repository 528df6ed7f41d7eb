"""A module without what it stands on: its options can be read at once, while torch alone takes seconds to load.

What is neither Python's own nor of the module's package is replaced while it is imported, as Sphinx does with
autodoc_mock_imports. The dataclasses, types and docstrings in it are the real ones, so nothing is said twice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@contextmanager
def without_torch(module: str) -> Iterator[ModuleType]:
    """The module, for as long as it takes to read its options. Afterwards it is as if it had never been imported.

    It is the real one where torch has been loaded already, or where it cannot be imported with replacements.
    """
    if "torch" in sys.modules:
        yield import_module(module)
        return
    before, finder = set(sys.modules), _Finder({__name__.partition(".")[0], module.partition(".")[0]})
    sys.meta_path.insert(0, finder)
    try:
        imported = import_module(module)
    except Exception:  # it does more with what it stands on than a replacement can bear: it is slow, then, and right
        imported = None
    finally:
        sys.meta_path.remove(finder)
    try:
        if imported is None:
            _forget(before, finder)
            before = set(sys.modules)
            imported = import_module(module)
            before = set(sys.modules)
        yield imported
    finally:
        _forget(before, finder)


def _forget(before: set[str], finder: _Finder) -> None:
    """Drop what has been imported since, but for what is Python's own."""
    gone = {name: sys.modules.pop(name) for name in set(sys.modules) - before if finder.is_light(name)}
    for name, module in gone.items():
        package, _, attribute = name.rpartition(".")
        if package in sys.modules and vars(sys.modules[package]).get(attribute) is module:
            delattr(sys.modules[package], attribute)


class _Finder(MetaPathFinder):
    """Finds a replacement for whatever is neither Python's own nor in one of these packages."""

    def __init__(self, real: set[str]):
        self._real = real

    def is_light(self, name: str) -> bool:
        return name.partition(".")[0] not in sys.stdlib_module_names

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        real = not self.is_light(name) or name.partition(".")[0] in self._real
        return None if real else ModuleSpec(name, _Loader(), is_package=True)


class _Loader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None: ...


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name in ("__path__", "__file__", "__spec__"):
            raise AttributeError(name)
        return _Anything()


class _Anything:
    """Stands in for a class, function, decorator or constant, in whatever a module does with one while it is loaded."""

    def __getattr__(self, name: str) -> _Anything:
        return _Anything()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        decorated = len(args) == 1 and callable(args[0]) and not isinstance(args[0], _Anything)
        return args[0] if decorated else _Anything()

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return ()

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def _itself(self, *_: Any) -> _Anything:
        return self

    __getitem__ = __or__ = __ror__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _itself
    __truediv__ = __rtruediv__ = __pow__ = __neg__ = _itself
