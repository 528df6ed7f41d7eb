"""One experiment: its folder, its configuration, its processes, its log, its checkpoints.

A training loop holds one Run and asks it where to resume, what is due and whether to stop, and to write things down.
The loop itself knows nothing of folders, signals, ranks or wandb.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import torch
from accelerate.utils import broadcast_object_list, gather_object
from filelock import FileLock, Timeout
from torch import Tensor

from fooling.errors import Stopped, UserError, require_positive
from fooling.run.checkpoints import list_checkpoints, load_checkpoint, save_checkpoint
from fooling.run.folder import refuse_changed_settings, truncate_log
from fooling.run.processes import make_accelerator, threads_per_process
from fooling.run.progress import Progress
from fooling.run.tracking import NullTracker, Tracker, WandbConfig, start_tracker

T = TypeVar("T")


@dataclass
class RunConfig:
    """What every training run is told, whatever it trains."""

    name: str = "run"
    """The run's name, and that of its folder below runs/."""

    output: str | None = None
    """The run's folder. Default: runs/NAME."""

    seed: int = 0
    """From which all randomness follows."""

    mixed_precision: Literal["auto", "no", "bf16"] = "auto"
    """bf16 computes convolutions in bfloat16. auto: as accelerate was told, else where the hardware is made for it."""

    threads: int | None = None
    """CPU threads of each process. Default: this machine's cores shared among its processes."""

    log_kimg: float = 1.0
    """Thousands of images between lines of metrics.jsonl. Checkpoints have one of their own."""

    checkpoint_kimg: float = 50.0
    """Thousands of images between checkpoints."""

    wandb: WandbConfig = field(default_factory=WandbConfig)
    """Where to watch the run."""

    def __post_init__(self) -> None:
        require_positive(log_kimg=self.log_kimg, checkpoint_kimg=self.checkpoint_kimg, threads=self.threads or 1)
        if self.name in ("", ".", "..") or set(self.name) & set("/\\"):
            raise UserError(f"name must be the name of a folder, got {self.name!r}")


