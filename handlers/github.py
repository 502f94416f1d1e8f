"""What handlers ask of GitHub and say there, each call safe to make twice."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import gidgethub
from gidgethub.abc import GitHubAPI

from handlers import policy
from handlers.desk import House
from runner.effects import effect
from runner.errors import Refusal
from runner.tasks import Actor, Repository, Subject

Said = Literal["issues/comments", "pulls/comments"]


def repository_of(payload: Mapping[str, Any], house: House) -> Repository:
    """GitHub's description of a repository as ours."""
    return Repository(
        house.host, payload["id"], payload["full_name"], payload["clone_url"], payload.get("default_branch") or "main"
    )


def actor_of(user: Mapping[str, Any], house: House) -> Actor:
    """GitHub's description of a user as ours."""
    return Actor(user["login"], user["id"], house.host)


def identity_of(repository: Repository, number: int) -> str:
    """How the subject of an issue is known, whatever the repository is called today."""
    return f"{repository.host}/{repository.id}/{number}"


def subject_of(repository: Repository, issue: Mapping[str, Any], title: str) -> Subject:
    """An issue as a subject."""
    number = issue["number"]
    return Subject(
        "github", identity_of(repository, number), f"{repository.full_name}#{number}", issue["html_url"], title
    )


def when(text: str) -> datetime:
    """GitHub's time."""
    return datetime.fromisoformat(text)


def allow(verdict: policy.Verdict) -> None:
    """Go on, or raise the Refusal that a person reads."""
    if isinstance(verdict, policy.Refused):
        raise Refusal(verdict.sentence)


async def permission_of(gh: GitHubAPI, repository: Repository, actor: Actor) -> str | None:
    """What someone may do here, right now. None where GitHub does not say, or means someone else of that name."""
    url = f"/repos/{repository.full_name}/collaborators/{quote(actor.login, safe='')}/permission"
    try:
        found = await gh.getitem(url)
    except gidgethub.BadRequest as error:
        if error.status_code == 404:
            return None
        raise
    if (found.get("user") or {}).get("id") != actor.id:
        return None
    permission = found.get("permission")
    return permission if isinstance(permission, str) else None


async def issue_now(gh: GitHubAPI, repository: Repository, number: int) -> dict[str, Any]:
    """An issue as it stands."""
    issue: dict[str, Any] = await gh.getitem(f"/repos/{repository.full_name}/issues/{number}")
    return issue


async def events_of(gh: GitHubAPI, repository: Repository, number: int) -> list[dict[str, Any]]:
    """What happened to an issue or a pull request, from the first on."""
    url = f"/repos/{repository.full_name}/issues/{number}/events?per_page=100"
    return [event async for event in gh.getiter(url)]


async def look_at_issue(gh: GitHubAPI, repository: Repository, number: int) -> None:
    """👀: seen. GitHub keeps one of a kind from each user."""
    with effect("http.look-at-issue"):
        await gh.post(f"/repos/{repository.full_name}/issues/{number}/reactions", data={"content": "eyes"})


async def look_at_comment(gh: GitHubAPI, repository: Repository, said: Said, comment_id: int) -> None:
    """👀 on a comment, in the conversation or on a line of code."""
    with effect("http.look-at-comment"):
        await gh.post(f"/repos/{repository.full_name}/{said}/{comment_id}/reactions", data={"content": "eyes"})


def answer_marker(key: str) -> str:
    """By this an answer is found again; it counts only in a comment of our own App."""
    return f"<!-- cco:answer={key} -->"


async def find_our_comment(
    gh: GitHubAPI, house: House, repository: Repository, number: int, marker: str, since: datetime | None = None
) -> int | None:
    """The first comment of our own App that begins with the marker."""
    found = await our_comment(gh, house, repository, number, marker, since)
    return None if found is None else int(found["id"])


async def our_comment(
    gh: GitHubAPI, house: House, repository: Repository, number: int, marker: str, since: datetime | None = None
) -> dict[str, Any] | None:
    """The same, whole, as GitHub gives it."""
    url = f"/repos/{repository.full_name}/issues/{number}/comments?per_page=100"
    if since is not None:
        url += f"&since={quote(since.strftime('%Y-%m-%dT%H:%M:%SZ'))}"
    async for comment in gh.getiter(url):
        if is_ours(comment, house) and (comment.get("body") or "").startswith(marker):
            return dict(comment)
    return None


def is_ours(comment: Mapping[str, Any], house: House) -> bool:
    """Written by our own App. Anyone can write a marker."""
    author = comment.get("user") or {}
    return bool(author.get("id") == house.bot.id and author.get("login") == house.bot.login)


async def answer_once(
    gh: GitHubAPI, house: House, repository: Repository, number: int, key: str, since: datetime, text: str
) -> None:
    """Comment, unless this was answered before. `since` is when it was asked: no answer is older."""
    marker = answer_marker(key)
    if await find_our_comment(gh, house, repository, number, marker, since) is None:
        await post_comment(gh, house, repository, number, f"{marker}\n{text}")


async def post_comment(gh: GitHubAPI, house: House, repository: Repository, number: int, body: str) -> int:
    """A new comment, without the secrets we know; gives its id."""
    url = f"/repos/{repository.full_name}/issues/{number}/comments"
    with effect("http.comment"):
        posted = await gh.post(url, data={"body": house.redact(body)})
    return int(posted["id"])


def graphql_of(base_url: str) -> str:
    """Where GraphQL is: beside the REST API, and on GitHub Enterprise (`…/api/v3`) one level up."""
    base = base_url.rstrip("/")
    return f"{base.removesuffix('/v3')}/graphql" if base.endswith("/api/v3") else f"{base}/graphql"
