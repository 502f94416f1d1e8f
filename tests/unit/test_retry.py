"""What follows the end of a launch, mostly from lines that the real CLI said."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner import retry
from runner.retry import GoOn, Retry, Settle, WaitUntil
from runner.spool import Cause, Exit
from runner.tasks import Outcome

LINES = Path(__file__).parents[1] / "fakes" / "claude_lines"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def result_of(scene: str) -> dict[str, Any]:
    lines = [json.loads(line) for line in (LINES / f"{scene}.jsonl").read_text().splitlines()]
    result: dict[str, Any] = [line for line in lines if line["type"] == "result"][-1]
    return result


def decide(ending: Exit | None, attempt: int = 1, **more: Any) -> Retry | WaitUntil | GoOn | Settle:
    return retry.decide(ending, attempt, now=NOW, dice=random.Random(1), **more)


def finished(scene: str) -> Exit:
    return Exit(Cause.finished, 1, "", result_of(scene))


def test_a_good_ending_leaves_the_outcome_to_what_is_on_the_branch() -> None:
    assert decide(finished("story")) == Settle(None, "Claude finished.")


@pytest.mark.parametrize("scene", ["server_error", "overloaded"])
def test_weather_is_tried_again_later_and_later_for_about_an_hour(scene: str) -> None:
    waits: list[timedelta] = []
    for attempt in range(1, retry.WEATHER_ATTEMPTS):
        decided = retry.decide(finished(scene), attempt, now=NOW, dice=LeastLucky())
        assert isinstance(decided, Retry)
        assert decided.what
        waits.append(decided.after)
    assert waits == sorted(waits)
    assert timedelta(minutes=30) < sum(waits, timedelta()) < timedelta(minutes=75)
    last = decide(finished(scene), retry.WEATHER_ATTEMPTS)
    assert isinstance(last, Settle)
    assert last.outcome is Outcome.unavailable


class LeastLucky(random.Random):
    """Always draws the longest wait."""

    def random(self) -> float:
        return 1.0


def test_jitter_spreads_those_who_fail_together() -> None:
    waits = {
        retry.decide(finished("overloaded"), 3, now=NOW, dice=random.Random(seed)).after  # type: ignore[union-attr]  # all are Retry
        for seed in range(20)
    }
    assert len(waits) == 20
    assert min(waits) < timedelta(minutes=2) < max(waits)


def test_a_network_that_is_down_is_weather() -> None:
    result = result_of("server_error") | {"api_error_status": None, "api_error": "connection_failed"}
    assert isinstance(decide(Exit(Cause.finished, 1, "", result)), Retry)


def test_a_rate_limit_without_a_usage_limit_is_weather() -> None:
    assert isinstance(decide(finished("rate_limited")), Retry)


def test_a_usage_limit_waits_for_its_reset() -> None:
    resets = NOW + timedelta(hours=3)
    decided = decide(finished("quota_reached"), quota_resets=resets)
    assert decided == WaitUntil(resets + retry.QUOTA_SLACK)


def test_a_usage_limit_waits_even_after_many_attempts_and_without_a_date() -> None:
    decided = decide(finished("quota_reached"), attempt=20)
    assert isinstance(decided, WaitUntil)
    assert NOW < decided.at < NOW + timedelta(hours=1)


@pytest.mark.parametrize("resets", [NOW - timedelta(days=400), NOW + timedelta(days=4000)])
def test_a_reset_beyond_reason_is_bounded(resets: datetime) -> None:
    decided = decide(finished("quota_reached"), quota_resets=resets)
    assert isinstance(decided, WaitUntil)
    assert NOW < decided.at <= NOW + retry.QUOTA_LONGEST_WAIT


@pytest.mark.parametrize(
    ("scene", "outcome", "word"),
    [
        ("bad_key", Outcome.unauthorized, "ANTHROPIC_API_KEY"),
        ("forbidden", Outcome.unauthorized, "ANTHROPIC_API_KEY"),
        ("low_credit", Outcome.out_of_credit, "billing"),
    ],
)
def test_what_waiting_does_not_mend_settles_at_once_and_says_what_to_do(
    scene: str, outcome: Outcome, word: str
) -> None:
    decided = decide(finished(scene))
    assert isinstance(decided, Settle)
    assert decided.outcome is outcome
    assert word in decided.reason


@pytest.mark.parametrize("cause", [Cause.time, Cause.silence, Cause.turns, Cause.dollars])
def test_a_limit_settles(cause: Cause) -> None:
    decided = decide(Exit(cause, 1, "", None))
    assert isinstance(decided, Settle)
    assert decided.outcome is Outcome.over_limit


@pytest.mark.parametrize(
    "ending",
    [
        None,
        Exit(Cause.crashed, -9, "claude ended with -9", None),
        # Nobody asked for this stop, or the run would be on its way out: a machine that shuts down says it to all.
        Exit(Cause.stopped, -15, "the supervisor was told to end", result_of("overloaded")),
    ],
)
def test_a_crash_is_tried_twice_more(ending: Exit | None) -> None:
    assert isinstance(decide(ending, 1), Retry)
    assert isinstance(decide(ending, 2), Retry)
    last = decide(ending, 3)
    assert isinstance(last, Settle)
    assert last.outcome is Outcome.crashed


def test_what_the_model_said_is_cleaned() -> None:
    result = result_of("server_error") | {"result": "\x1b[31mboom\x1b[0m\x07\u202e"}
    decided = decide(Exit(Cause.finished, 1, "", result))
    assert isinstance(decided, Retry)
    assert decided.what == "boom"


def test_an_interrupt_by_a_person_is_no_crash() -> None:
    result = result_of("interrupted_tool") | {"is_error": True, "terminal_reason": "aborted_tools"}
    decided = decide(Exit(Cause.finished, 1, "", result))
    assert isinstance(decided, Settle)
    assert decided.outcome is Outcome.stopped


def test_the_place_that_hosts_the_code_is_waited_for_for_a_day() -> None:
    """Not six attempts: nothing is used up by waiting, and the work is done."""
    now, waited, attempt = NOW, [], 1
    while isinstance(decided := retry.away(attempt, NOW, now=now, dice=LeastLucky(), what="503"), Retry):
        waited.append(decided.after)
        now += decided.after
        attempt += 1
    assert now - NOW >= timedelta(days=1)
    assert max(waited) == retry.LONGEST_WAIT_FOR_IT
    assert isinstance(decided, Settle)
    assert decided.outcome is Outcome.unavailable
    assert "503" in decided.reason
    assert "kept" in decided.reason


def test_when_it_says_how_long_that_is_how_long() -> None:
    """Neither earlier nor, as after other failures, much later."""
    for advice in (timedelta(seconds=8), timedelta(hours=1)):
        decided = retry.away(9, NOW, now=NOW, dice=random.Random(1), what="slow down", advice=advice)
        assert isinstance(decided, Retry)
        assert advice <= decided.after <= advice + retry.SPREAD


def test_a_pause_is_no_failure_and_the_run_goes_on_whoever_wrote_the_exit() -> None:
    for attempt in (1, 9):
        assert decide(Exit(Cause.paused, None, "paused", None), attempt) == GoOn()
        assert decide(None, attempt, paused=True) == GoOn()
    assert decide(finished("story"), paused=True) == Settle(None, "Claude finished.")
