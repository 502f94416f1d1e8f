"""The few things REST cannot do: leave draft, go back to it, and tell who edited what a stranger wrote."""

import re
from typing import Any

from aiohttp import web

from app.demo.github import access, shapes, shapes_work
from app.demo.github.errors import Refused
from app.demo.github.http import Call
from app.demo.github.model import Comment, Edit, Issue
from app.demo.github.world import World

MUTATION = re.compile(r"\b(markPullRequestReadyForReview|convertPullRequestToDraft)\s*\(")
NODE = re.compile(r"\bnode\s*\(\s*id\s*:\s*(?:\$(\w+)|\"([^\"]+)\")")
INPUT_ID = re.compile(r"pullRequestId\s*:\s*(?:\$(\w+)|\"([^\"]+)\")")
INPUT = re.compile(r"input\s*:\s*\$(\w+)")


async def graphql(call: Call) -> web.Response:
    """Answers 200 also where it refuses, with `errors`, as GraphQL does."""
    query = call.text("query", "GraphQL")
    variables = call.body.get("variables") or {}
    if call.caller.kind == "none":
        raise Refused(401, "This endpoint requires you to be authenticated.")
    try:
        if mutation := MUTATION.search(query):
            data = await _set_draft(call, mutation[1], query, variables)
        elif node := NODE.search(query):
            data = {"node": _node(call, str(variables.get(node[1]) if node[1] else node[2]))}
        else:
            return _error("PARSE", "The stand-in knows two mutations and one query, and this is none of them")
    except Refused as refused:
        return _error("NOT_FOUND" if refused.status == 404 else "FORBIDDEN", refused.message)
    return web.json_response({"data": data})


async def _set_draft(call: Call, mutation: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    wanted = None
    if given := INPUT_ID.search(query):
        wanted = variables.get(given[1]) if given[1] else given[2]
    elif given := INPUT.search(query):
        wanted = (variables.get(given[1]) or {}).get("pullRequestId")
    issue = _find(call.world, str(wanted))
    if not isinstance(issue, Issue) or issue.pull is None:
        raise Refused(404, f"Could not resolve to a node with the global id of '{wanted}'")
    access.allow(call.world, call.caller, issue.repository, "write", "pull_requests")
    await call.caller.actor(call.world).set_draft(issue, draft=mutation == "convertPullRequestToDraft")
    return {
        mutation: {
            "clientMutationId": None,
            "pullRequest": {
                "id": f"PR_{issue.pull.id}",
                "number": issue.number,
                "isDraft": issue.pull.draft,
                "url": shapes_work.html_url(call.world, issue),
            },
        }
    }


def _node(call: Call, node_id: str) -> dict[str, Any] | None:
    """An issue, a pull request or a comment, with its text's history; fields not asked for come along."""
    found = _find(call.world, node_id)
    if found is None:
        raise Refused(404, f"Could not resolve to a node with the global id of '{node_id}'")
    issue = found if isinstance(found, Issue) else found[0]
    text: Issue | Comment = found if isinstance(found, Issue) else found[1]
    access.allow(call.world, call.caller, issue.repository, "read", "issues", "pull_requests")
    kind = "IssueComment" if isinstance(text, Comment) else "PullRequest" if text.pull else "Issue"
    shape: dict[str, Any] = {
        "__typename": kind,
        "id": node_id,
        "body": text.body,
        "createdAt": shapes.when(text.created_at),
        "updatedAt": shapes.when(text.updated_at),
        "lastEditedAt": shapes.when(text.edits[-1].edited_at) if text.edits else None,
        "author": {"login": text.user.login.removesuffix("[bot]"), "__typename": text.user.type},
        "editor": {"login": text.edits[-1].editor.login} if text.edits else None,
        "userContentEdits": {
            "totalCount": len(text.edits),
            "nodes": [_edit(text.edits, n) for n in reversed(range(len(text.edits)))],
        },
    }
    return {**shape, "title": text.title, "number": text.number} if isinstance(text, Issue) else shape


def _edit(edits: list[Edit], number: int) -> dict[str, Any]:
    one = edits[number]
    return {
        "id": one.id,
        "editedAt": shapes.when(one.edited_at),
        "createdAt": shapes.when(one.edited_at),
        "deletedAt": None,
        "editor": {"login": one.editor.login},
        "diff": one.previous,
    }


def _find(world: World, node_id: str) -> Issue | tuple[Issue, Comment] | None:
    kind, _, number = node_id.rpartition("_")
    for repository in world.repositories.values():
        for issue in repository.issues.values():
            if kind == "I" and str(issue.id) == number and issue.pull is None:
                return issue
            if kind == "PR" and issue.pull and str(issue.pull.id) == number:
                return issue
            for comment in issue.comments if kind == "IC" else ():
                if str(comment.id) == number:
                    return issue, comment
    return None


def _error(kind: str, message: str) -> web.Response:
    return web.json_response({"data": None, "errors": [{"type": kind, "message": message}]})
