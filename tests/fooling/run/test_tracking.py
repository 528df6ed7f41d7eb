"""What is asked of wandb, and that it takes it."""

import re
from pathlib import Path

import numpy as np
import pytest
from offline_wandb import Kept

from fooling.run.tracking import WandbConfig, WandbTracker


@pytest.fixture(autouse=True)
def no_places_of_its_own(monkeypatch):
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_settings_may_be_known_later_and_anew_and_what_is_wrong_is_told(tmp_path):
    tracker = WandbTracker(WandbConfig(), tmp_path, {"seed": 3})
    tracker.add_settings({"resolved": {"device": "cuda"}})
    tracker.add_settings({"resolved": {"device": "cpu"}})
    tracker.alert("a loss has run away", "at 8 kimg")
    tracker.finish()
    kept = Kept(tmp_path)
    assert kept.config["seed"] == 3 and kept.config["resolved"] == {"device": "cpu"}
    assert "a loss has run away" in kept.text


def test_a_run_may_have_any_name(tmp_path):
    tracker = WandbTracker(WandbConfig(name="ünï run (2)"), tmp_path, {})
    (tmp_path / "generator").mkdir()
    (tmp_path / "generator" / "config.json").write_text("{}")
    tracker.log_folder("ünï run (2)-generator", "model", tmp_path / "generator", {})
    tracker.finish()
    assert "-n-run-2--generator" in Kept(tmp_path).text


@pytest.mark.parametrize("left", [b"", b"\xff\xfe", b"two words"])
def test_what_a_full_disk_has_left_of_an_id_stops_no_run(left, tmp_path):
    (tmp_path / "wandb").mkdir()
    file = tmp_path / "wandb" / "run-id"
    file.write_bytes(left)
    WandbTracker(WandbConfig(), tmp_path, {}).finish()
    kept = file.read_text()
    assert re.fullmatch("[0-9a-f]{8}", kept)
    WandbTracker(WandbConfig(), tmp_path, {}).finish()
    assert file.read_text() == kept


def test_nothing_that_wandb_does_ends_a_run_and_its_first_fault_is_told(tmp_path, monkeypatch, capsys):
    tracker = WandbTracker(WandbConfig(), tmp_path, {})

    def dies(*_, **__):
        raise BrokenPipeError("its process has died\nand more")

    monkeypatch.setattr(tracker.run, "log", dies)
    tracker.log({"loss": 1.0}, step=1)
    tracker.log_image("picture", np.zeros((4, 4, 3), np.uint8), step=1)
    tracker.finish()
    told = capsys.readouterr().err
    assert told == "warning: wandb failed, and the run goes on without it: its process has died\n"
    monkeypatch.undo()
    tracker.run.finish()


def test_later_runs_of_a_process_may_be_in_other_places(tmp_path, monkeypatch):
    for place in (tmp_path / "a", tmp_path / "b"):  # wandb's own process stays where the first began
        (place / "run").mkdir(parents=True)
        monkeypatch.chdir(place)
        WandbTracker(WandbConfig(), Path("run"), {"seed": 3}).finish()
        assert Kept(place / "run").config["seed"] == 3


@pytest.mark.parametrize(("mode", "quiet"), [("online", False), ("offline", True)])
def test_the_load_of_the_machine_is_watched_by_who_watches_online(mode, quiet, tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr("wandb.init", lambda **arguments: asked.update(arguments))
    tracker = WandbTracker(WandbConfig(mode=mode), tmp_path, {})
    assert asked["settings"].x_disable_stats is quiet and asked["mode"] == mode
    for name in tracker._environment:
        monkeypatch.delenv(name)
