"""The folder of pictures and numbers that a verb leaves behind; it appears whole or not at all."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from typing_extensions import Self

from fooling.errors import CannotWrite, UserError
from fooling.files import writable, write_gif, write_json, write_png, write_text, write_whole
from fooling.options.paths import path_of
from fooling.run.tracking import Tracker, WandbConfig, WandbTracker, refuse_nobody


class Results:
    """Collects files in a hidden folder, logs them to wandb, and gives the folder its name when all is well.

    What a verb found may have taken hours. So it is asked before the work whether the folder can be written and wandb
    knows us; and where the disk is full then, or wandb gone, or the folder's name taken, the results are kept all the
    same: elsewhere, unlogged, under the next name.

    name: of the folder below runs/; where that is taken, name-2, name-3 ...
    output: the folder itself instead, which must not exist yet.
    settings: what was asked for, into summary.json and wandb's configuration.

    Raises UserError for a folder that exists or cannot be written, and for wandb online where nobody is logged in.
    """

    def __init__(self, name: str, output: str | None, wandb: WandbConfig, settings: Mapping[str, Any]):
        self.folder = _wanted_folder(name, output)
        writable(self.folder)
        refuse_nobody(wandb)
        self.settings, self.wandb = dict(settings), wandb
        self.files: list[str] = []
        self._partial: Path
        self._refused: CannotWrite | None = None

    def picture(self, name: str, picture: np.ndarray) -> None:
        """NAME.png of a uint8 picture (height, width, 3)."""
        self._write(f"{name}.png", partial(write_png, picture))
        self.tracker.log_image(name, picture, step=0)

    def film(self, name: str, frames: Iterable[np.ndarray]) -> None:
        """NAME.gif of uint8 frames, which takes about four seconds and rests on the last one.

        The tracker has it as NAME_film: of two media under one key at one step, wandb keeps the last alone.
        """
        frames = list(frames)
        fps = min(20, max(2, len(frames) / 4))
        path = self._write(f"{name}.gif", lambda file: write_gif(frames, file, fps=fps, hold=2))
        self.tracker.log_animation(f"{name}_film", path, step=0)

    def text(self, name: str, text: str) -> None:
        """A file of that name, which is logged where it is a page."""
        path = self._write(name, partial(write_text, text))
        if path.suffix == ".html":
            self.tracker.log_page(path.stem, path, step=0)

    def numbers(self, summary: Mapping[str, Any], **tensors: Tensor) -> None:
        """summary.json of what came out and the settings behind it, numbers.npz of the tensors."""
        self._write("summary.json", partial(write_json, {**summary, "settings": self.settings}))
        arrays: dict[str, Any] = {name: t.detach().cpu().numpy() for name, t in tensors.items()}

        def compressed(file: Path) -> None:
            with file.open("wb") as stream:  # by its name, numpy would add an ending
                np.savez_compressed(stream, **arrays)

        self._write("numbers.npz", lambda file: write_whole(file, compressed))
        self.tracker.log({k: v for k, v in summary.items() if isinstance(v, (int, float))}, step=0)

    def _write(self, name: str, write: Callable[[Path], Any]) -> Path:
        self.files.append(name)
        try:
            write(self._partial / name)
        except CannotWrite as error:
            self._move_out(error)
            write(self._partial / name)
        return self._partial / name

    def _move_out(self, error: CannotWrite) -> None:
        """Go on in the folder for temporary files, if that has not been tried."""
        reason = str(error).rpartition(": ")[2]
        error = CannotWrite(f"cannot write {self.folder}: {reason}")
        if self._refused is not None:
            raise error
        self._refused = error
        before = self._partial
        try:
            self._partial = Path(tempfile.mkdtemp(prefix=f"{self.folder.name[:100]}-"))
            shutil.copytree(before, self._partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns("wandb"))
        except OSError:  # nowhere to go
            raise error from None
        finally:
            if self._partial != before:
                shutil.rmtree(before, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            prefix = f".{self.folder.name[:200]}-partial-"
            self._partial = Path(tempfile.mkdtemp(dir=self.folder.parent, prefix=prefix))
            self._partial.chmod(0o755)  # mkdtemp's folders are for their owner only
        except OSError as error:
            raise CannotWrite(f"cannot write {self.folder}: {error.strerror}; choose another with --output") from error
        self.tracker: Tracker = Tracker()
        if self.wandb.mode != "disabled":
            named = WandbConfig(**{**vars(self.wandb), "name": self.wandb.name or self.folder.name})
            try:
                self.tracker = WandbTracker(named, self._partial, self.settings)
            except UserError as error:
                print(f"warning: {error}; the results are kept without it", file=sys.stderr, flush=True)
            except BaseException:
                shutil.rmtree(self._partial, ignore_errors=True)
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        try:
            self.tracker.finish(failed=kind is not None)
        finally:
            if kind is not None:
                shutil.rmtree(self._partial, ignore_errors=True)
        if kind is not None:
            return
        if self._refused is not None:
            raise CannotWrite(f"{self._refused}; the results are in {self._partial}: {', '.join(self.files)}")
        self._give_name()
        print(f"{self.folder}: {', '.join(self.files)}")
        if type(self.tracker) is Tracker:
            return
        if self.wandb.mode == "offline":
            print(f"wandb is offline: nothing is sent. To upload: wandb sync {self.folder}/wandb/offline-run-*")
        else:
            print(f"wandb: {self.tracker.address}")

    def _give_name(self) -> None:
        """Under the name that was wanted, or the next that is free: somebody may have taken it meanwhile."""
        wanted = self.folder
        while True:
            self.folder = _free(wanted)
            try:
                self._partial.rename(self.folder)
                break
            except OSError as error:
                if not self.folder.exists():
                    raise CannotWrite(
                        f"cannot write {self.folder}: {error.strerror}; the results are in {self._partial}"
                    ) from error
        if self.folder != wanted:
            print(f"warning: {wanted} has come to exist meanwhile", file=sys.stderr, flush=True)


def _wanted_folder(name: str, output: str | None) -> Path:
    if output is None:
        return _free(Path("runs", name))
    folder = path_of(output)
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} exists: choose another with --output, or remove it")
    return folder


def _free(wanted: Path) -> Path:
    """The folder, or where that is taken the one with the next number behind it."""
    folder, count = wanted, 1
    while folder.exists() or folder.is_symlink():
        count += 1
        folder = wanted.with_name(f"{wanted.name}-{count}")
    return folder
