"""Follow what people do with our pull requests: closed, merged, reopened, drafted."""

from collections.abc import Mapping
from typing import Any

from gidgethub import routing, sansio

from handlers.desk import Desk
from handlers.github import repository_of
from runner.events import PullRequestClosed, PullRequestOpened, PullRequestReady
from runner.tasks import Repository, Task

router = routing.Router()

MERGED = "the pull request was merged"
CLOSED = "the pull request was closed"


@router.register("pull_request", action="closed")
async def pull_request_closed(event: sansio.Event, desk: Desk) -> None:
    """What still runs for it ends: nobody would look at its work."""
    pull_request = event.data["pull_request"]
    task = await task_of(desk, repository_of(event.data["repository"], desk.house), pull_request)
    if task is None or task.pull_request is None:
        return
    merged = bool(pull_request.get("merged"))
    if task.pull_request.state == "open":
        await desk.store.record(task.id, PullRequestClosed(pull_request["number"], merged))
    await desk.conductor.stop(task.id, event.data["sender"]["login"], MERGED if merged else CLOSED)


@router.register("pull_request", action="reopened")
@router.register("pull_request", action="converted_to_draft")
@router.register("pull_request", action="ready_for_review")
async def pull_request_changed(event: sansio.Event, desk: Desk) -> None:
    """Open again, or in or out of draft by someone else's hand. Our own hand is recorded already."""
    pull_request = event.data["pull_request"]
    task = await task_of(desk, repository_of(event.data["repository"], desk.house), pull_request)
    if task is None or task.pull_request is None or pull_request["state"] != "open":
        return
    draft = bool(pull_request.get("draft"))
    if task.pull_request.state == "open" and task.pull_request.draft == draft:
        return
    number: Any = pull_request["number"]
    await desk.store.record(task.id, PullRequestOpened(number, pull_request["html_url"]))
    if not draft:
        await desk.store.record(task.id, PullRequestReady(number))


async def task_of(desk: Desk, repository: Repository, pull_request: Mapping[str, Any]) -> Task | None:
    """The task whose pull request this is. One that we opened and never wrote down is known by its branch."""
    number, head = pull_request["number"], pull_request["head"]
    task = await desk.store.task_of_pull_request(repository.host, repository.id, number)
    if task is not None or (head.get("repo") or {}).get("id") != repository.id:
        return task
    task = await desk.store.task_of_branch(repository.host, repository.id, head["ref"])
    if task is None or task.pull_request is not None:
        return None
    await desk.store.record(task.id, PullRequestOpened(number, pull_request["html_url"]))
    return await desk.store.task(task.id)
