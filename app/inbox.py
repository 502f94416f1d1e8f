"""Keep each webhook before it is acknowledged, and hand each on until it is handled or parked.

Deliveries about one subject are handled in the order they came; different subjects at the same time. What is handled is
written down, so a restart goes on where the last process was: a delivery can be dispatched twice, never not at all.
"""

import asyncio
import json
import logging
import random
import sqlite3
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from handlers import slack_heard
from handlers.tickets import ticket_told_of
from runner.about import about
from runner.deliveries import Deliveries, Delivery
from runner.errors import TryLater
from runner.migrating import DatabaseRefused

LARGEST_COMMIT = 256  # deliveries that one transaction stores
AT_ONCE = 16  # subjects of one place handled at the same time: one that hangs leaves room for the others
OF_ONE_REPOSITORY = 4  # of them: what waits for its turn to write in a busy one leaves room for the others
LONGEST_WAIT = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(hours=24)  # GitHub itself keeps a delivery for three days: enough is left to replay it

log = logging.getLogger(__name__)


class Inbox:
    """The deliveries on their way from the socket to the handlers.

    `issue_of` gives, for a repository and the number of a pull request of ours, the issue that it was made for; for any
    other number, that number.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        dispatch: Callable[[Delivery], Awaitable[None]],
        issue_of: Callable[[int, int], Awaitable[int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._dispatch = dispatch
        self._issue_of = issue_of
        self._waiting: list[tuple[Delivery, asyncio.Future[bool]]] = []
        self._committer: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._lanes: dict[str, deque[Delivery]] = {}
        self._known: set[int] = set()
        self._read = 0
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(partial(asyncio.Semaphore, AT_ONCE))
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def put(self, delivery: Delivery) -> bool:
        """Store it; True if it is new. Returns after COMMIT, which it shares with all that came meanwhile."""
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, stored))
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit())
        new: bool = await stored
        return new

    async def replay(self, delivery_id: int) -> bool:
        """Hand a parked delivery on once more; False if there is no such parked one."""
        found = await self._deliveries.replay(delivery_id)
        if found:
            self._read = min(self._read, delivery_id - 1)
            self._arrived.set()
        return found

    async def is_at_work_on(self, repository_id: int, number: int) -> bool:
        """Whether a delivery about this issue or pull request is being handled, or waits for its turn."""
        return await self._shared(f"github/{repository_id}/{number}") in self._lanes

    async def drain(self) -> None:
        """Hand on whatever is stored and not handled, until cancelled."""
        async with asyncio.TaskGroup() as lanes:
            while True:
                self._arrived.clear()
                while found := await self._deliveries.pending(after=self._read):
                    for delivery in found:
                        self._read = max(self._read, delivery.id)
                        self._queue(delivery, await self._shared(lane_of(delivery)), lanes)
                await self._arrived.wait()

    async def _commit(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:LARGEST_COMMIT], self._waiting[LARGEST_COMMIT:]
            try:
                new = await self._deliveries.put([delivery for delivery, _ in batch])
            except Exception as exc:  # noqa: BLE001  whatever it is, those who wait must hear of it
                for _, stored in batch:
                    if not stored.done():
                        stored.set_exception(exc)
                continue
            for (_, stored), is_new in zip(batch, new, strict=True):
                if not stored.done():
                    stored.set_result(is_new)
            if any(new):
                self._arrived.set()

    async def _shared(self, lane: str) -> str:
        """The lane of the issue, for a pull request that was made for one: people speak to the same task there."""
        source, repository, number = (*lane.split("/"), "")[:3]
        if self._issue_of is None or source != "github" or not (repository.isdecimal() and number.isdecimal()):
            return lane
        return f"{source}/{repository}/{await self._issue_of(int(repository), int(number))}"

    def _queue(self, delivery: Delivery, lane: str, lanes: asyncio.TaskGroup) -> None:
        if delivery.id in self._known:
            return
        self._known.add(delivery.id)
        if lane in self._lanes:
            self._lanes[lane].append(delivery)
        else:
            self._lanes[lane] = deque([delivery])
            lanes.create_task(self._work(lane))

    async def _work(self, lane: str) -> None:
        queue = self._lanes[lane]
        share = self._shares.setdefault(lane.rpartition("/")[0], asyncio.Semaphore(OF_ONE_REPOSITORY))
        while queue:
            delivery, attempt, began = queue[0], 1, self._clock()
            with about(delivery=delivery.delivery_id):
                while (wait := await self._handle(delivery, attempt, self._clock() - began, share)) is not None:
                    await asyncio.sleep(wait.total_seconds())
                    attempt += 1
            queue.popleft()
            self._known.discard(delivery.id)
        del self._lanes[lane]

    async def _handle(
        self, delivery: Delivery, attempt: int, tried_seconds: float, share: asyncio.Semaphore
    ) -> timedelta | None:
        """Dispatch it once. None: it is settled. Else how long to leave it before the next attempt.

        `tried_seconds` are by a clock that nobody sets: one that is set forward by a day must not make us give up.
        """
        async with share, self._slots[delivery.source]:
            error: str | None = None
            try:
                await self._dispatch(delivery)
            except DatabaseRefused:
                raise
            except Exception as exc:  # a bug in a handler parks its delivery and stops nothing else
                weather = weather_in(exc)
                if weather is not None and tried_seconds < GIVE_UP_AFTER.total_seconds():
                    wait = delay(attempt, weather.after)
                    log.warning("left for later, in %.0f s: %s", wait.total_seconds(), weather)
                    return wait
                error = traceback.format_exc()
                log.exception("%s was parked: the delivery is kept, with this", delivery.event)
            try:
                await self._deliveries.settle(delivery.id, error)
            except TryLater as weather:
                log.warning("what became of a delivery cannot be stored, so it is handled again: %s", weather)
                return delay(attempt, weather.after)
            except sqlite3.Error:
                log.exception("what became of a delivery cannot be stored; it is handled again")
                return delay(attempt, None)
        return None


def lane_of(delivery: Delivery) -> str:
    """What the delivery is about: those with the same answer are handled one after the other.

    An issue or a pull request by its number, a ticket by Jira's, in Slack a thread; else the repository; else the
    installation or
    organisation.
    """
    try:
        payload = json.loads(delivery.body)
    except (ValueError, RecursionError):
        payload = None
    if delivery.source == "jira":
        return f"jira/{ticket_told_of(payload) if isinstance(payload, dict) else None}"
    if delivery.source == "slack":
        return f"slack/{slack_heard.lane_of(payload if isinstance(payload, dict) else {})}"
    repository = _at(payload, "repository", "id")
    number = (
        _at(payload, "issue", "number")
        or _at(payload, "pull_request", "number")
        or _at(payload, "check_suite", "pull_requests", 0, "number")
        or _at(payload, "check_run", "pull_requests", 0, "number")
    )
    if repository or number:
        return f"{delivery.source}/{repository}/{number}"
    return f"{delivery.source}/installation/{_at(payload, 'installation', 'id')}"


def weather_in(exc: BaseException) -> TryLater | None:
    """The TryLater that this is, or that a group of nothing else holds: the one with the longest wait."""
    if isinstance(exc, TryLater):
        return exc
    if not isinstance(exc, BaseExceptionGroup):
        return None
    found = [weather_in(one) for one in exc.exceptions]
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return None
    return max(known, key=lambda one: one.after or timedelta(0))


def delay(attempt: int, advice: timedelta | None) -> timedelta:
    """How long to leave a delivery alone: what we were told, else 2, 4, 8 … seconds, with jitter, 5 minutes at most."""
    if advice is not None:
        return advice + timedelta(seconds=random.uniform(0, 1))  # noqa: S311  jitter, not a secret
    seconds = min(2.0 ** min(attempt, 20), LONGEST_WAIT.total_seconds())
    return timedelta(seconds=seconds * random.uniform(0.5, 1))  # noqa: S311  jitter, not a secret


def _at(value: Any, *path: str | int) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value
