"""Take away what nobody needs any more: directories of tasks that are over, and what crashes left behind.

A directory is renamed while the database is held still, so that no run can begin in it, and deleted after that: a
crash in between leaves a `.gone-` directory, which the next sweep deletes. Work that was not pushed is kept, and named,
unless one asks for it. What a supervisor is at work in is kept, whatever the database says.
"""

import asyncio
import contextlib
import logging
import os
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner import history, spool, workspace
from runner.effects import effect
from runner.events import LaunchLost
from runner.git import GitFailed
from runner.mirror import Mirrors
from runner.publishing import remote_of
from runner.remotes import ASKPASS_PREFIX
from runner.store import Store
from runner.tasks import Outcome, TaskId
from runner.tmux import Tmux
from runner.view import TaskView

logger = logging.getLogger(__name__)

GONE = ".gone-"
DELIVERIES_KEPT = timedelta(days=8)  # GitHub sends one again for three days, GitHub Enterprise Server for seven
LEFT_BEHIND = timedelta(hours=3)  # a git that still runs has an end within an hour


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept. `most_bytes` is for all of CCO_HOME/tasks; None is no limit."""

    keep: timedelta
    most_bytes: int | None = None
    even_unpushed: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Removed:
    """One thing that is gone (or would be), and why."""

    what: str
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that would have gone, and why it did not."""

    what: str
    why: str


@dataclass(slots=True)
class Swept:
    """What came of a sweep."""

    removed: list[Removed] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """All that was freed."""
        return sum(one.bytes for one in self.removed)


@dataclass(frozen=True, slots=True)
class _Directory:
    """A task's directory. `view` is None where the database knows no such task."""

    path: Path
    task_id: TaskId
    view: TaskView | None
    bytes: int

    @property
    def name(self) -> str:
        return f"task {self.task_id}" + (f" ({self.view.task.subject.key})" if self.view else "")

    @property
    def over_since(self) -> datetime:
        """When it was last heard of."""
        if self.view is not None:
            return self.view.task.updated_at
        return datetime.fromtimestamp(self.path.lstat().st_mtime, UTC)


