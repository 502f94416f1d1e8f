"""Say a task's view wherever people look: compare what was said with what is true, and say what is missing."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from runner.errors import TryLater
from runner.store import Receipt, Store
from runner.tasks import RunId, RunState, TaskId, WaitingFor
from runner.view import TaskView

logger = logging.getLogger(__name__)

# What had not been said when the service ended is said when it is back; older tasks have long been.
LOOK_BACK = 200

FIRST_BACKOFF = timedelta(seconds=5)
LONGEST_BACKOFF = timedelta(minutes=15)
LONGEST_CALL = timedelta(minutes=2)


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

    async def report(self, view: TaskView, receipt: Receipt | None) -> str:
        """Say it, and give back where. `receipt` is what was said last; without one, look before you post."""


@dataclass(slots=True)
class _Memory:
    """What one reporter knows of one task between two looks; the rest is in the receipts. Due None: all is said."""

    due: datetime | None
    said_at: datetime | None = None
    said_state: tuple[object, ...] = ()
    failures: int = 0


@dataclass(frozen=True, slots=True)
class _Seen:
    """How far a reporter has looked: the last event, and the active runs as they were. A move need not be an event."""

    event: int
    active: frozenset[tuple[TaskId, RunId, RunState, WaitingFor | None]]


@dataclass(slots=True)
class Reporting:
    """The report loop. Time, sleep and dice are given, so that a test need not wait."""

    store: Store
    reporters: Sequence[Reporter]
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    dice: random.Random = field(default_factory=random.Random)

    async def run(self) -> None:
        """Until cancelled. Every reporter is on its own: one that is slow or broken delays no other."""
        async with asyncio.TaskGroup() as group:
            for reporter in self.reporters:
                group.create_task(self._keep(reporter), name=f"reporter {reporter.name}")

    async def _keep(self, reporter: Reporter) -> None:
        seen = _Seen(await self._last_event(), frozenset())
        known = {view.task.id: _Memory(self.now()) for view in await self.store.views(limit=LOOK_BACK)}
        bell = asyncio.Event()
        ringing = asyncio.create_task(self._ring(bell))
        try:
            while True:
                bell.clear()
                seen = await self._note_changes(seen, known)
                for task_id, memory in list(known.items()):
                    if memory.due is not None and memory.due <= self.now():
                        await self._say(reporter, task_id, memory)
                await self._rest(bell, [memory.due for memory in known.values() if memory.due is not None])
        finally:
            ringing.cancel()

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

    async def _last_event(self) -> int:
        return max((view.last_event for view in await self.store.views(limit=LOOK_BACK)), default=0)

    async def _note_changes(self, seen: _Seen, known: dict[TaskId, _Memory]) -> _Seen:
        """Tasks with new events, or in another state, are looked at; those in line too: they may have moved up."""
        changed: set[TaskId] = set()
        event = seen.event
        while events := await self.store.events(after=event):
            changed.update(one.task_id for one in events)
            event = events[-1].id
        runs = await self.store.active_runs()
        active = {(run.task_id, run.id, run.state, run.waiting_for) for run in runs}
        changed.update(task_id for task_id, *_ in active ^ seen.active)
        if changed:
            changed.update(run.task_id for run in runs if run.state is RunState.queued)
            changed.update(run.task_id for run in runs if run.waiting_for is WaitingFor.slot)
        for task_id in changed:
            memory = known.setdefault(task_id, _Memory(None))
            if memory.failures == 0:  # else it is put off, and looked at then
                memory.due = self.now()
        return _Seen(event, frozenset(active))

    async def _say(self, reporter: Reporter, task_id: TaskId, memory: _Memory) -> None:
        """Say what is not said yet. Afterwards `memory.due` says when to look again, if there is a need."""
        try:
            view = await self.store.view(task_id)
            memory.due = None
            if not reporter.wants(view):
                return
            receipt = await self.store.receipt(task_id, reporter.name)
            digest = reporter.digest(view)
            if receipt is not None and receipt.digest == digest:
                return
            state = (view.run.id, view.state, view.waiting_for, view.stalled_minutes, view.pull_request)
            if state == memory.said_state and memory.said_at is not None:
                due = memory.said_at + reporter.interval(view)
                if due > self.now():
                    memory.due = due
                    return
            async with asyncio.timeout(LONGEST_CALL.total_seconds()):
                reference = await reporter.report(view, receipt)
            await self.store.save_receipt(Receipt(task_id, reporter.name, digest, reference, self.now()))
        except Exception as error:  # noqa: BLE001  (said in the log, and tried again; nobody else waits for it)
            self._put_off(reporter, task_id, memory, error)
        else:
            memory.said_at, memory.said_state, memory.failures = self.now(), state, 0

    def _put_off(self, reporter: Reporter, task_id: TaskId, memory: _Memory, error: Exception) -> None:
        wait = min(FIRST_BACKOFF * 2**memory.failures, LONGEST_BACKOFF) * self.dice.uniform(0.8, 1.2)
        memory.failures = min(memory.failures + 1, 10)
        if isinstance(error, TryLater):
            wait = max(wait, error.after or wait)
            logger.info("%s cannot tell of task %s yet: %s", reporter.name, task_id, error)
        else:
            logger.error("%s could not tell of task %s", reporter.name, task_id, exc_info=error)
        memory.due = self.now() + wait


async def _heard(bell: asyncio.Event) -> None:
    await bell.wait()
