"""REST about issues: labels, comments and reactions, which pull requests share."""

from datetime import datetime

from aiohttp import web

from app.demo.github import shapes, shapes_work
from app.demo.github.errors import Refused, invalid, not_found
from app.demo.github.http import Call
from app.demo.github.model import Issue, Reaction


async def get_issue(call: Call) -> web.Response:
    return web.json_response(shapes_work.issue(call.world, call.issue("read")))


async def list_issues(call: Call) -> web.Response:
    """Pull requests are in the list too, as on GitHub."""
    repository = call.repository("read", "issues", "pull_requests")
    query = call.request.query
    state = query.get("state", "open")
    if state not in {"open", "closed", "all"}:
        raise invalid("Issue", "state", "invalid")
    wanted = {name.lower() for name in query.get("labels", "").split(",") if name}
    since = _since(call)
    found = [
        issue
        for issue in repository.issues.values()
        if state in {issue.state, "all"}
        and wanted <= {label.name.lower() for label in issue.labels}
        and (since is None or issue.updated_at >= since)
    ]
    by_update = query.get("sort") == "updated"
    found.sort(
        key=lambda issue: (issue.updated_at if by_update else issue.created_at, issue.number),
        reverse=query.get("direction", "desc") == "desc",
    )
    return call.page([shapes_work.issue(call.world, issue) for issue in found])


async def create_issue(call: Call) -> web.Response:
    repository = call.repository("write", "issues")
    labels = call.body.get("labels") or []
    names = [str(one["name"] if isinstance(one, dict) else one) for one in labels]
    actor = call.caller.actor(call.world)
    issue = await actor.open_issue(
        repository, call.text("title", "Issue"), call.text("body", "Issue", default=""), names
    )
    return web.json_response(shapes_work.issue(call.world, issue), status=201)


async def update_issue(call: Call) -> web.Response:
    issue = call.issue("write")
    actor = call.caller.actor(call.world)
    body = call.body
    if "title" in body or "body" in body:
        await actor.edit_issue(issue, title=body.get("title"), body=body["body"] or "" if "body" in body else None)
    if "assignees" in body:
        await actor.assign(issue, body["assignees"] or [])
    if "labels" in body:
        wanted = [str(one["name"] if isinstance(one, dict) else one) for one in body["labels"] or []]
        await _replace_labels(call, issue, wanted)
    if body.get("state") == "closed":
        await actor.close(issue, body.get("state_reason") or "completed")
    elif body.get("state") == "open":
        await actor.reopen(issue)
    elif body.get("state") is not None:
        raise invalid("Issue", "state", "invalid")
    return web.json_response(shapes_work.issue(call.world, issue))


async def list_repository_labels(call: Call) -> web.Response:
    repository = call.repository("read", "issues", "pull_requests")
    return call.page([shapes.label(call.world, repository, one) for one in repository.labels])


async def list_labels(call: Call) -> web.Response:
    return _labels(call, call.issue("read"))


async def add_labels(call: Call) -> web.Response:
    issue = call.issue("write")
    given = call.body.get("labels", call.body.get(""))
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list):
        raise invalid("Label", "name", "missing_field")
    names = [str(one["name"] if isinstance(one, dict) else one) for one in given]
    await call.caller.actor(call.world).label(issue, *names)
    return _labels(call, issue)


async def remove_label(call: Call) -> web.Response:
    issue = call.issue("write")
    await call.caller.actor(call.world).unlabel(issue, call.request.match_info["name"])
    return _labels(call, issue)


async def list_comments(call: Call) -> web.Response:
    issue, since = call.issue("read"), _since(call)
    found = [one for one in issue.comments if since is None or one.updated_at >= since]
    return call.page([shapes_work.comment(call.world, issue, one) for one in found])


