"""How long something lasts, by a clock that nobody sets: the machine's own may jump by an hour or a year meanwhile."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Wait:
    """Until a moment, and no longer than was planned: it is over as soon as one of the two clocks says so.

    A clock that is set back would make thirty seconds a day; one that is set forward, after a sleep, is right.
    """

    until: datetime
    ends: float

    @classmethod
    def of(cls, until: datetime, planned_at: datetime | None, now: datetime, steady: float) -> "Wait":
        """`planned_at` is when the wait began, which may have been in an earlier life of the service."""
        left = until - now
        if planned_at is not None and planned_at < until:
            left = min(left, until - planned_at)
        return cls(until, steady + left.total_seconds())

    def left(self, now: datetime, steady: float) -> timedelta:
        """Zero or less: it is over."""
        return min(self.until - now, timedelta(seconds=self.ends - steady))


@dataclass(slots=True)
class Pulse:
    """For how long a sign of life has not changed while we looked; its own time says nothing, ours does."""

    sign: int = -1
    since: float = 0.0

    def still_for(self, sign: int, steady: float) -> timedelta:
        """`sign` is what is seen now."""
        if sign != self.sign:
            self.sign, self.since = sign, steady
        return timedelta(seconds=steady - self.since)


def steady_clock(now: Callable[[], datetime]) -> Callable[[], datetime]:
    """The time as it is now, going on evenly from here: for measuring, not for telling."""
    began, first = time.monotonic(), now()
    return lambda: first + timedelta(seconds=time.monotonic() - began)


async def nap(bell: asyncio.Event, length: timedelta) -> None:
    """Sleep, unless the bell rings, or has rung and nobody cleared it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(length.total_seconds()):
            await bell.wait()
