"""What started this process: accelerate launch or torchrun, which end its processes when they are ended, but cannot
when they are killed."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack, suppress

import psutil

_MARKS = ("TORCHELASTIC_RUN_ID", "ACCELERATE_MIXED_PRECISION")  # which launchers set for the processes they start
_ASKED_EVERY_S = 1.0


def is_launched() -> bool:
    return any(mark in os.environ for mark in _MARKS)


def launcher_was_told(variable: str) -> str | None:
    """What stood in the environment of the process that started this one, when it was started itself."""
    with suppress(psutil.Error, OSError):  # where it has ended, or may not be asked, nobody knows
        launcher = psutil.Process().parent()
        return launcher.environ().get(variable) if launcher else None
    return None


def end_with_launcher(until: ExitStack) -> None:
    """Until `until` is closed: once the launcher is gone, this process gets the SIGTERM that it would have sent.

    A launcher that is killed, by a scheduler or for want of memory, tells nobody, and its processes would go on unseen.
    A shell that hands down a launcher's settings is not one: it may be closed.
    """
    if not any(mark in os.environ and launcher_was_told(mark) is None for mark in _MARKS) or not _is_pythons_child():
        return
    launcher, closed = os.getppid(), threading.Event()
    until.callback(closed.set)

    def watch() -> None:
        while not closed.wait(_ASKED_EVERY_S):
            if os.getppid() != launcher:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    threading.Thread(target=watch, name="launcher", daemon=True).start()


def _is_pythons_child() -> bool:
    """Whether what started this process is a Python, too, as launchers are."""
    with suppress(psutil.Error, OSError):
        this = psutil.Process()
        launcher = this.parent()
        return launcher is not None and launcher.exe() == this.exe()
    return False
