"""The store against real SQLite: what is submitted once is there once, and every change has its cause beside it."""

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from runner import events as happened
from runner import history
from runner.database import Database, open_database
from runner.migrating import DatabaseTooNew
from runner.receipts import Receipt
from runner.spool import Message
from runner.store import Reading, Store, open_store
from runner.submitting import Submitted
from runner.tasks import (
    Actor,
    IllegalTransition,
    Outcome,
    Repository,
    Run,
    RunState,
    Subject,
    TaskId,
    TriggerKind,
    WaitingFor,
    Wish,
)

ALICE = Actor("alice", 7)
HELLO = Repository("github.com", 1296269, "octo/hello", "https://github.com/octo/hello.git", "main")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "cco.db") as opened:
        yield opened


def subject(number: int = 42) -> Subject:
    key = f"octo/hello#{number}"
    return Subject(
        "github", f"github.com/1296269/{number}", key, f"https://github.com/octo/hello/issues/{number}", "A bug"
    )


def wish(kind: TriggerKind = TriggerKind.label, text: str = "Mend it.", known: str | None = None) -> Wish:
    return Wish(kind, ALICE, text, known or str(uuid.uuid4()), said="" if kind is TriggerKind.label else text)


async def submitted(store: Store, number: int = 42) -> Run:
    return (await store.submit(subject(number), HELLO, f"claude/issue-{number}", wish())).run


async def running(store: Store, number: int = 42) -> Run:
    await submitted(store, number)
    run = await store.claim(max_runs=5, max_starting=5)
    assert run is not None
    await store.begin_launch(run.id)
    return await store.move(run.id, RunState.running, happened.LaunchStarted(1, "bwrap"))


async def test_a_label_makes_a_task_and_a_queued_run(store: Store) -> None:
    submission = await store.submit(subject(), HELLO, "claude/issue-42-a-bug", wish())

    assert submission.kind is Submitted.queued
    assert submission.run.state is RunState.queued
    assert submission.task.branch == "claude/issue-42-a-bug"
    assert [one.event for one in await store.events()] == [happened.RunQueued("label", "alice")]


async def test_the_same_wish_again_changes_nothing(store: Store) -> None:
    again = wish()
    first = await store.submit(subject(), HELLO, "b", again)
    await store.settle((await _claimed(store)).id, Outcome.unworkable, "gone")

    second = await store.submit(subject(), HELLO, "b", again)

    assert second.kind is Submitted.unchanged
    assert second.run.id == first.run.id
    assert await store.active_run(first.task.id) is None


async def test_a_second_label_on_a_task_at_work_changes_nothing(store: Store) -> None:
    run = await submitted(store)
    second = await store.submit(subject(), HELLO, "b", wish())
    assert (second.kind, second.run.id) == (Submitted.unchanged, run.id)
    assert len(await store.triggers(run.id)) == 1


async def test_twenty_submissions_at_once_make_one_run(store: Store) -> None:
    results = await asyncio.gather(*(store.submit(subject(), HELLO, "b", wish()) for _ in range(20)))
    assert [one.kind for one in results].count(Submitted.queued) == 1
    assert len(await store.active_runs()) == 1


async def test_two_active_runs_of_a_task_are_impossible(store: Store, tmp_path: Path) -> None:
    """Kept by an index: whatever code makes the second one."""
    run = await submitted(store)
    with closing(sqlite3.connect(tmp_path / "cco.db")) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute(
            "INSERT INTO runs (task_id, state, trigger, actor_login, actor_id, created_at)"
            " SELECT task_id, state, trigger, actor_login, actor_id, created_at FROM runs WHERE id = ?",
            (run.id,),
        )


async def test_an_instruction_joins_the_active_run_and_is_acknowledged(store: Store) -> None:
    run = await running(store)
    spoken = wish(TriggerKind.command, "Use a tuple.")

    joined = await store.submit(subject(), HELLO, "b", spoken)
    await store.read_on(run.id, Reading(10, '{"a":1}'), [happened.InstructionTaken(spoken.uuid)])

    assert joined.kind is Submitted.joined
    assert [(one.joined, one.acknowledged) for one in await store.triggers(run.id)] == [(False, False), (True, True)]
    assert await store.reading(run.id) == Reading(10, '{"a":1}')


async def test_what_claude_never_took_up_is_gathered_into_the_next_run(store: Store) -> None:
    run = await running(store)
    await _heard(store, run)
    await store.submit(subject(), HELLO, "b", wish(TriggerKind.command, "One more thing."))
    await store.move(run.id, RunState.publishing)

    await store.settle(run.id, Outcome.delivered, "")

    following = await store.active_run(run.task_id)
    assert following is not None
    assert following.state is RunState.queued
    assert [one.instruction for one in await store.triggers(following.id)] == ["One more thing."]


