"""What nobody needs any more goes, whole or not at all; what was never pushed and what is at work stays."""

import asyncio
import fcntl
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.deliveries import Delivery
from runner.effects import Side, _observers
from runner.events import BranchPushed, CommitsExported, LaunchLost, LaunchStarted, WorkspacePrepared
from runner.mirror import Mirrors
from runner.store import Store, open_store
from runner.sweeping import Rules, Sweeper, Swept
from runner.tasks import Actor, Outcome, Repository, Run, RunState, Subject, TaskId, TriggerKind, Wish
from runner.tmux import Tmux

HELLO = Repository("github.com", 7, "octo/hello", "https://github.com/octo/hello.git", "main")
OLD = Rules(keep=timedelta(days=30))
LATER = timedelta(days=40)


@dataclass
class Place:
    """A CCO_HOME with a store that is open, as beside a service."""

    home: Path
    store: Store

    async def task(self, number: int, outcome: Outcome | None, *, pushed: bool = True, mirrored: bool = True) -> Run:
        """A task whose run handed commits over, and ended so (None: not at all), with its directory and its pin."""
        subject = Subject("github", f"github.com/7/{number}", f"octo/hello#{number}", "https://x", "A bug")
        wish = Wish(TriggerKind.label, Actor("anna", 5), "do it", f"wish-{number}")
        run = (await self.store.submit(subject, HELLO, f"claude/issue-{number}", wish)).run
        sha = f"{number:040x}"
        await self.store.move(run.id, RunState.starting, WorkspacePrepared("main", "b" * 40, "claude/x"))
        await self.store.begin_launch(run.id)
        await self.store.move(run.id, RunState.running, LaunchStarted(1, "bwrap"), CommitsExported(1, 1, sha))
        if pushed:
            await self.store.record(run.task_id, BranchPushed("claude/x", sha, 1, 1, 1, 0), run_id=run.id)
        if outcome is not None and outcome.state is RunState.succeeded:
            await self.store.move(run.id, RunState.publishing)
        if outcome is not None:
            await self.store.settle(run.id, outcome, "so it was")
        launch = self.root(run.task_id) / f"runs/{run.id}/launches/1"
        (launch / "bundles").mkdir(parents=True)
        (launch / "bundles" / "1").write_bytes(b"x" * 100_000)
        (launch / "lock").touch()
        for name in ("worktree", "vault.git", "home", "claude"):
            (self.root(run.task_id) / name).mkdir()
        (self.root(run.task_id) / "worktree" / "locked").mkdir(mode=0o500)
        if mirrored:
            self.git("update-ref", f"refs/tasks/{run.task_id}/base", "HEAD")
        return run

    def root(self, task_id: int) -> Path:
        return self.home / "tasks" / str(task_id)

    @property
    def mirror(self) -> Path:
        return self.home / "mirrors/github.com/octo/hello.git"

    def git(self, *arguments: str) -> str:
        argv = ("git", "-c", "user.name=A", "-c", "user.email=a@b", "-C", str(self.mirror), *arguments)
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def directories(self) -> list[str]:
        return sorted(path.name for path in (self.home / "tasks").iterdir())

    async def sweep(self, rules: Rules = OLD, after: timedelta = LATER) -> Swept:
        tmux, mirrors = Tmux(self.home / "tmux.sock"), Mirrors(self.home, alone=False)
        return await Sweeper(self.home, self.store, mirrors, tmux, rules, datetime.now(UTC) + after).sweep()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with open_store(tmp_path / "cco.db") as store:
        one = Place(tmp_path, store)
        (tmp_path / "tasks").mkdir()
        one.mirror.mkdir(parents=True)
        subprocess.run(("git", "init", "-q", "--bare", str(one.mirror)), check=True)
        tree = one.git("hash-object", "-t", "tree", "-w", "/dev/null").strip()
        one.git("update-ref", "HEAD", one.git("commit-tree", tree, "-m", "Base").strip())
        yield one


def names(swept: Swept) -> list[str]:
    return [one.what for one in swept.removed]


async def test_an_old_task_that_is_over_goes_and_a_young_one_stays(place: Place) -> None:
    await place.task(1, Outcome.delivered)
    await place.task(2, Outcome.answered, pushed=False)

    assert names(await place.sweep(after=timedelta(days=29))) == []
    dry = await place.sweep(Rules(keep=OLD.keep, dry_run=True))
    assert place.directories() == ["1", "2"]
    swept = await place.sweep()
    assert (
        names(swept)
        == names(dry)[:2] + names(swept)[2:]
        == ["task 1 (octo/hello#1)", "task 2 (octo/hello#2)", *names(swept)[2:]]
    )
    assert swept.bytes > 200_000
    assert place.directories() == []
    assert swept.kept == []


@pytest.mark.parametrize("outcome", [Outcome.withheld, Outcome.unworkable, Outcome.stopped, Outcome.delivered])
async def test_work_that_was_not_pushed_is_kept_and_named_until_it_is_given_up(place: Place, outcome: Outcome) -> None:
    run = await place.task(1, outcome, pushed=False)

    swept = await place.sweep()
    assert names(swept) == []
    assert [(one.what, one.why) for one in swept.kept] == [
        ("task 1 (octo/hello#1)", f"the commits of run {run.id} were never pushed")
    ]
    assert place.directories() == ["1"]

    swept = await place.sweep(Rules(keep=OLD.keep, even_unpushed=True))
    assert swept.removed[0].what == "task 1 (octo/hello#1)"
    assert "never pushed" in swept.removed[0].why
    assert place.directories() == []


async def test_what_a_lost_supervisor_left_may_be_only_here(place: Place) -> None:
    run = await place.task(1, None)
    await place.store.record(TaskId(1), LaunchLost(1), run_id=run.id)
    await place.store.settle(run.id, Outcome.crashed, "three times")

    (kept,) = (await place.sweep()).kept
    assert "only here" in kept.why


