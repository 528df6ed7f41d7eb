"""Whoever waits is told how far it is, on a terminal or not."""

import io
import re
import sys

import pytest

import fooling.run.progress
from fooling.run.progress import Count


class Clock:
    now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(fooling.run.progress, "time", clock := Clock())
    return clock


def test_without_a_terminal_a_line_comes_every_so_often(clock, capsys):
    with Count("training the judge", 1200, "steps") as count:
        for _ in range(1200):
            clock.now += 0.125
            count.add()
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "training the judge: 40 of 1,200 steps (3%), about 2:25 left"
    assert len(lines) == 8 and "\r" not in out and err == ""  # after 5, 25, 45 ... 145 of 150 seconds


def test_what_is_soon_done_says_nothing(clock, capsys):
    with Count("attacking", 4, "attacks") as count:
        for _ in range(4):
            clock.now += 1
            count.add()
    assert capsys.readouterr() == ("", "")


def test_what_comes_next_is_named(clock, capsys):
    with Count("attacking", 3, "attacks") as count:
        clock.now += 60
        count.add(2, now="evolution")
    assert capsys.readouterr().out == "attacking: 2 of 3 attacks (67%), about 0:30 left; evolution\n"


def test_a_terminal_has_a_bar(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with Count("attacking", 3, "attacks") as count:
        count._bar.delay = 0
        count._bar.mininterval = 0
        count.add(2, now="evolution")
    assert re.search(r"\rattacking: +67%.*2/3.*evolution", terminal.getvalue()) and capsys.readouterr().out == ""
