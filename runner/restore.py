"""Take a backup back: check all of it, move aside what was there, put it in place, and have the world looked at first.

Nothing is touched before the whole backup was unpacked and found sound. Then it becomes `restoring/` by one rename, and
from that moment on it is finished, whatever happens: by this command said again, or by the service at its next start.
"""

import asyncio
import fcntl
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from runner import panic
from runner.backup import (
    CREDENTIALS,
    DATABASE,
    FORMAT,
    MANIFEST,
    NAMES,
    SINGLE,
    CannotKeep,
    Manifest,
    check_database,
    sum_of,
)
from runner.database import open_database, to_text
from runner.effects import effect
from runner.migrating import newest
from runner.rows import ACTIVE

PENDING = "restoring"
ASIDE = "aside"  # in it: the name of the directory where what was there is kept
_MOVED = (f"{DATABASE}-wal", f"{DATABASE}-shm", DATABASE, *SINGLE, CREDENTIALS)
_LARGEST_MANIFEST = 64 * 1024 * 1024
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, and where that is which was there before; None where there was nothing."""

    manifest: Manifest
    aside: Path | None


def restore(home: Path, source: Path, now: datetime) -> Restored:
    """Raises CannotKeep, and then nothing has changed."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(home):
        finish(home)
        for leftover in home.glob(f".{PENDING}-*"):
            with effect("file.restore-leftover"):
                shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(dir=home, prefix=f".{PENDING}-", ignore_cleanup_errors=True) as fresh:
            staging = Path(fresh)
            manifest = _unpack(source, staging)
            _prepare(home, staging, manifest, now)
            aside = f"before-restore-{now:%Y%m%dT%H%M%S}"
            while (home / aside).exists():
                aside += "-again"
            (staging / ASIDE).write_text(aside)
            _sync_tree(staging)
            with effect("file.restoring"):
                staging.rename(home / PENDING)
        kept = finish(home)
    return Restored(manifest, kept)


def finish(home: Path) -> Path | None:
    """Put in place what a restore has unpacked and checked; each step looks at what is left to do.

    To be called with the home's lock held. Gives the directory that holds what was there before.
    """
    pending = home / PENDING
    if not pending.is_dir():
        return None
    aside = home / (pending / ASIDE).read_text()
    aside.mkdir(mode=0o700, exist_ok=True)
    coming = {entry.name for entry in pending.iterdir()}
    for name in _MOVED:  # the old database's log goes before it, and both before the new one comes
        if (name in coming or (name.startswith(DATABASE) and DATABASE in coming)) and os.path.lexists(home / name):
            with effect("file.move-aside"):
                (home / name).rename(aside / name)
    for path in sorted((pending / "tasks").glob("*/runs/*/launches/*/bundles/*")):
        target = home / path.relative_to(pending)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.path.lexists(target):
            with effect("file.restore-bundle"):
                path.rename(target)
    for name in (CREDENTIALS, *SINGLE, DATABASE):  # the database last: with it, all is there
        if name in coming:
            with effect("file.put-in-place"):
                (pending / name).rename(home / name)
    with effect("file.restored"):
        shutil.rmtree(pending)
    if any(aside.iterdir()):
        return aside
    aside.rmdir()
    return None


def is_cut_off(home: Path) -> bool:
    """Whether a restore was begun and not finished."""
    return (home / PENDING).is_dir()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the lock that a service holds."""
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise CannotKeep(f"a service runs on CCO_HOME={home}. Stop it first, then restore") from exc
        yield
    finally:
        os.close(descriptor)


def _unpack(source: Path, staging: Path) -> Manifest:
    """Every file that the manifest names and no other, with its sum."""
    broken = f"{source} is no whole backup of ours"
    try:
        with tarfile.open(source, "r:*") as tar:
            members = iter(tar)
            manifest = _manifest(tar, next(members, None), broken)
            left = {one.name: one for one in manifest.files}
            for member in members:
                kept = left.pop(member.name, None)
                there = tar.extractfile(member) if kept is not None and member.isreg() else None
                if kept is None or there is None or NAMES.fullmatch(kept.name) is None:
                    raise CannotKeep(f"{broken}: it holds {member.name!r}, which its manifest does not speak of")
                _write(there, staging / kept.name)
                if (staging / kept.name).stat().st_size != kept.bytes or sum_of(staging / kept.name) != kept.sha256:
                    raise CannotKeep(f"{broken}: {kept.name} is not what it was")
    except (tarfile.TarError, EOFError, OSError) as exc:
        why = (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
        raise CannotKeep(f"{source} cannot be read as a backup: {why}") from exc
    if left or DATABASE not in {one.name for one in manifest.files}:
        raise CannotKeep(f"{broken}: {next(iter(left), DATABASE)} is missing")
    return manifest


def _manifest(tar: tarfile.TarFile, first: tarfile.TarInfo | None, broken: str) -> Manifest:
    there = tar.extractfile(first) if first is not None and first.name == MANIFEST and first.isreg() else None
    if there is None:
        raise CannotKeep(f"{broken}: it does not begin with a manifest")
    try:
        manifest = Manifest.from_json(there.read(_LARGEST_MANIFEST))
    except (KeyError, TypeError, ValueError) as exc:
        raise CannotKeep(f"{broken}: its manifest cannot be read") from exc
    known = newest()
    if manifest.format > FORMAT or manifest.schema > known:
        raise CannotKeep(
            f"this backup was made by a newer version ({manifest.version}, schema {manifest.schema}; this one knows "
            f"{known}). Install that version, and restore with it"
        )
    return manifest


async def _carry_forward(path: Path) -> None:
    async with open_database(path):
        pass  # it is migrated


def _prepare(home: Path, staging: Path, manifest: Manifest, now: datetime) -> None:
    """Carry the database forward, see that no agent is at work that it knows nothing of, and note that it came back."""
    path = staging / DATABASE
    check_database(path)
    asyncio.run(_carry_forward(path))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        known = set(db.execute(f"SELECT task_id, id, launch FROM runs WHERE {ACTIVE}"))  # noqa: S608  (a constant)
        unknown = [one for one in panic.supervisors(home) if (one.task, one.run, int(one.spool.name)) not in known]
        if unknown:
            runs = ", ".join(f"r{one.run} (task {one.task})" for one in unknown)
            raise CannotKeep(f"agents are at work that this backup knows nothing of: {runs}. End them first: cco panic")
        with db:
            for table, used in (("tasks", _numbers(home, "tasks/*")), ("runs", _numbers(home, "tasks/*/runs/*"))):
                # What the backup has forgotten left directories behind: their numbers are not given out again.
                db.execute(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT ?, 0 WHERE NOT EXISTS"
                    " (SELECT 1 FROM sqlite_sequence WHERE name = ?)",
                    (table, table),
                )
                db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (used, table))
            db.execute("INSERT INTO restores (made_at, restored_at) VALUES (?, ?)", (manifest.made_at, to_text(now)))


def _numbers(home: Path, pattern: str) -> int:
    return max((int(path.name) for path in home.glob(pattern) if path.name.isdecimal()), default=0)


def _write(there: IO[bytes], target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as here:
        shutil.copyfileobj(there, here, _CHUNK)


def _sync_tree(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
