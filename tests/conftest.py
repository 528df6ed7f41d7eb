import os
import subprocess
import sys
from pathlib import Path

import pytest

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
