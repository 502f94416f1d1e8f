"""Write down a database of the newest schema with something of everything in it, for the tests of later versions.

    python -m tests.migrations.make

Run it when a version with a new migration is released: it writes `schema-<n>.sql`, and adds the migration's hash to
`released.txt`. What is there already is never written again: it is what people have on their disks.
"""

import asyncio
import hashlib
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner import events as happened
from runner.deliveries import Delivery
from runner.migrating import newest, scripts
from runner.receipts import Receipt
from runner.store import Reading, Store, open_store
from runner.tasks import Actor, Outcome, Repository, Run, RunState, Subject, TriggerKind, WaitingFor, Wish

HERE = Path(__file__).parent
HELLO = Repository("github.com", 1296269, "octo/hello", "https://github.com/octo/hello.git", "main")
ANNA = Actor("anna", 7)
LATER = datetime(2030, 1, 1, tzinfo=UTC)
SHA = "0123456789abcdef0123456789abcdef01234567"


async def submitted(store: Store, number: int, kind: TriggerKind = TriggerKind.label) -> Run:
    subject = Subject(
        "github",
        f"github.com/1296269/{number}",
        f"octo/hello#{number}",
        f"https://github.com/octo/hello/issues/{number}",
        f"The parser drops line {number} 🥚",
    )
    wish = Wish(kind, ANNA, f"Mend line {number}.", f"wish-{number}-{kind}")
    return (await store.submit(subject, HELLO, f"claude/issue-{number}", wish)).run


async def at_work(store: Store, number: int) -> Run:
    await submitted(store, number)
    run = await store.claim(max_runs=1000, max_starting=1000)
    assert run is not None
    prepared = happened.WorkspacePrepared("main", SHA, f"claude/issue-{number}")
    await store.record(run.task_id, prepared, run_id=run.id)
    await store.begin_launch(run.id)
    await store.move(run.id, RunState.running, happened.LaunchStarted(1, "bwrap"))
    await store.read_on(run.id, Reading(1200, '{"a": 1}'), [happened.AgentSaid("I look at it.")])
    return run


async def fill(store: Store) -> None:
    """A task in every state, and waiting for everything that there is to wait for."""
    starting = await submitted(store, 1)
    assert await store.claim(1000, 1000)
    assert (await store.run(starting.id)).state is RunState.starting
    await at_work(store, 2)
    for number, what in enumerate(sorted(set(WaitingFor) - {WaitingFor.slot}), start=3):
        run = await at_work(store, number)
        until = LATER if what in {WaitingFor.quota, WaitingFor.weather} else None
        await store.move(run.id, RunState.waiting, waiting_for=what, waiting_until=until)
    asking = await at_work(store, 20)
    await store.record(asking.task_id, happened.ApprovalAsked("r1", "Bash", "rm -r build"), run_id=asking.id)
    publishing = await at_work(store, 21)
    await store.move(publishing.id, RunState.publishing, outcome=Outcome.delivered)
    for number, outcome in enumerate(Outcome, start=30):
        run = await at_work(store, number)
        await store.record(
            run.task_id,
            happened.BranchPushed(f"claude/issue-{number}", SHA, 1, 1, 2, 3),
            happened.PullRequestOpened(number + 100, f"https://github.com/octo/hello/pull/{number + 100}"),
            happened.TurnEnded(0.25, 3, False, "It is done."),
            run_id=run.id,
        )
        await store.move(run.id, RunState.publishing, outcome=outcome)
        await store.settle(run.id, outcome, "Because.")
        await store.receipts.save(Receipt(run.task_id, "issue", "digest", f"{number}", LATER))
    in_line = await at_work(store, 10)
    await store.move(in_line.id, RunState.waiting, waiting_for=WaitingFor.slot)
    first = await submitted(store, 30, TriggerKind.command)  # again, for a task that was done
    await store.record(first.task_id, happened.StopAsked("anna", "label removed"), run_id=first.id)
    await submitted(store, 90)
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    bodies = [b'{"action": "labeled"}', b'{"action": "closed"}', b'{"zen": "\xf0\x9f\xa5\x9a"}']
    await store.deliveries.put(
        [
            Delivery("github", "1", f"guid-{number}", "issues", body, now + timedelta(seconds=number))
            for number, body in enumerate(bodies)
        ]
    )
    await store.deliveries.settle(1)
    await store.deliveries.settle(2, "Traceback: a bug")


async def main() -> None:
    target = HERE / f"schema-{newest():04}.sql"
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "cco.db")
        async with open_store(path) as store:
            await fill(store)
        with closing(sqlite3.connect(path)) as connection:
            lines = [*connection.iterdump(), f"PRAGMA user_version = {newest()};"]
    with target.open("x", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    released = (HERE / "released.txt").read_text() if (HERE / "released.txt").exists() else ""
    with (HERE / "released.txt").open("a") as file:
        for script in scripts():
            if script.name not in released:
                file.write(f"{hashlib.sha256(script.read_bytes()).hexdigest()}  {script.name}\n")


if __name__ == "__main__":
    asyncio.run(main())
