"""The files by which a run is told again: its settings in config.yaml, its figures in metrics.jsonl."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from fooling.errors import UserError
from fooling.files import write_whole


def refuse_changed_settings(file: Path, settings: dict[str, Any]) -> None:
    """Write a run's settings, or raise UserError naming those that differ from what is written there already."""
    if not file.exists():
        return write_whole(file, yaml.safe_dump(settings, sort_keys=False))
    before, now = _flat(yaml.safe_load(file.read_text())), _flat(settings)
    # Where the run lies and is watched from does not change what it computes.
    changed = [k for k in before.keys() | now if before.get(k) != now.get(k) and not k.startswith(("output", "wandb."))]
    if changed:
        said = ", ".join(f"{k} was {before.get(k)} and is {now.get(k)}" for k in sorted(changed))
        raise UserError(
            f"{file.parent} holds a run with other settings: {said}; restore them, or choose another --name"
        )


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def truncate_log(file: Path, images_seen: int) -> None:
    """Drop what was logged after the checkpoint, which training will log again, and a last line cut short."""
    if not file.exists():
        return
    kept = []
    for line in file.read_text().splitlines():
        with suppress(ValueError):
            if json.loads(line)["images_seen"] <= images_seen:
                kept.append(line + "\n")
    write_whole(file, "".join(kept))
