"""The folder of pictures and numbers that a verb leaves behind; it appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from typing_extensions import Self

from fooling.errors import UserError
from fooling.files import write_gif, write_json, write_png, write_text
from fooling.run.tracking import Tracker, WandbConfig, WandbTracker


class Results:
    """Collects files in a hidden folder, logs them to wandb, and gives the folder its name when all is well.

    name: of the folder below runs/; where that is taken, name-2, name-3 ...
    output: the folder itself instead, which must not exist yet.
    settings: what was asked for, into summary.json and wandb's configuration.
    """

    def __init__(self, name: str, output: str | None, wandb: WandbConfig, settings: Mapping[str, Any]):
        self._wanted = (name, output)
        self.folder = _free_folder(name, output)
        self.settings, self.wandb = dict(settings), wandb
        self.files: list[str] = []

    def picture(self, name: str, picture: np.ndarray) -> None:
        """NAME.png of a uint8 picture (height, width, 3)."""
        write_png(picture, self._file(f"{name}.png"))
        self.tracker.log_image(name, picture, step=0)

    def film(self, name: str, frames: Iterable[np.ndarray]) -> None:
        """NAME.gif of uint8 frames, which takes about four seconds and rests on the last one.

        The tracker has it as NAME_film: of two media under one key at one step, wandb keeps the last alone.
        """
        frames = list(frames)
        path = write_gif(frames, self._file(f"{name}.gif"), fps=min(20, max(2, len(frames) / 4)), hold=2)
        self.tracker.log_animation(f"{name}_film", path, step=0)

    def text(self, name: str, text: str) -> None:
        """A file of that name, which is logged where it is a page."""
        path = write_text(text, self._file(name))
        if path.suffix == ".html":
            self.tracker.log_page(path.stem, path, step=0)

    def numbers(self, summary: Mapping[str, Any], **tensors: Tensor) -> None:
        """summary.json of what came out and the settings behind it, numbers.npz of the tensors."""
        write_json({**summary, "settings": self.settings}, self._file("summary.json"))
        arrays: dict[str, Any] = {name: t.detach().cpu().numpy() for name, t in tensors.items()}
        np.savez_compressed(self._file("numbers.npz"), **arrays)
        self.tracker.log({k: v for k, v in summary.items() if isinstance(v, (int, float))}, step=0)

    def __enter__(self) -> Self:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._partial = Path(tempfile.mkdtemp(dir=self.folder.parent, prefix=f".{self.folder.name}-partial-"))
        except OSError as error:
            raise UserError(f"cannot write {self.folder}: {error.strerror}; choose another with --output") from error
        self._partial.chmod(0o755)  # mkdtemp's folders are for their owner only
        self.tracker: Tracker = Tracker()
        if self.wandb.mode != "disabled":
            named = WandbConfig(**{**vars(self.wandb), "name": self.wandb.name or self.folder.name})
            try:
                self.tracker = WandbTracker(named, self._partial, self.settings)
            except BaseException:
                shutil.rmtree(self._partial)
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self.tracker.finish(failed=kind is not None)
        if kind is not None:
            return shutil.rmtree(self._partial)
        self.folder = _free_folder(*self._wanted)  # somebody may have taken the name meanwhile
        self._partial.rename(self.folder)
        print(f"{self.folder}: {', '.join(self.files)}")
        if self.wandb.mode == "offline":
            print(f"wandb is offline: nothing is sent. To upload: wandb sync {self.folder}/wandb/offline-run-*")
        elif self.wandb.mode == "online":
            print(f"wandb: {self.tracker.address}")

    def _file(self, name: str) -> Path:
        self.files.append(name)
        return self._partial / name


def _free_folder(name: str, output: str | None) -> Path:
    if output is not None:
        folder = Path(output).expanduser()
        if folder.exists():
            raise UserError(f"{folder} exists: choose another with --output, or remove it")
        return folder
    count = 1
    while (folder := Path("runs", name if count == 1 else f"{name}-{count}")).exists():
        count += 1
    return folder
