import math

import pytest

from fooling.errors import UserError
from fooling.run.schedules import ScheduleConfig


def test_the_default_is_to_the_bit_what_it_always_was():
    """So that a run that was begun before goes on as it would have."""

    def earlier(start: float, end: float, progress: float) -> float:
        return end + (start - end) * (1 + math.cos(math.pi * min(max(2 * progress - 1, 0.0), 1.0))) / 2

    for k in range(3001):
        assert ScheduleConfig().value(3e-3, 3e-5, k / 2999) == earlier(3e-3, 3e-5, k / 2999)
        assert ScheduleConfig().rate(3e-3, 3e-5, k / 2999) == earlier(3e-3, 3e-5, k / 2999)


VALUES = {
    "default": (ScheduleConfig(), [8, 8, 8, 5, 2]),
    "from the start to the middle": (ScheduleConfig(hold=0, end=0.5), [8, 5, 2, 2, 2]),
    "late": (ScheduleConfig(hold=0.75), [8, 8, 8, 8, 2]),
}


@pytest.mark.parametrize(("schedule", "values"), VALUES.values(), ids=VALUES)
def test_a_number_is_held_then_nears_its_last_value(schedule, values):
    assert [schedule.value(8, 2, p) for p in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx(values)
    assert schedule.value(8, 2, 1.5) == 2
    between = [schedule.value(8, 2, k / 1000) for k in range(1001)]
    assert between == sorted(between, reverse=True)
    assert {schedule.value(8, None, k / 10) for k in range(11)} == {8}


def test_learning_rates_alone_rise_from_nothing():
    schedule = ScheduleConfig(warm_up=0.1)
    assert [schedule.rate(8, 2, p) for p in (0, 0.05, 0.1, 0.5, 0.75, 1)] == pytest.approx([0, 4, 8, 8, 5, 2])
    assert schedule.value(8, 2, 0.05) == 8


REFUSED = {
    "ends before it begins": (dict(hold=0.5, end=0.4), "schedule.hold must be at least 0 and below schedule.end"),
    "no time": (dict(hold=1.0), "below schedule.end, which is at most 1: got 1.0 and 1.0"),
    "after the end": (dict(end=1.5), "at most 1"),
    "negative": (dict(hold=-0.1), "at least 0"),
    "warm-up in images": (dict(warm_up=1000.0), "schedule.warm_up must be a share of training"),
}


@pytest.mark.parametrize(("settings", "message"), REFUSED.values(), ids=REFUSED)
def test_an_impossible_schedule_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        ScheduleConfig(**settings)
