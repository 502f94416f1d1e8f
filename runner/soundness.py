"""Whether a database file can be worked with, found out without changing it, and the copy that is kept where not."""

import os
import shutil
import sqlite3
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from runner.effects import effect
from runner.migrating import DatabaseRefused, DatabaseTooNew, newest

_WEATHER = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PARTS = ("", "-wal")


class Trouble(Enum):
    """What an error of SQLite's is to us."""

    weather = "weather"  # the disk is full, another process has the file: it may work in a while
    damage = "damage"  # the file is not what it was
    bug = "bug"  # ours


class DatabaseDamaged(DatabaseRefused):
    """The file is not what SQLite wrote."""

    def __init__(self, path: Path, what: str, copy: Path | None = None) -> None:
        """The paragraph that the operator reads; `copy` is what is kept, if something is."""
        kept = f", and a copy is kept at {copy}" if copy is not None else ""
        super().__init__(
            f"the database {path} is damaged ({what}). It is left as it is{kept}. Put back a backup with "
            f"`cco restore FILE`; the agents' work so far is in {path.parent / 'tasks'}."
        )
        self.what = what


def kind_of(error: sqlite3.Error) -> Trouble:
    """By SQLite's own number; an extended one carries the plain one in its last byte."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return Trouble.weather if code in _WEATHER else Trouble.damage if code in _DAMAGE else Trouble.bug


def examine(path: Path) -> None:
    """Raise DatabaseRefused unless the file is whole and not of a newer version. One that is not there is fine.

    Nothing is changed, and nothing is kept: `cco doctor` looks too.
    """
    if not path.exists() or path.stat().st_size == 0:
        if _has_tasks(path.parent / "tasks"):
            raise DatabaseRefused(
                f"the database {path} is {'empty' if path.exists() else 'not there'}, but its tasks are in "
                f"{path.parent / 'tasks'}. Put back a backup with `cco restore FILE`; or, to begin anew without them, "
                "move that directory away."
            )
        return
    found = damage(path)
    if found is not None:
        raise DatabaseDamaged(path, found)
    version = schema_of(path)
    if version > newest():
        raise DatabaseTooNew(
            f"the database {path} was written by a newer version (schema {version}, this one knows {newest()}). "
            "Install that version again, or put back a backup that this one made: `cco restore FILE`."
        )


def is_current(path: Path) -> bool:
    """Whether the file is there, and no migration is to be run on it."""
    return path.exists() and schema_of(path) == newest()


def schema_of(path: Path) -> int:
    """The number of the last migration that the file has seen."""
    with _reading(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def damage(path: Path) -> str | None:
    """What is wrong with the file, by reading all of it; None if it is sound.

    For a gigabyte it takes about a second, and as long as it takes to read it from the disk. Other errors of SQLite's,
    such as another process that has the file to itself, are raised.
    """
    _bring_into_memory(path)
    try:
        with _reading(path) as connection:
            said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if kind_of(error) is not Trouble.damage:
            raise
        return str(error)
    return None if said == "ok" else " ".join(said.split())


def kept_at(path: Path) -> Path:
    """Where the copy of a damaged file is kept: named by its last change, so that it is kept once."""
    try:
        changed = datetime.fromtimestamp(max(one.stat().st_mtime for one in _parts(path)), UTC)
    except ValueError:
        changed = datetime.now(UTC)
    return path.with_name(f"{path.name}-damaged-{changed:%Y%m%dT%H%M%S}")


def keep(path: Path) -> None:
    """Copy the file with what belongs to it, unless that was done."""
    copy = kept_at(path)
    for part in reversed(list(_parts(path))):  # the file itself last: then the copy is whole
        target = copy.with_name(copy.name + part.name.removeprefix(path.name))
        if target.exists():
            continue
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        with open(fresh, "wb", opener=_for_us_alone) as to, part.open("rb") as source:
            shutil.copyfileobj(source, to)
            to.flush()
            os.fsync(to.fileno())
        with effect("file.keep-damaged"):
            fresh.rename(target)


def _parts(path: Path) -> list[Path]:
    return [one for one in (path.with_name(path.name + suffix) for suffix in _PARTS) if one.exists()]


def _bring_into_memory(path: Path) -> None:
    """Read it from one end to the other, which a disk does many times faster than page by page in a tree's order."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def _has_tasks(directory: Path) -> bool:
    return directory.is_dir() and any(one.name.isdecimal() for one in directory.iterdir())


class _reading:  # noqa: N801  used as a function
    """A connection that changes nothing beside the file either, where nobody else has it open."""

    def __init__(self, path: Path) -> None:
        log, shared = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
        is_open = shared.exists() or (log.exists() and log.stat().st_size > 0)  # or was, when its process was killed
        how = "mode=ro" if is_open else "mode=ro&immutable=1"
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5.0)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