async def test_what_is_gathered_comes_with_the_wish_that_it_adds_to(store: Store) -> None:
    """The run failed before Claude heard a word: the next one must not begin with "and with salt"."""
    run = await running(store)
    await store.submit(subject(), HELLO, "b", wish(TriggerKind.command, "And with salt."))
    await store.settle(run.id, Outcome.unavailable, "")

    following = await store.active_run(run.task_id)
    assert following is not None
    assert [one.instruction for one in await store.triggers(following.id)] == ["Mend it.", "And with salt."]
    assert (await store.first_wish(run.task_id)).instruction == "Mend it."

    await store.ask_to_stop(run.task_id, "alice", "enough")
    assert await store.active_runs() == []  # once gathered, it makes no further run by itself


@pytest.mark.parametrize("end", [Outcome.stopped, Outcome.unavailable])
async def test_what_a_person_said_in_vain_is_in_the_next_run_that_they_ask_for(store: Store, end: Outcome) -> None:
    first = await running(store)
    await _heard(store, first)
    await store.move(first.id, RunState.publishing)
    await store.settle(first.id, Outcome.delivered, "")
    await store.submit(subject(), HELLO, "b", wish(TriggerKind.command, "With salt."))
    second = await _claimed(store)
    await store.settle(second.id, end, "")

    third = (await store.submit(subject(), HELLO, "b", wish(TriggerKind.command, "Try again."))).run

    assert [one.instruction for one in await store.triggers(third.id)] == ["With salt.", "Try again."]
    assert await store.triggers(second.id) == []


async def test_a_first_wish_that_is_said_again_is_not_said_twice(store: Store) -> None:
    first = await running(store)
    await store.settle(first.id, Outcome.unauthorized, "no key")
    again = (await store.submit(subject(), HELLO, "b", wish())).run
    assert [one.instruction for one in await store.triggers(again.id)] == ["Mend it."]


async def test_what_is_said_while_claude_waits_for_an_answer_is_the_answer_and_nothing_beside(store: Store) -> None:
    run = await running(store)
    await store.record(run.task_id, happened.QuestionAsked("q1", "Tuple or list?", ("tuple",)), run_id=run.id)
    said = wish(TriggerKind.command, "A list.")

    for _ in range(2):
        await store.submit(subject(), HELLO, "b", said)

    recorded = await store.events(task_id=run.task_id)
    decided = [one.event for one in recorded if isinstance(one.event, happened.Decided)]
    assert decided == [happened.Decided("q1", "alice", True, "A list.", said.uuid)]
    assert history.answering(recorded) == {said.uuid}
    assert history.answers_unheard(recorded) == [
        Message(said.uuid, "You asked: Tuple or list?\nalice answers: A list.")
    ]
    assert not (await store.triggers(run.id))[1].acknowledged

    await store.read_on(run.id, Reading(1, ""), [happened.DecisionTaken("q1")])
    assert (await store.triggers(run.id))[1].acknowledged
    assert history.answers_unheard(await store.events(task_id=run.task_id)) == []


async def test_a_run_in_line_that_is_stopped_has_ended_with_that(store: Store) -> None:
    run = await submitted(store)
    stopped = await store.ask_to_stop(run.task_id, "alice", "label removed")
    assert stopped is not None
    assert (stopped.state, stopped.stop_asked_by) == (RunState.stopped, "alice")
    assert await store.claim(5, 5) is None
    assert await store.ask_to_stop(run.task_id, "bob", "again") is None


async def test_a_run_that_failed_before_it_heard_its_first_wish_is_not_begun_again(store: Store) -> None:
    run = await running(store)
    await store.move(run.id, RunState.publishing)
    await store.settle(run.id, Outcome.unauthorized, "no key")
    assert await store.active_runs() == []


async def test_what_was_said_to_a_run_that_was_stopped_is_not_gathered(store: Store) -> None:
    run = await running(store)
    await store.submit(subject(), HELLO, "b", wish(TriggerKind.command, "One more thing."))
    await store.move(run.id, RunState.publishing)
    await store.settle(run.id, Outcome.stopped, "alice stopped it.")
    assert await store.active_runs() == []


async def test_runs_are_claimed_in_order_and_only_into_free_slots(store: Store) -> None:
    runs = [await submitted(store, number) for number in (1, 2, 3)]

    first, second = await store.claim(2, 2), await store.claim(2, 2)

    assert [first and first.id, second and second.id] == [runs[0].id, runs[1].id]
    assert await store.claim(2, 2) is None
    assert (await store.view(runs[2].task_id)).position == 0


async def test_only_so_many_start_at_a_time(store: Store) -> None:
    for number in (1, 2, 3):
        await submitted(store, number)
    assert await store.claim(5, 1) is not None
    assert await store.claim(5, 1) is None


async def test_a_run_that_waits_for_the_weather_gives_its_slot_away(store: Store) -> None:
    run = await running(store, 1)
    await submitted(store, 2)
    assert await store.claim(1, 1) is None

    await store.move(run.id, RunState.waiting, waiting_for=WaitingFor.weather)

    claimed = await store.claim(1, 1)
    assert claimed is not None
    assert claimed.task_id != run.task_id


