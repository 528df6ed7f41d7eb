"""What a launcher tells its processes, and what becomes of them without it: real launchers, really killed."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest
from conftest import ROOT, kill_family, wait_for

from fooling.run.checkpoints import list_checkpoints

WORKER = """
from fooling.run.launcher import launcher_was_told
print(launcher_was_told("OMP_NUM_THREADS"))
"""
LAUNCHER = """
import os, subprocess, sys
os.environ["OMP_NUM_THREADS"] = "1"  # as torchrun does: what it was told itself can still be asked for
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process's first environment is not kept there")
@pytest.mark.parametrize("told", [None, "1", "2"])
def test_what_a_launcher_was_told_can_be_asked_for(told):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | {"PYTHONPATH": str(ROOT)}
    environment |= {"OMP_NUM_THREADS": told} if told else {}
    command = [sys.executable, "-c", LAUNCHER, WORKER]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(told)


@pytest.mark.skipif(sys.platform == "win32", reason="no shells there")
def test_a_shell_that_hands_down_what_a_launcher_sets_is_none(monkeypatch):
    """Whoever closes it after `gan train &` wants that to go on."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    said = "import threading; print([one.name for one in threading.enumerate()].count('launcher'))"
    watch = (
        f"from contextlib import ExitStack; from fooling.run.launcher import *; end_with_launcher(ExitStack()); {said}"
    )
    export = f'export ACCELERATE_MIXED_PRECISION=no; {sys.executable} -c "{watch}"; true'
    by_shell = subprocess.run(["sh", "-c", export], check=True, capture_output=True, text=True)
    told = {**os.environ, "ACCELERATE_MIXED_PRECISION": "no"}
    by_python = subprocess.run([sys.executable, "-c", watch], env=told, check=True, capture_output=True, text=True)
    assert (by_shell.stdout, by_python.stdout) == ("0\n", "1\n")


# ---- one that ends

TRAIN = [
    "-m", "gan", "train", "--kimg", "1000", "--batch_size", "64", "--checkpoint_kimg", "0.256", "--log_kimg", "0.256",
    "--generator.width", "2", "--discriminator.width", "2", "--samples.count", "4", "--metrics.kimg", "0",
    "--wandb.mode", "disabled", "--output", "run",
]  # fmt: skip


@pytest.fixture
def launch(commands, tmp_path):
    started, children = [], []

    def of(processes, *arguments):
        how = ["--num_processes", str(processes), *(["--multi_gpu"] if processes > 1 else ["--cpu"])]
        command = [sys.executable, "-m", "accelerate.commands.launch", *how, *TRAIN, *arguments]
        with (tmp_path / "log").open("w") as log:
            started.append(
                subprocess.Popen(
                    command, cwd=commands.folder, env=commands.environment, stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )  # fmt: skip
        checkpoints = commands.folder / "run" / "checkpoints"
        before = list_checkpoints(checkpoints)[:1]
        wait_for(lambda: list_checkpoints(checkpoints)[:1] != before, seconds=120)
        children.extend(trainings(started[-1].pid))
        return started[-1], children[-processes:], lambda: (tmp_path / "log").read_text()

    yield of
    for process in started:
        if process.poll() is None:
            kill_family(process)
    for child in children:  # whom a launcher that was killed would have left behind
        with suppress(psutil.NoSuchProcess):
            child.kill()


def trainings(pid):
    return [one for one in psutil.Process(pid).children(recursive=True) if "train" in one.cmdline()]


def gone(processes):
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
@pytest.mark.parametrize(("processes", "number"), [(1, signal.SIGKILL), (2, signal.SIGKILL), (2, signal.SIGTERM)])
def test_its_processes_save_and_end_with_it(processes, number, launch):
    process, children, log = launch(processes)
    assert len(children) == processes
    process.send_signal(number)
    wait_for(lambda: gone(children), seconds=60)
    saved = re.search(r"stopped and saved at ([\d.]+) of", log())
    assert saved, log()
    _, _, log = launch(processes)
    wait_for(lambda: "resuming run from" in log(), seconds=60)
    assert f"resuming run from {round(1000 * float(saved[1])):09d} images" in log()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_one_process_that_is_killed_ends_the_other_and_a_relaunch_goes_on(launch):
    process, children, log = launch(2)
    children[-1].kill()
    wait_for(lambda: gone(children) and process.poll() is not None, seconds=60)
    assert process.returncode
    _, _, log = launch(2)
    wait_for(lambda: "resuming run from" in log(), seconds=60)
