"""The store knows which label was answered last, also in a database from before it was written down."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner.migrating import MIGRATIONS
from runner.store import open_store
from runner.tasks import Labelling


async def test_what_a_database_from_before_has_answered_counts_as_answered(tmp_path: Path) -> None:
    """Else each open issue that still has its label would begin a second run on the day of the upgrade."""
    path = tmp_path / "cco.db"
    with sqlite3.connect(path) as old:
        old.executescript((MIGRATIONS / "0001_begin.sql").read_text("utf-8"))
        old.execute("PRAGMA user_version = 1")
        for task, ended in ((1, "'2026-11-23T12:00:00.000000+00:00'"), (2, "NULL")):
            old.execute(
                f"INSERT INTO tasks VALUES ({task}, 'github', 'github.com/7/{task}', 'o/r#{task}', 'u', 't', 'gh',"
                " 7, 'o/r', 'c', 'main', 'anna', 7, 'b', 's', NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'x')"
            )
            old.execute(
                "INSERT INTO runs (task_id, state, trigger, actor_login, actor_id, created_at, ended_at)"
                f" VALUES ({task}, '{'queued' if ended == 'NULL' else 'failed'}', 'label', 'anna', 7, 'x', {ended})"
            )
    old.close()
    async with open_store(path) as store:
        ended, active = await store.marks.answered("github.com/7/1"), await store.marks.answered("github.com/7/2")
        assert ended == Labelling(0, datetime(2026, 11, 23, 12, tzinfo=UTC))
        assert ended.answers(Labelling(5, ended.at))
        assert not ended.answers(Labelling(5, ended.at + timedelta(seconds=1)))
        assert active is not None
        assert timedelta(0) <= datetime.now(UTC) - active.at < timedelta(minutes=1)


async def test_the_last_labelling_that_was_answered_is_kept(tmp_path: Path) -> None:
    """An older one that is answered late takes nothing back."""
    async with open_store(tmp_path / "cco.db") as store:
        now = datetime.now(UTC)
        assert await store.marks.answered("a") is None
        for number in (5, 9, 7):
            await store.marks.answer("a", Labelling(number, now))
        assert await store.marks.answered("a") == Labelling(9, now)
