"""The house stands on floors: a file imports from its own wing and from below, never from beside or above it."""

import ast

import pytest
from conftest import ROOT

FLOORS = [
    {"errors", "seeds"},
    {"options", "ending"},
    {"files", "images", "pretrained", "cli"},
    {"data"},
    {"run"},
    {"classifiers"},
    {"climb"},
    {"show"},
    {"teach", "audit", "verbs"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FILES = [p.relative_to(ROOT) for package in ("fooling", "gan") for p in sorted((ROOT / package).rglob("*.py"))]


def imports_of(file):
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("file", [f for f in FILES if f.parts[0] == "fooling" and len(f.parts) > 1], ids=str)
def test_a_file_of_fooling_imports_from_its_own_wing_and_from_below(file):
    room = file.parts[1].removesuffix(".py")
    if room == "__init__":  # which gives out names of all floors, and imports none by itself
        body = ast.parse((ROOT / file).read_text()).body
        assert not [node for node in body if isinstance(node, ast.ImportFrom) and node.module.startswith("fooling")]
        return
    for name in imports_of(file):
        assert not name.startswith("gan."), f"{file} names gan"
        if name.startswith("fooling."):
            other = name.split(".")[1]
            assert other == room or FLOOR[other] < FLOOR[room], f"{file} imports {name}, which is not below it"


@pytest.mark.parametrize("file", [f for f in FILES if f.name == "__init__.py" and len(f.parts) > 2], ids=str)
def test_a_wing_opens_no_doors_of_its_own(file):
    entry_points = ("fooling/classifiers", "gan/networks")
    assert (ROOT / file).read_text() == "" or file.parent.as_posix() in entry_points


def test_no_two_files_wait_for_each_other():
    graph = {}
    for file in FILES:
        module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        graph[module] = {name for full in imports_of(file) for name in (full, full.rpartition(".")[0])} - {module}

    def visit(module, path=()):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in sorted(graph[module] & graph.keys()):
                visit(other, (*path, module))
            done.add(module)

    done = set()
    for module in graph:
        visit(module)
