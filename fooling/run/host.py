"""The process that a run lives in: its threads, its flags and its signals, left in the end as they were found."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch

from fooling.run.processes import Precision


class Host(ExitStack):
    """What a run changes of its process is changed through this, and changed back when it is closed.

    say: prints a line.
    asked: the number of the signal that has asked the run to stop; 0 for none.
    """

    def __init__(self, say: Callable[[str], None]):
        super().__init__()
        self.asked = 0
        self._say, self._patient = say, True

    def set_threads(self, count: int) -> None:
        """How many threads torch computes with on the CPU."""
        self.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(count)

    def set_flags(self, precision: Precision) -> None:
        """How a GPU computes."""
        # Else it adds up gradients in any order: no exact resume.
        self._set(torch.backends.cudnn, "deterministic", True)
        # TF32 keeps 10 bits of what goes into a product: more than bf16 does, less than those who ask for float32 want.
        self._set(torch.backends.cudnn, "allow_tf32", precision.is_bf16)
        self._set(torch.backends.cuda.matmul, "allow_tf32", precision.is_bf16)

    def _set(self, place: Any, name: str, value: Any) -> None:
        self.callback(setattr, place, name, getattr(place, name))
        setattr(place, name, value)

    def listen(self) -> None:
        """Have Ctrl-C and SIGTERM ask the run to stop, where it lives in the thread that they come to.

        The first asks, the second insists, with KeyboardInterrupt: what is under way may be an attack of minutes.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, self._on_signal)
            if before is not None:  # None: it was not Python that set it, and Python cannot set it again
                self.callback(signal.signal, number, before)

    def lose_patience(self) -> None:
        """From now on all is saved, and the first signal insists."""
        self._patient = False

    def _on_signal(self, number: int, frame: Any) -> None:
        if self.asked or not self._patient:
            raise KeyboardInterrupt
        self.asked = number
        late = threading.Timer(
            1.0, self._say, ["stopping and saving once what is under way is done; once more (Ctrl-C) to stop at once"]
        )
        late.daemon = True
        self.callback(late.cancel)
        late.start()
