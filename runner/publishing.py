"""Bring commits home: import the bundle, look at what is in it, push that exact commit, open the pull request."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from runner.errors import Refusal
from runner.events import (
    BranchPushed,
    CommitsExported,
    Decided,
    PullRequestClosed,
    PullRequestOpened,
    PullRequestReady,
    WorkHeldBack,
)
from runner.inspection import Finding, inspect
from runner.mirror import Mirror, Mirrors, Pushed
from runner.remotes import BranchMoved, Credential, Credentials, Remote, with_credential
from runner.secrets import Keyring
from runner.store import Store
from runner.tasks import PullRequest, Repository, Run, Task
from runner.view import TaskView


class Forge(Protocol):
    """The place that hosts the code, as far as the runner needs it."""

    async def find_pull_request(self, view: TaskView, sha: str) -> PullRequest | None:
        """The open pull request of the task's branch; else a merged or closed one that ended at this commit."""

    async def open_pull_request(self, view: TaskView) -> PullRequest:
        """The draft pull request of the task's branch: found by its head branch, else made."""

    async def mark_ready(self, view: TaskView) -> PullRequest:
        """Out of draft, with the final words, where it is open; and how it stands now."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The commit is not pushed until a person says so; with a secret in it, never."""

    sha: str
    findings: tuple[Finding, ...]

    @property
    def is_final(self) -> bool:
        """Nobody can allow a known secret out."""
        return any(finding.kind == "secret" for finding in self.findings)


class Publisher:
    """What a run publishes, through our own mirror and never from where the agent writes."""

    def __init__(
        self, store: Store, mirrors: Mirrors, forge: Forge, credentials: Credentials, keyring: Keyring
    ) -> None:
        self._store = store
        self._mirrors = mirrors
        self._forge = forge
        self._credentials = credentials
        self._keyring = keyring

    async def publish(self, task: Task, run: Run, bundle: Path, exported: CommitsExported) -> HeldBack | None:
        """Import, inspect, push, and see to it that there is a pull request. Doing it again changes nothing.

        Raises Refusal (the sentence for the person) or TryLater.
        """
        if task.base_sha is None:
            raise ValueError(f"task {task.id} has no base: its workspace was never prepared")
        mirror = self._mirrors.of(remote_of(task.repository))
        if not await mirror.objects.has(task.base_sha):  # it was removed, or the database came here without it
            await with_credential(self._credentials, task.repository, False, mirror.fetch)
        sha = exported.sha if exported.sha == task.pushed_sha else await self._imported(task, run, bundle, exported)
        if task.pull_request is None and await self._is_over(task, run, sha):
            return None
        if not await mirror.objects.changed(task.base_sha, sha) and task.pushed_sha is None:
            return None
        if sha != task.pushed_sha:
            theirs = [await mirror.head(branch) for branch in (task.repository.default_branch, task.branch)]
            upstream = [head for head in theirs if head is not None]
            findings = tuple(await inspect(mirror, task.base_sha, sha, self._keyring.values, upstream=upstream))
            held = HeldBack(sha, findings)
            if findings and (held.is_final or not await self._is_allowed(task, sha)):
                await self._store.record(
                    task.id, WorkHeldBack(sha, tuple(finding.sentence for finding in findings)), run_id=run.id
                )
                return held
            push = partial(self._push, mirror, sha, task)
            try:
                pushed = await with_credential(self._credentials, task.repository, True, push)
            except BranchMoved:
                if await self._is_over(task, run, sha):
                    return None
                raise
            await self._store.record(task.id, await self._there(task, pushed.sha), run_id=run.id)
        if task.pull_request is None:
            opened = await self._forge.open_pull_request(await self._store.view(task.id))
            await self._store.record(task.id, PullRequestOpened(opened.number, opened.url), run_id=run.id)
        return None

    async def find(self, task: Task, sha: str) -> PullRequest | None:
        """The task's pull request as it stands there, whether we remember it or not."""
        return await self._forge.find_pull_request(await self._store.view(task.id), sha)

    async def _imported(self, task: Task, run: Run, bundle: Path, exported: CommitsExported) -> str:
        number = exported.launch * 10_000 + exported.number
        try:
            return await self._mirrors.of(remote_of(task.repository)).import_bundle(task.id, run.id, number, bundle)
        except FileNotFoundError as exc:
            raise Refusal(
                "What Claude committed last is not on this machine any more, so it cannot be pushed. "
                "Say `/claude retry` to have it done again."
            ) from exc

    async def _is_over(self, task: Task, run: Run, sha: str) -> bool:
        """Whether just this was merged or closed already, in a life of ours that the database has forgotten."""
        there = await self.find(task, sha)
        if there is None or there.state == "open":
            return False
        await self._store.record(
            task.id,
            await self._there(task, sha),
            PullRequestOpened(there.number, there.url),
            PullRequestClosed(there.number, there.state == "merged"),
            run_id=run.id,
        )
        return True

    async def _there(self, task: Task, sha: str) -> BranchPushed:
        """The event that says so, with how much it is."""
        if task.base_sha is None:
            raise ValueError(f"task {task.id} has no base")
        count = await self._mirrors.of(remote_of(task.repository)).objects.count(task.base_sha, sha)
        return BranchPushed(task.branch, sha, count.commits, count.files, count.insertions, count.deletions)

    async def finish(self, task: Task, run: Run) -> None:
        """The work is done: out of draft, unless somebody merged or closed it already."""
        there = await self._forge.mark_ready(await self._store.view(task.id))
        found = (
            PullRequestReady(there.number)
            if there.state == "open"
            else PullRequestClosed(there.number, there.state == "merged")
        )
        await self._store.record(task.id, found, run_id=run.id)

    async def _push(self, mirror: Mirror, sha: str, task: Task, credential: Credential | None) -> Pushed:
        return await mirror.push(sha, task.branch, credential, task.pushed_sha)

    async def _is_allowed(self, task: Task, sha: str) -> bool:
        recorded = await self._store.events(task_id=task.id, limit=-1)
        return any(
            isinstance(one.event, Decided) and one.event.request == sha and one.event.allowed for one in recorded
        )


def remote_of(repository: Repository) -> Remote:
    """Where git finds a repository."""
    return Remote(repository.clone_url, repository.host, repository.full_name)
