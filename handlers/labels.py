"""Start a run when an issue is labelled; stop it when the label goes or the issue is closed."""

import asyncio
import logging
from typing import Any

from gidgethub import routing, sansio

from handlers import looking_first, policy, starting
from handlers.desk import Desk
from handlers.github import (
    actor_of,
    allow,
    identity_of,
    look_at_issue,
    permission_of,
    repository_of,
    when,
)
from runner.tasks import TriggerKind

logger = logging.getLogger(__name__)

router = routing.Router()

LABEL_REMOVED = "the label was removed"
ISSUE_CLOSED = "the issue was closed"


@router.register("issues", action="labeled")
async def issue_labeled(event: sansio.Event, desk: Desk) -> None:
    """Our label, put on by a person who may write, on an issue that is open and still has it."""
    sender, pictured = event.data["sender"], event.data["issue"]
    if not _is_trigger(event.data["label"], desk):
        return
    if not policy.speaks_for_itself(sender):
        logger.info("label by %s on %s: not a person", sender.get("login"), pictured["html_url"])
        return
    repository, asker = repository_of(event.data["repository"], desk.house), actor_of(sender, desk.house)
    issue, permission = await asyncio.gather(
        starting.open_issue(desk, event.data["repository"], pictured["number"]),
        permission_of(desk.gh, repository, asker),
    )
    if not any(_is_trigger(label, desk) for label in issue["labels"]):
        return
    allow(policy.may_command(asker.login, permission))
    at = when(pictured["updated_at"])
    if await looking_first.was_served(desk, repository, issue["number"], at):
        logger.info("the label on %s was served before the database was restored", pictured["html_url"])
        return
    at, wish = when(pictured["updated_at"]), starting.wish_id(f"label/{event.delivery_id}")
    outcomes = await asyncio.gather(  # 👀 may have to wait for its turn to write; the work need not
        look_at_issue(desk.gh, repository, issue["number"]),
        starting.begin(desk, event.data["repository"], pictured, at, asker, TriggerKind.label, wish),
        return_exceptions=True,  # neither ends with the other
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


@router.register("issues", action="unlabeled")
async def issue_unlabeled(event: sansio.Event, desk: Desk) -> None:
    """Whoever can take the label off can stop the work."""
    if _is_trigger(event.data["label"], desk):
        await _stop(event, desk, LABEL_REMOVED)


@router.register("issues", action="closed")
async def issue_closed(event: sansio.Event, desk: Desk) -> None:
    """Nobody waits for the work any more. A merge closes the issue too, and then nothing runs."""
    await _stop(event, desk, ISSUE_CLOSED)


@router.register("issues", action="deleted")
@router.register("issues", action="transferred")
async def issue_gone(event: sansio.Event, desk: Desk) -> None:
    """It is not here any more."""
    await _stop(event, desk, "the issue is gone")


async def _stop(event: sansio.Event, desk: Desk, why: str) -> None:
    repository = repository_of(event.data["repository"], desk.house)
    task = await desk.store.task_of("github", identity_of(repository, event.data["issue"]["number"]))
    if task is not None:
        await desk.conductor.stop(task.id, event.data["sender"]["login"], why)


def _is_trigger(label: dict[str, Any], desk: Desk) -> bool:
    """GitHub's labels differ in more than case, or are the same."""
    return bool(label["name"].casefold() == desk.house.trigger_label.casefold())
