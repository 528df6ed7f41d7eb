"""What tools and people expect to find in any project of this kind, and that it says the same in every place."""

import ast
import re
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]
    assert citation["license"] == PROJECT["license"].split(" AND ")[0] == "MIT"


def test_the_changelog_has_a_part_for_what_comes_next_or_for_this_version():
    parts = re.findall(r"^## \[?([^\]\n ]+)", (ROOT / ".github" / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert "Unreleased" in parts or PROJECT["version"] in parts


def test_every_licence_file_is_there():
    for file in PROJECT["license-files"]:
        assert (ROOT / file).read_text(encoding="utf-8").strip()


def test_a_package_index_is_shown_no_picture_that_it_cannot_find():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](.github/" in page
    for rule in SETTINGS["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        page = re.sub(rule["pattern"], rule["replacement"], page)
    assert "](.github/" not in page


def test_both_packages_say_that_they_are_typed():
    for package in SETTINGS["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert (ROOT / package / "py.typed").exists()


def test_what_runs_on_every_push_is_what_runs_by_hand():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    assert {"run": ".ci/run"} in workflow["jobs"]["everything"]["steps"]
    oldest = workflow["jobs"]["everything"]["strategy"]["matrix"]["python"][0]
    assert PROJECT["requires-python"] == f">={oldest}"


def test_no_text_file_is_read_or_written_in_the_encoding_of_the_country():
    """On Windows that is not UTF-8."""
    found = []
    for file in sorted(p for package in ("fooling", "gan") for p in (ROOT / package).rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or any(k.arg == "encoding" for k in call.keywords):
                continue
            method = call.func.attr if isinstance(call.func, ast.Attribute) else None
            modes = [
                a.value for a in call.args if isinstance(a, ast.Constant) and re.fullmatch("[rwax]t?", str(a.value))
            ]
            if method in ("read_text", "write_text") or (method == "open" and (modes or not call.args)):
                found.append(f"{file.relative_to(ROOT)}:{call.lineno}")
    assert not found


@pytest.mark.slow
def test_the_type_checker_has_nothing_to_say(tmp_path):
    pytest.importorskip("mypy")  # which the extra `typing` brings
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "--config-file", "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