class Sweeper:
    """One sweep of one CCO_HOME, beside a running service or without one."""

    def __init__(self, home: Path, store: Store, mirrors: Mirrors, tmux: Tmux, rules: Rules, now: datetime) -> None:
        self._home = home
        self._store = store
        self._mirrors = mirrors
        self._tmux = tmux
        self._rules = rules
        self._now = now
        self._swept = Swept()

    async def sweep(self) -> Swept:
        """Everything, the most disposable first."""
        await self._sessions()
        await self._leftovers()
        await self._directories()
        await self._old_mirrors()
        await self._deliveries()
        return self._swept

    async def _sessions(self) -> None:
        """Sessions whose run has ended, and in whose spools nobody is at work."""
        for run_id in await self._tmux.sessions():
            try:
                active = (await self._store.run(run_id)).state.is_active
            except KeyError:
                active = False
            spools = (self._home / "tasks").glob(f"*/runs/{run_id}/launches/*")
            if not active and not any(spool.is_alive(one) for one in spools):
                self._gone(f"session r{run_id}", 0, "its run is over")
                if not self._rules.dry_run:
                    await self._tmux.kill(run_id)

    async def _leftovers(self) -> None:
        """What a crash left half made or half removed."""
        tasks, mirrors = self._home / "tasks", self._home / "mirrors"
        for path in [*tasks.glob(f"{GONE}*"), *mirrors.glob(f"{GONE}*")]:
            await self._delete(path, f"what was left of {path.name.removeprefix(GONE)}", "its removal was cut off")
        found = [*tasks.glob(".[0-9]*-*"), *mirrors.glob(f"{ASKPASS_PREFIX}*"), *mirrors.glob(".new-*")]
        for path in [*found, *self._home.glob(".restoring-*")]:
            with contextlib.suppress(FileNotFoundError):
                if self._age(datetime.fromtimestamp(path.lstat().st_mtime, UTC)) > LEFT_BEHIND:
                    await self._delete(path, path.name, "it was left half made")

    async def _directories(self) -> None:
        """By age; then, over the limit, the oldest first."""
        there = [await self._look_at(path) for path in (self._home / "tasks").glob("[0-9]*") if path.name.isdecimal()]
        total = sum(one.bytes for one in there)
        for one in sorted(there, key=lambda one: (one.over_since, one.task_id)):
            too_much = self._rules.most_bytes is not None and total > self._rules.most_bytes
            if self._age(one.over_since) > self._rules.keep:
                why = "it is over, and old" if one.view else "no task has this number"
            elif too_much:
                why = "it is over, and all tasks together take too much room"
            else:
                await self._old_spools(one)
                continue
            if await self._remove(one, why):
                total -= one.bytes

    async def _look_at(self, path: Path) -> _Directory:
        task_id = TaskId(int(path.name))
        try:
            view = await self._store.view(task_id)
        except KeyError:
            view = None
        counted = self._rules.most_bytes is not None  # else only what goes is measured
        return _Directory(path, task_id, view, await asyncio.to_thread(_size, path) if counted else 0)

    async def _remove(self, one: _Directory, why: str) -> bool:
        if one.view is not None and one.view.state.is_active:
            return False
        if _is_at_work(one.path):
            self._swept.kept.append(Kept(one.name, "an agent is at work in it"))
            return False
        unpushed = await self._unpushed(one)
        if unpushed is not None and not self._rules.even_unpushed:
            self._swept.kept.append(Kept(one.name, unpushed))
            return False
        why = why if unpushed is None else f"{why}; {unpushed}"
        one = replace(one, bytes=one.bytes or await asyncio.to_thread(_size, one.path))
        if self._rules.dry_run:
            self._gone(one.name, one.bytes, why)
            return True
        async with self._store.at_rest(one.task_id) as at_rest:
            if not at_rest or _is_at_work(one.path):
                return False
            aside = _aside(one.path)
            with effect("file.set-aside"):
                one.path.rename(aside)
        await self._unpin(one)
        self._gone(one.name, one.bytes, why)
        await _delete(aside)
        return True

    async def _unpushed(self, one: _Directory) -> str | None:
        """Why its work may be nowhere else, in words; None where it is not so."""
        if one.view is None:
            bundles = any(one.path.glob("runs/*/launches/*/bundles/*"))
            return "the database does not know whether its commits were pushed" if bundles else None
        recorded = await self._store.events(task_id=one.task_id, limit=-1)
        last = history.unpushed(recorded)
        if last is not None:
            return f"the commits of run {last.run_id} were never pushed"
        lost = history.since(recorded, LaunchLost)
        if one.view.outcome is Outcome.crashed and len(lost) < len(recorded):
            return f"run {one.view.run.id} was cut off, and what it had not handed over is only here"
        return None

    async def _unpin(self, one: _Directory) -> None:
        """The mirrors keep nothing for it any more. One that cannot be written is not worth a failure."""
        mirrors = [self._mirrors.of(remote_of(one.view.task.repository))] if one.view else self._mirrors.all()
        for mirror in mirrors:
            try:
                await mirror.unpin(one.task_id)
            except (GitFailed, OSError) as exc:
                logger.warning("%s keeps what it had for task %s: %s", mirror.path, one.task_id, exc)

    async def _old_spools(self, one: _Directory) -> None:
        """What earlier runs of a task said, which nobody reads any more; the latest run's stays."""
        if one.view is None:
            return
        last = history.unpushed(await self._store.events(task_id=one.task_id, limit=-1))
        for run in one.view.runs[:-1]:
            path = one.path / "runs" / str(run.id)
            old = run.ended_at is not None and self._age(run.ended_at) > self._rules.keep
            if old and path.is_dir() and (last is None or last.run_id != run.id):
                await self._delete(path, f"run {run.id} of {one.name}", "it is over, and old")

    async def _old_mirrors(self) -> None:
        for mirror in self._mirrors.all():
            name = f"mirror {mirror.remote.host}/{mirror.remote.full_name}"
            touched = max(path.stat().st_mtime for path in (mirror.path, *mirror.path.glob("*")))
            if self._age(datetime.fromtimestamp(touched, UTC)) <= self._rules.keep:
                continue
            try:
                if await mirror.serves():
                    continue
                size = await asyncio.to_thread(_size, mirror.path)
                aside = _aside(self._home / "mirrors" / f"{mirror.remote.full_name.replace('/', '-')}")
                at_rest = self._store.repository_at_rest(mirror.remote.host, mirror.remote.full_name)
                if self._rules.dry_run or await mirror.set_aside(aside, at_rest):
                    self._gone(name, size, "no task uses it")
                    await _delete(aside)
            except GitFailed as exc:
                self._swept.kept.append(Kept(name, f"git cannot read it: {exc.stderr.strip()[:200]}"))

    async def _deliveries(self) -> None:
        before = self._now - DELIVERIES_KEPT
        count, size = await self._store.deliveries.old(before)
        if count:
            self._gone(f"{count} webhooks", size, "they were handled long ago")
            if not self._rules.dry_run:
                await self._store.deliveries.forget(before)

    async def _delete(self, path: Path, what: str, why: str) -> None:
        self._gone(what, await asyncio.to_thread(_size, path), why)
        if not self._rules.dry_run:
            await _delete(path)

    def _gone(self, what: str, size: int, why: str) -> None:
        self._swept.removed.append(Removed(what, size, why))

    def _age(self, since: datetime) -> timedelta:
        return self._now - since


async def _delete(path: Path) -> None:
    with effect("file.sweep"):
        await asyncio.to_thread(workspace.remove_tree, path)


def _aside(path: Path) -> Path:
    """A name beside it that nobody has."""
    return path.with_name(f"{GONE}{path.name}-{secrets.token_hex(8)}")


def _is_at_work(path: Path) -> bool:
    return any(spool.is_alive(one) for one in path.glob("runs/*/launches/*"))


def _size(path: Path) -> int:
    """What it takes on the disk; no link is followed, and what vanishes meanwhile takes nothing."""
    total, left = 0, [os.fspath(path)]
    while left:
        with contextlib.suppress(OSError):
            for entry in os.scandir(left.pop()):
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
    return total
