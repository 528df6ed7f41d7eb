"""Ctrl-C, SIGTERM and SIGHUP: the first asks a run to stop, the second insists."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from fooling.ending import SIGNALS

_ONE_WISH = 1.0  # seconds


class StopSignals:
    """Whether a run was asked to stop.

    The first signal asks. A second Ctrl-C insists, with KeyboardInterrupt: what is under way may be an attack of
    minutes. What comes within a second of the first is the same wish, which launchers hand on once more; and SIGTERM
    comes from programs, which do not lose their patience.

    say: prints a line.
    asked: the number of the signal that has asked; 0 for none.
    """

    def __init__(self, say: Callable[[str], None]):
        self.asked, self._first = 0, 0.0
        self._say, self._patient = say, True

    def listen(self, until: ExitStack) -> None:
        """Listen until `until` is closed, which puts back who listened before.

        Signals come to the main thread alone: a run in another is not asked.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        self._until = until
        for number in (signal.SIGINT, *SIGNALS):
            if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: the terminal may close
            before = signal.signal(number, self._on_signal)
            if before is not None:  # None: it was not Python that set it, and Python cannot set it again
                until.callback(signal.signal, number, before)

    def lose_patience(self) -> None:
        """From now on all is saved, and the first signal insists."""
        self._patient = False

    def _on_signal(self, number: int, frame: Any) -> None:
        again = self.asked and number == signal.SIGINT and time.monotonic() - self._first > _ONE_WISH
        if again or not self._patient:
            raise KeyboardInterrupt
        if self.asked:
            return
        self.asked, self._first = number, time.monotonic()
        heard = "stopping and saving once what is under way is done; once more (Ctrl-C) to stop at once"
        late = threading.Timer(_ONE_WISH, self._say, [heard])
        late.daemon = True
        self._until.callback(late.cancel)
        late.start()
