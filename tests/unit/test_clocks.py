"""Waits and pulses by a clock that nobody sets, while the machine's own jumps about."""

from datetime import timedelta

import pytest

from runner import events as happened
from runner import history
from runner.clocks import Pulse, Wait, steady_clock
from tests.factories import NOON, recorded

DAY = timedelta(days=1)
HALF_A_MINUTE = timedelta(seconds=30)


@pytest.mark.parametrize("jump", [timedelta(0), -DAY, DAY])
def test_a_wait_is_over_in_its_own_time_whatever_the_clock_is_set_to(jump: timedelta) -> None:
    wait = Wait.of(NOON + HALF_A_MINUTE, NOON, now=NOON, steady=100.0)
    assert wait.left(NOON, 100.0) == HALF_A_MINUTE
    assert wait.left(NOON + jump, 131.0) <= timedelta(0)


def test_a_clock_that_was_set_back_in_the_middle_makes_no_wait_longer() -> None:
    wait = Wait.of(NOON + HALF_A_MINUTE, NOON, now=NOON, steady=100.0)
    assert wait.left(NOON - DAY, 110.0) == timedelta(seconds=20)


def test_a_machine_that_slept_is_as_late_as_its_clock_says() -> None:
    wait = Wait.of(NOON + timedelta(hours=5), NOON, now=NOON, steady=100.0)
    assert wait.left(NOON + timedelta(hours=6), 101.0) <= timedelta(0)


def test_a_service_that_comes_back_to_an_earlier_time_waits_no_longer_than_was_planned() -> None:
    wait = Wait.of(NOON + HALF_A_MINUTE, NOON, now=NOON - DAY, steady=3.0)
    assert wait.left(NOON - DAY, 3.0) == HALF_A_MINUTE


def test_a_pulse_counts_from_when_it_was_seen_and_not_from_what_it_says() -> None:
    pulse = Pulse()
    assert pulse.still_for(7, 1000.0) == timedelta(0)
    assert pulse.still_for(7, 1060.0) == timedelta(minutes=1)
    assert pulse.still_for(3, 1061.0) == timedelta(0)  # an earlier time is a sign like any other


def test_a_steady_clock_goes_on_when_the_other_is_set_back() -> None:
    times = iter([NOON, NOON - DAY, NOON - DAY])
    steady = steady_clock(lambda: next(times))
    first, second = steady(), steady()
    assert NOON <= first <= second < NOON + timedelta(minutes=1)


def test_work_is_counted_by_the_supervisors_own_clock() -> None:
    """While a launch worked for a minute, the machine's clock was set forward by a day, or back."""
    began = happened.LaunchStarted(1, "bwrap")
    for end in (happened.LaunchEnded(1, "crashed", "", 60.0), happened.LaunchLost(1, 60.0)):
        events = recorded(began, end)
        for jump in (DAY, -DAY):
            moved = [*events[:2], history.Recorded(3, events[2].task_id, events[2].run_id, NOON + jump, end)]
            assert history.worked(moved, NOON + jump) == timedelta(minutes=1)
    assert history.worked(recorded(began), NOON - DAY) == timedelta(0)
