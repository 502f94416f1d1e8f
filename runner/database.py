"""The SQLite file: one connection that writes, one that reads, and what it means when either cannot."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import aiosqlite

from runner import soundness
from runner.effects import effect
from runner.errors import TryLater
from runner.migrating import migrate
from runner.soundness import DatabaseDamaged

BUSY_SECONDS = 5.0  # GitHub waits 10 s for its answer
ASK_AGAIN = timedelta(seconds=10)
START_SECONDS = 5.0
CHECK_EVERY = timedelta(hours=1)

logger = logging.getLogger(__name__)


class CannotWrite(TryLater):
    """The disk is full, or another process holds the file: nothing was changed, and it may work in a while."""


class Rows(Protocol):
    """Whatever can be asked for rows: the reader, and the writer within a transaction."""

    def execute_fetchall(
        self, sql: str, parameters: Iterable[Any] | None = None, /
    ) -> Awaitable[Iterable[sqlite3.Row]]:
        """All rows of a query."""


def to_text(moment: datetime) -> str:
    """RFC 3339 UTC with microseconds: sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def from_text(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.fromisoformat(text)


class Database:
    """One writer, one reader. A transaction is whole or not at all, also when its caller is cancelled.

    Where it cannot be written now, CannotWrite; where the file is found damaged, DatabaseDamaged from then on: what
    is wrong must not be written over what may still be right.
    """

    def __init__(self, writer: aiosqlite.Connection, reader: aiosqlite.Connection, path: Path) -> None:
        self._writer = writer
        self._turn = asyncio.Lock()
        self.path = path
        self._keeping: asyncio.Task[None] | None = None
        self.damage: DatabaseDamaged | None = None
        self.reader = Reader(self, reader)

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[aiosqlite.Connection]:
        """The writing connection, for one BEGIN IMMEDIATE … COMMIT, which is the effect `name`."""
        async with self._turn:
            self.check()
            try:
                await _whole(self._writer.execute("BEGIN IMMEDIATE"))
                yield self._writer
            except BaseException as error:
                await self._roll_back()
                if isinstance(error, sqlite3.Error):
                    raise self.meaning(error) from error
                raise
            with effect(name):
                try:
                    await _whole(self._writer.commit())
                except BaseException as error:
                    await self._roll_back()  # a COMMIT that failed leaves the transaction open
                    if isinstance(error, sqlite3.Error):
                        raise self.meaning(error) from error
                    raise

    async def try_writing(self) -> None:
        """Write something that changes nothing, down to the disk; raises what keeps us from it."""
        async with self.transaction("commit.trial") as db:
            row = next(iter(await db.execute_fetchall("PRAGMA user_version")))
            await db.execute(f"PRAGMA user_version = {int(row[0])}")

    def check(self) -> None:
        """Raise DatabaseDamaged, if it is."""
        if self.damage is not None:
            raise self.damage

    async def look_for_damage(self) -> None:
        """Read the whole file once, beside the work; what is found is known from then on."""
        found = await asyncio.to_thread(soundness.damage, self.path)
        if found is not None and self.damage is None:
            self._is_damaged(found)

    async def keep_looking(self) -> None:
        """Look for damage at once, and every hour, until cancelled."""
        while True:
            with suppress(sqlite3.Error, OSError):  # it cannot be read now; whoever needs it says so
                await self.look_for_damage()
            await asyncio.sleep(CHECK_EVERY.total_seconds())

    def meaning(self, error: sqlite3.Error) -> Exception:
        """What SQLite's error is to us: weather, damage, or a bug, which stays as it is."""
        match soundness.kind_of(error):
            case soundness.Trouble.weather:
                return CannotWrite(f"the database cannot be written now ({error})", ASK_AGAIN)
            case soundness.Trouble.damage:
                if self.damage is None:
                    self._is_damaged(str(error))
                return self.damage or error
            case _:
                return error

    async def close(self) -> None:
        """Wait for the copy of a damaged file: closing the last connection writes to it."""
        if self._keeping is not None:
            await self._keeping

    def _is_damaged(self, what: str) -> None:
        self.damage = DatabaseDamaged(self.path, what, soundness.kept_at(self.path))
        logger.critical("nothing is written any more, and no work is taken: %s", self.damage)
        self._keeping = asyncio.create_task(asyncio.to_thread(soundness.keep, self.path))
        self._keeping.add_done_callback(_said)

    async def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # SQLite has rolled back by itself, or the file is beyond it
            await _whole(self._writer.rollback())


class Reader:
    """The connection that reads."""

    def __init__(self, database: Database, connection: aiosqlite.Connection) -> None:
        self._database = database
        self._connection = connection

    async def execute_fetchall(self, sql: str, parameters: Iterable[Any] | None = None, /) -> Iterable[sqlite3.Row]:
        """All rows of a query."""
        self._database.check()
        try:
            return await self._connection.execute_fetchall(sql, parameters)
        except sqlite3.Error as error:
            raise self._database.meaning(error) from error

    async def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """The same as a list; `values` are those of the question marks, or one mapping with those of the names."""
        parameters: Any = values[0] if values and isinstance(values[0], dict) else values
        return list(await self.execute_fetchall(sql, parameters))

    async def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row, if there is one."""
        return next(iter(await self.all(sql, *values)), None)


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """Open, migrate, and close. An acknowledged write survives a power cut (synchronous=FULL).

    Raises DatabaseRefused, and has changed nothing, where the file is damaged or of a newer version.
    """
    await _examine(path)
    await asyncio.to_thread(migrate, path)
    writer = await _connect(path)
    try:
        await writer.execute("PRAGMA synchronous = FULL")
        reader = await _connect(path)
        database = Database(writer, reader, path)
        try:
            await reader.execute("PRAGMA query_only = ON")
            yield database
        finally:
            await database.close()
            await reader.close()
    finally:
        await writer.close()


async def _examine(path: Path) -> None:
    """Raise DatabaseRefused unless it can be worked with, and keep a copy of what is damaged.

    A file so large that reading it takes longer than GitHub has patience is looked at beside the work instead.
    """
    looking = asyncio.create_task(asyncio.to_thread(soundness.examine, path))
    await asyncio.wait([looking], timeout=START_SECONDS)
    if not looking.done() and await asyncio.to_thread(soundness.is_current, path):
        logger.info("the database is large: it is looked at for damage while work begins")
        looking.add_done_callback(lambda done: done.cancelled() or done.exception())  # it knows nothing of our writing
        return
    try:
        await looking
    except DatabaseDamaged as found:
        await asyncio.to_thread(soundness.keep, path)
        raise DatabaseDamaged(path, found.what, soundness.kept_at(path)) from None


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    connection.row_factory = sqlite3.Row
    await connection.execute("PRAGMA foreign_keys = ON")
    return connection


async def _whole(work: Coroutine[Any, Any, object]) -> None:
    """Await it to its end, also when cancelled meanwhile: what was begun in SQLite's thread cannot be called back."""
    begun = asyncio.ensure_future(work)
    try:
        await asyncio.shield(begun)
    except asyncio.CancelledError:
        while not begun.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([begun])
        if not begun.cancelled():
            begun.exception()
        raise


def _said(keeping: asyncio.Task[None]) -> None:
    if not keeping.cancelled() and keeping.exception() is not None:
        logger.critical("a copy of the damaged database cannot be kept: %s", keeping.exception())
