"""One write at a time to an installation, a second apart, the urgent ones first: what GitHub asks of its guests."""

import asyncio
import heapq
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count

from runner.errors import TryLater

INTERVAL = timedelta(seconds=1)


class WriteLane:
    """The queue before one installation. Equal priorities go in the order they came."""

    def __init__(self, interval: timedelta = INTERVAL) -> None:
        self._interval = interval.total_seconds()
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._busy = False
        self._closed_until = 0.0

    @asynccontextmanager
    async def turn(self, priority: int) -> AsyncIterator[None]:
        """The lane, alone, for one write. Raises TryLater while GitHub has closed it."""
        loop = asyncio.get_running_loop()
        if self._busy:
            ticket = loop.create_future()
            heapq.heappush(self._queue, (priority, next(self._order), ticket))
            try:
                await ticket
            except asyncio.CancelledError:
                if ticket.done() and not ticket.cancelled():
                    self._pass_on()  # it was our turn, and we will not take it
                raise
        self._busy = True
        started = loop.time()
        try:
            self.check()
            yield
        except TryLater:
            self._pass_on()  # nothing more to space out: the next one finds out by itself
            raise
        except BaseException:
            loop.call_later(max(0.0, started + self._interval - loop.time()), self._pass_on)
            raise
        loop.call_later(max(0.0, started + self._interval - loop.time()), self._pass_on)

    def close(self, after: timedelta) -> None:
        """GitHub limits us: nothing goes out for so long, reads neither."""
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + after.total_seconds())

    def check(self) -> None:
        """Raise TryLater while the lane is closed."""
        left = self._closed_until - asyncio.get_running_loop().time()
        if left > 0:
            raise TryLater("GitHub asked us to slow down", timedelta(seconds=left))

    def _pass_on(self) -> None:
        while self._queue:
            _, _, ticket = heapq.heappop(self._queue)
            if not ticket.done():
                ticket.set_result(None)
                return
        self._busy = False


def priority_of(method: str, path: str) -> int:
    """👀 first, then what is new (answers, pull requests), then what is kept up to date."""
    if path.endswith("/reactions"):
        return 0
    if method == "PATCH" and re.search(r"/(comments|check-runs)/[0-9]+$", path):
        return 2
    return 1
