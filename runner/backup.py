"""Put everything that cannot be had again into one file: the database, settings, credentials, and unpushed commits.

    manifest.json                            what is in it, with the sum of each file
    cco.db                                   a consistent copy, taken while the service runs or not
    cco.toml  api-token  credentials/<name>  secret
    tasks/<id>/runs/<run>/launches/<k>/bundles/<n>    the last commits of a run, where they were not pushed

What is left out can be had again (mirrors, worktrees) or is Claude's own (its sessions). We run no git where an agent
can write, so commits that were never handed over are not in it either: a supervisor hands over after each step.
"""

import hashlib
import json
import os
import re
import shutil
import socket
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runner import events as happened
from runner import history
from runner.beneath import open_beneath
from runner.database import from_text, to_text
from runner.effects import effect
from runner.events import CommitsExported, Recorded
from runner.rows import ACTIVE
from runner.tasks import RunId, TaskId

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "cco.db"
SINGLE = ("cco.toml", "api-token")
CREDENTIALS = "credentials"
NAMES = re.compile(
    r"cco\.db|cco\.toml|api-token|credentials/[A-Za-z0-9][\w.-]*"
    r"|tasks/[0-9]+/runs/[0-9]+/launches/[0-9]+/bundles/[0-9]+",
    re.ASCII,
)
_OF_WORK = ("CommitsExported", "BranchPushed", "WorkspacePrepared", "RunSettled")
_CHUNK = 1024 * 1024


