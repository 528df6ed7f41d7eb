"""A run's folder: whose it is, by which settings it is told again, and its log.

config.yaml      the settings; the command that made the folder, given again, resumes the run
resolved.json    what "auto" and "default" among them came to, so that a resumed run computes as it began
metrics.jsonl    a line of figures every so often
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock, Timeout

from fooling.data.load import DataConfig, as_written
from fooling.errors import CannotWrite, UserError
from fooling.files import write_json, write_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def take(folder: Path) -> FileLock:
    """Make the folder if need be, and take it for this process until the lock is released.

    Raises UserError where another process has it, or it cannot be written.
    """
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise UserError(f"{folder} is in use by another process: wait for it or end it") from error
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}; choose another with --output") from error
    return lock


def remove_partials(folder: Path) -> None:
    """Remove what a run that was killed has left half-written."""
    for pattern in ("checkpoints/.*.partial", ".partial-*", "*/.partial-*"):
        for partial in folder.glob(pattern):
            remove = shutil.rmtree if partial.is_dir() else Path.unlink
            remove(partial)


def refuse_changed_settings(folder: Path, config: DataclassInstance) -> None:
    """Write a run's settings, or raise UserError naming those that differ from what is written there already.

    What is not written there is a setting that code of its day did not have: it is what that did, its default.
    """
    file, settings = folder / "config.yaml", asdict(config)
    if not file.exists():
        write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), file)
        return
    before, now = _flat(_completed(_written(file), config)), _flat(settings)
    # Where the run lies and is watched from does not change what it computes.
    changed = [k for k in before.keys() | now if before.get(k) != now.get(k) and not k.startswith(("output", "wandb."))]
    if changed:
        said = ", ".join(f"{k} was {before.get(k)} and is {now.get(k)}" for k in sorted(changed))
        restored = " ".join(f"--{k} {'null' if before.get(k) is None else before.get(k)}" for k in sorted(changed))
        further = f", and --init_from {folder} to go on from its networks" if hasattr(config, "init_from") else ""
        raise UserError(
            f"{folder} holds a run with other settings: {said}; restore them ({restored}), or choose another --name"
            + further
        )


def _written(file: Path) -> dict[str, Any]:
    try:
        written = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"cannot read {file} ({reason}): {_MEND}") from error
    if not isinstance(written, dict):
        raise UserError(f"{file} holds no settings: {_MEND}")
    return written


_MEND = "it says which run this is; put it back, or choose another --name"


def _completed(written: dict[str, Any], config: DataclassInstance) -> dict[str, Any]:
    """The settings that were written of such a config, and the defaults of those that were not."""
    if isinstance(config, DataConfig):
        return as_written(written)
    completed = dict(written)
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            below = written.get(field.name)
            completed[field.name] = _completed(below if isinstance(below, dict) else {}, value)
        elif field.name not in written:
            completed[field.name] = field.default if field.default_factory is MISSING else field.default_factory()
    return completed


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def resolved_before(folder: Path) -> dict[str, Any]:
    """What a run in this folder resolved its settings to; nothing where there was none, or it did not say."""
    with suppress(OSError, ValueError):
        said = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))
        return said if isinstance(said, dict) else {}
    return {}


def keep_resolved(folder: Path, resolved: dict[str, Any]) -> None:
    write_json(resolved, folder / "resolved.json")


def refuse_other_data(folder: Path, fingerprint: str | None) -> None:
    """Raise UserError where a run began on other images than those of this fingerprint (fooling.images)."""
    began = resolved_before(folder).get("data")
    if began is not None and fingerprint is not None and began != fingerprint:
        raise UserError(
            f"{folder} began on other images than there are now: put back what was changed, or choose another --name"
        )


def truncate_log(folder: Path, images_seen: int) -> None:
    """Drop what was logged after the checkpoint, which training will log again, and a last line cut short."""
    file = folder / "metrics.jsonl"
    if not file.exists():
        return
    kept = []
    text = file.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        with suppress(ValueError, KeyError, TypeError):  # a line that is none of ours, or was cut short
            if json.loads(line)["images_seen"] <= images_seen:
                kept.append(line + "\n")
    if "".join(kept) != text:
        write_text("".join(kept), file)


def append_to_log(folder: Path, figures: dict[str, Any]) -> None:
    path = folder / "metrics.jsonl"
    try:
        before = path.stat().st_size if path.exists() else 0
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(figures) + "\n")
        except OSError:
            os.truncate(path, before)  # no half of a line
            raise
    except OSError as error:
        raise CannotWrite(f"cannot write {path}: {error.strerror or error}") from error
