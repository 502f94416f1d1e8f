"""Gather an issue as it stood when someone asked: no later edit, and no comment by people without write access."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gidgethub.abc import GitHubAPI

from handlers import commands, policy
from handlers.desk import House
from handlers.github import actor_of, permission_of, when
from handlers.prompt import Matter, Remark
from handlers.sanitize import visible_line
from runner.tasks import Actor, Repository

MOST_COMMENTS = 500


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
