"""Bring a delivery to everyone it concerns: each callback isolated, a Refusal said to the person, the rest raised."""

import logging
from typing import Any

from gidgethub import routing, sansio

from handlers import comments, github, installations, labels, pull_requests, reconciling
from handlers.desk import Desk
from handlers.sanitize import neutralise
from runner.errors import Refusal, TryLater

logger = logging.getLogger(__name__)

ROUTER = routing.Router(labels.router, comments.router, pull_requests.router, installations.router, reconciling.router)


class DispatchFailed(ExceptionGroup[Exception]):
    """All that went wrong with a delivery, each with its traceback: it is parked, and can be replayed."""


def concerns_us(event: str, action: str | None, router: routing.Router = ROUTER) -> bool:
    """Whether anything here listens to such a delivery."""
    return bool(router.fetch(sansio.Event({"action": action}, event=event, delivery_id="")))


async def dispatch(event: sansio.Event, desk: Desk, router: routing.Router = ROUTER) -> None:
    """Run every matching callback, whatever becomes of the others. Doing it again is safe.

    Raises TryLater if the weather is to blame for all that failed, and DispatchFailed if anything else is.
    """
    failed: list[Exception] = []
    for callback in sorted(router.fetch(event), key=lambda found: (found.__module__, found.__name__)):
        try:
            try:
                await callback(event, desk)
            except Refusal as refusal:
                await _say(event, desk, refusal)
        except Exception as error:  # noqa: BLE001  (each is raised again below, with the others)
            failed.append(error)
    if not failed:
        return
    later = [error for error in failed if isinstance(error, TryLater)]
    if len(later) == len(failed):
        after = max((found.after for found in later if found.after is not None), default=None)
        raise TryLater("; ".join(str(found) for found in later), after) from failed[0]
    raise DispatchFailed(f"{event.event} {event.delivery_id}", failed)


async def _say(event: sansio.Event, desk: Desk, refusal: Refusal) -> None:
    """Where the person spoke, once."""
    data: dict[str, Any] = event.data
    place = data.get("issue") or data.get("pull_request")
    if place is None or event.event == reconciling.EVENT:  # nobody spoke
        logger.info("refused %s %s: %s", event.event, event.delivery_id, refusal)
        return
    repository = github.repository_of(data["repository"], desk.house)
    key, at = _spoken(event)
    await github.answer_once(
        desk.gh, desk.house, repository, place["number"], key, github.when(at), neutralise(str(refusal))
    )


def _spoken(event: sansio.Event) -> tuple[str, str]:
    """By what name the thing is answered, and since when it is there to be answered."""
    data: dict[str, Any] = event.data
    match event.event:
        case "issue_comment":
            return f"{data['comment']['id']}", data["comment"]["created_at"]
        case "pull_request_review_comment":
            return f"remark-{data['comment']['id']}", data["comment"]["created_at"]
        case "pull_request_review":
            return f"review-{data['review']['id']}", data["review"]["submitted_at"]
        case _:
            place = data.get("issue") or data["pull_request"]
            return event.delivery_id, place["updated_at"]
