"""REST about check runs and commit statuses."""

from datetime import datetime
from typing import Any

from aiohttp import web

from app.demo.github import bare, checks, shapes, shapes_checks
from app.demo.github.errors import Refused, invalid, not_found
from app.demo.github.http import Call
from app.demo.github.model import App, CheckRun, Repository, Status

LONGEST_TEXT = 65_535
CONCLUSIONS = {"action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"}


async def create_check_run(call: Call) -> web.Response:
    repository = call.repository("write", "checks")
    app = _app(call)
    sha = await bare.resolve(repository.path, call.text("head_sha", "CheckRun"))
    if sha is None:
        raise Refused(422, "No commit found for SHA: " + call.text("head_sha", "CheckRun"))
    now = call.world.now()
    run = CheckRun(
        id=call.world.new_id(),
        app=app,
        name=call.text("name", "CheckRun"),
        head_sha=sha,
        status="queued",
        conclusion=None,
        started_at=now,
        completed_at=None,
        external_id="",
        details_url=None,
        output={},
        suite_id=call.world.new_id(),
    )
    _change(run, call.body, now)
    repository.check_runs.append(run)
    checks.tell(call.world, repository, run, "created")
    if run.status == "completed":
        checks.tell(call.world, repository, run, "completed")
    return web.json_response(shapes_checks.check_run(call.world, repository, run), status=201)


async def update_check_run(call: Call) -> web.Response:
    """Only the App that made it may change it."""
    repository = call.repository("write", "checks")
    run = _run(call, repository)
    if run.app is not _app(call):
        raise Refused(
            403,
            "Invalid app_id `"
            + str(_app(call).id)
            + "` - check run can only be modified by the GitHub App that created it.",
        )
    was = run.status
    _change(run, call.body, call.world.now())
    if run.status == "completed" != was:
        checks.tell(call.world, repository, run, "completed")
    return web.json_response(shapes_checks.check_run(call.world, repository, run))


async def get_check_run(call: Call) -> web.Response:
    repository = call.repository("read", "checks")
    return web.json_response(shapes_checks.check_run(call.world, repository, _run(call, repository)))


async def list_check_runs(call: Call) -> web.Response:
    """The newest run of each name and App at a commit, unless `filter=all`."""
    repository = call.repository("read", "checks")
    sha = await bare.any_ref(repository.path, call.request.match_info["ref"])
    if sha is None:
        raise Refused(422, "No commit found for SHA: " + call.request.match_info["ref"])
    found = [one for one in repository.check_runs if one.head_sha == sha]
    query = call.request.query
    if query.get("filter", "latest") == "latest":
        found = list({(one.app.id, one.name): one for one in found}.values())
    for field, attribute in (("check_name", "name"), ("status", "status")):
        if field in query:
            found = [one for one in found if getattr(one, attribute) == query[field]]
    if "app_id" in query:
        found = [one for one in found if str(one.app.id) == query["app_id"]]
    listed = [shapes_checks.check_run(call.world, repository, one) for one in found]
    return call.page(listed, lambda page: {"total_count": len(listed), "check_runs": page})


async def get_status(call: Call) -> web.Response:
    repository = call.repository("read", "statuses", "contents")
    sha = await bare.any_ref(repository.path, call.request.match_info["ref"])
    if sha is None:
        raise not_found()
    return web.json_response(shapes_checks.combined_status(call.world, repository, sha))


async def create_status(call: Call) -> web.Response:
    repository = call.repository("write", "statuses")
    sha = await bare.resolve(repository.path, call.request.match_info["sha"])
    state = call.text("state", "Status")
    if sha is None:
        raise Refused(422, "No commit found for SHA: " + call.request.match_info["sha"])
    if state not in {"error", "failure", "pending", "success"}:
        raise invalid("Status", "state", "inclusion")
    status = Status(
        call.world.new_id(),
        sha,
        state,
        call.text("context", "Status", default="default"),
        call.body.get("description"),
        call.body.get("target_url"),
        call.caller.actor(call.world).user,
        call.world.now(),
    )
    repository.statuses.append(status)
    shape = shapes_checks.status(call.world, repository, status)
    return web.json_response({**shape, "creator": shapes.user(call.world, status.creator)}, status=201)


def _app(call: Call) -> App:
    if call.caller.token is None:
        raise Refused(403, "You must authenticate via a GitHub App.")
    return call.caller.token.installation.app


def _run(call: Call, repository: Repository) -> CheckRun:
    wanted = call.number("id")
    for run in repository.check_runs:
        if run.id == wanted:
            return run
    raise not_found()


def _change(run: CheckRun, body: dict[str, Any], now: datetime) -> None:
    """A conclusion completes a run, whatever status was sent with it."""
    conclusion, status = body.get("conclusion"), body.get("status", run.status)
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise invalid("CheckRun", "conclusion", "invalid")
    if status not in {"queued", "in_progress", "completed"}:
        raise invalid("CheckRun", "status", "invalid")
    if status == "completed" and conclusion is None and run.conclusion is None:
        raise invalid("CheckRun", "conclusion", "missing_field")
    output = body.get("output")
    if output is not None:
        for field in ("title", "summary"):
            if not isinstance(output.get(field), str):
                raise invalid("CheckRun", f"output.{field}", "missing_field")
        if any(len(str(output.get(field, ""))) > LONGEST_TEXT for field in ("summary", "text")):
            raise invalid("CheckRun", "output", "custom", f"Only {LONGEST_TEXT} characters are allowed")
        run.output = output
    run.name = str(body.get("name", run.name))
    run.external_id = str(body.get("external_id", run.external_id))
    run.details_url = body.get("details_url", run.details_url)
    run.status = "completed" if conclusion else status
    if conclusion:
        run.conclusion, run.completed_at = conclusion, now
    elif status != "completed":
        run.conclusion, run.completed_at = None, None
