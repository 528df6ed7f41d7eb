"""What wandb keeps of a run that was offline, read back with its own reader."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


class Kept:
    """history: by step, all that was logged there. config: the run's settings. files: where its media lie."""

    def __init__(self, folder: Path):
        (offline,) = folder.glob("wandb/offline-run-*")
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(offline)]
        for _ in range(10):  # wandb's own process may still be writing the end of it, on a busy machine
            read = subprocess.run(command, capture_output=True, text=True)
            if read.returncode == 0:
                break
            time.sleep(1)
        assert read.returncode == 0, read.stderr
        self.text = read.stdout
        records = [json.loads(line) for line in self.text.splitlines()]
        self.files = offline / "files"
        self.history: dict[int, dict[str, Any]] = {}
        self.config: dict[str, Any] = {}
        for record in records:
            if record["type"] == "history":
                item = record["history"]["item"]
                self.history.setdefault(item["_step"], {}).update(item)
            # The settings stand in the run's own record, what is added to them later in records of their own.
            said = record.get("run", {}).get("config", {}) if record["type"] == "run" else record.get("config", {})
            self.config |= said.get("update", {})

    def media(self, name: str) -> dict[int, Path]:
        """The files that were logged under a key, by step."""
        return {
            step: self.files / item[f"{name}.path"] for step, item in self.history.items() if f"{name}.path" in item
        }
