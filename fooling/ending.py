"""How a command ends that somebody ends: by a signal, by no longer reading what it says, or for want of memory."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from typing import Any

from fooling.errors import Ended

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def end_in_order(until: ExitStack) -> None:
    """Have SIGTERM and SIGHUP raise Ended, so that what is half-written is put away, until `until` is closed.

    Whoever has another way to take them, a run or nohup, keeps it.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, frame: Any) -> None:
        raise Ended(number)

    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            until.callback(signal.signal, number, signal.signal(number, end))


class _Patient:
    """A stream that goes on where nobody reads it any more: `| head`, a terminal that was closed, a full disk. Training
    is worth more than what it says."""

    def __init__(self, stream: TextIOWrapper, lost: list[OSError]):
        self._stream, self._lost = stream, lost

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._lost.append(error)
        # What waits in its buffer goes nowhere, too: Python shall not stumble over it when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def patient_streams(until: ExitStack) -> Iterator[list[OSError]]:
    """Inside: standard output and errors, where they are real ones, never raise. Gives what output has lost."""
    lost: list[OSError] = []
    for name, noted in (("stdout", lost), ("stderr", [])):
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe on Windows knows no thin space: it gets a question mark
            until.callback(setattr, sys, name, stream)
            setattr(sys, name, _Patient(stream, noted))
    yield lost


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it says that something is too large for this machine, as torch's errors do in words alone."""
    words = ("out of memory", "can't allocate memory", "not enough memory", "storage size calculation overflowed")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)
