"""Hear that someone closed, merged, reopened or drafted one of our pull requests, and look at it as it stands."""

from gidgethub import routing, sansio

from handlers.desk import Desk
from handlers.github import repository_of
from handlers.hearing import task_of_pull_request
from handlers.reconciling import bring_task_up_to_date

router = routing.Router()


@router.register("pull_request", action="closed")
@router.register("pull_request", action="reopened")
@router.register("pull_request", action="converted_to_draft")
@router.register("pull_request", action="ready_for_review")
async def pull_request_changed(event: sansio.Event, desk: Desk) -> None:
    """What still runs for one that was closed ends: nobody would look at its work. Our own hand is recorded already."""
    repository = repository_of(event.data["repository"], desk.house)
    task = await task_of_pull_request(desk, repository, event.data["pull_request"])
    if task is not None:
        await bring_task_up_to_date(desk, event.data["repository"], task)