class CannotKeep(Exception):
    """A backup cannot be made, or not be taken back; a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of a backup."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is. `schema` is the database's version; `unpushed` names the tasks whose commits are in it."""

    format: int
    version: str
    schema: int
    made_at: str
    made_on: str
    home: str
    tasks: int
    runs: int
    active_runs: int
    unpushed: tuple[str, ...]
    files: tuple[Kept, ...]

    def to_json(self) -> str:
        """As it stands in the file."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """The inverse; KeyError, TypeError or ValueError where it is no manifest of ours."""
        raw: dict[str, Any] = json.loads(text)
        raw["files"] = tuple(Kept(str(one["name"]), int(one["bytes"]), str(one["sha256"])) for one in raw["files"])
        raw["unpushed"] = tuple(map(str, raw["unpushed"]))
        made = cls(**raw)
        from_text(made.made_at)
        return made


def make(home: Path, target: Path, now: datetime, version: str) -> Manifest:
    """Write `target`, whole or not at all, for its owner alone. Raises CannotKeep."""
    if os.path.lexists(target):
        raise CannotKeep(f"{target} is there already: take another name, or remove it first")
    if target.resolve().is_relative_to(home / "tasks") or target.resolve().is_relative_to(home / "mirrors"):
        raise CannotKeep(f"{target} lies where agents work: keep backups outside {home}")
    if not (home / DATABASE).is_file():
        raise CannotKeep(f"there is no database in CCO_HOME={home}. Give the command the service's CCO_HOME")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as staging:
            copy = Path(staging, "home")
            copy.mkdir(mode=0o700)
            _copy_database(home / DATABASE, copy / DATABASE)
            bundles, unpushed = _take_work(home, copy)
            names = [DATABASE, *_take_files(home, copy), *bundles]
            manifest = _manifest(home, copy, names, unpushed, now, version)
            packed = Path(staging, "backup")
            _pack(copy, manifest, packed)
            with effect("file.backup"):
                os.link(packed, target)  # fails where another has made one meanwhile
    except OSError as exc:
        raise CannotKeep(f"{target} cannot be written: {exc.strerror or exc}") from exc
    _sync(target.parent)
    return manifest


def schema_of(path: Path) -> int:
    """Of a database that is there; sqlite3.Error where it is none."""
    with closing(sqlite3.connect(f"file:{quote(os.fspath(path))}?mode=rw", uri=True, timeout=30)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def check_database(path: Path) -> int:
    """Raise CannotKeep unless SQLite finds the file sound; gives its schema."""
    try:
        with closing(sqlite3.connect(path)) as db:
            wrong = [row[0] for row in db.execute("PRAGMA integrity_check(1)")]
            loose = db.execute("PRAGMA foreign_key_check").fetchone()
            schema = int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as exc:
        raise CannotKeep(f"the database is damaged: {exc}. Restore the latest backup, or repair it first") from exc
    if wrong != ["ok"] or loose is not None:
        raise CannotKeep(f"the database is damaged: {wrong[0]}. Restore the latest backup, or repair it first")
    return schema


def _copy_database(source: Path, target: Path) -> None:
    """In one step and one read transaction: writers go on, and none of their work is half in it."""
    target.touch(mode=0o600)
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(os.fspath(source))}?mode=rw", uri=True, timeout=30)) as theirs,
            closing(sqlite3.connect(target)) as ours,
        ):
            theirs.backup(ours)
            ours.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as exc:
        raise CannotKeep(f"the database cannot be copied: {exc}") from exc
    check_database(target)


def _take_files(home: Path, copy: Path) -> list[str]:
    """Settings and credentials; regular files only, and through no symlink."""
    wanted: list[tuple[str, ...]] = [(name,) for name in SINGLE]
    with suppress(FileNotFoundError, NotADirectoryError):
        names = sorted(entry.name for entry in (home / CREDENTIALS).iterdir())
        wanted += [(CREDENTIALS, name) for name in names if NAMES.fullmatch(f"{CREDENTIALS}/{name}")]
    return [name for parts in wanted if (name := _take(home, copy, parts)) is not None]


def _take_work(home: Path, copy: Path) -> tuple[list[str], list[str]]:
    """The last bundle of each run that is active, and of each task that was not pushed; and those tasks in words."""
    names, unpushed = [], []
    with closing(sqlite3.connect(copy / DATABASE)) as db:
        db.row_factory = sqlite3.Row
        active = {row["id"] for row in db.execute(f"SELECT id FROM runs WHERE {ACTIVE}")}  # noqa: S608  (a constant)
        keys = {row["id"]: row["key"] for row in db.execute("SELECT id, key FROM tasks")}
        for task_id, events in groupby(_work(db), key=lambda one: one.task_id):
            recorded = list(events)
            missing = history.unpushed(recorded)
            last = {one.run_id: one for one in recorded if isinstance(one.event, CommitsExported)}
            wanted = [one for run_id, one in last.items() if run_id in active or one is missing]
            for one in wanted:
                if isinstance(one.event, CommitsExported):
                    place = ("tasks", str(task_id), "runs", str(one.run_id), "launches", str(one.event.launch))
                    taken = _take(home, copy, (*place, "bundles", str(one.event.number)))
                    names += [] if taken is None else [taken]
            if missing is not None:
                unpushed.append(f"task {task_id} ({keys[task_id]})")
    return names, unpushed


def _work(db: sqlite3.Connection) -> Iterator[Recorded]:
    marks = ", ".join("?" * len(_OF_WORK))
    for row in db.execute(f"SELECT * FROM events WHERE kind IN ({marks}) ORDER BY task_id, id", _OF_WORK):  # noqa: S608  (marks)
        run_id = RunId(row["run_id"]) if row["run_id"] is not None else None
        event = happened.decode(row["kind"], row["data"])
        yield Recorded(row["id"], TaskId(row["task_id"]), run_id, from_text(row["at"]), event)


def _take(home: Path, copy: Path, parts: tuple[str, ...]) -> str | None:
    """Copy one file; None where there is none, or what is there is no plain file."""
    try:
        source = open_beneath(home, *parts)
    except OSError:
        return None
    target = copy.joinpath(*parts)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(source, "rb") as there, target.open("xb") as here:
        shutil.copyfileobj(there, here, _CHUNK)
    return "/".join(parts)


def _manifest(home: Path, copy: Path, names: list[str], unpushed: list[str], now: datetime, version: str) -> Manifest:
    with closing(sqlite3.connect(copy / DATABASE)) as db:
        tasks, runs, active = (
            db.execute(f"SELECT count(*) FROM {what}").fetchone()[0]  # noqa: S608  (constants)
            for what in ("tasks", "runs", f"runs WHERE {ACTIVE}")
        )
        schema = int(db.execute("PRAGMA user_version").fetchone()[0])
    files = tuple(Kept(name, (copy / name).stat().st_size, sum_of(copy / name)) for name in names)
    return Manifest(
        FORMAT,
        version,
        schema,
        to_text(now),
        socket.gethostname(),
        os.fspath(home),
        tasks,
        runs,
        active,
        tuple(unpushed),
        files,
    )


def sum_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pack(copy: Path, manifest: Manifest, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    (copy / MANIFEST).write_text(manifest.to_json(), "utf-8")
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            for name in (MANIFEST, *(one.name for one in manifest.files)):
                tar.add(copy / name, arcname=name, recursive=False, filter=_anonymous)
        file.flush()
        os.fsync(file.fileno())


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
