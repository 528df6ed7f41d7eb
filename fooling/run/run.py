"""One experiment: its folder, its configuration, its processes, its log, its checkpoints.

A training loop holds one Run and asks it where to resume, what is due and whether to stop, and to write things down.
The loop itself knows nothing of folders, signals, ranks or wandb.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from fooling.errors import Stopped, UserError
from fooling.images import Images, fingerprint_of
from fooling.options.paths import path_of
from fooling.run.checkpoints import (
    Stateful,
    fingerprint,
    list_checkpoints,
    newest_whole_checkpoint,
    numbered,
    on_cpu,
    save_checkpoint,
)
from fooling.run.computing import Computing, Precision
from fooling.run.config import RunConfig
from fooling.run.folder import (
    append_to_log,
    keep_resolved,
    refuse_changed_settings,
    refuse_other_data,
    remove_partials,
    resolved_before,
    take,
    truncate_log,
)
from fooling.run.launcher import end_with_launcher
from fooling.run.processes import Processes, caught, raise_any
from fooling.run.progress import Progress
from fooling.run.record import NotFinite, Record
from fooling.run.runaway import Runaway
from fooling.run.signals import StopSignals
from fooling.run.tracking import Alert, Tracker, start_tracker
from fooling.run.version import code_version

T = TypeVar("T")


class Training(Protocol):
    """What a run drives: something that learns by steps."""

    state: dict[str, Stateful]
    """The named objects that a checkpoint holds."""

    def step(self) -> dict[str, Tensor]:
        """One update; returns its figures, scalars on the device."""

    def publish(self) -> None:
        """Write what others may use while training goes on, or where it was stopped, such as the generator so far;
        called on the main process after each checkpoint but the last, which `finish` follows."""

    def finish(self) -> None:
        """Write what a finished run leaves to others; called on the main process."""


class Run:
    """One experiment, on one or many processes; a context manager.

    Its host process is left as it was found: threads, flags, signal handlers, wandb's environment. Runs can follow each
    other in one process, and live in any thread (but signals come to the main one alone).

    folder: where everything is written. processes: those that train together. precision: in which numbers they compute.
    tracker: wandb, or nothing. images_seen: how far training has come, counted over all processes. seconds: how long
    that took, resumes included.

    product: a file, relative to the folder, that no finished run is without.
    """

    def __init__(self, config: RunConfig, *, total_images: int, product: str):
        if total_images < 1:
            raise UserError("kimg must be at least 0.001: that is one image")
        self.config, self.total_images, self.product = config, total_images, product
        self.folder = path_of(config.output or f"runs/{config.name}")
        self.processes = Processes()
        self.tracker: Tracker = Tracker()
        self.progress: Progress | None = None
        self.images_seen, self.seconds = 0, 0.0
        self._batch_size = 0
        self._data: str | None = None
        self._record = Record(self.processes)
        self._watches: list[Callable[[dict[str, float]], Sequence[Alert]]] = [Runaway().notice]
        self._publish: Callable[[], None] = lambda: None
        self._signals = StopSignals(self.say)
        self._host = ExitStack()  # puts back what the run changes of its process
        self._computing = Computing(
            self.processes, self._host, mixed_precision=config.mixed_precision, threads=config.threads
        )

    @property
    def device(self) -> torch.device:
        return self.processes.device

    @property
    def precision(self) -> Precision:
        return self._computing.precision

    @property
    def is_main(self) -> bool:
        return self.processes.is_main

    def scaler(self, name: str) -> torch.amp.GradScaler:
        """What scales the gradients of the network of this name, once the run is open; checkpoints hold how much."""
        return self._computing.scaler(name)

    def say(self, line: str) -> None:
        """Print a line, on the main process."""
        if self.is_main:
            Progress.say(line)

    # ---- the frame

    def steps(self, training: Training, *, batch_size: int, on: str, data: Images | None = None) -> Iterator[int]:
        """Train from where the folder's newest checkpoint left off: after each step, how many images have been seen.

        What is due is logged and saved after the loop's body has done its own; a run that was asked to stop saves and
        raises Stopped. In the end the main process finishes the training. A complete run has no steps.

        batch_size: images in a step, over all processes. on: what it trains on, in words. data: the same, so that a run
        is not gone on with on other images.
        """
        self._data = None if data is None else fingerprint_of(data)
        self.open(training.state)
        self._publish = training.publish
        if self._is_complete(self.images_seen):
            return self.say(f"{self.folder} is complete: nothing left to do")
        how = f"{self._computing} ({self.precision.reason})"
        self.say(f"training on {on} in {self.folder}, {how}")
        threads = self._computing.watch(self.say)
        while self.images_seen < self.total_images:
            started = time.perf_counter()
            figures = training.step()
            self.images_seen += batch_size
            self._batch_size = batch_size
            taken = time.perf_counter() - started
            self.record(figures, taken)
            if threads:
                threads.stepped(taken)
            yield self.images_seen
            if self._record and self.due(self.config.log_kimg):
                self.log()
            if self.due(self.config.checkpoint_kimg):
                self.save()
            self.stop_if_asked()
        self._signals.lose_patience()
        if self.is_main:
            training.finish()
            keep_resolved(self.folder, {**resolved_before(self.folder), "finished": True})

    # ---- opening and resuming

    def open(self, state: dict[str, Stateful]) -> None:
        """Take the folder, and go on from the newest whole checkpoint in it, if there is one.

        state: the named objects that a checkpoint holds. Every process leaves with the main process's state.

        Raises UserError if the folder cannot be written, is in use, or holds a run with other settings.
        """
        self._state = state
        resumed, error = caught(self._open_folder) if self.is_main else (None, None)
        raise_any(self.processes.tell(error))
        before = self.processes.hear_main(resolved_before(self.folder) if self.is_main else {})
        self._computing.go_on_as(before)
        if self.processes.count > 1:
            # Fresh weights are a function of the seed: they are the same everywhere, and nothing need be sent.
            fresh = self.processes.hear_main(resumed is None)
            if fresh and len(set(self.processes.tell(fingerprint(self._snapshot())))) > 1:
                resumed = on_cpu(self._snapshot())
            resumed = self.processes.hear_main(resumed)
        if resumed is not None:
            for name in state.keys() & resumed.keys():  # what an older version did not keep begins anew
                state[name].load_state_dict(resumed[name])
            self.images_seen, self.seconds = resumed["images_seen"], resumed["seconds"]
            self._computing.scale_as(resumed.get("gradient_scales", {}))
        if self.is_main and not self._is_complete(self.images_seen):
            resolved = self._computing.facts()
            known = {} if self._data is None else {"data": self._data}
            keep_resolved(self.folder, {**resolved, **known, "finished": False})
            self.tracker.add_settings({"resolved": {**resolved, **self._made_of()}})
        self._started = time.perf_counter() - self.seconds
        self.progress = Progress(self.config.name, self.images_seen, self.total_images, shown=self.is_main)
        self._signals.listen(self._host)
        end_with_launcher(self._host)

    def _open_folder(self) -> dict[str, Any] | None:
        lock = take(self.folder)
        self._host.callback(lock.release)
        refuse_changed_settings(self.folder, self.config)
        remove_partials(self.folder)
        resumed = newest_whole_checkpoint(self.folder)
        truncate_log(self.folder, resumed["images_seen"] if resumed else 0)
        if not self._is_complete(resumed["images_seen"] if resumed else 0):
            if resumed:
                refuse_other_data(self.folder, self._data)
            self.tracker = start_tracker(self.config.wandb, self.folder, asdict(self.config))
        return resumed

    def _is_complete(self, images_seen: int) -> bool:
        if images_seen < self.total_images or not (self.folder / self.product).exists():
            return False
        return bool(resolved_before(self.folder).get("finished", True))  # older runs made their product last of all

    # ---- along the way

    def due(self, kimg: float) -> bool:
        """Whether the last batch crossed a multiple of so many thousand images, or was the last of all."""
        every = kimg * 1000
        crossed = self.images_seen // every > (self.images_seen - self._batch_size) // every
        return crossed or self.images_seen >= self.total_images

    def record(self, values: dict[str, Tensor], seconds: float = 0.0) -> None:
        """Note a step's figures, scalars on the device, and the host's time for it; nothing waits before `log`."""
        self._record.add(self.images_seen, values, seconds)

    def note(self, **numbers: float) -> None:
        """Note numbers in force at this step, such as a learning rate: the next line of the log has the last."""
        self._record.note(**numbers)

    def watch(self, notice: Callable[[dict[str, float]], Sequence[Alert]]) -> None:
        """Have the main process show each line's figures to `notice`, and say the alerts that it gives."""
        self._watches.append(notice)

    def log(self) -> dict[str, float]:
        """Write the means of the figures recorded since the last call, over steps and processes, and return them.

        Raises UserError where one of them is not finite: which, when, and the checkpoint to return to.
        """
        figures, images = self._finite(self._record.take)
        now = time.perf_counter() - self._started
        figures["images_per_second"] = (images + self._batch_size) / max(now - self.seconds, 1e-9)
        self.seconds = now
        if self.is_main and self.progress is not None:
            append_to_log(self.folder, {"images_seen": self.images_seen, "seconds": round(now, 2), **figures})
            self.tracker.log(figures, step=self.images_seen)
            self.progress.update(self.images_seen, figures)
            for alert in [alert for notice in self._watches for alert in notice(figures)]:
                self.alert(alert)
        return figures

    def alert(self, alert: Alert) -> None:
        """Say that something needs a person, and when, on the terminal and to the tracker."""
        line = f"warning: {alert.title} at {self.images_seen / 1000:g} kimg, {alert.text}"
        self.say(line)
        self.tracker.alert(alert.title, line)

    def check_finite(self) -> None:
        """Raise as `log` would, before something is made of networks that may be past saving."""
        if self._record:
            self._finite(self._record.means)

    def _finite(self, figures: Callable[[], T]) -> T:
        try:
            return figures()
        except NotFinite as found:
            whole = list_checkpoints(self.folder / "checkpoints")
            back = f"the newest checkpoint is {whole[0]}" if whole else "there is no checkpoint yet"
            raise UserError(
                f"{found}: stopped; {back}; try a lower learning rate or mixed_precision no, under another name"
            ) from None

    def picture_file(self) -> Path:
        """Where to write a picture of this moment: samples/<images seen>.png."""
        return self.folder / "samples" / f"{self.images_seen:09d}.png"

    def picture_files(self) -> list[Path]:
        """The pictures of all moments so far, in their order."""
        return numbered(self.folder / "samples", "*.png")

    def save(self) -> None:
        """Write a checkpoint, of nothing that is not finite."""
        if self._record:
            self.log()
        if self.is_main:
            save_checkpoint(self.folder / "checkpoints", self.images_seen, self._snapshot())
            if self.images_seen < self.total_images:
                self._publish()

    def _snapshot(self) -> dict[str, Any]:
        parts: dict[str, Any] = {name: part.state_dict() for name, part in self._state.items()}
        if scales := self._computing.scales():
            parts["gradient_scales"] = scales
        return {**parts, "images_seen": self.images_seen, "seconds": self.seconds}

    # ---- being asked to stop

    def stop_if_asked(self) -> None:
        """After Ctrl-C or SIGTERM: save and raise Stopped. Processes agree on it every eight steps."""
        ended = self.images_seen >= self.total_images
        if self.processes.count > 1 and self.images_seen // self._batch_size % 8 and not ended:
            return
        asked = self.processes.most(self._signals.asked)
        if asked:
            self.save()
            done = f"{self.images_seen / 1000:g} of {self.total_images / 1000:g} kimg"
            raise Stopped(f"stopped and saved at {done}: the same command goes on from there", asked)

    # ---- coming and going

    def summary(self) -> dict[str, Any]:
        """What a card or a tracker says of the whole run."""
        return {
            "images_seen": self.images_seen,
            "total_images": self.total_images,
            "seconds": round(self.seconds),
            "images_per_second": round(self.images_seen / max(self.seconds, 1e-9)),
            "processes": str(self._computing),
            **self._made_of(),
        }

    def _made_of(self) -> dict[str, Any]:
        """The numbers of parameters that are trained, by network, and the code that trains them."""
        networks = {name: part for name, part in self._state.items() if isinstance(part, nn.Module)}
        counts = {name: sum(p.numel() for p in n.parameters() if p.requires_grad) for name, n in networks.items()}
        trained = {name: count for name, count in counts.items() if count}
        return {"parameters": trained, "torch": torch.__version__, "code": code_version()}

    def __enter__(self) -> Run:
        try:
            self._computing.begin()
        except BaseException:
            self._host.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        with self._host:
            if self.progress is not None:
                self.progress.close()
            self.tracker.finish(failed=kind is not None)
        if kind is None or kind is Stopped:
            self.processes.wait()  # without it some processes abort at exit