class Stateful(Protocol):
    """What a checkpoint can hold: networks, optimisers, averages."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class Run:
    """One experiment, on one or many processes; a context manager that lets go of everything at its end.

    folder: where everything is written. accelerator: the processes and their devices. tracker: wandb, or nothing.
    images_seen: how far training has come, counted over all processes. seconds: how long that took, resumes included.
    complete: whether there is nothing left to do; known once it is open.

    product: the file, relative to the folder, that a finished run writes last.
    """

    def __init__(self, config: RunConfig, *, total_images: int, product: str):
        self.config, self.total_images, self.product = config, total_images, product
        self.folder = Path(config.output or f"runs/{config.name}").expanduser()
        self.accelerator = make_accelerator(config.mixed_precision)
        self.tracker: Tracker = NullTracker()
        self.images_seen, self.seconds = 0, 0.0
        self.complete = False
        self._batch_size, self._signal = 0, 0
        self._recorded: list[tuple[int, list[str], Tensor]] = []
        if self.device.type == "cpu":
            torch.set_num_threads(config.threads or threads_per_process())
        torch.backends.cudnn.deterministic = True  # else a GPU adds up gradients in any order: no exact resume

    @property
    def device(self) -> torch.device:
        return self.accelerator.device

    @property
    def is_main(self) -> bool:
        return self.accelerator.is_main_process

    def say(self, line: str) -> None:
        """Print a line, on the main process."""
        if self.is_main:
            Progress.say(line)

    def describe_processes(self) -> str:
        """Such as "2 processes of 1 thread on cpu in bf16"."""
        count, threads = self.accelerator.num_processes, torch.get_num_threads()
        on = f"on {self.device.type}"
        if self.device.type == "cpu":
            on = f"of {threads} thread{'s' * (threads > 1)} {on}"
        precision = " in bf16" if self.accelerator.mixed_precision == "bf16" else ""
        return f"{count} process{'es' * (count > 1)} {on}{precision}"

    def share(self, batch_size: int) -> slice:
        """This process's part of a batch of `batch_size`, in which the processes' parts follow each other by rank."""
        count, rest = divmod(batch_size, self.accelerator.num_processes)
        if rest or not count:
            raise UserError(
                f"batch_size {batch_size} cannot be shared evenly by {self.accelerator.num_processes} processes"
            )
        return slice(self.accelerator.process_index * count, (self.accelerator.process_index + 1) * count)

    def first_on_each_machine(self, function: Callable[[], T]) -> T:
        """What `function` gives, called on one process of each machine before the others: for what writes a cache."""
        first = self.accelerator.is_local_main_process
        result, error = _caught(function) if first else (None, None)
        for problem in self._gathered(error):
            if problem is not None:
                raise problem
        return result if first else function()

    # ---- opening and resuming

    def open(self, state: dict[str, Stateful]) -> None:
        """Take the folder, and go on from the newest whole checkpoint in it, if there is one.

        state: the named objects that a checkpoint holds. Every process leaves with the main process's state.

        Raises UserError if the folder cannot be written, is in use, or holds a run with other settings.
        """
        self._state = state
        resumed, error = _caught(self._open_folder) if self.is_main else (None, None)
        for problem in self._gathered(error):
            if problem is not None:
                raise problem
        if self.accelerator.num_processes > 1:
            weights = resumed or self._snapshot()
            resumed = broadcast_object_list([weights if self.is_main else None])[0]
        if resumed is not None:
            for name, part in state.items():
                part.load_state_dict(resumed[name])
            self.images_seen, self.seconds = resumed["images_seen"], resumed["seconds"]
        self.complete = self._is_complete(self.images_seen)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        self._started = time.perf_counter() - self.seconds
        self.progress = Progress(self.config.name, self.images_seen, self.total_images, shown=self.is_main)

    def _open_folder(self) -> dict[str, Any] | None:
        try:
            (self.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.folder / ".lock", timeout=0)
            self._lock.acquire()
        except Timeout as error:
            raise UserError(f"{self.folder} is in use by another process: wait for it or end it") from error
        except OSError as error:
            raise UserError(f"cannot write {self.folder}: {error.strerror}; choose another with --output") from error
        refuse_changed_settings(self.folder / "config.yaml", asdict(self.config))
        for partial in self.folder.glob("checkpoints/.*.partial"):
            shutil.rmtree(partial)
        resumed = self._newest_whole_checkpoint()
        truncate_log(self.folder / "metrics.jsonl", resumed["images_seen"] if resumed else 0)
        if not self._is_complete(resumed["images_seen"] if resumed else 0):
            self.tracker = start_tracker(self.config.wandb, self.folder, asdict(self.config))
        return resumed

    def _is_complete(self, images_seen: int) -> bool:
        return images_seen >= self.total_images and (self.folder / self.product).exists()

    def _newest_whole_checkpoint(self) -> dict[str, Any] | None:
        checkpoints = list_checkpoints(self.folder / "checkpoints")
        for checkpoint in checkpoints:
            try:
                state = load_checkpoint(checkpoint)
            except ValueError as error:
                print(f"{checkpoint} is damaged ({error}): going back to the one before it")
                continue
            print(f"resuming {self.folder} from {checkpoint.name} images")
            return state
        if checkpoints:
            print(f"no whole checkpoint in {self.folder}: starting afresh")
        return None

    # ---- along the way

    def advance(self, batch_size: int) -> None:
        """Count a batch, over all processes, as seen."""
        self.images_seen += batch_size
        self._batch_size = batch_size

    def due(self, kimg: float) -> bool:
        """Whether the last batch crossed a multiple of so many thousand images, or was the last of all."""
        every = kimg * 1000
        crossed = self.images_seen // every > (self.images_seen - self._batch_size) // every
        return crossed or self.images_seen >= self.total_images

    def record(self, values: dict[str, Tensor]) -> None:
        """Note a step's figures, scalars on the device; nothing waits for them until `log`."""
        self._recorded.append((self.images_seen, list(values), torch.stack([v.detach() for v in values.values()])))

    def log(self) -> dict[str, float]:
        """Write the means of the figures recorded since the last call, over steps and processes, and return them.

        Raises UserError where one of them is not finite: which, when, and the checkpoint to return to.
        """
        means, images = self._means(), self._recorded[-1][0] - self._recorded[0][0] + self._batch_size
        self._recorded.clear()
        now = time.perf_counter() - self._started
        means["images_per_second"] = images / max(now - self.seconds, 1e-9)
        self.seconds = now
        if self.is_main:
            line = {"images_seen": self.images_seen, "seconds": round(now, 2), **means}
            with (self.folder / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
            self.tracker.log(means, step=self.images_seen)
            self.progress.update(self.images_seen, means)
        return means

    def check_finite(self) -> None:
        """Raise as `log` would, before something is made of networks that may be past saving."""
        if self._recorded:
            self._means()

    def _means(self) -> dict[str, float]:
        steps = [(images_seen, names) for images_seen, names, _ in self._recorded]
        table = self.accelerator.reduce(torch.cat([row for *_, row in self._recorded]), reduction="mean").cpu()
        values: dict[str, list[float]] = {}
        for (images_seen, names), row in zip(steps, table.split([len(names) for _, names in steps]), strict=True):
            if not row.isfinite().all():
                self._stop_at_non_finite(images_seen, [n for n, v in zip(names, row, strict=True) if not v.isfinite()])
            for name, value in zip(names, row.tolist(), strict=True):
                values.setdefault(name, []).append(value)
        return {name: sum(v) / len(v) for name, v in values.items()}

    def _stop_at_non_finite(self, images_seen: int, names: list[str]) -> None:
        whole = list_checkpoints(self.folder / "checkpoints")
        back = f"the newest checkpoint is {whole[0]}" if whole else "there is no checkpoint yet"
        raise UserError(
            f"{', '.join(names)} not finite at {images_seen} images: stopped; {back};"
            " try a lower learning rate or mixed_precision no, under another name"
        )

    def save(self) -> None:
        """Write a checkpoint, of nothing that is not finite."""
        if self._recorded:
            self.log()
        if self.is_main:
            save_checkpoint(self.folder / "checkpoints", self.images_seen, self._snapshot())

    def stop_if_asked(self) -> None:
        """After Ctrl-C or SIGTERM: save and raise Stopped. Processes agree on it every eight steps."""
        asked = self._signal
        if self.accelerator.num_processes > 1:
            if self.images_seen // self._batch_size % 8:
                return
            asked = max(self._gathered(asked))
        if asked:
            self.save()
            done = f"{self.images_seen / 1000:g} of {self.total_images / 1000:g} kimg"
            raise Stopped(f"stopped and saved at {done}: the same command goes on from there", asked)

    def _snapshot(self) -> dict[str, Any]:
        parts = {name: part.state_dict() for name, part in self._state.items()}
        return {**parts, "images_seen": self.images_seen, "seconds": self.seconds}

    def _gathered(self, value: T) -> Sequence[T]:
        return gather_object([value]) if self.accelerator.num_processes > 1 else [value]

    def _on_signal(self, number: int, frame: Any) -> None:
        self._signal = number

    # ---- the end

    def summary(self) -> dict[str, Any]:
        """What a card or a tracker says of the whole run."""
        return {
            "images_seen": self.images_seen,
            "seconds": round(self.seconds),
            "images_per_second": round(self.images_seen / max(self.seconds, 1e-9)),
            "processes": self.describe_processes(),
        }

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if hasattr(self, "progress"):
            self.progress.close()
        self.tracker.finish(failed=kind is not None)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        if hasattr(self, "_lock"):
            self._lock.release()
        if kind is None or kind is Stopped:
            self.accelerator.wait_for_everyone()  # without it some processes abort at exit
        self.accelerator.end_training()


def _caught(function: Callable[[], T]) -> tuple[T | None, UserError | None]:
    try:
        return function(), None
    except UserError as error:
        return None, error
