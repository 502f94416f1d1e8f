"""REST about pull requests: open, list, change, review, merge."""

from aiohttp import web

from app.demo.github import pulls, shapes, shapes_work, webhooks
from app.demo.github.errors import Refused, invalid
from app.demo.github.http import Call
from app.demo.github.model import Issue, ReviewState
from app.demo.github.shapes_work import the_pull

STATES: dict[str, ReviewState] = {
    "APPROVE": "APPROVED",
    "REQUEST_CHANGES": "CHANGES_REQUESTED",
    "COMMENT": "COMMENTED",
}


async def list_pulls(call: Call) -> web.Response:
    repository = call.repository("read", "pull_requests")
    query = call.request.query
    state, head, base = query.get("state", "open"), query.get("head"), query.get("base")
    found = [
        issue
        for issue in call.world.pulls_of(repository)
        if state in {issue.state, "all"}
        and (base is None or the_pull(issue).base_ref == base)
        and (head is None or ":" not in head or head == _head_label(issue))
    ]
    found.sort(key=lambda issue: issue.number, reverse=query.get("direction", "desc") == "desc")
    return call.page([shapes_work.pull_simple(call.world, issue) for issue in found])


async def create_pull(call: Call) -> web.Response:
    repository = call.repository("write", "pull_requests")
    issue = await call.caller.actor(call.world).open_pull(
        repository,
        call.text("title", "PullRequest"),
        call.text("head", "PullRequest"),
        call.text("base", "PullRequest"),
        call.text("body", "PullRequest", default=""),
        draft=call.body.get("draft") is True,
    )
    return web.json_response(shapes_work.pull_request(call.world, issue), status=201)


async def get_pull(call: Call) -> web.Response:
    issue = call.pull("read")
    if "diff" in call.request.headers.get("Accept", ""):
        return web.Response(text=await pulls.patch(issue), content_type="application/vnd.github.diff")
    return web.json_response(shapes_work.pull_request(call.world, issue))


async def update_pull(call: Call) -> web.Response:
    """Title, body, state and base; REST cannot take a pull request out of draft."""
    issue = call.pull("write")
    actor = call.caller.actor(call.world)
    body = call.body
    if "title" in body or "body" in body:
        await actor.edit_issue(issue, title=body.get("title"), body=body["body"] or "" if "body" in body else None)
    if "base" in body and body["base"] != the_pull(issue).base_ref:
        raise invalid("PullRequest", "base", "invalid")
    if body.get("state") == "closed":
        await actor.close(issue)
    elif body.get("state") == "open":
        await actor.reopen(issue)
    return web.json_response(shapes_work.pull_request(call.world, issue))


async def merge_pull(call: Call) -> web.Response:
    issue = call.pull("write", "contents")
    sha = await call.caller.actor(call.world).merge(
        issue,
        call.text("merge_method", "PullRequest", default="merge"),
        sha=call.body.get("sha"),
        title=call.text("commit_title", "PullRequest", default=""),
        message=call.text("commit_message", "PullRequest", default=""),
    )
    return web.json_response({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


async def list_reviews(call: Call) -> web.Response:
    issue = call.pull("read")
    return call.page([shapes_work.review(call.world, issue, one) for one in the_pull(issue).reviews])


async def create_review(call: Call) -> web.Response:
    issue = call.pull("write")
    state = STATES.get(str(call.body.get("event")))
    if state is None:
        raise Refused(422, "Unprocessable Entity: a review that stays pending is not modelled here")
    remarks = [
        (one["path"], one.get("line") or one.get("position") or 1, one["body"]) for one in call.body.get("comments", [])
    ]
    text = call.text("body", "PullRequestReview", default="")
    review = await call.caller.actor(call.world).review(issue, state, text, remarks)
    return web.json_response(shapes_work.review(call.world, issue, review))


async def list_review_comments(call: Call) -> web.Response:
    issue = call.pull("read")
    return call.page([shapes_work.review_comment(call.world, issue, one) for one in the_pull(issue).review_comments])


async def list_requested_reviewers(call: Call) -> web.Response:
    asked = the_pull(call.pull("read")).requested_reviewers
    return web.json_response({"users": [shapes.user(call.world, one) for one in asked], "teams": []})


async def request_reviewers(call: Call) -> web.Response:
    issue = call.pull("write")
    pull = the_pull(issue)
    for login in call.body.get("reviewers", []):
        person = call.world.find_user(str(login))
        if person is None or issue.repository.permission_of(person) == "none":
            text = "Reviews may only be requested from collaborators."
            raise Refused(
                422, f"{text} One or more of the users you specified is not a collaborator of the repository."
            )
        if person is issue.user:
            raise Refused(422, "Review cannot be requested from pull request author.")
        if person not in pull.requested_reviewers:
            pull.requested_reviewers.append(person)
            who = call.caller.actor(call.world).user
            asked = shapes.user(call.world, person)
            webhooks.emit_issue(call.world, "review_requested", issue, who, requested_reviewer=asked)
    return web.json_response(shapes_work.pull_simple(call.world, issue), status=201)


def _head_label(issue: Issue) -> str:
    pull = the_pull(issue)
    return f"{pull.head_repository.owner.login}:{pull.head_ref}"
