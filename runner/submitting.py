"""Make of a wish what it is: a run, a word to the run that is active, or nothing new; in its caller's transaction."""

from enum import StrEnum

import aiosqlite

from runner import changes
from runner import events as happened
from runner.rows import ACTIVE
from runner.tasks import Repository, RunId, Subject, TaskId, TriggerKind, WaitingFor, Wish

# A label that was put on, on an issue or on a ticket: whoever works on it already is not asked a second time.
PUT_ON = frozenset({TriggerKind.label, TriggerKind.ticket})


class Submitted(StrEnum):
    """What became of a wish."""

    queued = "queued"  # a run was made for it
    joined = "joined"  # it was handed to the run that is active
    unchanged = "unchanged"  # we had it already: a redelivery, or a second label


async def submit(
    db: aiosqlite.Connection, subject: Subject, repository: Repository, branch: str, wish: Wish
) -> tuple[TaskId, RunId, Submitted]:
    """The task and the run that the wish belongs to, and what became of it."""
    row = await changes.one(
        db, "SELECT * FROM tasks WHERE source = ? AND identity = ?", subject.source, subject.identity
    )
    if row:
        task_id = TaskId(row["id"])
        await changes.follow_rename(db, task_id, subject, repository)
    else:
        task_id = await changes.insert_task(db, subject, repository, branch, wish)
    known = await changes.one(db, "SELECT run_id FROM triggers WHERE uuid = ?", wish.uuid)
    active = await changes.one(db, f"SELECT * FROM runs WHERE task_id = ? AND {ACTIVE}", task_id)  # noqa: S608  (a constant)
    if known:
        run_id, kind = RunId(known["run_id"]), Submitted.unchanged
    elif active and wish.kind in PUT_ON:
        run_id, kind = RunId(active["id"]), Submitted.unchanged
        if wish.labelling is not None:  # there is no trigger to know it by
            await changes.answer_labelling(db, subject.identity, wish.labelling)
    elif active:
        run_id, kind = RunId(active["id"]), Submitted.joined
        await changes.insert_trigger(db, task_id, run_id, wish, joined=True)
        await _note(db, task_id, run_id, wish)
        if active["waiting_for"] == WaitingFor.answer and wish.kind is TriggerKind.command:
            await changes.answer_question(db, task_id, run_id, wish)
    else:
        run_id = await changes.queue(db, task_id, wish.kind, wish.actor.login, wish.actor.id)
        kind = Submitted.queued
        await changes.gather_unheard(db, task_id, run_id, wish)
        await changes.insert_trigger(db, task_id, run_id, wish, joined=False)
        if wish.said:
            await _note(db, task_id, run_id, wish)
    return task_id, run_id, kind


async def _note(db: aiosqlite.Connection, task_id: TaskId, run_id: RunId, wish: Wish) -> None:
    """For people: who said what, and where."""
    given = happened.InstructionGiven(wish.actor.login, wish.said, wish.uuid, wish.place)
    await changes.append(db, task_id, run_id, given)
