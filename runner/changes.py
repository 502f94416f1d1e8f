"""The statements that change tasks and runs: each inside its caller's transaction, and each in one place."""

import sqlite3
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import aiosqlite

from runner import events as happened
from runner.database import Rows, to_text
from runner.events import Event
from runner.rows import task_of, trigger_of
from runner.tasks import (
    Labelling,
    Outcome,
    PullRequest,
    Repository,
    RunId,
    RunState,
    Subject,
    TaskId,
    TriggerKind,
    WaitingFor,
    Wish,
    check_transition,
)

# How long a process is kept for a person to answer before it is ended and its slot is free.
PATIENCE = timedelta(minutes=10)

# A run that waits for a person keeps its process, and so its slot, until `waiting_until`; other waits have no process.
HOLDS_SLOT = (
    "(state IN ('starting', 'running', 'publishing')"
    " OR (state = 'waiting' AND waiting_for IN ('approval', 'answer') AND waiting_until IS NOT NULL))"
)
IN_LINE = "(state = 'queued' OR (state = 'waiting' AND waiting_for = 'slot'))"

# What failed in a row before something went well is behind us, and no reason to give up on what comes next.
IT_WENT_WELL = "UPDATE runs SET attempt = 0 WHERE id = ?"


def now() -> datetime:
    """The moment that is written down."""
    return datetime.now(UTC)


async def one(db: Rows, sql: str, *values: object) -> sqlite3.Row | None:
    """The first row, if there is one."""
    return next(iter(await db.execute_fetchall(sql, values)), None)


async def insert_task(
    db: aiosqlite.Connection, subject: Subject, repository: Repository, branch: str, wish: Wish
) -> TaskId:
    """A new task, with a session of its own."""
    at = to_text(now())
    cursor = await db.execute(
        "INSERT INTO tasks (source, identity, key, url, title, host, repository_id, repository, clone_url,"
        " default_branch, requester_login, requester_id, branch, session_id, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(subject.source, subject.identity, subject.key, subject.url, subject.title),
            *(repository.host, repository.id, repository.full_name, repository.clone_url, repository.default_branch),
            *(wish.actor.login, wish.actor.id, branch, str(uuid.uuid4()), at, at),
        ),
    )
    return TaskId(cursor.lastrowid or 0)


async def follow_rename(db: aiosqlite.Connection, task_id: TaskId, subject: Subject, repository: Repository) -> None:
    """What people see of the subject and the repository may have changed since."""
    await db.execute(
        "UPDATE tasks SET key = ?, url = ?, title = ?, repository = ?, clone_url = ?, default_branch = ? WHERE id = ?",
        (
            *(subject.key, subject.url, subject.title),
            *(repository.full_name, repository.clone_url, repository.default_branch, task_id),
        ),
    )


async def queue(db: aiosqlite.Connection, task_id: TaskId, trigger: TriggerKind, login: str, actor_id: int) -> RunId:
    """A new run at the end of the line."""
    cursor = await db.execute(
        "INSERT INTO runs (task_id, state, trigger, actor_login, actor_id, created_at)"
        " VALUES (?, 'queued', ?, ?, ?, ?)",
        (task_id, trigger, login, actor_id, to_text(now())),
    )
    run_id = RunId(cursor.lastrowid or 0)
    await append(db, task_id, run_id, happened.RunQueued(trigger.value, login))
    return run_id


async def insert_trigger(db: aiosqlite.Connection, task_id: TaskId, run_id: RunId, wish: Wish, *, joined: bool) -> None:
    """A wish, as part of a run."""
    await db.execute(
        "INSERT INTO triggers (task_id, run_id, kind, actor_login, actor_id, instruction, said, uuid, joined,"
        " created_at, asked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(task_id, run_id, wish.kind, wish.actor.login, wish.actor.id),
            *(wish.instruction, wish.said, wish.uuid, joined, to_text(now())),
            to_text(wish.asked_at) if wish.asked_at else None,
        ),
    )


async def answer_labelling(db: aiosqlite.Connection, identity: str, labelling: Labelling) -> None:
    """It was answered, and so was each before it."""
    await db.execute(
        "INSERT INTO labellings (identity, number, at) VALUES (?, ?, ?) ON CONFLICT (identity)"
        " DO UPDATE SET number = excluded.number, at = excluded.at WHERE excluded.number > number",
        (identity, labelling.number, to_text(labelling.at)),
    )


