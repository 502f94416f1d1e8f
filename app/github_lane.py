"""One write at a time to an installation, a second apart and 400 an hour at most: what GitHub asks of its guests.

Whoever wants to write waits in line for its turn: 👀 first, then what is news, then edits of what stands. Among equals
the repository that was served longest ago is next, so that a busy one never starves another. As the hour's writes run
short, edits are spread over what is left of them, and news still goes.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from http import HTTPStatus
from itertools import count

from app.github_diary import Diary
from runner.errors import TryLater

INTERVAL = timedelta(seconds=1)
HOURLY = 400  # GitHub allows 500 an hour and 80 a minute
FREELY = 100  # so many in an hour, and edits need not be spread out yet
HOUR = 3600.0
AGES = 300.0  # what has waited for so many seconds comes before everything else
PATIENCE = 5.0  # whoever would have to wait longer for GitHub, and not for others in line, is told to come later
FIRST_ABSENCE, LONGEST_ABSENCE = 1.0, 30.0  # seconds between two tries while GitHub is away
SLOW_DOWN, AWAY, USED_UP = "GitHub asked us to slow down", "GitHub is away", "we have written enough for this hour"


class Rank(IntEnum):
    """What goes first."""

    eyes = 0  # 👀: someone is waiting for a sign of life
    news = 1  # answers, pull requests, changes of state
    edit = 2  # what stands is brought up to date


class Unreached(TryLater):
    """No connection came about, so nothing was written and nothing counts."""


@dataclass(eq=False, slots=True)
class _Ticket:
    repository: str
    rank: Rank
    since: float
    number: int
    patient: bool
    called: asyncio.Future[None]

    def rank_at(self, now: float) -> Rank:
        return Rank.eyes if now - self.since >= AGES else self.rank


@dataclass(frozen=True, slots=True)
class Traffic:
    """How a lane stands; for the metrics. `rate_left` is what GitHub said last of its own hourly limit."""

    waiting: int
    oldest_seconds: float
    writes_last_hour: int
    closed_seconds: float
    rate_left: int | None


_mine: ContextVar[_Ticket | None] = ContextVar("_mine", default=None)


class WriteLane:
    """The line before one installation. `interval` zero, for a stand-in that does not mind, limits nothing.

    All times are the event loop's. The diary tells what was written, and until when the lane is closed, before we came.
    """

    def __init__(self, interval: timedelta = INTERVAL, diary: Diary | None = None, name: str = "") -> None:
        self._interval = interval.total_seconds()
        self._hourly = HOURLY if interval else None
        self._diary = diary
        self._name = name
        before = diary.recall(name) if diary is not None else None
        now = _now()
        self._writes = deque(now - age for age in before.ages) if before is not None else deque()
        self._closed_until = now + before.closed_seconds if before is not None else 0.0
        self._free_at = now - before.seconds_here + self._interval if before is not None else 0.0
        self._away_until = 0.0
        self._absences = 0
        self._last_edit = -HOUR
        self._line: list[_Ticket] = []
        self._holder: _Ticket | None = None
        self._served: dict[str, int] = {}
        self._numbers = count(1)
        self._timer: asyncio.TimerHandle | None = None
        self.rate_left: int | None = None

    @asynccontextmanager
    async def turn(self, repository: str, rank: Rank, *, patient: bool = False) -> AsyncIterator[None]:
        """The lane, alone, for as long as the block runs; whoever has it already goes on in it.

        What is said in the block should be what is true then, and not what was true when the wait began. Who is not
        `patient` hears TryLater where GitHub keeps us waiting: closed, away, or the hour's writes used up.
        """
        if self._holder is not None and _mine.get() is self._holder:
            yield
            return
        called = asyncio.get_running_loop().create_future()
        ticket = _Ticket(repository, rank, _now(), next(self._numbers), patient, called)
        self._line.append(ticket)
        self._call_next()
        try:
            await called
        except BaseException:
            if ticket in self._line:
                self._line.remove(ticket)
            if self._holder is ticket:  # it was our turn, and we will not take it
                self._leave()
            raise
        _mine.set(ticket)  # it says nothing any more once another holds the lane
        try:
            yield
        finally:
            self._leave()

    @asynccontextmanager
    async def write(self, repository: str, rank: Rank) -> AsyncIterator[None]:
        """One write, in the turn that we have or in one of its own. A second one in a turn is a second apart too."""
        async with self.turn(repository, rank):
            while (left := self._open_from(_now()) - _now()) > 0:
                if left > PATIENCE:
                    raise TryLater(self._why(), timedelta(seconds=left))
                await asyncio.sleep(left)
            try:
                yield
            except Unreached:
                raise
            except BaseException:
                self._wrote()
                raise
            else:
                self._wrote()

    def close(self, after: timedelta) -> None:
        """GitHub limits us: nothing goes out for so long, reads neither."""
        until = _now() + after.total_seconds()
        if until > self._closed_until:
            self._closed_until = until
            if self._diary is not None:
                self._diary.closed(self._name, after.total_seconds())
        self._call_next()

    def check(self) -> None:
        """Raise TryLater while the lane is closed."""
        left = self._closed_until - _now()
        if left > 0:
            raise TryLater(SLOW_DOWN, timedelta(seconds=left))

    def stumbled(self) -> None:
        """GitHub did not answer, or not well: writes wait a moment, and longer each time, so that one tries for all."""
        self._away_until = _now() + min(FIRST_ABSENCE * 2.0 ** min(self._absences, 10), LONGEST_ABSENCE)
        self._absences += 1
        self._call_next()

    def answered(self, rate_left: int | None) -> None:
        """GitHub is there."""
        self._absences, self._away_until = 0, 0.0
        if rate_left is not None:
            self.rate_left = rate_left
        self._call_next()

    def heard(self, status: int, headers: Mapping[str, str], trouble: TryLater | None) -> None:
        """What an answer of GitHub's means for those who wait. `trouble` is the weather that it is, if it is."""
        if trouble is None:
            left = headers.get("x-ratelimit-remaining", "")
            ours = left.isascii() and left.isdecimal() and status != HTTPStatus.UNAUTHORIZED
            self.answered(int(left) if ours else None)
        elif trouble.after is not None:
            self.close(trouble.after)
        else:
            self.stumbled()

    def traffic(self) -> Traffic:
        """How it stands now."""
        now = _now()
        oldest = max((now - ticket.since for ticket in self._line), default=0.0)
        closed = max(0.0, max(self._closed_until, self._away_until) - now)
        return Traffic(len(self._line), oldest, self._used(now), closed, self.rate_left)

    # Who is next, and when

    def _call_next(self) -> None:
        """Let in whoever may go now and comes first; if nobody may yet, look again when somebody might."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._holder is not None:
            return
        now = _now()
        self._line = [ticket for ticket in self._line if not ticket.called.done()]  # some have given up
        self._send_away(now)
        opens, for_edits = self._open_from(now), self._open_to_edits_from(now)
        ready = [ticket for ticket in self._line if now >= (for_edits if ticket.rank is Rank.edit else opens)]
        if ready:
            chosen = min(ready, key=lambda one: (one.rank_at(now), self._served.get(one.repository, 0), one.number))
            self._line.remove(chosen)
            self._holder = chosen
            self._served[chosen.repository] = next(self._numbers)
            chosen.called.set_result(None)
        elif self._line:
            only_edits = all(ticket.rank is Rank.edit for ticket in self._line)
            soonest = for_edits if only_edits else opens
            if self._writes:  # there is more to give when the oldest of them counts no more
                soonest = max(opens, min(soonest, self._writes[0] + HOUR))
            self._timer = asyncio.get_running_loop().call_at(soonest, self._call_next)

    def _send_away(self, now: float) -> None:
        left = self._open_from(now) - now
        if left <= PATIENCE:
            return
        for ticket in [ticket for ticket in self._line if not ticket.patient]:
            self._line.remove(ticket)
            ticket.called.set_exception(TryLater(self._why(), timedelta(seconds=left)))

    def _leave(self) -> None:
        self._holder = None
        self._call_next()

    def _open_from(self, now: float) -> float:
        """When the next write may go, whatever it is."""
        moment = max(self._free_at, self._closed_until, self._away_until)
        used = self._used(now)
        if self._hourly is not None and used >= self._hourly:
            moment = max(moment, self._writes[used - self._hourly] + HOUR)
        return moment

    def _open_to_edits_from(self, now: float) -> float:
        return max(self._open_from(now), self._last_edit + self.stretch(self._used(now)))

    def stretch(self, used: int) -> float:
        """Seconds between two edits, where so many of the hour's writes are used: what is left is spread over it."""
        if self._hourly is None or used < FREELY:
            return self._interval
        return HOUR / (2 * max(1, self._hourly - used))

    def _used(self, now: float) -> int:
        while self._writes and self._writes[0] + HOUR <= now:
            self._writes.popleft()
        return len(self._writes)

    def _wrote(self) -> None:
        """It counts from its end: then GitHub has surely seen it, and a second later another may go."""
        now = _now()
        self._free_at = now + self._interval
        if self._holder is not None and self._holder.rank is Rank.edit:
            self._last_edit = now
        self._writes.append(now)
        if self._diary is not None:
            self._diary.wrote(self._name)

    def _why(self) -> str:
        now = _now()
        if self._closed_until > now:
            return SLOW_DOWN
        return AWAY if self._away_until > now else USED_UP


def rank_of(method: str, path: str) -> Rank:
    """Of a write that has no turn yet: 👀 first, then what is new, then what is kept up to date."""
    if path.endswith("/reactions"):
        return Rank.eyes
    if method == "PATCH" and re.search(r"/(comments|check-runs)/[0-9]+$", path):
        return Rank.edit
    return Rank.news


def is_write(method: str, path: str, body: bytes) -> bool:
    """Whether GitHub counts it among what creates content. GraphQL asks by POST too; only its mutations write."""
    if method in {"GET", "HEAD"}:
        return False
    if method == "POST" and path.endswith("/graphql"):
        return str(json.loads(body)["query"]).lstrip().startswith("mutation")
    return True


def _now() -> float:
    return asyncio.get_running_loop().time()