async def test_a_run_that_has_not_ended_is_never_touched_nor_what_a_supervisor_holds(place: Place) -> None:
    await place.task(1, None)
    run = await place.task(2, Outcome.delivered)
    lock = os.open(place.root(2) / f"runs/{run.id}/launches/1/lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        swept = await place.sweep(Rules(keep=OLD.keep, most_bytes=1, even_unpushed=True))
    finally:
        os.close(lock)
    assert place.directories() == ["1", "2"]
    assert names(swept) == []
    assert [one.why for one in swept.kept] == ["an agent is at work in it"]


async def test_over_the_limit_the_oldest_go_first_and_no_more_than_needed(place: Place) -> None:
    for number in (1, 2, 3):
        await place.task(number, Outcome.delivered)
    swept = await place.sweep(Rules(keep=OLD.keep, most_bytes=300_000), after=timedelta(0))
    assert names(swept) == ["task 1 (octo/hello#1)"]
    assert place.directories() == ["2", "3"]


async def test_a_run_that_begins_in_that_moment_wins_or_finds_nothing_there(place: Place) -> None:
    """Between the look and the rename someone asks again: the directory stays."""
    await place.task(1, Outcome.delivered)
    at_rest = place.store.at_rest

    @asynccontextmanager
    async def after_a_new_wish(task_id: TaskId) -> AsyncIterator[bool]:
        subject = Subject("github", "github.com/7/1", "octo/hello#1", "https://x", "A bug")
        wish = Wish(TriggerKind.command, Actor("anna", 5), "again", "wish-again")
        await place.store.submit(subject, HELLO, "claude/issue-1", wish)
        async with at_rest(task_id) as result:
            yield result

    place.store.at_rest = after_a_new_wish  # type: ignore[method-assign]  # the moment itself cannot be waited for
    assert "task 1 (octo/hello#1)" not in names(await place.sweep())
    assert place.directories() == ["1"]


async def test_nobody_can_begin_a_run_while_a_directory_is_renamed(place: Place) -> None:
    await place.task(1, Outcome.delivered)
    subject = Subject("github", "github.com/7/1", "octo/hello#1", "https://x", "A bug")
    wish = Wish(TriggerKind.command, Actor("anna", 5), "again", "wish-again")
    async with open_store(place.home / "cco.db") as service:
        async with place.store.at_rest(TaskId(1)) as at_rest:
            assert at_rest
            asked = asyncio.create_task(service.submit(subject, HELLO, "claude/issue-1", wish))
            await asyncio.sleep(0.3)  # it has had its chance
            assert not asked.done()
        assert (await asked).run.state is RunState.queued


class Cut(Exception):
    """The machine stops here."""


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", ["file.set-aside", "commit.at-rest", "git.unpin", "file.sweep"])
async def test_cut_off_anywhere_the_next_sweep_finishes_it(place: Place, name: str, side: Side) -> None:
    await place.task(1, Outcome.delivered)

    def cut(seen: str, when: Side) -> None:
        if (seen, when) == (name, side):
            raise Cut

    _observers.append(cut)
    try:
        with pytest.raises(Cut):
            await place.sweep()
    finally:
        _observers.remove(cut)
    there = place.root(1)
    assert not there.exists() or {"worktree", "vault.git", "home", "claude", "runs"} <= {
        one.name for one in there.iterdir()
    }

    await place.sweep()
    assert place.directories() == []


async def test_what_crashes_left_behind_goes_once_nothing_can_need_it(place: Place) -> None:
    tasks, mirrors = place.home / "tasks", place.home / "mirrors"
    for path in (tasks / ".5-abc", tasks / ".gone-9-x", mirrors / ".askpass-y", mirrors / ".new-z"):
        path.mkdir()
    (tasks / "88").mkdir()
    (tasks / "77" / "runs/3/launches/1/bundles").mkdir(parents=True)
    (tasks / "77" / "runs/3/launches/1/bundles/1").touch()

    young = await place.sweep(after=timedelta(hours=1))
    assert names(young) == ["what was left of 9-x"]
    swept = await place.sweep()
    assert {"88 gone": "task 88" in names(swept), "left": place.directories()} == {"88 gone": True, "left": ["77"]}
    assert [one.why for one in swept.kept] == ["the database does not know whether its commits were pushed"]
    assert [path.name for path in mirrors.iterdir() if path.name.startswith(".")] == []


async def test_a_mirror_goes_when_no_task_uses_it(place: Place) -> None:
    await place.task(1, Outcome.withheld, pushed=False)
    assert "mirror github.com/octo/hello" not in names(await place.sweep())
    assert place.mirror.exists()

    swept = await place.sweep(Rules(keep=OLD.keep, even_unpushed=True))
    assert names(swept) == ["task 1 (octo/hello#1)", "mirror github.com/octo/hello"]
    assert not place.mirror.exists()


async def test_webhooks_that_were_handled_long_ago_go_and_others_stay(place: Place) -> None:
    now = datetime.now(UTC)
    for n, age in enumerate((0, 10, 20)):
        one = Delivery("github", "1", f"guid-{n}", "issues", b"{}", now - timedelta(days=age))
        await place.store.deliveries.put([one])
    first, second, third = await place.store.deliveries.pending()
    await place.store.deliveries.settle(first.id)
    await place.store.deliveries.settle(second.id)
    await place.store.deliveries.settle(third.id, "it broke")

    assert names(await place.sweep(after=timedelta(0))) == ["1 webhooks"]
    assert await place.store.deliveries.put([second, first]) == [True, False]
    assert [one.id for one, _ in await place.store.deliveries.parked()] == [third.id]
