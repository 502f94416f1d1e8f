"""Get a run ready to be launched: the mirror up to date, the workspace there, the sandbox's words, the day's budget."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner import history, launching, sandbox, workspace
from runner.events import (
    AgentStarted,
    BranchPushed,
    CommitsExported,
    Event,
    LaunchStarted,
    PullRequestOpened,
    PullRequestReady,
    WorkspacePrepared,
)
from runner.exporting import Identity
from runner.means import Means
from runner.mirror import BranchMissing, Mirror
from runner.publishing import remote_of
from runner.remotes import with_credential
from runner.spool import Spec
from runner.tasks import Run, Task

NOT_HERE = (
    "The branch `{branch}` is gone on GitHub, and this machine does not have its commits ({sha}) any more. Restore the "
    "branch there, then say `/claude retry`."
)


async def prepare(means: Means, task: Task, run: Run) -> tuple[Mirror, str | None]:
    """The mirror up to date and the workspace there; and a commit to merge, if others pushed to our branch."""
    mirror = means.mirrors.of(remote_of(task.repository))
    await with_credential(means.credentials, task.repository, False, mirror.fetch)
    root = means.engine.task_root(task.id)
    bot = Identity(means.rules.bot.login, means.rules.bot.email)
    if task.base_sha is None:
        if await _take_up(means, mirror, task, run):
            return mirror, None
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
    for sha in (task.base_sha, task.pushed_sha):
        if sha is not None and not await mirror.objects.has(sha):
            raise BranchMissing(NOT_HERE.format(branch=task.branch, sha=sha[:12]))
    tip_sha = task.pushed_sha
    if not workspace.Workspace(root).is_whole:
        tip_sha = await _handed_over(means, mirror, task, run) or tip_sha
    await workspace.prepare(
        mirror, root, task_id=task.id, branch=task.branch, base_sha=task.base_sha, tip_sha=tip_sha, identity=bot
    )
    if theirs is None or theirs == task.pushed_sha:
        return mirror, None
    await mirror.pin(task.id, theirs, "theirs")
    return mirror, theirs


async def spec(means: Means, task: Task, run: Run, mirror: Mirror, merge_sha: str | None) -> Spec:
    """What the supervisor of this launch is told; `merge_sha` is what it has to take up first."""
    rules, root = means.rules, means.engine.task_root(task.id)
    run = replace(run, actor=replace(run.actor, host=task.repository.host))  # for their no-reply address there
    env = launching.environment(rules, run, root)
    confined = _confined(means, root, mirror, env) if rules.confinement == "bwrap" else ()
    # In this order: a word that we see and that answers a question is then known to answer it.
    triggers = await means.store.triggers(run.id)
    first = await means.store.first_wish(task.id)
    events = await means.store.events(task_id=task.id, limit=-1)
    mine = [one for one in events if one.run_id == run.id]
    answers = history.answers_unheard(mine)
    before = any(isinstance(one.event, AgentStarted) for one in events)
    return launching.spec(
        rules,
        task,
        run,
        root,
        env,
        confined,
        launching.messages(run, triggers, answers),
        launching.anew(run, first, triggers, answers, before=before),
        launching.limits(rules, run, history.worked(mine, means.now())),
        merge_sha,
    )


def _confined(means: Means, root: Path, mirror: Mirror, env: dict[str, str]) -> tuple[str, ...]:
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
    if budget is None or await means.store.tallies.spent(today.date().isoformat()) < budget:
        return None
    return datetime.combine(today.date() + timedelta(days=1), datetime.min.time(), UTC)


async def _take_up(means: Means, mirror: Mirror, task: Task, run: Run) -> bool:
    """Go on from a branch of this name that is ours, though the database knows nothing of it: it came from a backup.

    Ours is what has an open pull request, or has none and holds only commits of our own.
    """
    head = await mirror.head(task.branch)
    base_sha = await mirror.fork_point(task.repository.default_branch, head) if head is not None else None
    if head is None or base_sha is None or base_sha == head:
        return False
    there = await means.publisher.find(task, head)
    bot = Identity(means.rules.bot.login, means.rules.bot.email)
    if there is None and any(one.email != bot.email for one in await mirror.objects.log(base_sha, head)):
        return False
    if there is not None and there.state != "open":
        return False
    root = means.engine.task_root(task.id)
    await workspace.discard_checkout(root)
    await workspace.prepare(
        mirror, root, task_id=task.id, branch=task.branch, base_sha=base_sha, tip_sha=head, identity=bot
    )
    count = await mirror.objects.count(base_sha, head)
    found: list[Event] = [
        WorkspacePrepared(task.repository.default_branch, base_sha, task.branch),
        BranchPushed(task.branch, head, count.commits, count.files, count.insertions, count.deletions),
    ]
    if there is not None:
        found.append(PullRequestOpened(there.number, there.url))
        found += [] if there.draft else [PullRequestReady(there.number)]
    await means.store.record(task.id, *found, run_id=run.id)
    return True


async def _handed_over(means: Means, mirror: Mirror, task: Task, run: Run) -> str | None:
    """What this run handed over and did not push yet, for a workspace that is made anew; None if there is no such."""
    last = history.unpushed(await means.store.events_of(run))
    if last is None or not isinstance(last.event, CommitsExported):
        return None
    exported = last.event
    bundle = means.engine.bundle(run, exported)
    if not bundle.exists():
        return None
    return await mirror.import_bundle(task.id, run.id, exported.launch * 10_000 + exported.number, bundle)


async def _free_branch(mirror: Mirror, wanted: str) -> str:
    """The branch itself, or with -2, -3 …: never one that is there already."""
    for name in itertools.chain([wanted], (f"{wanted}-{n}" for n in itertools.count(2))):
        if await mirror.head(name) is None:
            return name
    raise AssertionError("counting has no end")
