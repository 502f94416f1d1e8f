"""Decide what follows the end of a launch: try again, wait for the quota, or settle the run."""

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runner.space import FULL
from runner.spool import Cause, Exit
from runner.tasks import Outcome
from runner.text import one_line

WEATHER_ATTEMPTS = 6
FIRST_WAIT = timedelta(seconds=45)
LONGEST_WAIT = timedelta(minutes=20)
ABSENCE = timedelta(days=1)  # so long the place that hosts the code may be away
LONGEST_WAIT_FOR_IT = timedelta(minutes=5)
SPREAD = timedelta(seconds=5)  # those who were told to wait for the same moment do not all come in it
CRASH_ATTEMPTS = 2
CRASH_WAIT = timedelta(seconds=5)
QUOTA_UNKNOWN_WAIT = timedelta(minutes=30)
QUOTA_LONGEST_WAIT = timedelta(days=8)  # the longest window is a week
QUOTA_SLACK = timedelta(seconds=60)  # clocks differ, and many wait for the same minute
REASON_CHARACTERS = 300
_LIMITS = {
    Cause.time: "it ran out of time",
    Cause.silence: "nothing was heard from Claude for too long",
    Cause.turns: "it used all its turns",
    Cause.dollars: "it used all its money",
}


@dataclass(frozen=True, slots=True)
class Retry:
    """Launch again after a while; `what` says what went wrong, in a few words."""

    after: timedelta
    what: str


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """The usage limit is reached; launch again when it has been reset."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GoOn:
    """Nothing is wrong with it: everything was paused. It is launched again when there is a slot."""


@dataclass(frozen=True, slots=True)
class Settle:
    """The run is over. `outcome` None: Claude did its part, and what is on the branch decides between delivered and
    answered. The reason is a sentence for people.
    """

    outcome: Outcome | None
    reason: str


def decide(
    ending: Exit | None,
    attempt: int,
    *,
    now: datetime,
    dice: random.Random,
    quota_resets: datetime | None = None,
    paused: bool = False,
) -> Retry | WaitUntil | GoOn | Settle:
    """What to do now that a launch has ended; None where it was lost. `paused`: so is everything, now.

    `attempt` counts the launches of this run that failed in a row, this one included: 1 for the first. `quota_resets`
    is what the launch's `QuotaReached` said, if there was one.
    """
    if (ending is None and paused) or (ending is not None and ending.cause is Cause.paused):
        return GoOn()
    if ending is None:
        return _again(attempt, dice, Outcome.crashed, "the supervisor was lost")
    if ending.cause is Cause.stopped:  # and no person asked for it: the machine is shutting down, say
        return _again(attempt, dice, Outcome.crashed, "the supervisor was told to end")
    if ending.cause in _LIMITS:
        return Settle(
            Outcome.over_limit,
            f"The run was ended because {_LIMITS[ending.cause]}. What was done so far is kept; retry to go on with it.",
        )
    if ending.cause is Cause.disk:
        return weather(attempt, dice, FULL)
    if ending.cause is Cause.crashed or ending.result is None:
        return _again(attempt, dice, Outcome.crashed, one_line(ending.detail, REASON_CHARACTERS) or "Claude crashed")
    if ending.result.get("is_error"):
        return _after_error(ending.result, attempt, now, dice, quota_resets)
    return Settle(None, "Claude finished.")


def _after_error(
    result: dict[str, Any], attempt: int, now: datetime, dice: random.Random, quota_resets: datetime | None
) -> Retry | WaitUntil | Settle:
    """`subtype` is "success" even for errors of the API, so the status and Claude's own words decide."""
    status = result.get("api_error_status")
    said = _words(result)
    if status == 429 and (quota_resets is not None or result.get("api_error") == "usage_limit_reached"):
        return WaitUntil(_reset(quota_resets, now))
    if status in {401, 403}:
        return Settle(
            Outcome.unauthorized,
            f"The model refused our credentials ({status}). Whoever runs this service must renew them: "
            "check ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN, restart it, and retry.",
        )
    if "credit balance is too low" in said.lower():
        return Settle(
            Outcome.out_of_credit,
            "The model's account has no credit left. Whoever runs this service must add some at "
            "https://platform.claude.com/settings/billing; then retry.",
        )
    if isinstance(status, int) and 400 <= status < 500 and status not in {408, 409, 429}:
        return Settle(Outcome.unavailable, f"The model refused the request ({status}): {said}")
    if str(result.get("terminal_reason")).startswith("aborted"):
        return Settle(Outcome.stopped, "A person interrupted Claude.")
    if result.get("terminal_reason") == "api_error" or isinstance(status, int):
        return weather(attempt, dice, said or "the model does not answer")
    return _again(attempt, dice, Outcome.crashed, said or "Claude ended its turn with an error")


def weather(attempt: int, dice: random.Random, what: str, advice: timedelta | None = None) -> Retry | Settle:
    """Exponential with full jitter: the five waits between six attempts take up to an hour, half of it on average.

    `advice` is the least wait that the other side asked for.
    """
    if attempt >= WEATHER_ATTEMPTS:
        return Settle(Outcome.unavailable, f"It did not work in {attempt} attempts. The last time: {what}")
    longest = min(FIRST_WAIT * math.pow(2, attempt), LONGEST_WAIT)
    return Retry(max(longest * dice.random(), advice or timedelta(0)), what)


def away(
    attempt: int, since: datetime, *, now: datetime, dice: random.Random, what: str, advice: timedelta | None = None
) -> Retry | Settle:
    """The place that hosts the code cannot be reached, or takes nothing from us, and all that is missing is there.

    Nothing is used up by waiting, so it is tried for a day, every few minutes, or when the place itself says. `since`
    is when that began.
    """
    if now - since >= ABSENCE:
        return Settle(
            Outcome.unavailable,
            f"For a day it did not work. The last time: {what}. What was done is kept here; retry to go on with it.",
        )
    if advice is not None:
        return Retry(advice + SPREAD * dice.random(), what)
    longest = min(FIRST_WAIT * math.pow(2, min(attempt, 10)), LONGEST_WAIT_FOR_IT)
    return Retry(longest * dice.random(), what)


def _again(attempt: int, dice: random.Random, outcome: Outcome, what: str) -> Retry | Settle:
    """A crash may be an accident; three in a row are not."""
    if attempt > CRASH_ATTEMPTS:
        return Settle(outcome, f"It failed {attempt} times in a row. The last time: {what}")
    return Retry(CRASH_WAIT * attempt * (0.5 + dice.random()), what)


def _reset(resets: datetime | None, now: datetime) -> datetime:
    """When to wake: what the server said, within reason."""
    wished = (resets.astimezone(UTC) if resets else now + QUOTA_UNKNOWN_WAIT) + QUOTA_SLACK
    return min(max(wished, now + QUOTA_SLACK), now + QUOTA_LONGEST_WAIT)


def _words(result: dict[str, Any]) -> str:
    errors = result.get("errors")
    words = result.get("result") or (" ".join(map(str, errors)) if isinstance(errors, list) else "")
    return one_line(str(words), REASON_CHARACTERS)
