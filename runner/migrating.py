"""Carry a database forward: the numbered files that it has not seen, each whole or not at all, and a copy before."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from runner.effects import effect

MIGRATIONS = Path(__file__).parent / "migrations"
KEPT = 3  # copies from before a migration
BUSY_SECONDS = 5.0


class DatabaseRefused(Exception):
    """Sentences for the operator: why this file is not worked with, and what mends it."""


class DatabaseTooNew(DatabaseRefused):
    """The file was written by a newer version."""


def scripts(directory: Path | None = None) -> list[Path]:
    """The files, in the order of their numbers; the first is 1, and none is left out."""
    found = sorted((directory or MIGRATIONS).glob("[0-9][0-9][0-9][0-9]_*.sql"))
    for number, script in enumerate(found, start=1):
        if int(script.name[:4]) != number:
            raise ValueError(f"{script.name} should be number {number:04}: a migration is missing, or there twice")
    return found


def newest() -> int:
    """The number of the last migration there is."""
    return len(scripts())


def migrate(path: Path, directory: Path | None = None, until: int | None = None) -> None:
    """Run what the database has not seen. A crash leaves the schema before a migration, or the one behind it."""
    wanted = scripts(directory)[:until]
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = OFF")  # as SQLite wants it, for a table that is made anew
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if 0 < version < len(wanted):
            _keep(connection, path, version)
        for number, script in enumerate(wanted[version:], start=version + 1):
            _step(connection, number, script.read_text(encoding="utf-8"))


def _step(connection: sqlite3.Connection, number: int, text: str) -> None:
    connection.executescript(f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};")
    if broken := connection.execute("PRAGMA foreign_key_check").fetchall():
        raise sqlite3.IntegrityError(f"migration {number} leaves rows that refer to nothing: {broken[:3]}")
    with effect("commit.migrate"):
        connection.commit()


def _keep(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """A whole copy beside the database, for whoever wants to go back; the oldest go."""
    copy = path.with_name(f"{path.name}-schema-{version}")
    fresh = path.with_name(f".{copy.name}.fresh")
    with effect("file.remove-half-copy"):
        fresh.unlink(missing_ok=True)  # of a start that was cut off
    os.close(os.open(fresh, os.O_CREAT | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(fresh)) as target:
        connection.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
    with effect("file.keep-before-migrating"):
        fresh.rename(copy)
    kept = [one for one in path.parent.glob(f"{path.name}-schema-*") if re.fullmatch(r"[0-9]+", _number(one))]
    for old in sorted(kept, key=lambda one: int(_number(one)))[:-KEPT]:
        with effect("file.remove-old-copy"):
            old.unlink(missing_ok=True)


def _number(copy: Path) -> str:
    return copy.name.rpartition("-")[2]
