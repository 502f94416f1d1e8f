"""A database with data in it is carried forward from every released version, whole or not at all; or it is refused."""

import hashlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runner import migrating
from runner.migrating import MIGRATIONS, DatabaseRefused, DatabaseTooNew, migrate, newest, scripts
from runner.soundness import examine, schema_of
from runner.store import open_store
from runner.submitting import Submitted
from runner.tasks import Outcome, RunState, TriggerKind, WaitingFor, Wish
from tests.migrations.make import ANNA, HELLO, submitted

HERE = Path(__file__).parents[1] / "migrations"
RELEASED = sorted(HERE.glob("schema-[0-9]*.sql"))
ROOT = Path(__file__).parents[2]

Rows = dict[str, dict[str, list[Any]]]


def restored(dump: Path, directory: Path) -> Path:
    """What that version left on somebody's disk."""
    path = directory / "cco.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(dump.read_text("utf-8"))
    return path


def content(path: Path) -> Rows:
    """Every column of every table, in the order of its rows' keys."""
    found: Rows = {}
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        for (table,) in tables.fetchall():
            columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
            keys = ", ".join(row["name"] for row in sorted(columns, key=lambda row: row["pk"]) if row["pk"])
            rows = connection.execute(f"SELECT * FROM {table} ORDER BY {keys or 'rowid'}").fetchall()
            found[table] = {row["name"]: [one[row["name"]] for one in rows] for row in columns}
    return found


def with_another(directory: Path, text: str) -> Path:
    """The migrations there are, and one more."""
    shutil.copytree(MIGRATIONS, directory)
    (directory / f"{newest() + 1:04}_more.sql").write_text(text)
    return directory


@pytest.mark.parametrize("dump", RELEASED, ids=lambda path: path.stem)
def test_every_step_from_a_released_version_keeps_all_that_is_there(dump: Path, tmp_path: Path) -> None:
    path = restored(dump, tmp_path)
    for number in range(schema_of(path), newest() + 1):
        before = content(path)
        migrate(path, until=number)
        assert schema_of(path) == number
        after = content(path)
        for table, columns in before.items():
            for column, values in columns.items():
                if column in after.get(table, {}):
                    assert after[table][column] == values, f"{table}.{column} in migration {number}"
        examine(path)
    assert content(path)["runs"]["id"]


@pytest.mark.parametrize("dump", RELEASED, ids=lambda path: path.stem)
async def test_what_a_released_version_left_is_worked_with(dump: Path, tmp_path: Path) -> None:
    path = restored(dump, tmp_path)
    before = content(path)
    async with open_store(path) as store:
        views = await store.views(limit=1000)
        assert len(views) == len(before["tasks"]["id"])
        assert {view.state for view in views} == set(RunState)
        assert {view.waiting_for for view in views} >= set(WaitingFor)
        assert {view.run.outcome for view in views} >= set(Outcome) - {Outcome.delivered}  # asked for again since
        active = await store.active_runs()
        assert len(active) == sum(RunState(state).is_active for state in before["runs"]["state"])
        assert len(await store.events(limit=-1)) == len(before["events"]["id"])
        assert [one.delivery_id for one in await store.deliveries.pending()] == ["guid-2"]
        assert [(one.delivery_id, why) for one, why in await store.deliveries.parked()] == [
            ("guid-1", "Traceback: a bug")
        ]
        await submitted(store, 1000)
        known = next(view for view in views if view.task.subject.key == "octo/hello#2")
        again = await store.submit(known.task.subject, HELLO, "b", Wish(TriggerKind.label, ANNA, "", "wish-2-label"))
        assert again.kind is Submitted.unchanged
        run = await store.settle(known.run.id, Outcome.stopped, f"{ANNA.login} stopped it.")
        assert (await store.view(run.task_id)).run.outcome is Outcome.stopped
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_released_migration_is_never_edited() -> None:
    """People have run it: what it does cannot be changed by changing the file. Write another one."""
    listed = dict(reversed(line.split()) for line in (HERE / "released.txt").read_text().splitlines())
    assert listed
    for name, digest in listed.items():
        assert hashlib.sha256((MIGRATIONS / name).read_bytes()).hexdigest() == digest, name
    assert [script.name for script in scripts()][: len(listed)] == list(listed)


def test_numbers_begin_with_one_and_leave_none_out(tmp_path: Path) -> None:
    (tmp_path / "0001_begin.sql").touch()
    (tmp_path / "0003_more.sql").touch()
    with pytest.raises(ValueError, match=r"0003_more\.sql should be number 0002"):
        scripts(tmp_path)


