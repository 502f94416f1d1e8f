"""The SQLite file: migrations, one connection that writes, one that reads."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiosqlite

from runner.effects import effect

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 10.0


class DatabaseTooNew(Exception):
    """The file was written by a newer version."""


def to_text(moment: datetime) -> str:
    """RFC 3339 UTC with microseconds: sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def from_text(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.fromisoformat(text)


class Database:
    """One writer, one reader. A transaction is whole or not at all, also when its caller is cancelled."""

    def __init__(self, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._turn = asyncio.Lock()
        self.reader = reader

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[aiosqlite.Connection]:
        """The writing connection, for one BEGIN IMMEDIATE … COMMIT, which is the effect `name`."""
        async with self._turn:
            await self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                await asyncio.shield(self._writer.rollback())
                raise
            with effect(name):
                await asyncio.shield(self._writer.commit())


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """Open, migrate, and close. An acknowledged write survives a power cut (synchronous=FULL)."""
    writer = await _connect(path)
    try:
        await writer.execute("PRAGMA journal_mode = WAL")
        await writer.execute("PRAGMA synchronous = FULL")
        await _migrate(writer, path)
        reader = await _connect(path)
        try:
            await reader.execute("PRAGMA query_only = ON")
            yield Database(writer, reader)
        finally:
            await reader.close()
    finally:
        await writer.close()


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    connection.row_factory = sqlite3.Row
    await connection.execute("PRAGMA foreign_keys = ON")
    return connection


async def _migrate(connection: aiosqlite.Connection, path: Path) -> None:
    """Run the numbered files that this database has not seen, each in a transaction of its own."""
    scripts = sorted(MIGRATIONS.glob("[0-9]*.sql"))
    row = await (await connection.execute("PRAGMA user_version")).fetchone()
    version = int(row[0]) if row else 0
    if version > len(scripts):
        raise DatabaseTooNew(
            f"{path} was written by a newer version (schema {version}, this one knows {len(scripts)}). "
            "Install that version again, or restore a backup made with this one."
        )
    for number, script in enumerate(scripts[version:], start=version + 1):
        text = script.read_text(encoding="utf-8")
        await connection.executescript(f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;")