async def follow_pull_request(db: aiosqlite.Connection, task_id: TaskId, now: PullRequest) -> bool:
    """What others did with a task's pull request becomes events; False where all of it was known."""
    row = await one(db, "SELECT * FROM tasks WHERE id = ?", task_id)
    was = task_of(row).pull_request if row else None
    if was is None or was.number != now.number or (was.state, was.draft) == (now.state, now.draft):
        return False
    if now.state != "open":
        if was.state == now.state:
            return False  # out of draft or not is all one then
        await append(db, task_id, None, happened.PullRequestClosed(now.number, now.state == "merged"))
        return True
    await append(db, task_id, None, happened.PullRequestOpened(now.number, now.url))
    if not now.draft:
        await append(db, task_id, None, happened.PullRequestReady(now.number))
    return True


async def gather_unheard(db: aiosqlite.Connection, task_id: TaskId, run_id: RunId, wish: Wish) -> None:
    """What people said to earlier runs and Claude never took up comes along into this one.

    Not so what the new wish says again: the bare label, and a first wish in no words of a person's own before Claude
    ever worked on the task.
    """
    await db.execute(
        "UPDATE triggers SET run_id = :run, joined = 0 WHERE task_id = :task AND run_id <> :run AND NOT acknowledged"
        " AND (said <> '' OR (:kind <> 'label'"
        " AND EXISTS (SELECT 1 FROM triggers WHERE task_id = :task AND acknowledged)))",
        {"run": run_id, "task": task_id, "kind": wish.kind},
    )


async def answer_question(db: aiosqlite.Connection, task_id: TaskId, run_id: RunId, wish: Wish) -> None:
    """What someone says while the run waits for an answer is the answer."""
    rows = await db.execute_fetchall(
        "SELECT json_extract(data, '$.request') AS request FROM events AS asking"
        " WHERE task_id = ? AND run_id = ? AND kind IN ('QuestionAsked', 'ApprovalAsked') AND NOT EXISTS"
        " (SELECT 1 FROM events WHERE task_id = asking.task_id AND run_id = asking.run_id AND kind = 'Decided'"
        " AND json_extract(data, '$.request') = json_extract(asking.data, '$.request')) ORDER BY id LIMIT 1",
        (task_id, run_id),
    )
    for row in rows:
        decided = happened.Decided(row["request"], wish.actor.login, True, wish.instruction, wish.uuid)
        await append(db, task_id, run_id, decided)


async def settle(db: aiosqlite.Connection, run_id: RunId, outcome: Outcome, reason: str) -> None:
    """The end of a run. What it was told while it was active and Claude never took up is gathered into the next one."""
    await move(db, run_id, outcome.state, outcome=outcome, reason=reason)
    await record(db, run_id, (happened.RunSettled(outcome.value, reason),))
    unheard = [
        trigger_of(row)
        for row in await db.execute_fetchall(
            "SELECT * FROM triggers WHERE run_id = ? AND NOT acknowledged ORDER BY id", (run_id,)
        )
    ]
    first = next((one for one in unheard if one.joined), None)
    if first is None or outcome is Outcome.stopped:
        return
    following = await queue(db, first.task_id, first.kind, first.actor.login, first.actor.id)
    for one in unheard:
        await db.execute("UPDATE triggers SET run_id = ?, joined = 0 WHERE id = ?", (following, one.id))


async def move(
    db: aiosqlite.Connection,
    run_id: RunId,
    to: RunState,
    waiting_for: WaitingFor | None = None,
    waiting_until: datetime | None = None,
    outcome: Outcome | None = None,
    reason: str | None = None,
) -> None:
    """The only statement that changes a run's state."""
    row = await one(db, "SELECT state FROM runs WHERE id = ?", run_id)
    if row is None:
        raise KeyError(f"there is no run {run_id}")
    check_transition(RunState(row["state"]), to)
    at = to_text(now())
    await db.execute(
        "UPDATE runs SET state = :to, waiting_for = :waiting_for, waiting_until = :waiting_until,"
        " started_at = CASE WHEN :to = 'starting' THEN coalesce(started_at, :now) ELSE started_at END,"
        " ended_at = CASE WHEN :ended THEN :now END,"
        " outcome = coalesce(:outcome, outcome), reason = coalesce(:reason, reason)"
        " WHERE id = :run",
        {
            "to": to,
            "waiting_for": waiting_for,
            "waiting_until": to_text(waiting_until) if waiting_until else None,
            "ended": not to.is_active,
            "now": at,
            "outcome": outcome,
            "reason": reason,
            "run": run_id,
        },
    )
    await record(db, run_id, (happened.RunMoved(to.value, waiting_for.value if waiting_for else None),))


