"""Tasks, runs, triggers and events in SQLite. Every change of state and its cause are one transaction."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import aiosqlite

from runner import changes, submitting
from runner import events as happened
from runner.database import Database, from_text, open_database
from runner.deliveries import Deliveries
from runner.errors import TryLater
from runner.events import Event, Recorded
from runner.feed import Feed
from runner.marks import Marks
from runner.migrating import DatabaseRefused
from runner.pause import Pause
from runner.receipts import Receipts
from runner.register import Register
from runner.rows import ACTIVE, run_of, task_of, trigger_of
from runner.submitting import Submitted
from runner.tallies import WITHIN, Tallies, numbers
from runner.tasks import (
    Outcome,
    PullRequest,
    Repository,
    Run,
    RunId,
    RunState,
    Subject,
    Task,
    TaskId,
    Trigger,
    WaitingFor,
    Wish,
)
from runner.view import TaskView

# How far our clock may be ahead of other people's.
SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Submission:
    """The task and the run that a wish belongs to, and what became of it."""

    task: Task
    run: Run
    kind: Submitted


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the spool of a run's current launch has been read, and the memory that goes with that offset."""

    offset: int
    progress: str


class Store:
    """The durable state. Readers are woken by `feed` after each commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reader = database.reader
        self.keep_looking_for_damage = database.keep_looking
        self.feed = Feed()
        self.deliveries = Deliveries(database)
        self.register = Register(database)
        self.receipts = Receipts(database)
        self.marks = Marks(database)
        self.tallies = Tallies(database)
        self.pause = Pause(database.path.parent, self.feed)

    # Writing

    async def submit(self, subject: Subject, repository: Repository, branch: str, wish: Wish) -> Submission:
        """Make the task if need be, and a run for the wish, or hand it to the run that is active.

        That is the answer, if the run waits for one. A wish whose uuid is known changes nothing, nor does a label on a
        task that is being worked on.
        """
        async with self._changing("commit.submit") as db:
            task_id, run_id, kind = await submitting.submit(db, subject, repository, branch, wish)
        return Submission(await self.task(task_id), await self.run(run_id), kind)

    async def claim(self, max_runs: int, max_starting: int) -> Run | None:
        """The next run in line goes queued (or waiting for a slot) → starting, if there is a slot for it."""
        if self.pause.on:
            return None
        async with self._database.transaction("commit.claim") as db:
            counts = await changes.one(
                db,
                f"SELECT count(*) FILTER (WHERE {changes.HOLDS_SLOT}) AS busy, "  # noqa: S608  (constants)
                f"count(*) FILTER (WHERE state = 'starting') AS starting FROM runs WHERE {ACTIVE}",
            )
            if counts is None or counts["busy"] >= max_runs or counts["starting"] >= max_starting:
                return None
            row = await changes.one(db, f"SELECT id FROM runs WHERE {changes.IN_LINE} ORDER BY id LIMIT 1")  # noqa: S608  (a constant)
            if row is None:
                return None
            run_id = RunId(row["id"])
            await changes.move(db, run_id, RunState.starting)
        self.feed.ring()  # only now: the conductor claims whenever the bell rings
        return await self.run(run_id)

    async def begin_launch(self, run_id: RunId) -> Run:
        """Number the next launch, and forget how far the last one's spool was read."""
        async with self._changing("commit.begin-launch") as db:
            await db.execute(
                "UPDATE runs SET launch = launch + 1, spool_offset = 0, progress = '' WHERE id = ?", (run_id,)
            )
        return await self.run(run_id)

    async def move(
        self,
        run_id: RunId,
        to: RunState,
        *because: Event,
        waiting_for: WaitingFor | None = None,
        waiting_until: datetime | None = None,
        outcome: Outcome | None = None,
        reason: str | None = None,
    ) -> Run:
        """One step of the transition table, with the events that caused it.

        `outcome` given on the way to publishing is the one intended; the end confirms it.
        """
        async with self._changing("commit.move") as db:
            await changes.move(db, run_id, to, waiting_for, waiting_until, outcome, reason)
            await changes.record(db, run_id, because)
        return await self.run(run_id)

    async def settle(self, run_id: RunId, outcome: Outcome, reason: str) -> Run:
        """End a run. What people said to it and Claude never took up is gathered into the next run."""
        async with self._changing("commit.settle") as db:
            await changes.settle(db, run_id, outcome, reason)
        return await self.run(run_id)

    async def ask_to_stop(self, task_id: TaskId, actor: str, why: str) -> Run | None:
        """Ask the active run of a task to end; None if there is none. One that stands in line has ended with that."""
        async with self._changing("commit.ask-to-stop") as db:
            row = await changes.one(db, f"SELECT * FROM runs WHERE task_id = ? AND {ACTIVE}", task_id)  # noqa: S608  (a constant)
            if row is None:
                return None
            run = run_of(row)
            if run.stop_asked_by is None:
                await changes.append(db, task_id, run.id, happened.StopAsked(actor, why))
            if await changes.one(db, f"SELECT id FROM runs WHERE id = ? AND {changes.IN_LINE}", run.id):  # noqa: S608  (a constant)
                await changes.settle(db, run.id, Outcome.stopped, f"{run.stop_asked_by or actor} stopped it.")
        return await self.run(run.id)

    async def record(self, task_id: TaskId, *occurred: Event, run_id: RunId | None = None) -> None:
        """Append events, and do to the task's and run's rows what they mean."""
        async with self._changing("commit.record") as db:
            for event in occurred:
                await changes.append(db, task_id, run_id, event)

    async def read_on(self, run_id: RunId, reading: Reading, occurred: Sequence[Event]) -> None:
        """What the spool said, and how far it was read, in one transaction: a line is never taken twice."""
        async with self._changing("commit.read-on") as db:
            await db.execute(
                "UPDATE runs SET spool_offset = ?, progress = ? WHERE id = ?",
                (reading.offset, reading.progress, run_id),
            )
            await changes.record(db, run_id, occurred)

    async def begin_again(self, task_id: TaskId, branch: str) -> Task:
        """A new branch and, in time, a new pull request: the last one was merged or closed."""
        async with self._changing("commit.begin-again") as db:
            await db.execute(
                "UPDATE tasks SET branch = ?, base_sha = NULL, pushed_sha = NULL, pull_request_number = NULL,"
                " pull_request_url = NULL, pull_request_state = NULL, pull_request_draft = NULL WHERE id = ?",
                (branch, task_id),
            )
        return await self.task(task_id)

    async def rename(self, host: str, repository_id: int, full_name: str, clone_url: str) -> None:
        """The repository has a new name; its tasks follow."""
        async with self._changing("commit.rename") as db:
            await db.execute(
                "UPDATE tasks SET key = replace(key, repository || '#', ? || '#'), repository = ?, clone_url = ?"
                " WHERE host = ? AND repository_id = ?",
                (full_name, full_name, clone_url, host, repository_id),
            )

    async def follow_pull_request(self, task_id: TaskId, now: PullRequest) -> bool:
        """What others did with a task's pull request. False: it was known."""
        async with self._changing("commit.follow-pull-request") as db:
            return await changes.follow_pull_request(db, task_id, now)

    @asynccontextmanager
    async def at_rest(self, task_id: TaskId) -> AsyncIterator[bool]:
        """Whether the task has no active run; while the block lasts it gets none, from this process or another."""
        async with self._database.transaction("commit.at-rest") as db:
            active = await changes.one(db, f"SELECT id FROM runs WHERE task_id = ? AND {ACTIVE}", task_id)  # noqa: S608  (a constant)
            yield active is None

    @asynccontextmanager
    async def repository_at_rest(self, host: str, full_name: str) -> AsyncIterator[bool]:
        """The same for a whole repository."""
        async with self._database.transaction("commit.repository-at-rest") as db:
            sql = "SELECT runs.id FROM runs JOIN tasks ON tasks.id = task_id WHERE host = ? AND repository = ?"
            yield await changes.one(db, f"{sql} AND {ACTIVE}", host, full_name) is None

    # Reading

    async def task(self, task_id: TaskId) -> Task:
        """KeyError if there is none."""
        row = await self._reader.one("SELECT * FROM tasks WHERE id = ?", task_id)
        if row is None:
            raise KeyError(f"there is no task {task_id}")
        return task_of(row)

    async def run(self, run_id: RunId) -> Run:
        """KeyError if there is none."""
        row = await self._reader.one("SELECT * FROM runs WHERE id = ?", run_id)
        if row is None:
            raise KeyError(f"there is no run {run_id}")
        return run_of(row)

    async def active_run(self, task_id: TaskId) -> Run | None:
        """The one run of a task that has not ended."""
        row = await self._reader.one(f"SELECT * FROM runs WHERE task_id = ? AND {ACTIVE}", task_id)  # noqa: S608  (a constant)
        return run_of(row) if row else None

    async def active_runs(self) -> list[Run]:
        """All that have not ended, in the order they were asked for."""
        rows = await self._reader.all(f"SELECT * FROM runs WHERE {ACTIVE} ORDER BY id")  # noqa: S608  (a constant)
        return [run_of(row) for row in rows]

    async def active_tasks(self) -> list[Task]:
        """Those with a run that has not ended."""
        rows = await self._reader.all(
            f"SELECT tasks.* FROM tasks JOIN runs ON runs.task_id = tasks.id WHERE {ACTIVE} ORDER BY tasks.id"  # noqa: S608  (a constant)
        )
        return [task_of(row) for row in rows]

    async def asked_last(self, run_id: RunId) -> datetime:
        """When someone last asked for what this run does, by the clock of the place they asked in.

        Where that is our own clock it may be ahead of the others; the benefit of the doubt is a minute.
        """
        rows = await self._reader.all("SELECT asked_at, created_at FROM triggers WHERE run_id = ?", run_id)
        return max(
            from_text(row["asked_at"]) if row["asked_at"] else from_text(row["created_at"]) - SKEW for row in rows
        )

    async def knows(self, wish: str) -> bool:
        """Whether a wish was submitted already."""
        return await self._reader.one("SELECT 1 FROM triggers WHERE uuid = ?", wish) is not None

    async def reading(self, run_id: RunId) -> Reading:
        """How far the spool of the current launch has been read."""
        row = await self._reader.one("SELECT spool_offset, progress FROM runs WHERE id = ?", run_id)
        if row is None:
            raise KeyError(f"there is no run {run_id}")
        return Reading(row["spool_offset"], row["progress"])

    async def triggers(self, run_id: RunId) -> list[Trigger]:
        """What a run answers, in the order it was said."""
        return [
            trigger_of(row)
            for row in await self._reader.all("SELECT * FROM triggers WHERE run_id = ? ORDER BY id", run_id)
        ]

    async def first_wish(self, task_id: TaskId) -> Trigger:
        """What the task was made for, whichever run answers it."""
        row = await self._reader.one("SELECT * FROM triggers WHERE task_id = ? ORDER BY id LIMIT 1", task_id)
        if row is None:
            raise KeyError(f"there is no task {task_id}")
        return trigger_of(row)

    async def view(self, task_id: TaskId) -> TaskView:
        """The projection of a task as it stands."""
        task = await self.task(task_id)
        runs = [
            run_of(row) for row in await self._reader.all("SELECT * FROM runs WHERE task_id = ? ORDER BY id", task_id)
        ]
        recorded = await self.events(task_id=task_id, limit=-1)
        position: int | None = None
        if runs[-1].state is RunState.queued or runs[-1].waiting_for is WaitingFor.slot:
            row = await self._reader.one(
                f"SELECT count(*) AS n FROM runs WHERE {changes.IN_LINE} AND id < ?",  # noqa: S608  (a constant)
                runs[-1].id,
            )
            position = row["n"] if row else 0
        return TaskView.of(task, runs, recorded, position, paused=self.pause.on)

    async def views(
        self,
        state: RunState | None = None,
        repository: str | None = None,
        limit: int = 50,
        before: TaskId | None = None,
        within: Iterable[Repository] | None = None,
    ) -> list[TaskView]:
        """The latest tasks first; `before` continues behind the last one seen. `state` is that of the latest run.

        `within` are the repositories whose tasks are meant, by their number and not their name; None is all.
        """
        rows = await self._reader.all(
            "SELECT tasks.id FROM tasks JOIN runs"  # noqa: S608  (a constant)
            " ON runs.id = (SELECT max(id) FROM runs WHERE task_id = tasks.id)"
            " WHERE (:state IS NULL OR runs.state = :state)"
            " AND (:repository IS NULL OR tasks.repository = :repository COLLATE NOCASE)"
            " AND (:before IS NULL OR tasks.id < :before)"
            f" AND {WITHIN}"
            " ORDER BY tasks.id DESC LIMIT :limit",
            {
                "state": state,
                "repository": repository,
                "before": before,
                "limit": limit,
                "within": numbers(within),
            },
        )
        return [await self.view(TaskId(row["id"])) for row in rows]

    async def events(self, after: int = 0, task_id: TaskId | None = None, limit: int = 500) -> list[Recorded]:
        """Behind event `after`, oldest first; `limit` -1 is all."""
        rows = await self._reader.all(
            "SELECT * FROM events WHERE id > :after AND (:task IS NULL OR task_id = :task) ORDER BY id LIMIT :limit"
            if task_id is None
            else "SELECT * FROM events WHERE task_id = :task AND id > :after ORDER BY id LIMIT :limit",
            {"after": after, "task": task_id, "limit": limit},
        )
        return [
            Recorded(
                id=row["id"],
                task_id=TaskId(row["task_id"]),
                run_id=RunId(row["run_id"]) if row["run_id"] is not None else None,
                at=from_text(row["at"]),
                event=happened.decode(row["kind"], row["data"]),
            )
            for row in rows
        ]

    async def events_of(self, run: Run) -> list[Recorded]:
        """The run's own, in order."""
        recorded = await self.events(task_id=run.task_id, limit=-1)
        return [one for one in recorded if one.run_id == run.id]

    async def last_event(self) -> int:
        """The id of the latest event, 0 where there is none."""
        row = await self._reader.one("SELECT max(id) AS id FROM events")
        return int(row["id"] or 0) if row else 0

    async def trouble(self) -> str | None:
        """What keeps us from writing, if anything does."""
        try:
            await self._database.try_writing()
        except (TryLater, DatabaseRefused) as error:
            return str(error)
        return None

    @asynccontextmanager
    async def _changing(self, name: str) -> AsyncIterator[aiosqlite.Connection]:
        async with self._database.transaction(name) as db:
            yield db
        self.feed.ring()


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[Store]:
    """The store in this file, made or migrated if need be."""
    async with open_database(path) as database:
        yield Store(database)
