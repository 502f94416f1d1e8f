"""Say a task's view wherever people look: compare what was said with what is true, and say what is missing.

A reporter waits for its turn first and looks at the task then, so that what has changed meanwhile is in the one thing
that is said. Tasks wait beside each other: none is told of later because another one has to wait.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from runner.errors import TryLater
from runner.receipts import Receipt
from runner.store import Store
from runner.tasks import TaskId
from runner.view import TaskView

logger = logging.getLogger(__name__)

# Whoever waits in line may have moved up when anything happens. The line is looked at this often, however long it is.
LINE = timedelta(seconds=10)

FIRST_BACKOFF = timedelta(seconds=5)
LONGEST_BACKOFF = timedelta(minutes=15)
LONGEST_WEATHER = timedelta(minutes=1)  # it may clear at any moment
LONGEST_CALL = timedelta(minutes=2)

TODAY = timedelta(days=1)


class Reporter(Protocol):
    """One place where tasks are told of."""

    @property
    def name(self) -> str:
        """Of its receipts; never changes."""

    def interval(self, view: TaskView) -> timedelta:
        """The least time between two edits that tell no change of state."""

    def wants(self, view: TaskView) -> bool:
        """Whether this place tells of such a task."""

    def digest(self, view: TaskView) -> str:
        """The same as long as nothing worth a call has changed. Elapsed time is no part of it."""

    def turn(self, view: TaskView, is_news: bool) -> AbstractAsyncContextManager[None]:
        """Our turn to speak there, however long it takes. News, a change of state, is told before edits."""

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        """Say it, and give back where. `receipt` is what was said last; without one, look before you post."""


@dataclass(slots=True)
class _Memory:
    """What one reporter knows of one task between two looks; the rest is in the receipts. Due None: all is said."""

    due: datetime | None
    said_at: datetime | None = None
    said_state: tuple[object, ...] = ()
    failures: int = 0
    saying: asyncio.Task[None] | None = None
    waits_with_edit: bool = False  # in line, with no news
    is_changed: bool = False  # since it was last looked at whether there is news


@dataclass(frozen=True, slots=True)
class _Seen:
    """How far a reporter has looked: the last event, when those in line are looked at next, and the pauses."""

    event: int
    line: datetime
    pauses: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one place was not told yet: of how many tasks, for how long the oldest waits, what the last try ran into."""

    reporter: str
    tasks: int
    oldest: timedelta
    trouble: str


