"""Where a run can be watched: wandb, offline unless told otherwise, or nowhere. Both take the same calls."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fooling.errors import UserError
from fooling.files import write_text
from fooling.options.settings import Settings


@dataclass
class WandbConfig(Settings):
    """What Weights & Biases is told."""

    mode: Literal["offline", "online", "disabled"] = "offline"
    """offline writes into the run folder and sends nothing; online sends (log in first); disabled does neither."""

    project: str = "fooling-gan"
    """The project that the run is filed under."""

    entity: str | None = None
    """The user or team that owns the project. Default: your own."""

    name: str | None = None
    """The run's name. Default: the name of the run folder."""

    tags: list[str] = field(default_factory=list)
    """Tags to find the run by."""

    def __post_init__(self) -> None:
        if too_long := [tag for tag in self.tags if len(tag) > 64]:
            raise UserError(f"wandb.tags have at most 64 characters, got {too_long[0][:40]!r}")


class Alert(NamedTuple):
    """Something in a training that needs a person: what it is, and what was seen and can be tried."""

    title: str
    text: str


class Tracker:
    """What a run asks of whatever watches it: this one watches nothing. Steps are images seen."""

    @property
    def address(self) -> str | None:
        """Where on the web the run can be watched, if anywhere."""
        return None

    def log(self, values: dict[str, float], step: int) -> None: ...

    def log_image(self, name: str, image: np.ndarray, step: int, caption: str | None = None) -> None: ...

    def log_animation(self, name: str, gif: Path, step: int) -> None: ...

    def log_page(self, name: str, html: Path, step: int) -> None: ...

    def log_folder(self, name: str, kind: str, folder: Path, metadata: dict[str, Any]) -> None: ...

    def add_settings(self, settings: dict[str, Any]) -> None: ...

    def alert(self, title: str, text: str) -> None: ...

    def finish(self, *, failed: bool = False) -> None: ...


class WandbTracker(Tracker):
    """Logs to wandb, under one run id for the whole life of the run folder, resumed or not.

    Once it has started, nothing of it ends a run: its first fault is told, and from then on nobody watches.
    """

    def __init__(self, config: WandbConfig, folder: Path, settings: dict[str, Any]):
        self.folder = folder / "wandb"
        self.folder.mkdir(exist_ok=True)
        # wandb stages artifacts in the user's data folder and keeps its cache there; a run keeps to its own folder.
        places = {"WANDB_DATA_DIR": self.folder.resolve(), "WANDB_CACHE_DIR": (self.folder / "cache").resolve()}
        self._environment = {name: str(place) for name, place in places.items() if name not in os.environ}
        os.environ.update(self._environment)
        import wandb

        self._wandb, self._lost = wandb, False
        try:
            self.run = wandb.init(
                mode=config.mode,
                project=config.project,
                entity=config.entity,
                name=config.name or folder.name,
                tags=config.tags or None,
                id=_run_id(self.folder / "run-id"),
                resume="allow",
                dir=str(folder.resolve()),  # its process may have been started elsewhere, by an earlier run
                config=settings,
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    x_disable_stats=config.mode != "online",  # the load of processors and GPUs: for who watches now
                    init_timeout=30,
                ),
            )
        except Exception as error:  # its own errors, and pydantic's of tags too long and WANDB_* that make no sense
            raise _cannot_start(config, error) from error

    @property
    def address(self) -> str | None:
        return self.run.url

    def log(self, values: dict[str, float], step: int) -> None:
        self._try(lambda: self.run.log(values, step=step))

    def log_image(self, name: str, image: np.ndarray, step: int, caption: str | None = None) -> None:
        """Log an image, uint8 (h, w, 1 or 3): wandb stores floats black."""
        if image.dtype != np.uint8 or image.ndim != 3:
            raise ValueError(f"expected a uint8 image (h, w, c), got {image.dtype} {image.shape}")
        pixels = image[..., 0] if image.shape[2] == 1 else image
        self._try(lambda: self.run.log({name: self._wandb.Image(pixels, caption=caption)}, step=step))

    def log_animation(self, name: str, gif: Path, step: int) -> None:
        self._try(lambda: self.run.log({name: self._wandb.Video(str(gif), format="gif")}, step=step))

    def log_page(self, name: str, html: Path, step: int) -> None:
        page = html.read_text(encoding="utf-8")
        self._try(lambda: self.run.log({name: self._wandb.Html(page)}, step=step))

    def log_folder(self, name: str, kind: str, folder: Path, metadata: dict[str, Any]) -> None:
        def log() -> None:
            # All that wandb lets an artifact be called.
            artifact = self._wandb.Artifact(re.sub(r"[^A-Za-z0-9_.-]+", "-", name), type=kind, metadata=metadata)
            for file in sorted(p for p in folder.rglob("*") if p.is_file()):  # add_dir prints, whatever it is told
                artifact.add_file(str(file), name=str(file.relative_to(folder)))
            self.run.log_artifact(artifact)

        self._try(log)

    def add_settings(self, settings: dict[str, Any]) -> None:
        """Add to the settings what is known only now; a resumed run may know it anew."""
        self._try(lambda: self.run.config.update(settings, allow_val_change=True))

    def alert(self, title: str, text: str) -> None:
        self._try(lambda: self.run.alert(title=title, text=text))

    def finish(self, *, failed: bool = False) -> None:
        self._try(lambda: self.run.finish(exit_code=int(failed)))
        for name in self._environment:  # the next run in this process has a folder of its own
            os.environ.pop(name, None)

    def _try(self, what: Callable[[], object]) -> None:
        if self._lost:
            return
        try:
            what()
        except Exception as error:  # whatever it is: images and weights are worth more than their log
            self._lost = True
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            print(f"warning: wandb failed, and the run goes on without it: {reason}", file=sys.stderr, flush=True)


def refuse_nobody(config: WandbConfig) -> None:
    """Raise UserError where wandb is to be online and nobody is logged in: before the work, not after it.

    At a terminal wandb asks who it is.
    """
    if config.mode != "online":
        return
    import wandb

    try:
        known = wandb.login(timeout=30)
    except Exception as error:  # whatever its settings, its server or its prompt run into
        raise _cannot_start(config, error) from error
    if not known:
        raise UserError("nobody is logged in to wandb: wandb login, or try --wandb.mode offline")


def _cannot_start(config: WandbConfig, error: Exception) -> UserError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return UserError(f"wandb cannot start in mode {config.mode} ({reason}): try --wandb.mode offline")


def start_tracker(config: WandbConfig, folder: Path, settings: dict[str, Any]) -> Tracker:
    """The tracker that the configuration asks for, and a line that says where its data goes."""
    if config.mode == "disabled":
        return Tracker()
    tracker = WandbTracker(config, folder, settings)
    if config.mode == "offline":
        print(f"wandb is offline: nothing is sent. To upload: wandb sync {folder}/wandb/offline-run-*")
    else:
        print(f"wandb: {tracker.address}")
    return tracker


def _run_id(file: Path) -> str:
    """The id that this run has at wandb; a new one where there is none, or what a full disk has left of one."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if re.fullmatch("[A-Za-z0-9_-]{1,64}", kept := file.read_text(encoding="utf-8").strip()):
            return kept
    new = uuid.uuid4().hex[:8]
    write_text(new, file)
    return new
