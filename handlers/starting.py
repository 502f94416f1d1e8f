"""Start work on an issue, or go on with it, for someone who may ask: the one way in for labels and comments."""

import re
import secrets
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from handlers import policy, prompt
from handlers.desk import Desk
from handlers.gathering import matter_of
from handlers.github import allow, identity_of, issue_now, repository_of, subject_of
from handlers.sanitize import visible, visible_line
from runner.errors import TryLater
from runner.events import WorkspacePrepared
from runner.store import Submission
from runner.tasks import Actor, Labelling, Repository, Task, TriggerKind, Wish

LONGEST_SLUG = 40

_IDS = uuid.UUID("1b6a5d6e-8a2b-4f5c-9d57-0c1a4f0e2b93")


def branch_of(key: str, title: str) -> str:
    """`claude/issue-42-short-title`, of `issue-42`: plain letters and digits, cut between words."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(slug) > LONGEST_SLUG:
        slug = slug[: LONGEST_SLUG + 1].rpartition("-")[0] or slug[:LONGEST_SLUG]
    return f"claude/{key}-{slug}".rstrip("-")


def issue_of(branch: str) -> int | None:
    """The number in such a name."""
    found = re.match(r"claude/issue-([0-9]{1,9})(?:-|$)", branch)
    return int(found[1]) if found else None


def next_branch(branch: str, before: Sequence[str]) -> str:
    """The branch for the work after a merge: `…-2`, then `…-3`. `before` are those the task has had, in order."""
    had = list(dict.fromkeys([*before, branch]))
    return f"{had[0]}-{len(had) + 1}"


def wish_id(source: str) -> str:
    """The same trigger, delivered again, is the same wish."""
    return str(uuid.uuid5(_IDS, source))


def new_boundary() -> str:
    """Nobody who wrote on the tracker could know it."""
    return secrets.token_hex(12)


async def begin(
    desk: Desk,
    payload: Mapping[str, Any],
    issue: Mapping[str, Any],
    at: datetime,
    asker: Actor,
    kind: TriggerKind,
    wish: str,
    extra: str = "",
    labelling: Labelling | None = None,
    *,
    by_our_clock: bool = False,
    place: str = "",
) -> Submission:
    """Submit an issue. `payload` is GitHub's repository, `issue` its picture of the issue at the trigger, at `at`.

    `place` is where it was asked for, empty is GitHub.
    """
    repository = repository_of(payload, desk.house)
    message = await first_message(desk, repository, issue, at, asker, extra)
    task = await desk.store.register.of_subject("github", identity_of(repository, issue["number"]))
    branch = task.branch if task else branch_of(f"issue-{issue['number']}", issue["title"])
    if task is not None:
        await begin_again_if_over(desk, task)
    subject = subject_of(repository, issue, visible_line(issue["title"]))
    asked_at = None if by_our_clock else at
    wished = Wish(kind, asker, message, wish, visible(extra), asked_at, labelling, place)
    return await desk.conductor.submit(subject, repository, branch, wished)


async def first_message(
    desk: Desk, repository: Repository, issue: Mapping[str, Any], at: datetime, asker: Actor, extra: str
) -> str:
    """The issue as it stood, for Claude who has not seen it yet."""
    matter = await matter_of(desk.gh, desk.house, repository, issue, at)
    return prompt.of_matter(matter, asker.login, extra, new_boundary())


async def go_on(
    desk: Desk,
    task: Task,
    repository: Repository,
    asker: Actor,
    message: str,
    wish: str,
    said: str,
    at: datetime | None = None,
    place: str = "",
) -> Submission:
    """Say something to a task: to its active run, or in a new one on the same session. `said` is what people see.

    `at` is when they said it, by the clock of the place; None: by ours. `place` is where, empty is GitHub.
    """
    subject = task.subject
    if subject.source == "github" and subject.number is not None:
        subject = replace(subject, key=f"{repository.full_name}#{subject.number}")
    return await desk.conductor.submit(
        subject,
        repository,
        task.branch,
        Wish(TriggerKind.command, asker, message, wish, visible(said), at, place=place),
    )


async def not_while_stopping(desk: Desk, task: Task | None) -> None:
    """What is asked for while a run is being stopped is meant for the time after: nothing that is said to it counts."""
    run = await desk.store.active_run(task.id) if task else None
    if run is not None and run.stop_asked_by is not None:
        raise TryLater(f"run {run.id} is still being stopped")


def is_over(task: Task) -> bool:
    """Its pull request was merged or closed."""
    return task.pull_request is not None and task.pull_request.state != "open"


async def begin_again_if_over(desk: Desk, task: Task) -> bool:
    """The last pull request is merged or closed: what comes now gets a branch and a pull request of its own."""
    if is_over(task) and await desk.store.active_run(task.id) is None:
        recorded = await desk.store.events(task_id=task.id, limit=-1)
        had = [one.event.branch for one in recorded if isinstance(one.event, WorkspacePrepared)]
        await desk.store.begin_again(task.id, next_branch(task.branch, had))
        return True
    return False


async def open_issue(desk: Desk, payload: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The issue as it stands, if it can be worked on; else a Refusal."""
    allow(policy.may_work_in(payload))
    issue = await issue_now(desk.gh, repository_of(payload, desk.house), number)
    allow(policy.may_work_on_issue(issue))
    return issue
