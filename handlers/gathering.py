"""Gather an issue as it stood when someone asked: no later edit, and no comment by people without write access."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gidgethub.abc import GitHubAPI

from handlers import commands, policy
from handlers.desk import Desk, House
from handlers.github import actor_of, graphql_of, permission_of, when
from handlers.prompt import Matter, Remark
from handlers.sanitize import visible_line
from handlers.standing import Standing
from runner.errors import Refusal
from runner.tasks import Actor, Repository

MOST_COMMENTS = 500

LAST_EDITED = "query ($id: ID!) { node(id: $id) { ... on Issue { lastEditedAt } } }"
EDITED_SINCE = (
    "This issue was edited after I was asked, and before I could see it. So that nobody's later words pass for those "
    "that were meant, please ask again: take the label off and put it on, or write the command."
)


async def as_it_stood(
    desk: Desk, picture: Mapping[str, Any] | None, now: Mapping[str, Any], standing: Standing, at: datetime
) -> Mapping[str, Any]:
    """The issue in the words it had at that time: a webhook's picture taken then, or what it says now, unedited since.

    Raises Refusal where neither is to be had.
    """
    if picture is not None and when(picture["updated_at"]) == at:
        return picture
    found = await desk.gh.graphql(LAST_EDITED, endpoint=graphql_of(desk.gh.base_url), id=now["node_id"])
    edited_at = (found.get("node") or {}).get("lastEditedAt")
    if (edited_at and when(edited_at) > at) or (standing.renamed_at and standing.renamed_at > at):
        raise Refusal(EDITED_SINCE)
    return now


async def matter_of(
    gh: GitHubAPI, house: House, repository: Repository, issue: Mapping[str, Any], at: datetime
) -> Matter:
    """`issue` is the webhook's own picture of it, taken at the trigger, and `at` is when that was.

    Comments written or edited later are left out: nobody approved them.
    """
    remarks: list[Remark] = []
    permissions: dict[Actor, str | None] = {}
    seen = 0
    async for comment in gh.getiter(f"/repos/{repository.full_name}/issues/{issue['number']}/comments?per_page=100"):
        seen += 1
        if seen > MOST_COMMENTS or when(comment["created_at"]) > at:
            break
        author = comment.get("user") or {}
        body = comment.get("body") or ""
        edited_later = when(comment["updated_at"]) > at
        if edited_later or not policy.speaks_for_itself(author, comment) or commands.parse(body):
            continue
        actor = actor_of(author, house)
        if actor not in permissions:
            permissions[actor] = await permission_of(gh, repository, actor)
        if isinstance(policy.may_command(actor.login, permissions[actor]), policy.Allowed):
            remarks.append(Remark(actor.login, body))
    return Matter(
        key=f"{repository.full_name}#{issue['number']}",
        title=visible_line(issue["title"]),
        author=(issue.get("user") or {}).get("login", "someone who is gone"),
        body=issue.get("body") or "",
        remarks=tuple(remarks),
    )
