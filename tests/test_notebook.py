"""The notebook of the first hour: what it tells a class to run is run here."""

import ast
import importlib
import json
from itertools import chain

import numpy as np
import pytest
from conftest import ROOT

NOTEBOOK = json.loads((ROOT / ".github" / "first_hour.ipynb").read_text(encoding="utf-8"))
CODE = {cell["id"]: "".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"}


def test_it_is_kept_without_what_a_run_leaves_in_it():
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) >= (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    for cell in NOTEBOOK["cells"]:
        assert cell["metadata"] == {}
        assert cell.get("outputs", []) == [] and cell.get("execution_count") is None


def test_every_name_that_it_imports_is_there():
    for source in CODE.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                for name in node.names:
                    assert hasattr(importlib.import_module(node.module), name.name), f"{node.module}.{name.name}"


@pytest.mark.slow
def test_every_cell_shows_what_its_text_promises(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures = {}
    there = {"__name__": "__main__", "display": lambda picture: pictures.setdefault(now, []).append(picture)}
    for now, source in CODE.items():
        exec(compile(source, now, "exec"), there)
    assert {cell: len(shown) for cell, shown in pictures.items()} == {
        "reader-code": 1, "fool-code": 1, "watch-code": 1, "hardened-code": 1, "gradients-code": 1, "evolve-code": 1,
        "sample-code": 4, "latent-code": 1,
    }  # fmt: skip
    for picture in chain(*pictures.values()):
        assert np.asarray(picture).std() > 20 and picture.width <= 1900
    assert there["fooled"].success.all() and there["fooled"].steps.max() < 20
    assert (there["answers"] == 10).all()
    assert there["drawn"].success.float().mean() >= 0.8 and there["drawn"].steps.min() > 30
    assert (there["bred"].confidences >= 0.99).all()
    assert there["sure"].float().mean() > 0.4
    assert there["asked"].success.float().mean() >= 0.6
