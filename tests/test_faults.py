"""Real faults, none of them made up: full disks, signals, readers that leave. Nothing is lost, and one line says so."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import wait_for
from refusals import listing

import fooling.__main__
import gan.__main__
from fooling.run import results
from fooling.run.results import Results
from fooling.run.tracking import WandbConfig

TRAIN = [
    "train", "--kimg", "0.256", "--batch_size", "64", "--checkpoint_kimg", "0.064", "--log_kimg", "0.064",
    "--wandb.mode", "disabled", "--threads", "1", "--mixed_precision", "no",
]  # fmt: skip
TINY = [
    "--generator.width", "2", "--discriminator.width", "2", "--samples.count", "4", "--samples.kimg", "0.128",
    "--metrics.kimg", "0",
]  # fmt: skip
PROGRAMS = {"fooling": (fooling.__main__.main, []), "gan": (gan.__main__.main, TINY)}
QUIET = ["--wandb.mode", "disabled"]
# A network that is never sure of anything, and in no hurry: however fast the machine, the climb is still under way.
SLUGGISH = """
import time
from pathlib import Path

from torch import nn

class Sluggish(nn.Sequential):
    def forward(self, images):
        time.sleep(0.02)
        if images.requires_grad:
            Path("climbing").touch()
        return 0.01 * super().forward(images)

def build():
    return Sluggish(nn.Flatten(), nn.Linear(784, 10))
"""


@pytest.fixture
def disk(tmp_path):
    """A disk of so many kB, which can grow; skipped where it cannot be made."""
    place = tmp_path / "disk"
    place.mkdir()

    def of(size):
        how = "remount," if os.path.ismount(place) else ""
        mount = ["mount", "-t", "tmpfs", "-o", f"{how}size={size}k", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("no disk can be mounted here")
        return place

    yield of
    if os.path.ismount(place):
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("size", [4, 8, 12, 24, 48, 64, 100, 200, 300, 500, 900, 1200, 1600])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_disk_that_is_full_stops_a_training_that_goes_on_once_there_is_room(program, size, disk, capsys):
    main, more = PROGRAMS[program]
    run = disk(size) / "run"
    code = main([*TRAIN, *more, "--output", str(run)])
    err = capsys.readouterr().err
    if code:
        assert code == 2 and re.fullmatch(rf"error: cannot write {run}\S*: No space left on device[^\n]*\n", err)
        assert not [name for name in listing(run) if "partial" in name and not name.endswith(".lock")]
    disk(20_000)
    assert main([*TRAIN, *more, "--output", str(run)]) == 0
    assert code == 0 or "damaged" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("size", [4, 16, 40, 64, 100])
def test_results_that_find_their_disk_full_are_kept_elsewhere(size, disk, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place = disk(size)
    code = fooling.__main__.main(["trick", "--output", str(place / "found"), *QUIET])
    err = capsys.readouterr().err
    assert code == 2 and re.search(rf"^error: cannot write {place}/found: No space left on device; the results ", err)
    kept = Path(re.search(r"the results are in (\S+):", err)[1])
    assert {"trick.png", "trick.gif", "summary.json", "numbers.npz"} <= set(listing(kept)) and not listing(place)


def settings(mode="disabled"):
    return WandbConfig(mode=mode)


def test_results_whose_name_is_taken_meanwhile_are_kept_under_the_next(tmp_path, capsys):
    first = Results("found", str(tmp_path / "found"), settings(), {})
    second = Results("found", str(tmp_path / "found"), settings(), {})
    for number, one in enumerate((first, second)):
        with one:
            one.text("note.txt", f"{number}")
    assert [(tmp_path / name / "note.txt").read_text() for name in ("found", "found-2")] == ["0", "1"]
    assert second.folder == tmp_path / "found-2" and "has come to exist meanwhile" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["found", "found-2"]


def test_results_outlive_a_wandb_that_cannot_start(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise results.UserError("wandb cannot start in mode offline (gone)")

    monkeypatch.setattr(results, "WandbTracker", fail)
    with Results("found", str(tmp_path / "found"), settings("offline"), {}) as kept:
        kept.text("note.txt", "worth it")
    out, err = capsys.readouterr()
    assert (tmp_path / "found" / "note.txt").exists() and "wandb sync" not in out
    assert err == "warning: wandb cannot start in mode offline (gone); the results are kept without it\n"


@pytest.mark.slow
def test_nobody_logged_in_is_told_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    code = fooling.__main__.main(["audit", "lenet", "--output", "found", "--wandb.mode", "online"])
    err = capsys.readouterr().err
    assert code == 2 and "wandb" in err.splitlines()[-1] and err.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "found").exists()


# ---- processes


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_that_is_asked_to_stop_saves_whoever_asks(number, commands):
    process = commands.start("gan", *TRAIN, *TINY, "--kimg", "100000", "--output", "run")
    wait_for(lambda: list(commands.folder.glob("run/checkpoints/0*")), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "stopped and saved" in err and "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_verb_that_is_ended_leaves_nothing_half_written(number, commands):
    (commands.folder / "sluggish.py").write_text(SLUGGISH)
    process = commands.start(
        "fooling", "trick", "--model", "sluggish:build", "--input.shape", "1", "28", "28", "--steps", "1000000", *QUIET
    )
    wait_for((commands.folder / "climbing").exists, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Traceback" not in err and err.count("\n") == 1
    assert not [name for name in listing(commands.folder) if "partial" in name]


@pytest.mark.slow
def test_a_reader_that_leaves_ends_no_training(commands):
    process = commands.start("gan", *TRAIN, *TINY, "--output", "run")
    process.stdout.readline()
    process.stdout.close()
    with process.stderr as errors:
        err = errors.read()
    assert process.wait(timeout=120) == 0 and err == ""
    assert (commands.folder / "run" / "generator" / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [[*TRAIN, *TINY, "--output", "run"], ["--help"], ["train", "--print_config"]])
def test_an_output_that_cannot_be_written_is_said_once_the_work_is_done(arguments, commands):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gan", *arguments], cwd=commands.folder, env=commands.environment, stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=120,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "error: cannot write the output: No space left on device\n")
    assert "run" not in arguments or (commands.folder / "run" / "generator" / "model.safetensors").exists()
