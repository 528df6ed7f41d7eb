"""How many threads a process computes with."""

import os
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from fooling.run import processes
from fooling.run.processes import cores, threads_per_process


@pytest.mark.parametrize(
    ("told", "by_launcher", "launcher_was_told", "asked"),
    [
        (None, None, None, False),
        ("1", None, None, True),
        ("1", "ACCELERATE_MIXED_PRECISION", None, False),  # set by accelerate launch or torchrun, unasked
        ("1", "TORCHELASTIC_RUN_ID", None, False),
        ("1", "ACCELERATE_MIXED_PRECISION", "1", True),  # set by who launched it
        ("1", "TORCHELASTIC_RUN_ID", "1", True),
        ("3", "TORCHELASTIC_RUN_ID", None, True),
    ],
)
def test_a_persons_omp_num_threads_is_heard_and_a_launchers_is_not(
    told, by_launcher, launcher_was_told, asked, monkeypatch
):
    for name in ("OMP_NUM_THREADS", "ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    if told:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    if by_launcher:
        monkeypatch.setenv(by_launcher, "x")
    monkeypatch.setattr(processes, "_launcher_was_told", lambda variable: launcher_was_told)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)  # what OMP_NUM_THREADS came to
    assert threads_per_process() == (77 if asked else cores())


WORKER = """
import psutil  # the real one, and torch stays away
from fooling.options.light import without_torch
with without_torch("fooling.run.processes") as processes:
    print(processes._launcher_was_told("OMP_NUM_THREADS"))
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
