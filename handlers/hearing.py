"""Hear what people say to us: commands in comments, with those before them that have not come to us yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from gidgethub import sansio

from handlers import commands, github, policy
from handlers.commands import Command
from handlers.desk import Desk
from handlers.doing import message_of
from runner.events import PullRequestOpened
from runner.tasks import Actor, Repository, Task


@dataclass(frozen=True, slots=True)
class Spoken:
    """A comment that holds commands. `key` names it among all that is spoken; `number` is where the answer goes.

    `issue` is the webhook's picture of the issue, None on a pull request. `message` makes of a text what Claude reads.
    """

    key: str
    number: int
    author: Actor
    at: datetime
    commands: tuple[Command, ...]
    repository: Repository
    payload: Mapping[str, Any]
    issue: Mapping[str, Any] | None
    message: Callable[[str], str]


def heard(
    event: sansio.Event,
    desk: Desk,
    comment: Mapping[str, Any],
    key: str,
    number: int,
    message: Callable[[str], str] | None = None,
) -> Spoken | None:
    """What was said, if it holds a command and a person said it."""
    found = commands.parse(comment.get("body") or "")
    if not found or not policy.speaks_for_itself(event.data["sender"], comment):
        return None
    author = github.actor_of(comment["user"], desk.house)
    issue = event.data.get("issue")
    return Spoken(
        key=key,
        number=number,
        author=author,
        at=github.when(comment["created_at"]),
        commands=found,
        repository=github.repository_of(event.data["repository"], desk.house),
        payload=event.data["repository"],
        issue=issue if issue is not None and "pull_request" not in issue else None,
        message=message or message_of(author),
    )


async def task_of(desk: Desk, spoken: Spoken) -> Task | None:
    """The task that this is said to."""
    if spoken.issue is not None:
        return await desk.store.register.of_subject("github", github.identity_of(spoken.repository, spoken.number))
    known = await desk.store.register.of_pull_request(spoken.repository.host, spoken.repository.id, spoken.number)
    if known is not None:
        return known
    shape = await desk.gh.getitem(f"/repos/{spoken.repository.full_name}/pulls/{spoken.number}")
    return await task_of_pull_request(desk, spoken.repository, shape)


async def task_of_pull_request(desk: Desk, repository: Repository, pull_request: Mapping[str, Any]) -> Task | None:
    """The task whose pull request this is. One that we opened and never wrote down is known by its branch."""
    number, head = pull_request["number"], pull_request["head"]
    task = await desk.store.register.of_pull_request(repository.host, repository.id, number)
    if task is not None or (head.get("repo") or {}).get("id") != repository.id:
        return task
    task = await desk.store.register.of_branch(repository.host, repository.id, head["ref"])
    if task is None or task.pull_request is not None:
        return None
    await desk.store.record(task.id, PullRequestOpened(number, pull_request["html_url"]))
    return await desk.store.task(task.id)


async def said_before(desk: Desk, spoken: Spoken, comment_id: int | None = None) -> list[Spoken]:
    """Commands in earlier comments that nobody answered, on the issue and on its pull request, in order.

    Their webhooks are late, or will never come. `comment_id` is what is heard now, where that is such a comment.
    """
    since = await desk.store.marks.at(mark_of(spoken.repository))
    if since is None:
        return []
    before: dict[int, Spoken] = {}
    for number, issue in (await _places(desk, spoken)).items():
        url = f"/repos/{spoken.repository.full_name}/issues/{number}/comments?per_page=100"
        async for comment in desk.gh.getiter(f"{url}&since={quote(since.strftime('%Y-%m-%dT%H:%M:%SZ'))}"):
            at = github.when(comment["created_at"])
            if github.is_ours(comment, desk.house):
                for answered in [one for one in before if comment["body"].startswith(github.answer_marker(f"{one}"))]:
                    del before[answered]
            elif at < spoken.at or (comment_id is not None and at == spoken.at and comment["id"] < comment_id):
                author = github.actor_of(comment["user"], desk.house)
                before[comment["id"]] = replace(
                    spoken,
                    key=f"{comment['id']}",
                    number=number,
                    author=author,
                    at=at,
                    commands=command_of(comment, since),
                    issue=issue,
                    message=message_of(author),
                )
    return [before[number] for number in sorted(before) if before[number].commands]


def command_of(comment: Mapping[str, Any], since: datetime) -> tuple[Command, ...]:
    """The commands of a comment that its webhook would have brought. One that was edited is not read again."""
    if comment["created_at"] != comment["updated_at"] or github.when(comment["created_at"]) < since:
        return ()
    if not policy.speaks_for_itself(comment.get("user") or {}, comment):
        return ()
    return commands.parse(comment.get("body") or "")


def mark_of(repository: Repository) -> str:
    """The mark up to which a repository's comments were looked through."""
    return f"comments/{repository.host}/{repository.id}"


async def _places(desk: Desk, spoken: Spoken) -> dict[int, Mapping[str, Any] | None]:
    """Where people speak to this task: its issue, and its pull request."""
    places: dict[int, Mapping[str, Any] | None] = {spoken.number: spoken.issue}
    task = await task_of(desk, spoken)
    if task is None or task.subject.source != "github" or task.subject.number is None:
        return places
    if spoken.issue is None:
        places[task.subject.number] = await github.issue_now(desk.gh, spoken.repository, task.subject.number)
    elif task.pull_request is not None:
        places[task.pull_request.number] = None
    return places