async def list_repository_comments(call: Call) -> web.Response:
    """Those of all issues and pull requests; in order of their ids, unless a sort is asked for."""
    repository, since = call.repository("read", "issues", "pull_requests"), _since(call)
    found = [
        (issue, one)
        for issue in repository.issues.values()
        for one in issue.comments
        if since is None or one.updated_at >= since
    ]
    by, newest_first = call.request.query.get("sort"), call.request.query.get("direction", "desc") == "desc"
    if by == "updated":
        found.sort(key=lambda pair: (pair[1].updated_at, pair[1].id), reverse=newest_first)
    else:
        found.sort(key=lambda pair: pair[1].id, reverse=by == "created" and newest_first)
    return call.page([shapes_work.comment(call.world, issue, one) for issue, one in found])


async def list_events(call: Call) -> web.Response:
    issue = call.issue("read")
    return call.page([shapes_work.issue_event(call.world, issue, one) for one in issue.events])


async def create_comment(call: Call) -> web.Response:
    issue = call.issue("write")
    comment = await call.caller.actor(call.world).comment(issue, call.text("body", "IssueComment"))
    return web.json_response(shapes_work.comment(call.world, issue, comment), status=201)


async def get_comment(call: Call) -> web.Response:
    issue, comment = call.comment("read")
    return web.json_response(shapes_work.comment(call.world, issue, comment))


async def update_comment(call: Call) -> web.Response:
    issue, comment = call.comment("write")
    await call.caller.actor(call.world).edit_comment(issue, comment, call.text("body", "IssueComment"))
    return web.json_response(shapes_work.comment(call.world, issue, comment))


async def delete_comment(call: Call) -> web.Response:
    issue, comment = call.comment("write")
    await call.caller.actor(call.world).delete_comment(issue, comment)
    return web.Response(status=204)


async def list_issue_reactions(call: Call) -> web.Response:
    return _list_reactions(call, call.issue("read").reactions)


async def create_issue_reaction(call: Call) -> web.Response:
    return await _react(call, call.issue("write").reactions)


async def delete_issue_reaction(call: Call) -> web.Response:
    return _unreact(call, call.issue("write").reactions)


async def list_comment_reactions(call: Call) -> web.Response:
    return _list_reactions(call, call.comment("read")[1].reactions)


async def create_comment_reaction(call: Call) -> web.Response:
    return await _react(call, call.comment("write")[1].reactions)


async def delete_comment_reaction(call: Call) -> web.Response:
    return _unreact(call, call.comment("write")[1].reactions)


async def list_review_comment_reactions(call: Call) -> web.Response:
    return _list_reactions(call, call.review_comment("read")[1].reactions)


async def create_review_comment_reaction(call: Call) -> web.Response:
    return await _react(call, call.review_comment("write")[1].reactions)


async def delete_review_comment_reaction(call: Call) -> web.Response:
    return _unreact(call, call.review_comment("write")[1].reactions)


async def _replace_labels(call: Call, issue: Issue, wanted: list[str]) -> None:
    actor = call.caller.actor(call.world)
    for label in list(issue.labels):
        if label.name.lower() not in {name.lower() for name in wanted}:
            await actor.unlabel(issue, label.name)
    await actor.label(issue, *wanted)


def _labels(call: Call, issue: Issue) -> web.Response:
    return call.page([shapes.label(call.world, issue.repository, one) for one in issue.labels])


def _list_reactions(call: Call, given: list[Reaction]) -> web.Response:
    wanted = call.request.query.get("content")
    return call.page([shapes.reaction(call.world, one) for one in given if wanted in {None, one.content}])


async def _react(call: Call, given: list[Reaction]) -> web.Response:
    reaction, fresh = await call.caller.actor(call.world).react(given, call.text("content", "Reaction"))
    return web.json_response(shapes.reaction(call.world, reaction), status=201 if fresh else 200)


def _unreact(call: Call, given: list[Reaction]) -> web.Response:
    wanted = call.number("reaction_id")
    who = call.caller.actor(call.world).user
    for reaction in given:
        if reaction.id == wanted:
            if reaction.user is not who:
                raise Refused(403, "Resource not accessible by integration")
            given.remove(reaction)
            return web.Response(status=204)
    raise not_found()


def _since(call: Call) -> datetime | None:
    value = call.request.query.get("since")
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as exc:
        raise invalid("Issue", "since", "invalid") from exc
    if moment.tzinfo is None:
        raise invalid("Issue", "since", "invalid")
    return moment
