import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch comes: the same sums in the same order, on a busy machine too

import psutil
import pytest
import torch

from fooling.classifiers.networks import Classifier
from fooling.classifiers.train import TrainConfig, train
from fooling.data.load import load
from fooling.images import to_float
from fooling.run.checkpoints import list_checkpoints, load_checkpoint
from fooling.run.tracking import WandbConfig

ROOT = Path(__file__).parent.parent


class Commands:
    """The command line, run as its user runs it, in a folder of its own and on one thread a process."""

    def __init__(self, folder: Path):
        self.folder = folder
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "ACCELERATE_", "OMP_"))}
        self.environment = {**keep, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"}

    def start(self, module: str, *arguments: object, processes: int = 1) -> subprocess.Popen:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        command = [sys.executable, *(launcher if processes > 1 else []), "-m", module, *map(str, arguments)]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def run(self, module: str, *arguments: object, processes: int = 1) -> subprocess.CompletedProcess:
        process = self.start(module, *arguments, processes=processes)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def kill_and_resume(self, module: str, *arguments: object, kills: int, processes: int = 1) -> None:
        """A run into the folder "killed": kill it a random moment after it has written a checkpoint more, so often, and
        then let it end."""
        source = random.Random(os.environ.get("KILL_SEED"))
        arguments, checkpoints = (*arguments, "--output", "killed"), self.folder / "killed" / "checkpoints"
        for _ in range(kills):
            before = list_checkpoints(checkpoints)[:1]
            process = self.start(module, *arguments, processes=processes)
            while list_checkpoints(checkpoints)[:1] == before:
                assert process.poll() is None, process.communicate()
                time.sleep(0.01)
            time.sleep(source.uniform(0, 0.4))
            assert process.poll() is None, "it came to its end before it was killed"
            kill_family(process)
        done = self.run(module, *arguments, processes=processes)
        assert done.returncode == 0, done.stderr
        assert "resuming killed from" in done.stdout


def final_state(folder: Path) -> dict:
    return load_checkpoint(list_checkpoints(folder / "checkpoints")[0])


def tensors_of(state: dict, prefix: str = "") -> dict[str, torch.Tensor]:
    """All tensors of nested dicts, by dotted name."""
    flat = {}
    for key, value in state.items():
        if isinstance(value, dict):
            flat |= tensors_of(value, f"{prefix}{key}.")
        elif isinstance(value, torch.Tensor):
            flat[f"{prefix}{key}"] = value
    return flat


def kill_family(process: subprocess.Popen) -> None:
    """SIGKILL to a command and to the processes it started, which torchrun puts in sessions of their own."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.communicate()
    psutil.wait_procs(family)


def wait_for(condition: Callable[[], object], process: subprocess.Popen | None = None, *, seconds: float = 120) -> None:
    """Until it holds. process: one that must not end before."""
    end = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


@pytest.fixture(scope="session")
def debug_run(tmp_path_factory) -> tuple[Path, str]:
    """configs/debug.yaml, whole: its folder and what it printed."""
    commands = Commands(tmp_path_factory.mktemp("debug"))
    done = commands.run("gan", "train", "--config", ROOT / "configs" / "debug.yaml")
    assert done.returncode == 0, done.stderr
    return commands.folder / "runs" / "debug", done.stdout


@pytest.fixture(scope="session")
def digits():
    """1,000 test digits, float32 in [0, 1], and their labels."""
    data = load("mnist", "test")
    return to_float(data.images[:1000]), data.labels[:1000]


def _trained(folder, model, **settings):
    train(TrainConfig(model=model, output=str(folder), wandb=WandbConfig(mode="disabled"), **settings))
    return Classifier.from_pretrained(folder / "classifier")


@pytest.fixture(scope="session")
def lenet(tmp_path_factory):
    return _trained(tmp_path_factory.mktemp("lenet"), "lenet", kimg=36)


@pytest.fixture(scope="session")
def softmax(tmp_path_factory):
    return _trained(tmp_path_factory.mktemp("softmax"), "softmax", kimg=60, learning_rate=0.01)