async def record(db: aiosqlite.Connection, run_id: RunId, occurred: Sequence[Event]) -> None:
    """Append a run's events."""
    if not occurred:
        return
    row = await one(db, "SELECT task_id FROM runs WHERE id = ?", run_id)
    if row is None:
        raise KeyError(f"there is no run {run_id}")
    for event in occurred:
        await append(db, TaskId(row["task_id"]), run_id, event)


async def append(db: aiosqlite.Connection, task_id: TaskId, run_id: RunId | None, event: Event) -> None:
    """Append one event, and do to the rows what it means."""
    kind, data = happened.encode(event)
    at = to_text(now())
    await db.execute(
        "INSERT INTO events (task_id, run_id, at, kind, data) VALUES (?, ?, ?, ?, ?)",
        (task_id, run_id, at, kind, data),
    )
    await db.execute("UPDATE tasks SET updated_at = ? WHERE id = ?", (at, task_id))
    match event:
        case happened.InstructionTaken(uuid=known):
            await db.execute("UPDATE triggers SET acknowledged = 1 WHERE uuid = ?", (known,))
        case happened.DecisionTaken(request=request):
            await db.execute(
                "UPDATE triggers SET acknowledged = 1 WHERE uuid IN (SELECT json_extract(data, '$.uuid') FROM events"
                " WHERE task_id = ? AND run_id = ? AND kind = 'Decided' AND json_extract(data, '$.request') = ?)",
                (task_id, run_id, request),
            )
        case happened.WorkspacePrepared(base_sha=sha, branch=branch):
            await db.execute("UPDATE tasks SET base_sha = ?, branch = ? WHERE id = ?", (sha, branch, task_id))
        case happened.ToolUsed():
            await db.execute(IT_WENT_WELL, (run_id,))
        case happened.BranchPushed(sha=sha):
            await db.execute("UPDATE tasks SET pushed_sha = ? WHERE id = ?", (sha, task_id))
            await db.execute(IT_WENT_WELL, (run_id,))
        case happened.PullRequestOpened(number=number, url=url):
            await db.execute(
                "UPDATE tasks SET pull_request_number = ?, pull_request_url = ?, pull_request_state = 'open',"
                " pull_request_draft = 1 WHERE id = ?",
                (number, url, task_id),
            )
            await db.execute(IT_WENT_WELL, (run_id,))
        case happened.PullRequestReady(number=number):
            await db.execute(
                "UPDATE tasks SET pull_request_draft = 0 WHERE id = ? AND pull_request_number = ?", (task_id, number)
            )
        case happened.PullRequestClosed(number=number, merged=merged):
            await db.execute(
                "UPDATE tasks SET pull_request_state = ? WHERE id = ? AND pull_request_number = ?",
                ("merged" if merged else "closed", task_id, number),
            )
        case happened.RetryPlanned(attempt=attempt):
            await db.execute("UPDATE runs SET attempt = ? WHERE id = ?", (attempt, run_id))
        case happened.StopAsked(actor=actor):
            await db.execute("UPDATE runs SET stop_asked_by = ? WHERE id = ?", (actor, run_id))
        case happened.TurnEnded(cost_usd=dollars, turns=turns, is_error=is_error):
            if not is_error:
                await db.execute(IT_WENT_WELL, (run_id,))
            await db.execute(
                "UPDATE runs SET cost_usd = cost_usd + ?, turns = turns + ? WHERE id = ?", (dollars, turns, run_id)
            )
            await db.execute(
                "INSERT INTO spending (day, usd) VALUES (?, ?)"
                " ON CONFLICT (day) DO UPDATE SET usd = usd + excluded.usd",
                (at[:10], dollars),
            )
        case happened.ApprovalAsked() if run_id is not None:
            await _wait_for_person(db, run_id, WaitingFor.approval)
        case happened.QuestionAsked() if run_id is not None:
            await _wait_for_person(db, run_id, WaitingFor.answer)
        case _:
            pass


async def _wait_for_person(db: aiosqlite.Connection, run_id: RunId, what: WaitingFor) -> None:
    """Running → waiting, with the process kept for a while. A second question asked meanwhile changes nothing."""
    row = await one(db, "SELECT state FROM runs WHERE id = ?", run_id)
    if row and row["state"] == RunState.running:
        await move(db, run_id, RunState.waiting, what, now() + PATIENCE)