@dataclass(slots=True)
class Reporting:
    """The report loop. Time, sleep and dice are given, so that a test need not wait."""

    store: Store
    reporters: Sequence[Reporter]
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    dice: random.Random = field(default_factory=random.Random)
    unsaid: dict[str, dict[TaskId, datetime]] = field(default_factory=dict)  # by reporter, since when
    troubles: dict[str, str] = field(default_factory=dict)  # by reporter, since it last spoke
    connected: dict[str, datetime] = field(default_factory=dict)  # by reporter, when it was first there

    def backlog(self) -> list[Backlog]:
        """For every place, in their order."""
        found = []
        for name in (reporter.name for reporter in self.reporters):
            waiting, now = self.unsaid.get(name, {}), self.now()
            oldest = max(timedelta(0), now - min(waiting.values(), default=now))
            found.append(Backlog(name, len(waiting), oldest, self.troubles.get(name, "") if waiting else ""))
        return found

    async def run(self) -> None:
        """Until cancelled. Every reporter is on its own: one that is slow or broken delays no other."""
        async with asyncio.TaskGroup() as group:
            for reporter in self.reporters:
                group.create_task(self._keep(reporter), name=f"reporter {reporter.name}")

    async def _keep(self, reporter: Reporter) -> None:
        self.connected[reporter.name] = await self._first_there(reporter)
        seen = _Seen(await self.store.last_event(), self.now(), self.store.pause.count)
        known = {task_id: _Memory(self.now()) for task_id in await self.store.receipts.unsaid(reporter.name)}
        bell = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ring(bell))
            while True:
                bell.clear()
                seen = await self._note_changes(reporter, seen, known)
                for task_id, memory in known.items():
                    if memory.waits_with_edit and memory.is_changed:
                        await self._hurry(task_id, memory)
                    if memory.saying is None and memory.due is not None and memory.due <= self.now():
                        memory.due = None
                        memory.saying = group.create_task(self._say_and_ring(reporter, task_id, memory, bell))
                    self._note_unsaid(reporter, task_id, memory)
                waiting = [one.due for one in known.values() if one.due is not None and one.saying is None]
                await self._rest(bell, waiting)

    async def _first_there(self, reporter: Reporter) -> datetime:
        """Remembered, since a restart makes no place a new one: what it missed meanwhile it is still told."""
        mark, now = f"told-{reporter.name}", self.now()
        with suppress(TryLater):  # the database takes nothing now; then the next start notes it
            if (since := await self.store.marks.at(mark)) is not None:
                return since
            await self.store.marks.reached(mark, now)
        return now

    def _note_unsaid(self, reporter: Reporter, task_id: TaskId, memory: _Memory) -> None:
        waiting = self.unsaid.setdefault(reporter.name, {})
        if memory.due is None and memory.saying is None:
            waiting.pop(task_id, None)
        else:
            waiting.setdefault(task_id, self.now())

    async def _ring(self, bell: asyncio.Event) -> None:
        async for _ in self.store.feed.listen():
            bell.set()

    async def _rest(self, bell: asyncio.Event, due: Sequence[datetime]) -> None:
        """Until the doorbell rings or the next one is due."""
        ears = [asyncio.create_task(_heard(bell))]
        if due:
            ears.append(asyncio.create_task(self._sleep_until(min(due))))
        try:
            await asyncio.wait(ears, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for ear in ears:
                ear.cancel()

    async def _sleep_until(self, moment: datetime) -> None:
        await self.sleep(max(0.0, (moment - self.now()).total_seconds()))

    async def _note_changes(self, reporter: Reporter, seen: _Seen, known: dict[TaskId, _Memory]) -> _Seen:
        """Tasks with new events are looked at now, and those in line a little later: they may have moved up."""
        changed: set[TaskId] = set()
        event, line, now, pauses = seen.event, seen.line, self.now(), self.store.pause.count
        while events := await self.store.events(after=event):
            changed.update(one.task_id for one in events)
            event = events[-1].id
        if pauses != seen.pauses:
            changed.update(run.task_id for run in await self.store.active_runs())
        for task_id in changed:
            memory = known.setdefault(task_id, _Memory(None))
            memory.is_changed = True
            if memory.failures == 0 or memory.saying is not None:  # else it is put off, and looked at then
                memory.due = now
        if changed and line <= now:  # else they are looked at soon
            line = now + LINE
            for task_id in await self.store.receipts.in_line(reporter.name):
                memory = known.setdefault(task_id, _Memory(None))
                memory.due = memory.due or line
        return _Seen(event, line, pauses)

    async def _hurry(self, task_id: TaskId, memory: _Memory) -> None:
        """What waits in line as an edit is news by now: let it line up as that."""
        memory.is_changed = False
        news = _state(await self.store.view(task_id)) != memory.said_state
        if news and memory.saying is not None and memory.waits_with_edit:
            memory.waits_with_edit = False
            memory.saying.cancel()

    async def _say_and_ring(self, reporter: Reporter, task_id: TaskId, memory: _Memory, bell: asyncio.Event) -> None:
        try:
            await self._say(reporter, task_id, memory)
        finally:
            memory.saying, memory.waits_with_edit = None, False
            bell.set()

    async def _say(self, reporter: Reporter, task_id: TaskId, memory: _Memory) -> None:
        """Say what is not said yet. Afterwards `memory.due` says when to look again, if there is a need."""
        try:
            view, receipt = await self._unsaid(reporter, task_id)
            if view is None:
                memory.failures = 0
                return
            is_news = _state(view) != memory.said_state or memory.said_at is None
            if not is_news and memory.said_at is not None:
                due = memory.said_at + reporter.interval(view)
                if due > self.now():
                    memory.due = min(memory.due or due, due)
                    return
            memory.waits_with_edit = not is_news
            async with reporter.turn(view, is_news):
                memory.waits_with_edit = False
                view, receipt = await self._unsaid(reporter, task_id)  # what is true by now
                if view is None:
                    memory.failures = 0
                    return
                async with asyncio.timeout(LONGEST_CALL.total_seconds()):
                    reference = await reporter.report(view, receipt)
                digest = reporter.digest(view)
                await self.store.receipts.save(Receipt(task_id, reporter.name, digest, reference, self.now()))
                self.unsaid[reporter.name].pop(task_id, None)  # what is new from here on waits from here on
                self.troubles.pop(reporter.name, None)
        except Exception as error:  # noqa: BLE001  (said in the log, and tried again; nobody else waits for it)
            self._put_off(reporter, task_id, memory, error)
        else:
            memory.said_at, memory.said_state, memory.failures = self.now(), _state(view), 0

    async def _unsaid(self, reporter: Reporter, task_id: TaskId) -> tuple[TaskView | None, Receipt | None]:
        """The task as it stands, if that is not what was said last; and the receipt for that."""
        view = await self.store.view(task_id)
        if not reporter.wants(view):
            return None, None
        receipt = await self.store.receipts.of(task_id, reporter.name)
        is_old = not view.state.is_active and view.task.updated_at < self.connected[reporter.name] - TODAY
        if receipt is None and is_old:
            return None, None  # a place that is new tells no old stories
        return (None if receipt is not None and receipt.digest == reporter.digest(view) else view), receipt

    def _put_off(self, reporter: Reporter, task_id: TaskId, memory: _Memory, error: Exception) -> None:
        longest = LONGEST_WEATHER if isinstance(error, TryLater) else LONGEST_BACKOFF
        wait = min(FIRST_BACKOFF * 2**memory.failures, longest) * self.dice.uniform(0.8, 1.2)
        memory.failures = min(memory.failures + 1, 10)
        if isinstance(error, TryLater):
            wait = max(wait, error.after or wait)
            self.troubles[reporter.name] = str(error)
            logger.info("%s cannot tell of task %s yet: %s", reporter.name, task_id, error)
        else:
            self.troubles[reporter.name] = "something broke here; the service's log has it"
            logger.error("%s could not tell of task %s", reporter.name, task_id, exc_info=error)
        memory.due = self.now() + wait


def _state(view: TaskView) -> tuple[object, ...]:
    """What is news when it changes."""
    return view.run.id, view.state, view.waiting_for, view.stalled_minutes, view.pull_request


async def _heard(bell: asyncio.Event) -> None:
    await bell.wait()