def test_a_copy_from_before_is_kept_whole_and_the_last_three_only(tmp_path: Path) -> None:
    path = restored(RELEASED[0], tmp_path)
    migrate(path)
    before = content(path)
    directory = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, directory)
    for number in range(newest() + 1, newest() + 6):
        (directory / f"{number:04}_more.sql").write_text(f"CREATE TABLE more_{number} (x INTEGER);")
        migrate(path, directory)
    kept = sorted(one.name for one in tmp_path.glob("cco.db-schema-*"))
    assert kept == [f"cco.db-schema-{number}" for number in range(newest() + 2, newest() + 5)]
    oldest = content(tmp_path / kept[0])
    assert {table: oldest[table] for table in before} == before
    assert (tmp_path / kept[0]).stat().st_mode & 0o077 == 0


def test_nothing_is_kept_where_there_is_nothing_to_carry_forward(tmp_path: Path) -> None:
    path = tmp_path / "cco.db"
    migrate(path)
    migrate(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cco.db"]


CRASH = """
import os, signal, sys
from pathlib import Path
from runner import effects
from runner.migrating import migrate

def crash(name, side):
    if [name, side] == sys.argv[3:5]:
        os.kill(os.getpid(), signal.SIGKILL)

effects.observe_for_a_test(crash)
migrate(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("effect", ["file.keep-before-migrating", "commit.migrate"])
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_crash_leaves_the_schema_before_or_behind_and_the_next_start_goes_on(
    effect: str, side: str, tmp_path: Path
) -> None:
    path = restored(RELEASED[0], tmp_path)
    migrate(path)
    before = content(path)
    directory = with_another(
        tmp_path / "migrations", "CREATE TABLE more (x INTEGER); UPDATE tasks SET title = 'new'; DROP TABLE spending;"
    )
    argv = (sys.executable, "-c", CRASH, str(path), str(directory), effect, side)
    assert subprocess.run(argv, cwd=ROOT, check=False).returncode == -9

    behind = (effect, side) == ("commit.migrate", "after")
    assert schema_of(path) == newest() + behind
    if not behind:
        assert content(path) == before
    migrate(path, directory)
    assert schema_of(path) == newest() + 1
    assert set(content(path)["tasks"]["title"]) == {"new"}
    assert content(tmp_path / f"cco.db-schema-{newest()}") == before


@pytest.mark.parametrize(
    "text",
    ["CREATE TABLE more (x INTEGER); SELECT * FROM nowhere;", "UPDATE runs SET task_id = 4711;"],
    ids=["an error in the middle", "rows that refer to nothing"],
)
def test_a_migration_that_fails_changes_nothing(text: str, tmp_path: Path) -> None:
    path = restored(RELEASED[0], tmp_path)
    migrate(path)
    before = content(path)
    with pytest.raises(sqlite3.Error):
        migrate(path, with_another(tmp_path / "migrations", text))
    assert (schema_of(path), content(path)) == (newest(), before)


def tree(directory: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in directory.iterdir() if one.is_file()}


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newest() + 1}")


async def test_a_newer_database_is_refused_in_a_sentence_and_nothing_is_touched(tmp_path: Path) -> None:
    path = restored(RELEASED[0], tmp_path)
    newer(path)
    before = tree(tmp_path)
    with pytest.raises(DatabaseTooNew, match=f"schema {newest() + 1}, this one knows {newest()}") as refused:
        async with open_store(path):
            pass
    assert "cco restore FILE" in str(refused.value)
    assert tree(tmp_path) == before


async def test_a_database_that_is_gone_beside_its_tasks_is_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "tasks" / "7").mkdir(parents=True)
    for damage in (lambda path: None, Path.touch):
        damage(tmp_path / "cco.db")
        with pytest.raises(DatabaseRefused, match=r"but its tasks are in .*Put back a backup"):
            async with open_store(tmp_path / "cco.db"):
                pass
    assert (tmp_path / "cco.db").stat().st_size == 0


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 40_000)


def truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def replaced(path: Path) -> None:
    path.write_text("This is no database. " * 500)


@pytest.mark.parametrize("harm", [overwritten, truncated, replaced], ids=lambda one: one.__name__)
async def test_a_damaged_database_is_refused_with_a_copy_and_what_to_do(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    path = restored(RELEASED[0], tmp_path)
    harm(path)
    before = tree(tmp_path)
    for _ in range(2):  # however often it is started: one copy
        with pytest.raises(DatabaseRefused, match="cco restore FILE") as refused:
            async with open_store(path):
                pass
    [copy] = tmp_path.glob("cco.db-damaged-*")
    assert str(copy) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert tree(tmp_path) == {**before, copy.name: before["cco.db"]}
    assert copy.stat().st_mode & 0o077 == 0


def test_what_is_only_in_the_log_of_a_killed_writer_is_seen(tmp_path: Path) -> None:
    """`user_version` in the file itself is the old one until the log is written back."""
    path = restored(RELEASED[0], tmp_path)
    text = (
        "import os, signal, sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('PRAGMA user_version = 4711'); c.commit(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run((sys.executable, "-c", text, str(path)), check=False).returncode == -9
    with pytest.raises(DatabaseTooNew, match="schema 4711"):
        examine(path)
    assert migrating.newest() < 4711
