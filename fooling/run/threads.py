"""How many threads a process computes with on the CPU.

A training step is hundreds of small parallel regions, and in each all threads wait for the last. One that has to share
its core with other work is not running when its turn comes, so two threads beside one other busy process can take
eighty times as long as they took. So a run counts on all cores, and drops to one thread while several do not pay.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.nn import functional as F

from fooling.run.launcher import is_launched, launcher_was_told

_PAYS = 1.2  # by which one thread must beat several: on a quiet machine it never does
_TRIED_S = 0.05  # for how long each count is tried, twice
_WATCHED_S = 2.0  # over which a speed is taken
_COLLAPSED = 0.6  # of the best speed so far: worth a look at what else is going on
_AGAIN_S = 30.0  # until several are tried again


class Threads:
    """All threads while they pay, one while they do not; found out by timing a small convolution, so that training
    itself is not touched, nor its bits on a machine that has nothing else to do.

    most: how many, above 1. say: tells of a change. trial: how many of `most` and 1 pay best now.
    """

    def __init__(self, most: int, say: Callable[[str], None], *, trial: Callable[[int], int] | None = None):
        self.most, self.say, self.trial = most, say, trial or quicker
        self._best = self._seconds = self._since = 0.0
        self._steps = 0
        self._choose()

    def stepped(self, seconds: float) -> None:
        """Note how long a training step took, and look again where that is worth while."""
        self._steps, self._seconds, self._since = self._steps + 1, self._seconds + seconds, self._since + seconds
        if self._seconds < _WATCHED_S:
            return
        speed = self._steps / self._seconds
        self._steps, self._seconds = 0, 0.0
        alone = torch.get_num_threads() == 1
        if alone and self._since >= _AGAIN_S:
            self._choose()
        elif not alone and speed < _COLLAPSED * self._best:
            self._choose()
            self._best = speed  # where several still pay, something else is slow, and this is what to expect
        elif not alone:
            self._best = max(self._best, speed)

    def _choose(self) -> None:
        before, best = torch.get_num_threads(), self.trial(self.most)
        torch.set_num_threads(best)
        self._since = 0.0
        if best < before:
            self.say(
                f"this machine is busy, where {self.most} threads wait for each other: going on with {best} until it"
                f" is not (to have {self.most} all the time, and the same bits: --threads {self.most})"
            )
        elif best > before:
            self.say(f"going on with {best} threads again")


@contextmanager
def paying_threads() -> Iterator[None]:
    """Within it torch computes with one thread, where several would wait for each other beside what else the machine is
    doing; also as a decorator, of what takes seconds or a minute and does not look again. Threads that a person asked
    for stay."""
    several = torch.get_num_threads()
    if several > 1 and not threads_are_given() and quicker(several) == 1:
        print("this machine is busy: computing with one thread, which is faster now", file=sys.stderr, flush=True)
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(several)


def quicker(most: int) -> int:
    """1 where one thread gets clearly more done at the moment than `most` do, else `most`. Takes a fifth of a second
    on a quiet machine."""
    before, done = torch.get_num_threads(), {1: 0.0, most: 0.0}
    images, kernel = torch.zeros(64, 16, 14, 14), torch.zeros(32, 16, 3, 3, requires_grad=True)
    try:
        for count in (most, 1, most, 1):
            torch.set_num_threads(count)
            steps, started = 0, time.perf_counter()
            while (taken := time.perf_counter() - started) < _TRIED_S or not steps:
                torch.autograd.grad(F.conv2d(images, kernel).relu().sum(), kernel)
                steps += 1
            done[count] += steps / taken
    finally:
        torch.set_num_threads(before)
    return 1 if done[1] > _PAYS * done[most] else most


def use_threads(count: int, until: ExitStack) -> None:
    """Have torch compute with so many threads on the CPU, until `until` is closed."""
    until.callback(torch.set_num_threads, torch.get_num_threads())
    torch.set_num_threads(count)


def threads_are_given() -> bool:
    """Whether a person set OMP_NUM_THREADS; launchers set it to 1 unasked, which would leave cores idle."""
    told = os.environ.get("OMP_NUM_THREADS")
    return told is not None and not (is_launched() and told == "1" and launcher_was_told("OMP_NUM_THREADS") != "1")


def threads_per_process() -> int:
    """As many as OMP_NUM_THREADS says if a person set it, else this machine's cores shared among its processes."""
    if threads_are_given():
        return torch.get_num_threads()
    return max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
