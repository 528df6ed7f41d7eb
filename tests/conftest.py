import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from fooling.classifiers import LeNet, SoftmaxRegression
from fooling.data import Batches, load, to_float

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


def _trained(make, steps=120):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = make()
    batches, optimizer = Batches(load("mnist", "train")), torch.optim.Adam(classifier.parameters(), 3e-3)
    for step in range(steps):
        images, labels = batches.take(100 * step, 100)
        loss = F.cross_entropy(classifier(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return classifier.eval()


@pytest.fixture(scope="session")
def lenet():
    return _trained(LeNet)


@pytest.fixture(scope="session")
def softmax():
    return _trained(SoftmaxRegression)
