"""Checkpoints that survive a kill at any moment.

Each is a folder named for the images seen, holding state.pt and a manifest.json with its checksum. It is written under
another name and renamed when it is whole, so that what bears a checkpoint's name was once whole; the checksum tells
whether it still is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from typing_extensions import Self

from fooling.errors import CannotWrite


class Stateful(Protocol):
    """What a checkpoint can hold: networks, optimisers, averages."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


def save_checkpoint(folder: Path, images_seen: int, state: dict[str, Any], *, keep: int = 2) -> Path:
    """Write `state` (nested dicts of tensors and plain values) and remove all but the newest `keep` checkpoints.

    Raises CannotWrite, with the one before it as it was, where there is no room for it.
    """
    target = folder / f"{images_seen:09d}"
    partial = folder / f".{target.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(partial, target, images_seen, state)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        before = next((f"{c.name} images" for c in list_checkpoints(folder)), "the beginning")
        raise CannotWrite(
            f"cannot write {target}: {error.strerror or error}; once that is mended the same command goes on from"
            f" {before}"
        ) from error
    for old in list_checkpoints(folder)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def _write(partial: Path, target: Path, images_seen: int, state: dict[str, Any]) -> None:
    partial.mkdir(parents=True)
    with _Noting((partial / "state.pt").open("wb", buffering=0)) as stream:
        try:
            torch.save(state, cast(Any, stream))
        except RuntimeError as error:  # of the disk's own words torch makes "unexpected pos 3328 vs 3222"
            raise stream.error or error from None
    manifest = {
        "images_seen": images_seen,
        "bytes": (partial / "state.pt").stat().st_size,
        "sha256": _sha256(partial / "state.pt"),
        "torch": torch.__version__,
    }
    (partial / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for path in (partial / "state.pt", partial / "manifest.json", partial):
        _flush(path)
    if target.exists():  # a damaged one that was passed over when the run was resumed
        shutil.rmtree(target)
    partial.rename(target)
    _flush(target.parent)


class _Noting:
    """A file to write, which notes why it could not be."""

    def __init__(self, file: RawIOBase):
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        view, written = memoryview(data).cast("B"), 0
        try:
            while written < len(view):  # an unbuffered file may take less than it is given
                written += self._file.write(view[written:]) or 0
        except OSError as error:
            self.error = error
            raise
        return written

    def flush(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, newest first."""
    return numbered(folder, "*")[::-1]


def numbered(folder: Path, pattern: str) -> list[Path]:
    """The files or folders of that pattern that are named for a number of images seen, in the order of the numbers:
    as text, 1000000000 would come before 999000000."""
    return sorted((p for p in folder.glob(pattern) if p.stem.isdigit()), key=lambda p: int(p.stem))


def load_checkpoint(checkpoint: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state that was saved. Raises ValueError, with the reason in one line, for a damaged checkpoint."""
    try:
        manifest = json.loads((checkpoint / "manifest.json").read_text(encoding="utf-8"))
        size = (checkpoint / "state.pt").stat().st_size
        if size != manifest["bytes"]:
            raise ValueError(f"state.pt has {size} bytes in place of {manifest['bytes']}")
        if _sha256(checkpoint / "state.pt") != manifest["sha256"]:
            raise ValueError("state.pt does not have the contents that were written")
        return torch.load(checkpoint / "state.pt", map_location=device, weights_only=True)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error


def has_whole_checkpoint(run_folder: Path) -> bool:
    """Whether there is one that a run would go on from."""
    for checkpoint in list_checkpoints(run_folder / "checkpoints"):
        with suppress(ValueError):
            load_checkpoint(checkpoint)
            return True
    return False


def newest_whole_checkpoint(run_folder: Path) -> dict[str, Any] | None:
    """What the newest of a run's checkpoints that is whole holds, with a line for each damaged one; None for none."""
    checkpoints = list_checkpoints(run_folder / "checkpoints")
    for checkpoint in checkpoints:
        try:
            state = load_checkpoint(checkpoint)
        except ValueError as error:
            print(f"{checkpoint} is damaged ({error}): going back to the one before it")
            continue
        print(f"resuming {run_folder} from {checkpoint.name} images")
        return state
    if checkpoints:
        print(f"no whole checkpoint in {run_folder}: starting afresh")
    return None


def fingerprint(state: dict[str, Any]) -> str:
    """One word for all tensors of nested dicts."""
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(repr(name).encode())
        if isinstance(value, dict):
            digest.update(fingerprint(value).encode())
        elif isinstance(value, Tensor):
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def on_cpu(state: Any) -> Any:
    """Nested dicts with their tensors on the CPU, so that nobody who is sent them opens another's GPU."""
    if isinstance(state, dict):
        return {name: on_cpu(value) for name, value in state.items()}
    return state.detach().cpu() if isinstance(state, Tensor) else state


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _flush(path: Path) -> None:
    """See to it that a file or a folder's list of names outlasts a power cut."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
