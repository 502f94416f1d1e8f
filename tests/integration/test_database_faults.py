"""The database is full, busy or damaged, or its caller is cancelled: what was acknowledged is there."""

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from app import web as server
from app.inbox import Inbox
from app.webhooks import STORE_SECONDS, Receiver
from runner import database as sqlite
from runner.database import CannotWrite, Database, open_database
from runner.deliveries import Delivery
from runner.soundness import DatabaseDamaged
from runner.store import Store
from tests.integration.test_webhooks import SECRETS, Service, nothing

LARGE = b'{"text":"' + b"x" * 400_000 + b'"}'
HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "cco.db") as opened:
        yield opened


@pytest.fixture
async def service(database: Database) -> AsyncIterator[Service]:
    app = server.application()
    store = Store(database)
    app.add_routes([web.post("/webhooks/github", Receiver(SECRETS, Inbox(store.deliveries, nothing).put).receive)])
    async with server.serving(app, "127.0.0.1", 0) as port, aiohttp.ClientSession() as session:
        yield Service(port, store, session)


async def limit_pages(database: Database, pages: int) -> None:
    """SQLite's own limit: beyond it the disk is full, as far as it is concerned."""
    async with database.transaction("commit.trial") as db:
        await db.execute_fetchall(f"PRAGMA max_page_count = {pages}")


