"""The names of the package are there, and cost nothing until they are used."""

import ast
import importlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import fooling
import gan


def test_importing_the_package_loads_no_torch():
    code = "import sys, fooling; dir(fooling); assert not {'torch', 'numpy', 'accelerate'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there():
    assert set(dir(fooling)) == set(fooling.__all__)
    for name in fooling.__all__:
        assert getattr(fooling, name).__module__.startswith("fooling."), name


@pytest.mark.parametrize("package", [fooling, gan], ids=lambda package: package.__name__)
def test_editors_and_type_checkers_know_every_public_name_from_where_it_is(package):
    """They do not run __getattr__, and read what stands below `if TYPE_CHECKING` instead."""
    block, _ = (n for n in ast.parse(Path(package.__file__).read_text()).body if isinstance(n, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    told = {alias.asname: (node.module, alias.name) for node in imports for alias in node.names}  # `X as X` is public
    assert sorted(told) == sorted(package.__all__)
    for name, (module, inside) in told.items():
        assert getattr(importlib.import_module(module), inside) is getattr(package, name), name
    assert (Path(package.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("program", ["fooling", "gan"])
def test_the_version_is_that_of_the_distribution(program):
    code = f"import sys, {program}; from {program}.__main__ import main; print({program}.__version__)"
    code += "; assert main(['--version']) == 0 and 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == f"{version('fooling-gan')}\n{program} {version('fooling-gan')}\n"


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(fooling, "Nothing")