async def test_a_run_that_asks_a_person_keeps_its_slot_while_its_process_is_kept(store: Store) -> None:
    run = await running(store, 1)
    await submitted(store, 2)
    await store.record(run.task_id, happened.QuestionAsked("q1", "Tuple or list?", ("tuple",)), run_id=run.id)

    assert (await store.run(run.id)).waiting_for is WaitingFor.answer
    assert await store.claim(1, 1) is None

    await store.move(run.id, RunState.waiting, waiting_for=WaitingFor.answer)
    assert await store.claim(1, 1) is not None


async def test_a_move_that_the_table_does_not_have_is_refused_and_leaves_no_trace(store: Store) -> None:
    run = await submitted(store)
    before = await store.events()
    with pytest.raises(IllegalTransition):
        await store.move(run.id, RunState.publishing, happened.LaunchLost(1))
    assert (await store.run(run.id)).state is RunState.queued
    assert await store.events() == before


async def _spend_and_fail(database: Database) -> None:
    async with database.transaction("commit.trial") as db:
        await db.execute("INSERT INTO spending (day, usd) VALUES ('2026-11-25', 1)")
        raise KeyError


async def test_what_fails_in_the_middle_of_a_change_leaves_nothing_of_it(tmp_path: Path) -> None:
    async with open_database(tmp_path / "cco.db") as database:
        with pytest.raises(KeyError):
            await _spend_and_fail(database)
        async with database.transaction("commit.trial") as db:
            assert await db.execute_fetchall("SELECT * FROM spending") == []


async def test_cost_and_turns_add_up_over_turns_runs_and_the_day(store: Store) -> None:
    run = await running(store)
    turn = happened.TurnEnded(0.25, 3, False, "Half done.")
    await store.read_on(run.id, Reading(1, ""), [turn, replace(turn, answer="Done.")])
    view = await store.view(run.task_id)
    assert (view.cost_usd, view.run.turns, view.answer) == (0.5, 6, "Done.")
    recorded = await store.events()
    assert await store.tallies.spent(recorded[-1].at.date().isoformat()) == 0.5


async def test_a_task_is_found_by_whatever_people_type(store: Store) -> None:
    run = await submitted(store)
    await store.record(run.task_id, happened.PullRequestOpened(43, "https://github.com/octo/hello/pull/43"))
    for reference in (str(run.task_id), "octo/hello#42", "Octo/Hello#42", "octo/hello#43"):
        found = await store.register.find(reference)
        assert found is not None, reference
        assert found.id == run.task_id
    assert await store.register.find("octo/hello#4") is None
    assert await store.register.of_pull_request("github.com", 1296269, 43) is not None
    assert await store.register.of_pull_request("github.example", 1296269, 43) is None


async def test_a_renamed_repository_keeps_its_tasks(store: Store) -> None:
    run = await submitted(store)
    await store.rename("github.com", 1296269, "octo/world", "https://github.com/octo/world.git")
    task = await store.task(run.task_id)
    assert (task.subject.key, task.repository.full_name) == ("octo/world#42", "octo/world")


async def test_receipts_are_kept_for_each_reporter(store: Store) -> None:
    run = await submitted(store)
    at = run.created_at
    await store.receipts.save(Receipt(run.task_id, "comment", "d1", "77", at))
    await store.receipts.save(Receipt(run.task_id, "comment", "d2", "77", at))
    assert await store.receipts.of(run.task_id, "comment") == Receipt(run.task_id, "comment", "d2", "77", at)
    assert await store.receipts.of(run.task_id, "slack") is None


async def test_a_newer_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "cco.db"
    async with open_database(path) as database, database.transaction("commit.trial") as db:
        await db.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseTooNew, match="newer version"):
        async with open_database(path):
            pass


async def test_the_doorbell_wakes_a_listener_once_for_many_rings(store: Store) -> None:
    woken = 0
    async for _ in store.feed.listen():
        woken += 1
        if woken == 1:
            await submitted(store, 1)
            await submitted(store, 2)
        else:
            break
    assert woken == 2


async def test_pages_of_tasks_continue_behind_the_last_one_seen(store: Store) -> None:
    for number in (1, 2, 3):
        await submitted(store, number)
    first = await store.views(limit=2)
    rest = await store.views(limit=2, before=TaskId(first[-1].task.id))
    assert [one.task.subject.key for one in [*first, *rest]] == ["octo/hello#3", "octo/hello#2", "octo/hello#1"]
    assert await store.views(state=RunState.running) == []


async def _heard(store: Store, run: Run) -> None:
    """Claude took up what the run began with."""
    for one in await store.triggers(run.id):
        await store.record(run.task_id, happened.InstructionTaken(one.uuid), run_id=run.id)


async def _claimed(store: Store) -> Run:
    run = await store.claim(5, 5)
    assert run is not None
    return run