def hold(path: Path) -> subprocess.Popen[bytes]:
    """Another process has the file to itself, until it is let go."""
    process = subprocess.Popen((sys.executable, "-c", HOLD, str(path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def let_go(process: subprocess.Popen[bytes]) -> None:
    process.communicate(b"\n")


async def test_a_full_disk_is_a_503_and_what_comes_when_there_is_room_is_stored(
    service: Service, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await service.post())[0] == 202
    await limit_pages(database, 1)  # not below what there is
    status, answer = await service.post(LARGE, X_GitHub_Delivery="another")
    assert (status, answer) == (503, {"error": "the delivery cannot be stored now; deliver it again in a minute"})
    assert "database or disk is full" in caplog.text
    assert all(record.exc_info is None for record in caplog.records)

    await limit_pages(database, 1_000_000)
    assert (await service.post(LARGE, X_GitHub_Delivery="another"))[0] == 202
    assert [one.body for one in await service.store.deliveries.pending()][1:] == [LARGE]


async def test_a_transaction_that_finds_the_disk_full_is_as_if_it_had_never_been(database: Database) -> None:
    store = Store(database)
    await limit_pages(database, 1)
    one = Delivery("github", "1", "small", "issues", b"{}", datetime.now(UTC))
    large = Delivery("github", "1", "large", "issues", LARGE, datetime.now(UTC))
    with pytest.raises(CannotWrite, match="disk is full"):
        await store.deliveries.put([one, large])
    assert await store.deliveries.depth() == 0
    await limit_pages(database, 1_000_000)
    assert await store.deliveries.put([one, large]) == [True, True]


async def test_a_lock_that_another_process_holds_for_a_while_is_waited_for(service: Service, tmp_path: Path) -> None:
    held = hold(tmp_path / "cco.db")
    posting = asyncio.create_task(service.post())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(posting), 0.3)
    let_go(held)
    assert (await posting)[0] == 202


async def test_a_lock_that_is_held_for_long_is_a_503_in_time_and_nothing_is_lost(
    service: Service, database: Database, tmp_path: Path
) -> None:
    assert sqlite.BUSY_SECONDS < STORE_SECONDS < 10  # GitHub waits ten seconds
    async with database.transaction("commit.trial") as db:
        await db.execute("PRAGMA busy_timeout = 500")
    held = hold(tmp_path / "cco.db")
    try:
        assert (await service.post())[0] == 503
        assert await service.store.deliveries.depth() == 0  # and reading goes on
    finally:
        let_go(held)
    assert (await service.post())[0] == 202
    assert await service.store.deliveries.depth() == 1


@pytest.mark.parametrize("moment", ["begin", "within", "commit"])
async def test_whoever_is_cancelled_leaves_no_transaction_open(moment: str, database: Database, tmp_path: Path) -> None:
    """A BEGIN that was given to SQLite's thread cannot be called back: it must not be left standing there."""
    store = Store(database)
    held = hold(tmp_path / "cco.db") if moment == "begin" else None
    reached = asyncio.Event()

    async def write() -> None:
        async with database.transaction("commit.trial") as db:
            await db.execute("INSERT INTO spending VALUES ('2026-11-23', 1)")
            reached.set()
            if moment == "within":
                await asyncio.sleep(60)

    writing = asyncio.create_task(write())
    if held is None:
        await reached.wait()
    else:
        await asyncio.sleep(0)  # it is in SQLite's hands from here on
        asyncio.get_running_loop().call_later(0.2, let_go, held)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await store.tallies.spent("2026-11-23") == (1.0 if moment == "commit" else 0.0)
    async with database.transaction("commit.trial") as db:
        await db.execute("INSERT OR REPLACE INTO spending VALUES ('2026-11-23', 2)")
    assert await store.tallies.spent("2026-11-23") == 2.0


async def test_a_commit_that_fails_leaves_no_transaction_open(database: Database) -> None:
    """SQLite keeps the transaction for another try; whoever comes next must not find it there."""
    store = Store(database)

    async def write_of_no_task() -> None:
        async with database.transaction("commit.trial") as db:
            await db.execute("PRAGMA defer_foreign_keys = ON")
            await db.execute("INSERT INTO events (task_id, at, kind, data) VALUES (4711, '', '', '')")

    with pytest.raises(sqlite3.IntegrityError):
        await write_of_no_task()
    async with database.transaction("commit.trial") as db:
        await db.execute("INSERT INTO spending VALUES ('2026-11-23', 2)")
    assert await store.tallies.spent("2026-11-23") == 2.0
    assert await store.last_event() == 0


def spoil(path: Path) -> None:
    """Every page but the first is something else from now on, in the file and in what is still to be written back."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


async def look(database: Database) -> None:
    """What is done every hour."""
    await database.look_for_damage()


async def write(database: Database) -> None:
    async with database.transaction("commit.trial") as db:
        await db.execute("PRAGMA shrink_memory")  # the pages that it remembers are still right
        await db.execute_fetchall("SELECT * FROM deliveries ORDER BY body")


async def read(database: Database) -> None:
    await database.reader.execute_fetchall("PRAGMA shrink_memory")
    await database.reader.execute_fetchall("SELECT * FROM deliveries ORDER BY body")


@pytest.mark.parametrize("find", [look, write, read], ids=lambda one: one.__name__)
async def test_damage_that_appears_is_said_once_and_nothing_is_written_from_then_on(
    find: Callable[[Database], Awaitable[None]],
    database: Database,
    service: Service,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "cco.db"
    assert (await service.post())[0] == 202
    spoil(path)
    before = path.read_bytes()

    with suppress(DatabaseDamaged):
        await find(database)
    assert database.damage is not None
    assert (await service.post(X_GitHub_Delivery="another"))[0] == 503
    assert "cco restore FILE" in str(await service.store.trouble())
    with pytest.raises(DatabaseDamaged):
        await service.store.deliveries.pending()
    await database.close()

    said = [one for one in caplog.records if one.levelno == logging.CRITICAL]
    assert len(said) == 1
    assert "nothing is written any more" in said[0].getMessage()
    assert path.read_bytes() == before
    [copy] = [one for one in tmp_path.glob("cco.db-damaged-*") if not one.name.endswith("-wal")]
    assert copy.read_bytes() == before


async def test_a_file_too_large_to_be_read_at_the_start_is_looked_at_beside_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cco.db"
    async with open_database(path) as opened:
        store = Store(opened)
        await store.deliveries.put([Delivery("github", "1", "1", "issues", LARGE, datetime.now(UTC))] * 2)
        await store.deliveries.put([Delivery("github", "1", "2", "issues", b"{}", datetime.now(UTC))])
    with path.open("r+b") as file:
        file.seek(-200_000, os.SEEK_END)
        file.write(b"\xa5" * 200_000)
    monkeypatch.setattr(sqlite, "START_SECONDS", 0.0)
    async with open_database(path) as opened:
        looking = asyncio.create_task(opened.keep_looking())
        async with asyncio.timeout(20):
            while opened.damage is None:
                await asyncio.sleep(0.02)
        looking.cancel()
        with pytest.raises(DatabaseDamaged, match="cco restore FILE"):
            await opened.try_writing()


async def test_a_sound_database_is_looked_at_while_it_is_written(database: Database) -> None:
    store = Store(database)
    written = 0

    async def writing() -> None:
        nonlocal written
        while True:
            written += 1
            await store.deliveries.put([Delivery("github", "1", str(written), "issues", LARGE, datetime.now(UTC))])

    busy = asyncio.create_task(writing())
    while written < 10:
        await database.look_for_damage()
    busy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await busy
    assert database.damage is None


async def test_the_trial_reaches_the_disk(database: Database) -> None:
    """A transaction that writes nothing would be well on a full disk too."""
    await limit_pages(database, 1)
    log = Path(f"{database.path}-wal")
    before = log.stat().st_size
    await database.try_writing()
    assert log.stat().st_size > before


def test_other_errors_of_sqlites_stay_bugs() -> None:
    with pytest.raises(sqlite3.OperationalError) as wrong, closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("SELECT * FROM nowhere")
    assert sqlite.soundness.kind_of(wrong.value) is sqlite.soundness.Trouble.bug
