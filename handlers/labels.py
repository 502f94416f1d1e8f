"""Hear that an issue was labelled or closed, and look at it: the label starts a run, taking it off stops it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gidgethub import routing, sansio

from handlers.desk import Desk
from handlers.github import identity_of, repository_of, when
from handlers.reconciling import bring_up_to_date
from handlers.standing import ISSUE_GONE, is_trigger
from runner.errors import TryLater
from runner.tasks import Task

router = routing.Router()

# GitHub's lists can be a moment behind its own webhooks. What a list does not show by then, the reconciler finds.
LAG = timedelta(seconds=5)
PATIENCE = timedelta(minutes=1)


@router.register("issues", action="labeled")
async def issue_labeled(event: sansio.Event, desk: Desk) -> None:
    """Our label, put on by a person who may write, on an issue that is open and still has it."""
    pictured = event.data["issue"]
    if not is_trigger(event.data["label"], desk.house.trigger_label):
        return
    seen = await bring_up_to_date(desk, event.data["repository"], pictured["number"], pictured)
    _must_be_shown(seen.standing.labelled.labelling.at if seen.standing.labelled else None, pictured)


@router.register("issues", action="reopened")
async def issue_reopened(event: sansio.Event, desk: Desk) -> None:
    """A label that was put on while it was closed counts now."""
    pictured = event.data["issue"]
    if any(is_trigger(label, desk.house.trigger_label) for label in pictured["labels"]):
        await bring_up_to_date(desk, event.data["repository"], pictured["number"])


@router.register("issues", action="unlabeled")
async def issue_unlabeled(event: sansio.Event, desk: Desk) -> None:
    """Whoever can take the label off can stop the work."""
    if is_trigger(event.data["label"], desk.house.trigger_label):
        await _withdrawn(event, desk)


@router.register("issues", action="closed")
async def issue_closed(event: sansio.Event, desk: Desk) -> None:
    """Nobody waits for the work any more. A merge closes the issue too, and then nothing runs."""
    await _withdrawn(event, desk)


@router.register("issues", action="deleted")
@router.register("issues", action="transferred")
async def issue_gone(event: sansio.Event, desk: Desk) -> None:
    """It is not here any more."""
    task = await _task_of(event, desk)
    if task is not None:
        await desk.conductor.stop(task.id, event.data["sender"]["login"], ISSUE_GONE)


async def _withdrawn(event: sansio.Event, desk: Desk) -> None:
    pictured = event.data["issue"]
    if await _task_of(event, desk) is not None:
        seen = await bring_up_to_date(desk, event.data["repository"], pictured["number"])
        if not seen.is_gone:
            _must_be_shown(seen.standing.withdrawn.at if seen.standing.withdrawn else None, pictured)


def _must_be_shown(shown_at: datetime | None, told: Mapping[str, Any]) -> None:
    """Raise TryLater while GitHub's list lacks what its webhook has just told."""
    told_at = when(told["updated_at"])
    is_new = datetime.now(UTC) - told_at < PATIENCE
    if is_new and (shown_at is None or told_at - shown_at > LAG):
        raise TryLater("GitHub does not list yet what it has just told us")


async def _task_of(event: sansio.Event, desk: Desk) -> Task | None:
    repository = repository_of(event.data["repository"], desk.house)
    return await desk.store.register.of_subject("github", identity_of(repository, event.data["issue"]["number"]))
