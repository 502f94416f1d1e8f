"""Get a run ready to be launched: the mirror up to date, the workspace there, the sandbox's words, the day's budget."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner import sandbox, workspace
from runner.events import LaunchStarted, WorkspacePrepared
from runner.exporting import Identity
from runner.means import Means
from runner.mirror import Mirror
from runner.publishing import remote_of
from runner.remotes import with_credential
from runner.tasks import Run, Task


async def prepare(means: Means, task: Task, run: Run) -> tuple[Mirror, str | None]:
    """The mirror up to date and the workspace there; and a commit to merge, if others pushed to our branch."""
    mirror = means.mirrors.of(remote_of(task.repository))
    await with_credential(means.credentials, task.repository, False, mirror.fetch)
    root = means.engine.task_root(task.id)
    bot = Identity(means.rules.bot.login, means.rules.bot.email)
    if task.base_sha is None:
        base_sha = await mirror.base(task.repository.default_branch)
        branch = await _free_branch(mirror, task.branch)
        await workspace.discard_checkout(root)
        await workspace.prepare(
            mirror, root, task_id=task.id, branch=branch, base_sha=base_sha, tip_sha=None, identity=bot
        )
        prepared = WorkspacePrepared(task.repository.default_branch, base_sha, branch)
        await means.store.record(task.id, prepared, run_id=run.id)
        return mirror, None
    theirs = await mirror.head(task.branch)
    await workspace.prepare(
        mirror,
        root,
        task_id=task.id,
        branch=task.branch,
        base_sha=task.base_sha,
        tip_sha=task.pushed_sha,
        identity=bot,
    )
    if theirs is None or theirs == task.pushed_sha:
        return mirror, None
    await mirror.pin(task.id, theirs, "theirs")
    return mirror, theirs


def confined(means: Means, root: Path, mirror: Mirror, env: dict[str, str]) -> tuple[str, ...]:
    rules = means.rules
    return sandbox.argv(
        means.host,
        writable=[str(root / name) for name in ("worktree", "vault.git", "home", "claude")],
        readable=[str(path) for path in (mirror.path / "objects", rules.claude, *rules.read_only)],
        env=env,
    )


def launched(means: Means, run: Run) -> LaunchStarted:
    return LaunchStarted(run.launch, means.rules.confinement)


async def budget_resets(means: Means) -> datetime | None:
    """When today's budget is used up: the next midnight, UTC."""
    today = means.now().astimezone(UTC)
    budget = means.rules.day_dollars
    if budget is None or await means.store.spent(today.date().isoformat()) < budget:
        return None
    return datetime.combine(today.date() + timedelta(days=1), datetime.min.time(), UTC)


async def _free_branch(mirror: Mirror, wanted: str) -> str:
    """The branch itself, or with -2, -3 …: never one that is there already."""
    for name in itertools.chain([wanted], (f"{wanted}-{n}" for n in itertools.count(2))):
        if await mirror.head(name) is None:
            return name
    raise AssertionError("counting has no end")
