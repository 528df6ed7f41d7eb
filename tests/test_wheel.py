"""The wheel holds what the commands need, wherever they are given."""

import os
import subprocess
import sys
import zipfile

import pytest
import yaml
from conftest import ROOT


@pytest.mark.slow
def test_the_shipped_configurations_are_in_the_wheel_and_found_from_anywhere(tmp_path):
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-m", "gan", "train", "--print_config", "--config", "debug"]
    done = subprocess.run(command, cwd=elsewhere, env=environment, check=True, capture_output=True, text=True)
    told, shipped = yaml.safe_load(done.stdout), yaml.safe_load((ROOT / "configs" / "debug.yaml").read_text())
    assert shipped["name"] == told["name"] == "debug" and told["generator"]["width"] == shipped["generator"]["width"]
    parts = ROOT / "gan" / "playground"
    packed = {file.name for file in (tmp_path / "installed" / "gan" / "playground").iterdir()}
    assert packed >= {file.name for file in parts.iterdir() if file.suffix in (".html", ".css", ".js", ".py")}
    inside = {file.name for file in (tmp_path / "installed" / "fooling" / "configs").iterdir()}
    assert inside == {file.name for file in (ROOT / "configs").iterdir()}
    where = "import fooling; print(fooling.__file__)"
    asked = [sys.executable, "-c", where]
    found = subprocess.run(asked, cwd=elsewhere, env=environment, check=True, capture_output=True, text=True)
    assert found.stdout.startswith(str(tmp_path / "installed"))
